//! Masks as prompts.

use std::path::Path;

use anyhow::{Result, bail};

use crate::frames::photo;

/// Reads a mask of the given size, row by row.
///
/// What is at least half as bright as the brightest pixel is inside. That reads 0/255 pictures, 0/1 pictures and
/// the coloured ones that `track` writes.
pub fn read(path: &Path, size: (u32, u32)) -> Result<Vec<bool>> {
    let picture = photo::read(path)?;
    if picture.dimensions() != size {
        bail!(
            "the mask {} has {}x{} pixels, but the picture it is for has {}x{}",
            path.display(),
            picture.width(),
            picture.height(),
            size.0,
            size.1
        );
    }
    let brightness = || picture.pixels().map(|p| u16::from(*p.0.iter().max().expect("three channels")));
    let brightest = brightness().max().unwrap_or(0);
    if brightest == 0 {
        bail!("the mask {} is black everywhere: it marks no object", path.display());
    }
    Ok(brightness().map(|b| 2 * b >= brightest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert!(read(&path, (3, 1)).expect_err("black").to_string().contains("no object"));
    }
}
