//! Still images: any format, upright, 8-bit RGB, with bounded memory.

use std::fs::File;
use std::io::{BufRead, Read, Seek};
use std::path::Path;

use image::{DynamicImage, ImageBuffer, Rgb};
use sam2_model::Frame;

use super::iter::frame;
use crate::decode::content::{Content, Decoded};
use crate::decode::{self, kind, tiff};
use crate::error::{MediaError, PictureError};

/// Reads a photo, `-` from stdin: rotated upright by its EXIF data, without transparency, as 8-bit RGB.
///
/// ```
/// use sam2_media::frames::photo;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("photo.png");
/// # sam2_media::pictures::png::write_rgb(&path, &image::RgbImage::new(4, 2))?;
/// let photo = photo::read(&path)?; // or "photo.jpg".as_ref()
/// assert_eq!((photo.width(), photo.height()), (4, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be read, is no picture, is damaged or cut short, or is too large.
pub fn read(path: &Path) -> Result<Frame, MediaError> {
    read_with_notes(path).map(|(frame, _)| frame)
}

/// [`read`], and what a user should know about the picture: a line each, without the name of the file.
///
/// ```
/// # use sam2_media::frames::photo;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("photo.png");
/// # sam2_media::pictures::png::write_rgb(&path, &image::RgbImage::new(4, 2))?;
/// let (photo, note) = photo::read_with_notes(&path)?;
/// assert_eq!((photo.width(), note), (4, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`read`].
pub fn read_with_notes(path: &Path) -> Result<(Frame, Option<String>), MediaError> {
    decode::read(path).and_then(upright).map_err(cannot_read(path))
}

/// [`read`] of a picture in memory or within a file.
///
/// # Errors
/// As [`read`].
pub(super) fn decode(source: impl BufRead + Seek + 'static) -> Result<Frame, PictureError> {
    upright(decode::read_from(Box::new(source))?).map(|(frame, _)| frame)
}

fn upright(decoded: Decoded) -> Result<(Frame, Option<String>), PictureError> {
    let (mut picture, note) = match decoded.content {
        Content::Image(picture) => {
            let note = spread(&picture);
            (picture, note)
        }
        Content::Samples(samples) => {
            let (width, height) = samples.size;
            let buffer: Option<ImageBuffer<Rgb<u8>, Vec<u8>>> =
                ImageBuffer::from_raw(width, height, tiff::rgb(&samples));
            let picture = buffer.map(DynamicImage::from).ok_or(PictureError::Empty { width, height })?;
            (picture, tiff::note(&samples))
        }
    };
    picture.apply_orientation(decoded.orientation);
    let rgb = picture.into_rgb8();
    Ok((frame(rgb.dimensions(), rgb.into_raw())?, note))
}

/// The note of [`read_with_notes`] with the name of the file; pictures of 8 bits have none and are not
/// decoded.
///
/// # Errors
/// As [`read`].
pub fn note(path: &Path) -> Result<Option<String>, MediaError> {
    if !decode::is_wide(path).map_err(cannot_read(path))? {
        return Ok(None);
    }
    Ok(read_with_notes(path)?.1.map(|note| format!("{}: {note}", path.display())))
}

/// Width and height of [`read`], from the header alone.
///
/// ```
/// # use sam2_media::frames::photo;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("photo.png");
/// # sam2_media::pictures::png::write_rgb(&path, &image::RgbImage::new(4, 2))?;
/// assert_eq!(photo::dimensions(&path)?, (4, 2));
/// assert!(photo::is_picture(&path));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`read`]; damage within the pixels is found on reading only.
pub fn dimensions(path: &Path) -> Result<(u32, u32), MediaError> {
    decode::size(path).map_err(cannot_read(path))
}

/// Whether the file starts like a still image of a known format.
pub fn is_picture(path: &Path) -> bool {
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(64).read_to_end(&mut head)).is_ok()
        && kind::read(&head).is_some()
}

fn cannot_read(path: &Path) -> impl FnOnce(PictureError) -> MediaError {
    move |source| MediaError::Picture { path: path.to_owned(), source }
}

/// A note about 16-bit values that span little of their range, as cameras with 12 bits write them.
fn spread(picture: &DynamicImage) -> Option<String> {
    let colours = |values: &[u16], channels: usize, colours: usize| {
        let values = values.chunks_exact(channels).flat_map(|pixel| &pixel[..colours]);
        values.fold((u16::MAX, 0), |(low, high), &value| (low.min(value), high.max(value)))
    };
    let (low, high) = match picture {
        DynamicImage::ImageLuma16(picture) => colours(picture.as_raw(), 1, 1),
        DynamicImage::ImageLumaA16(picture) => colours(picture.as_raw(), 2, 1),
        DynamicImage::ImageRgb16(picture) => colours(picture.as_raw(), 3, 3),
        DynamicImage::ImageRgba16(picture) => colours(picture.as_raw(), 4, 3),
        _ => return None,
    };
    tiff::narrow(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;
    use image::{GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA};

    fn pixel(frame: &Frame, x: usize, y: usize) -> &[u8] {
        &frame.rgb()[3 * (y * frame.width() + x)..][..3]
    }

    #[test]
    fn every_depth_becomes_rgb8() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let grey16 = dir.path().join("grey16.png");
        ImageBuffer::<Luma<u16>, _>::from_fn(3, 2, |x, _| Luma([[0, 32_768, 65_535][x as usize]]))
            .save(&grey16)
            .expect("save");
        let picture = read(&grey16).expect("read");
        assert_eq!((picture.width(), picture.height()), (3, 2));
        assert_eq!(pixel(&picture, 0, 0), ([0, 0, 0]));
        assert_eq!(pixel(&picture, 1, 1), ([128, 128, 128]));
        assert_eq!(pixel(&picture, 2, 0), ([255, 255, 255]));

        let alpha = dir.path().join("alpha.png");
        GrayAlphaImage::from_pixel(1, 1, LumaA([77, 0])).save(&alpha).expect("save");
        assert_eq!(read(&alpha).expect("read").rgb(), [77, 77, 77]);
    }

    /// A TIFF-structured EXIF block with the one tag "orientation".
    fn exif(orientation: u8) -> Vec<u8> {
        let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
        exif
    }

    #[test]
    fn exif_orientation_is_applied() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("photo.jpg");
        // Dark left, bright right; orientation 6: rotate 90 degrees clockwise to display.
        let plain = GrayImage::from_fn(64, 32, |x, _| Luma([if x < 32 { 0 } else { 255 }]));
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut jpeg).encode_image(&plain).expect("encode");
        let block = exif(6);
        let mut file = jpeg[..2].to_vec();
        file.extend([0xff, 0xe1]);
        file.extend((block.len() as u16 + 2).to_be_bytes());
        file.extend(block);
        file.extend(&jpeg[2..]);
        std::fs::write(&path, file).expect("write");
        assert_eq!(dimensions(&path).expect("header"), (32, 64));
        let picture = read(&path).expect("read");
        assert_eq!((picture.width(), picture.height()), (32, 64));
        assert!(pixel(&picture, 16, 4)[0] < 8 && pixel(&picture, 16, 60)[0] > 247);
    }

    #[test]
    fn text_is_not_a_picture() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("notes.png");
        std::fs::write(&path, "shopping list").expect("write");
        let text = in_full(&read(&path).expect_err("refused"));
        assert!(text.contains("notes.png") && text.contains("not a picture"), "{text}");
    }
}
