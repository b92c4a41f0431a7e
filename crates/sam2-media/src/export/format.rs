//! The formats and their options.

use std::fmt;
use std::str::FromStr;

use crate::error::ExportError;

/// A format of annotations or pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Segmentation labels of ultralytics: a text file per picture, a row per object.
    Yolo,
    /// A JSON file of polygons beside each picture.
    Labelme,
    /// One `instances.json` of polygons or run lengths.
    Coco,
    /// COCO's format for clips: an entry per object with its masks on all frames.
    Ytvis,
    /// The annotations of Meta's data set SA-V.
    Sav,
    /// A folder per object with a black and white mask per frame, as in SA-V's validation set.
    SavPng,
    /// Boxes as in MOTChallenge.
    Mot,
    /// Run lengths as in MOTS, without overlaps.
    Mots,
    /// Label maps in the palette of DAVIS.
    Davis,
    /// Frames with masks drawn on them: a video, an animated picture or a folder.
    Overlay,
    /// Frames that are transparent outside the masks: a video or a folder.
    Alpha,
}

const NAMES: [(&str, Format); 11] = [
    ("yolo", Format::Yolo),
    ("labelme", Format::Labelme),
    ("coco", Format::Coco),
    ("ytvis", Format::Ytvis),
    ("sav", Format::Sav),
    ("sav-png", Format::SavPng),
    ("mot", Format::Mot),
    ("mots", Format::Mots),
    ("davis", Format::Davis),
    ("overlay", Format::Overlay),
    ("alpha", Format::Alpha),
];

impl Format {
    /// Its name, as it is parsed.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// Whether it is made of the pictures themselves.
    pub fn needs_images(self) -> bool {
        matches!(self, Self::Labelme | Self::Overlay | Self::Alpha)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, ExportError> {
        let known = NAMES.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, format)| *format)
            .ok_or_else(|| ExportError::Format(text.to_owned(), NAMES.map(|(name, _)| name).join(", ")))
    }
}

/// Options of the formats. Each format reads those that concern it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// Polygons: how far a simplified outline may lie from the mask's, pixels; 0 keeps every corner. Less is
    /// simplified where the IoU with the mask would fall below 0.99.
    pub simplify: f64,
    /// [`Format::Coco`]: run lengths also where polygons would do.
    pub always_rle: bool,
    /// [`Format::Yolo`]: leave holes out instead of reaching them by bridges.
    pub drop_holes: bool,
    /// [`Format::Labelme`]: exact masks instead of polygons.
    pub labelme_mask: bool,
    /// [`Format::SavPng`]: 255 inside a mask instead of 1.
    pub white: bool,
    /// [`Format::Mot`]: the box of the largest piece instead of the box of all.
    pub largest: bool,
    /// [`Format::Mot`] and [`Format::Mots`]: number of the first frame of the clip; 1 and 0 if absent.
    pub first_frame: Option<usize>,
    /// [`Format::Overlay`]: share of the object's colour, 0 ..= 1.
    pub alpha: f32,
    /// [`Format::Overlay`]: draw the numbers of the objects.
    pub labels: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            simplify: 0.0,
            always_rle: false,
            drop_holes: false,
            labelme_mask: false,
            white: false,
            largest: false,
            first_frame: None,
            alpha: 0.35,
            labels: false,
        }
    }
}
