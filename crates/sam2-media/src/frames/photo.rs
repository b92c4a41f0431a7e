//! Still images: any format, upright, 8-bit RGB, with bounded memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use sam2_model::Frame;

use super::iter::frame;
use crate::error::{MediaError, PictureError};
use crate::size::check_size;

/// Memory that a decoder may allocate, in bytes: 128 megapixels of 16-bit RGBA, twice.
const MAX_DECODER_BYTES: u64 = 2 << 30;
/// Maximum number of bytes read from stdin.
const MAX_STDIN: u64 = 1 << 30;

/// Reads a photo, `-` from stdin: rotated upright by its EXIF data, without transparency, as 8-bit RGB.
///
/// # Errors
/// If the file cannot be read, is no picture, or is too large.
pub fn read(path: &Path) -> Result<Frame, MediaError> {
    open(path).and_then(upright).map_err(cannot_read(path))
}

/// [`read`] of a picture in memory or within a file.
///
/// # Errors
/// As [`read`].
pub(super) fn decode(source: impl BufRead + Seek + 'static) -> Result<Frame, PictureError> {
    upright(decoder(source)?)
}

fn upright(mut decoder: Box<dyn ImageDecoder>) -> Result<Frame, PictureError> {
    let orientation = decoder.orientation().map_err(PictureError::decode)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(PictureError::decode)?;
    picture.apply_orientation(orientation);
    let rgb = picture.into_rgb8();
    frame(rgb.dimensions(), rgb.into_raw())
}

/// Width and height of [`read`], from the header alone.
///
/// # Errors
/// As [`read`].
pub fn dimensions(path: &Path) -> Result<(u32, u32), MediaError> {
    let inner = || {
        let mut decoder = open(path)?;
        let (width, height) = decoder.dimensions();
        let swapped = matches!(
            decoder.orientation().map_err(PictureError::decode)?,
            Orientation::Rotate90
                | Orientation::Rotate270
                | Orientation::Rotate90FlipH
                | Orientation::Rotate270FlipH
        );
        Ok(if swapped { (height, width) } else { (width, height) })
    };
    inner().map_err(cannot_read(path))
}

/// Whether the file starts like a still image of a known format.
pub fn is_picture(path: &Path) -> bool {
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(64).read_to_end(&mut head)).is_ok()
        && image::guess_format(&head).is_ok()
}

fn cannot_read(path: &Path) -> impl FnOnce(PictureError) -> MediaError {
    move |source| MediaError::Picture { path: path.to_owned(), source }
}

fn open(path: &Path) -> Result<Box<dyn ImageDecoder>, PictureError> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().take(MAX_STDIN).read_to_end(&mut bytes)?;
        return decoder(Cursor::new(bytes));
    }
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(PictureError::Folder);
    }
    decoder(BufReader::new(file))
}

fn decoder(source: impl BufRead + Seek + 'static) -> Result<Box<dyn ImageDecoder>, PictureError> {
    let mut reader = ImageReader::new(source).with_guessed_format()?;
    if reader.format().is_none() {
        return Err(PictureError::Format);
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(PictureError::decode)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    Ok(Box::new(decoder))
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
