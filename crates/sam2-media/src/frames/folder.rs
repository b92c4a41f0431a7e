//! A folder of images as a clip.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image::RgbImage;

use super::{natural, photo};

/// The pictures of a folder in natural order, all of one size.
#[derive(Debug)]
pub struct Folder {
    files: Vec<PathBuf>,
    size: (u32, u32),
}

impl Folder {
    /// Lists the folder and checks every header, so that a stray picture is named now and not after an hour.
    pub fn open(path: &Path, max_frames: Option<usize>) -> Result<Self> {
        let cannot_list = || format!("cannot list the folder {}", path.display());
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path).with_context(cannot_list)? {
            let entry = entry.with_context(cannot_list)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let extension = Path::new(&name).extension().map(|e| e.to_string_lossy().to_lowercase());
            if !name.starts_with('.') && extension.is_some_and(|e| photo::EXTENSIONS.contains(&e.as_str())) {
                names.push((name, entry.path()));
            }
        }
        names.sort_by(|(a, _), (b, _)| natural::compare(a, b));
        names.truncate(max_frames.unwrap_or(usize::MAX));
        let files: Vec<PathBuf> = names.into_iter().map(|(_, file)| file).collect();
        let Some(first) = files.first() else {
            bail!("the folder {} holds no pictures ({})", path.display(), photo::EXTENSIONS.join(", "));
        };
        let size = photo::dimensions(first)?;
        for file in &files[1..] {
            let (width, height) = photo::dimensions(file)?;
            if (width, height) != size {
                bail!(
                    "frames must all have the size of the first: {} has {}x{} pixels, {} has {width}x{height}",
                    first.display(),
                    size.0,
                    size.1,
                    file.display(),
                );
            }
        }
        Ok(Self { files, size })
    }

    /// Width and height of every frame.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// The name of a frame's file without its ending.
    pub fn stem(&self, index: usize) -> &str {
        self.files[index].file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// Reads one frame.
    pub fn frame(&self, index: usize) -> Result<RgbImage> {
        photo::read(&self.files[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

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
        let levels: Vec<u8> =
            (0..folder.len()).map(|i| folder.frame(i).expect("frame").get_pixel(0, 0).0[0]).collect();
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
