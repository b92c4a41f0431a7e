//! Masks as prompts.

use std::path::Path;

use sam2_model::Mask;

use super::array_file;

use crate::error::{MediaError, PictureError};
use crate::pictures::mask;

/// Reads the mask of an object, of any size: the predictors resize it as Meta's code does.
///
/// A label map (palette, small grey numbers, 16 bits, colours of the DAVIS data set) is read by the number of
/// the object; without a number it must hold one object only. A black and white or soft mask is inside from
/// half of its largest brightness on. Where the alpha channel is not opaque, it is the mask. NumPy files are
/// read by [`array_file`].
///
/// ```
/// use sam2_media::pictures::png;
/// use sam2_media::prompts::mask_file;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("mask.png");
/// png::write_indexed(&path, (3, 1), &[0, 2, 1])?; // a label map of two objects
/// assert_eq!(mask_file::read(&path, Some(2))?.data(), [false, true, false]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the picture cannot be read, can be read in two ways, or does not mark the object.
pub fn read(path: &Path, object: Option<u32>) -> Result<Mask, MediaError> {
    if array_file::is_array(path) {
        return array_file::read_mask(path, object);
    }
    let inner = || {
        let (marks, (width, height)) = mask::read(path)?;
        let inside = marks.object(object)?;
        Mask::new(width as usize, height as usize, inside).map_err(|_| PictureError::Empty { width, height })
    };
    inner().map_err(|source| MediaError::Mask { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;
    use image::{GrayImage, Luma};

    #[test]
    fn a_mask_keeps_its_size_and_its_file_is_named() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("mask.png");
        GrayImage::from_fn(3, 1, |x, _| Luma([if x == 1 { 255 } else { 0 }])).save(&path).expect("save");
        let mask = read(&path, Some(4)).expect("read");
        assert_eq!((mask.width(), mask.height(), mask.data()), (3, 1, &[false, true, false][..]));
        GrayImage::new(3, 1).save(&path).expect("save");
        let text = in_full(&read(&path, None).expect_err("black"));
        assert!(text.contains("mask.png") && text.contains("no object"), "{text}");
    }
}
