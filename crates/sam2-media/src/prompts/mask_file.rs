//! Masks as prompts.

use std::path::Path;

use crate::error::{MediaError, PictureError};
use crate::frames::{photo, size_of};

/// Reads a mask of this width and height, row by row.
///
/// Pixels at least half as bright as the brightest are inside. This accepts 0/255 images, 0/1 images and the
/// coloured masks of `sam2 track`.
///
/// # Errors
/// If the picture cannot be read, has another size, or is black.
pub fn read(path: &Path, size: (u32, u32)) -> Result<Vec<bool>, MediaError> {
    let picture = photo::read(path)?;
    let unusable = |source| Err(MediaError::Mask { path: path.to_owned(), source });
    let found = size_of(&picture);
    if found != size {
        return unusable(PictureError::MaskSize { found, expected: size });
    }
    let brightness = || picture.rgb().chunks_exact(3).map(|p| u16::from(p[0].max(p[1]).max(p[2])));
    let brightest = brightness().max().unwrap_or(0);
    if brightest == 0 {
        return unusable(PictureError::BlackMask);
    }
    Ok(brightness().map(|b| 2 * b >= brightest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;
    use image::{GrayImage, Luma, Rgb, RgbImage};

    #[test]
    fn usual_kinds_of_masks_are_understood() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("mask.png");
        for high in [1, 255] {
            GrayImage::from_fn(3, 1, |x, _| Luma([if x == 1 { high } else { 0 }])).save(&path).expect("save");
            assert_eq!(read(&path, (3, 1)).expect("read"), [false, true, false]);
        }
        RgbImage::from_fn(3, 1, |x, _| Rgb([[0, 0, 0], [128, 0, 0], [0, 64, 0]][x as usize]))
            .save(&path)
            .expect("save");
        assert_eq!(read(&path, (3, 1)).expect("read"), [false, true, true]);
        assert!(read(&path, (3, 2)).expect_err("size").to_string().contains("mask.png"));
        GrayImage::new(3, 1).save(&path).expect("save");
        assert!(in_full(&read(&path, (3, 1)).expect_err("black")).contains("no object"));
    }
}
