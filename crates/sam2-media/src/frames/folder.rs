//! A folder of images as a clip.

use std::path::{Path, PathBuf};

use sam2_model::Frame;

use super::{natural, photo};
use crate::error::{ClipError, MediaError};
use crate::files::list;
use crate::limits::EXTENSIONS;

/// The images of a folder in natural order, all of one size.
#[derive(Debug)]
pub struct Folder {
    files: Vec<PathBuf>,
    size: (u32, u32),
}

impl Folder {
    /// Lists the folder and reads every header, so that a mismatched image is reported before tracking.
    ///
    /// # Errors
    /// If the folder cannot be listed, holds no pictures, or its pictures differ in size.
    pub fn open(path: &Path, max_frames: Option<usize>) -> Result<Self, MediaError> {
        let is_picture = |file: &Path| {
            let extension = file.extension().map(|e| e.to_string_lossy().to_lowercase());
            extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
        };
        let mut names = list(path, is_picture)?;
        names.sort_by(|a, b| natural::compare(a, b));
        names.truncate(max_frames.unwrap_or(usize::MAX));
        let files: Vec<PathBuf> = names.into_iter().map(|name| path.join(name)).collect();
        let first = files.first().ok_or_else(|| ClipError::NoPictures(path.to_owned()))?;
        let size = photo::dimensions(first)?;
        for file in &files[1..] {
            let other = photo::dimensions(file)?;
            if other != size {
                let (first, other) = (Box::new((first.clone(), size)), Box::new((file.clone(), other)));
                return Err(ClipError::SizesDiffer { first, other }.into());
            }
        }
        Ok(Self { files, size })
    }

    /// Width and height of every frame, in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Number of frames, at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// The name of a frame's file without its extension.
    ///
    /// # Panics
    /// If there is no frame `index`.
    pub fn stem(&self, index: usize) -> &str {
        self.files[index].file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// If the picture cannot be read.
    ///
    /// # Panics
    /// If there is no frame `index`.
    pub fn frame(&self, index: usize) -> Result<Frame, MediaError> {
        photo::read(&self.files[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    #[test]
    fn frames_come_in_natural_order_and_one_size() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for (name, level) in [("f10.png", 10), ("f9.PNG", 9), ("f100.bmp", 100)] {
            RgbImage::from_pixel(4, 3, Rgb([level; 3]))
                .save_with_format(
                    dir.path().join(name),
                    if name.ends_with("bmp") { image::ImageFormat::Bmp } else { image::ImageFormat::Png },
                )
                .expect("save");
        }
        std::fs::write(dir.path().join("notes.txt"), "not a frame").expect("write");
        std::fs::write(dir.path().join(".hidden.png"), "not a frame").expect("write");
        let folder = Folder::open(dir.path(), None).expect("open");
        let levels: Vec<u8> = (0..folder.len()).map(|i| folder.frame(i).expect("frame").rgb()[0]).collect();
        assert_eq!(levels, [9, 10, 100]);
        assert_eq!(Folder::open(dir.path(), Some(2)).expect("open").len(), 2);

        RgbImage::new(5, 3).save(dir.path().join("f11.png")).expect("save");
        let text = Folder::open(dir.path(), None).expect_err("sizes differ").to_string();
        assert!(text.contains("f11.png") && text.contains("5x3") && text.contains("4x3"), "{text}");
    }

    #[test]
    fn a_folder_without_pictures_is_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let text = Folder::open(dir.path(), None).expect_err("empty").to_string();
        assert!(text.contains("holds no pictures"), "{text}");
    }
}
