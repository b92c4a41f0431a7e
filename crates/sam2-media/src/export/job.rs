//! One format, written to one place.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{Format, Options};
use super::images::Images;
use super::place::Place;
use super::set::{Picture, Set};
use super::{coco, film, json, labelme, mot, sav, yolo, ytvis};
use crate::error::{ExportError, MediaError};
use crate::files;
use crate::outputs::{FileId, Plan, names};
use crate::pictures::png;

/// What is to be written, and where.
#[derive(Clone, Debug)]
pub struct Job {
    /// The format.
    pub format: Format,
    place: Place,
    options: Options,
}

impl Job {
    /// `out` is a folder, or a file with an extension that the format has.
    ///
    /// # Errors
    /// If the format has no file of this extension.
    pub fn new(format: Format, out: PathBuf, options: Options) -> Result<Self, ExportError> {
        Ok(Self { format, place: Place::of(format, out)?, options })
    }

    /// The file or the folder.
    pub fn out(&self) -> &Path {
        match &self.place {
            Place::File(path) | Place::Folder(path) => path,
        }
    }

    /// The folder of the pictures that a format has beside its own files.
    fn pictures(&self) -> Option<PathBuf> {
        match (&self.place, self.format) {
            (Place::Folder(folder), Format::Yolo) => Some(folder.join(IMAGES)),
            (Place::Folder(folder), Format::Labelme) => Some(folder.clone()),
            _ => None,
        }
    }

    /// Whether the pictures lie where the format has them, so that none is copied.
    pub fn is_beside(&self, images: &Images) -> bool {
        let id = |folder: &Path| FileId::of(folder);
        let theirs = images.file(0).map(files::folder_of).and_then(id);
        theirs.is_some() && theirs == self.pictures().as_deref().and_then(id)
    }

    /// Adds what may be written to a plan. `name` is that of the clip or photo; `stems` are the names of its
    /// pictures without extensions, so that files of others in the same folder are left alone.
    pub fn plan(&self, plan: &mut Plan, name: &str, mut stems: Vec<OsString>, beside: bool) {
        stems.sort();
        let stems = Arc::new(stems);
        let folder = match &self.place {
            Place::File(path) => return plan.writes(path),
            Place::Folder(folder) => folder,
        };
        let mut series = |folder: PathBuf, extension: &'static str| {
            let stems = Arc::clone(&stems);
            plan.writes_series(folder, move |file| is_own(file, extension, &stems));
        };
        match self.format {
            Format::Yolo => series(folder.join(LABELS), "txt"),
            Format::Labelme => series(folder.clone(), "json"),
            Format::SavPng => {
                let objects = fs::read_dir(folder.join(name)).into_iter().flatten().flatten();
                objects.for_each(|object| series(object.path(), "png"));
            }
            Format::Davis | Format::Overlay | Format::Alpha => series(folder.clone(), "png"),
            _ => {}
        }
        if let Some(pictures) = self.pictures().filter(|_| !beside) {
            series(pictures, "");
        }
        for file in self.lists(name) {
            plan.writes_list(folder.join(file));
        }
    }

    /// Files in the folder beside a series.
    fn lists(&self, name: &str) -> Vec<String> {
        match self.format {
            Format::Yolo => vec![DATA.to_owned()],
            Format::Coco | Format::Ytvis => vec![INSTANCES.to_owned()],
            Format::Sav => vec![format!("{name}_manual.json")],
            Format::Mot => vec![TRUTH.to_owned(), SEQUENCE.to_owned()],
            Format::Mots => vec![format!("{name}.txt")],
            _ => Vec::new(),
        }
    }

    /// Checks that it can be written, before the masks are computed.
    ///
    /// # Errors
    /// If it cannot, or ffmpeg is needed and not there.
    pub fn prepare(&self) -> Result<(), MediaError> {
        self.place.prepare()
    }

    /// Writes all files of the set, which [`Set::reduce`] has put into order. Returns remarks about what the
    /// format could not hold.
    ///
    /// # Errors
    /// If the format needs the pictures and there are none, cannot hold an object, or a file cannot be
    /// written.
    pub fn write(&self, set: &Set, images: Option<&Images>) -> Result<Vec<String>, MediaError> {
        let options = &self.options;
        let images = match images {
            None if self.format.needs_images() => {
                return Err(ExportError::NoImages(self.format.name()).into());
            }
            images => images,
        };
        let one = |name: &str, text: String| save(&self.place.file(name), &text);
        let lists = self.lists(&set.name);
        let first = lists.first().map_or("", String::as_str);
        let mut remarks = Vec::new();
        if let (Some(images), Some(folder)) =
            (images.filter(|images| !self.is_beside(images)), self.pictures())
        {
            copy(set, images, &folder)?;
        }
        match self.format {
            Format::Coco => one(first, coco::text(set, options))?,
            Format::Ytvis => one(first, ytvis::text(set))?,
            Format::Sav => one(first, sav::text(set))?,
            Format::Mot => {
                let truth = matches!(self.place, Place::Folder(_));
                one(first, mot::boxes(set, options, truth))?;
                if truth {
                    one(SEQUENCE, mot::sequence(set))?;
                }
            }
            Format::Mots => {
                let (text, lost) = mot::masks(set, options)?;
                one(first, text)?;
                remarks.extend(lost_pixels(lost));
            }
            Format::Yolo => {
                let folder = self.out();
                let mut differing = 0;
                for frame in &set.frames {
                    let (text, pixels) = yolo::text(set, frame, options);
                    save_in_series(&folder.join(LABELS).join(format!("{}.txt", frame.stem())), &text)?;
                    differing += pixels;
                }
                sync(&folder.join(LABELS))?;
                let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
                let path = json::quoted(&whole.to_string_lossy());
                one(first, yolo::data(&path, set.classes.names()))?;
                if differing > 0 {
                    remarks.push(format!("{differing} pixels differ when the rows are filled again"));
                }
            }
            Format::Labelme => {
                for frame in &set.frames {
                    let file = self.out().join(format!("{}.json", frame.stem()));
                    save_in_series(&file, &labelme::text(set, frame, options))?;
                }
                sync(self.out())?;
            }
            Format::SavPng => self.masks(set)?,
            Format::Davis => {
                let mut lost = 0;
                for frame in &set.frames {
                    let (labels, pixels) = mot::labels(set, &frame.objects)?;
                    let file = self.out().join(format!("{}.png", frame.stem()));
                    png::write_indexed(&file, set.size, &labels)?;
                    lost += pixels;
                }
                sync(self.out())?;
                remarks.extend(lost_pixels(lost));
            }
            Format::Overlay | Format::Alpha => {
                if let Some(images) = images {
                    film::write(set, images, &self.place, self.format == Format::Alpha, options)?;
                }
            }
        }
        Ok(remarks)
    }

    /// A mask of every object on every frame, in a folder per object.
    fn masks(&self, set: &Set) -> Result<(), MediaError> {
        let pixels = set.size.0 as usize * set.size.1 as usize;
        for id in set.ids() {
            let folder = self.out().join(&set.name).join(format!("{id:03}"));
            files::prepare_folder(&folder)?;
            for frame in &set.frames {
                let file = folder.join(format!("{}.png", frame.stem()));
                let mask = Set::mask(frame, id).map(|object| object.rle.mask());
                let inside = mask.map_or_else(|| vec![false; pixels], |mask| mask.data().to_vec());
                if self.options.white {
                    png::write_mask(&file, set.size, &inside)?;
                } else {
                    let labels: Vec<u8> = inside.into_iter().map(u8::from).collect();
                    png::write_indexed(&file, set.size, &labels)?;
                }
            }
            sync(&folder)?;
        }
        Ok(())
    }
}

const LABELS: &str = "labels";
const IMAGES: &str = "images";
const DATA: &str = "data.yaml";
const INSTANCES: &str = "instances.json";
const TRUTH: &str = "gt/gt.txt";
const SEQUENCE: &str = "seqinfo.ini";

/// Whether a file with this extension, or with that of any picture if it is empty, belongs to the pictures.
fn is_own(file: &str, extension: &str, stems: &[OsString]) -> bool {
    let Some((stem, found)) = file.rsplit_once('.') else { return false };
    let fits = if extension.is_empty() { !matches!(found, "json" | "txt") } else { found == extension };
    fits && (stems.binary_search_by(|other| other.as_os_str().cmp(OsStr::new(stem))).is_ok()
        || names::frame(&format!("{stem}.png")).is_some())
}

fn lost_pixels(count: u64) -> Option<String> {
    (count > 0)
        .then(|| format!("{count} pixels of overlaps are written for the object with the lower number only"))
}

fn save(path: &Path, text: &str) -> Result<(), MediaError> {
    save_in_series(path, text)?;
    files::sync_folder(files::folder_of(path))
}

fn save_in_series(path: &Path, text: &str) -> Result<(), MediaError> {
    files::prepare_folder(files::folder_of(path))?;
    files::write_in_series(path, |file| file.write_all(text.as_bytes()))
}

fn sync(folder: &Path) -> Result<(), MediaError> {
    // There is no folder of labels where there was no frame.
    if folder.is_dir() { files::sync_folder(folder) } else { Ok(()) }
}

/// Copies the pictures of a set; frames of videos are written as PNG.
fn copy(set: &Set, images: &Images, folder: &Path) -> Result<(), MediaError> {
    files::prepare_folder(folder)?;
    let is_file = |frame: &&Picture| images.file(frame.index).is_some();
    let others = set.frames.iter().filter(|frame| !is_file(frame)).map(|frame| frame.index).collect();
    let mut frames = images.frames(others)?;
    for frame in &set.frames {
        let to = folder.join(&frame.file);
        if let Some(from) = images.file(frame.index) {
            let mut source =
                File::open(from).map_err(|source| MediaError::Open { path: from.to_owned(), source })?;
            files::write_in_series(&to, |file| io::copy(&mut source, file).map(drop))?;
        } else if let Some(frame) = frames.next() {
            png::write_rgb(&to, &crate::pictures::overlay::picture(&frame?.1))?;
        }
    }
    sync(folder)
}
