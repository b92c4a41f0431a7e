//! The pictures that results are of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sam2_model::Frame;

use super::set::{FPS, Object, Picture, Set, name_of};
use crate::error::{ClipError, MediaError};
use crate::frames::{Clip, FrameIter, photo};

/// A clip or a photo, which is read again when it is exported.
pub struct Images {
    /// Its name without an extension.
    name: String,
    kind: Kind,
}

enum Kind {
    Clip(Clip),
    /// The name of a photo's file, the file itself unless it is a frame of a clip or stdin, and its pixels.
    Photo(String, Option<PathBuf>, Frame),
}

impl Images {
    /// Opens a folder of pictures, a clip or a photo.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        match Clip::open(path, None) {
            Ok(clip) => Ok(Self::clip(path, clip)),
            Err(MediaError::Clip(ClipError::SinglePicture(_))) => {
                Ok(Self::photo(path, None, photo::read(path)?))
            }
            Err(e) => Err(e),
        }
    }

    /// A clip that is open.
    pub fn clip(path: &Path, clip: Clip) -> Self {
        Self { name: name_of(path), kind: Kind::Clip(clip) }
    }

    /// A photo that was read, or frame `index` of a clip.
    pub fn photo(path: &Path, index: Option<usize>, frame: Frame) -> Self {
        let name = name_of(path);
        let own = path.file_name().filter(|_| index.is_none() && path != Path::new("-"));
        let file = match (own, index) {
            (Some(own), _) => own.to_string_lossy().into_owned(),
            (None, Some(index)) => format!("{name}_{index:05}.png"),
            (None, None) => format!("{name}.png"),
        };
        let from = own.map(|_| path.to_owned());
        Self { name, kind: Kind::Photo(file, from, frame) }
    }

    /// Width and height, pixels.
    pub fn size(&self) -> (u32, u32) {
        match &self.kind {
            Kind::Clip(clip) => clip.size(),
            Kind::Photo(_, _, frame) => (frame.width() as u32, frame.height() as u32),
        }
    }

    /// Number of pictures.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        match &self.kind {
            Kind::Clip(clip) => clip.len(),
            Kind::Photo(..) => 1,
        }
    }

    /// An empty set with the name and the size of the pictures.
    pub fn set(&self) -> Set {
        let fps = match &self.kind {
            Kind::Clip(clip) => clip.fps().unwrap_or(FPS),
            Kind::Photo(..) => FPS,
        };
        let mut set = Set::new(self.name.clone(), self.size());
        (set.length, set.fps) = (self.len(), fps);
        set
    }

    /// Objects on a picture.
    pub fn picture(&self, index: usize, objects: Vec<Object>) -> Picture {
        Picture { index, file: self.file_name(index), objects }
    }

    /// The name of a picture's file; a frame of a video has a number.
    pub fn file_name(&self, index: usize) -> String {
        match &self.kind {
            Kind::Photo(name, ..) => name.clone(),
            Kind::Clip(clip) => {
                let own = clip.file(index).and_then(Path::file_name);
                own.map_or_else(|| format!("{index:05}.png"), |name| name.to_string_lossy().into_owned())
            }
        }
    }

    /// The file of a picture, if it is one.
    pub(super) fn file(&self, index: usize) -> Option<&Path> {
        match &self.kind {
            Kind::Photo(_, file, _) => file.as_deref(),
            Kind::Clip(clip) => clip.file(index),
        }
    }

    /// The pictures of these indices in ascending order.
    pub(super) fn frames(&self, wanted: BTreeSet<usize>) -> Result<FrameIter, MediaError> {
        match &self.kind {
            Kind::Clip(clip) => clip.select(wanted),
            Kind::Photo(_, _, frame) => {
                let frame = frame.clone();
                Ok(Box::new(wanted.into_iter().map(move |index| Ok((index, frame.clone())))))
            }
        }
    }
}
