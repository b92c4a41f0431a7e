//! Folders of masks of one video: a label map per frame, or a folder per object with a mask per frame.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sam2_media::files::{self, list};
use sam2_media::pictures::label_map::{self, Labels};
use sam2_media::pictures::png;
use sam2_model::Mask;

/// The folder of masks of one video.
#[derive(Debug)]
pub struct Layout {
    /// The folder of the video.
    pub root: PathBuf,
    /// Whether it has one folder per object.
    pub per_object: bool,
    /// The objects' folders, listed on opening.
    folders: BTreeMap<u32, PathBuf>,
}

/// The masks of a frame.
pub struct FrameMasks {
    /// Masks by object number, of any size.
    pub objects: BTreeMap<u32, Mask>,
    /// The colours of a file, RGB triples; empty if it has none.
    pub palette: Vec<u8>,
}

impl Layout {
    /// A folder to write masks into.
    pub fn new(root: PathBuf, per_object: bool) -> Self {
        Self { root, per_object, folders: BTreeMap::new() }
    }

    /// A folder of masks; lists its objects if they have folders of their own.
    pub fn open(root: PathBuf, per_object: bool) -> Result<Self> {
        let mut layout = Self::new(root, per_object);
        let root = &layout.root;
        let names = list(root, Path::is_dir)?;
        for name in names.into_iter().filter(|_| per_object) {
            let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
                bail!(
                    "{} is not named by an object's number; --per_obj_png_file expects VIDEO/000, VIDEO/001 \
                     ...",
                    root.join(name).display()
                );
            };
            if let Some(other) = layout.folders.insert(id, root.join(&name)) {
                bail!("{} and {} are the same object", other.display(), name.display());
            }
        }
        Ok(layout)
    }

    /// The numbers of the objects that have folders.
    pub fn objects(&self) -> impl Iterator<Item = u32> {
        self.folders.keys().copied()
    }

    /// Whether the frame of this name has a mask.
    pub fn has_frame(&self, stem: &OsStr) -> bool {
        let mut files = self.folders.values().map(|folder| folder.join(png_name(stem)));
        if self.per_object {
            files.any(|file| file.is_file())
        } else {
            self.root.join(png_name(stem)).is_file()
        }
    }

    /// Reads the masks of a frame. An object whose folder lacks the frame is not in the result.
    pub fn read(&self, stem: &OsStr) -> Result<FrameMasks> {
        let mut masks = FrameMasks { objects: BTreeMap::new(), palette: Vec::new() };
        let name = png_name(stem);
        let mask = |found: &Labels, inside: Vec<bool>, path: &Path| {
            let (width, height) = (found.size.0 as usize, found.size.1 as usize);
            Mask::new(width, height, inside).with_context(|| format!("cannot use {}", path.display()))
        };
        if !self.per_object {
            let path = self.root.join(name);
            let found = label_map::read(&path)?;
            let mut present = [false; 256];
            found.data.iter().for_each(|&label| present[usize::from(label)] = true);
            for id in (1..=u8::MAX).filter(|&id| present[usize::from(id)]) {
                let inside = found.data.iter().map(|&label| label == id).collect();
                masks.objects.insert(u32::from(id), mask(&found, inside, &path)?);
            }
            masks.palette = found.palette.unwrap_or_default();
            return Ok(masks);
        }
        for (&id, folder) in &self.folders {
            let path = folder.join(&name);
            if path.is_file() {
                let found = label_map::read(&path)?;
                let inside = found.data.iter().map(|&label| label > 0).collect();
                masks.objects.insert(id, mask(&found, inside, &path)?);
                masks.palette = found.palette.unwrap_or_default();
            }
        }
        Ok(masks)
    }

    /// Writes the masks of a frame; in a label map the lower object number is kept.
    pub fn write(
        &self,
        stem: &OsStr,
        size: (u32, u32),
        masks: &[(u32, Vec<bool>)],
        palette: &[u8],
    ) -> Result<()> {
        if !self.per_object {
            let numbered =
                masks.iter().map(|(id, inside)| (u8::try_from(*id).unwrap_or(u8::MAX), inside.as_slice()));
            let ids = png::merge_objects(size.0 as usize * size.1 as usize, numbered);
            return Ok(png::write_indexed_with(&self.file(stem, 0), size, &ids, palette)?);
        }
        for (id, inside) in masks {
            let ids: Vec<u8> = inside.iter().map(|&inside| u8::from(inside)).collect();
            png::write_indexed_with(&self.file(stem, *id), size, &ids, palette)?;
        }
        Ok(())
    }

    /// The folders that masks of `objects` are written into, and those of other objects that are there.
    pub fn written_folders(&self, objects: impl Iterator<Item = u32>) -> Vec<PathBuf> {
        if !self.per_object {
            return vec![self.root.clone()];
        }
        let mut ids: BTreeSet<String> = objects.map(|id| format!("{id:03}")).collect();
        let is_object = |name: &String| name.len() >= 3 && name.bytes().all(|byte| byte.is_ascii_digit());
        let names = list(&self.root, Path::is_dir).unwrap_or_default().into_iter();
        ids.extend(names.filter_map(|name| name.into_string().ok()).filter(is_object));
        ids.into_iter().map(|id| self.root.join(id)).collect()
    }

    /// Creates the folders that [`Self::write`] writes into.
    pub fn prepare(&self, objects: impl Iterator<Item = u32>) -> Result<()> {
        if !self.per_object {
            return Ok(files::prepare_folder(&self.root)?);
        }
        let mut folders = objects.map(|id| self.root.join(format!("{id:03}")));
        Ok(folders.try_for_each(|folder| files::prepare_folder(&folder))?)
    }

    /// The mask file of a frame (and of an object, if there is one file per object).
    pub fn file(&self, stem: &OsStr, object: u32) -> PathBuf {
        let name = png_name(stem);
        if self.per_object { self.root.join(format!("{object:03}")).join(name) } else { self.root.join(name) }
    }
}

/// The name of the mask of a frame.
fn png_name(stem: &OsStr) -> OsString {
    let mut name = stem.to_owned();
    name.push(".png");
    name
}
