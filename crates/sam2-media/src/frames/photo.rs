//! Still pictures: any format, upright, 8-bit RGB, and never more memory than a stated limit.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use anyhow::{Context, Result, bail};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};

/// The longest side that is read, in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// The largest picture that is read, in pixels (128 megapixels: 400 MB as RGB).
pub const MAX_PIXELS: u64 = 128 * 1024 * 1024;
/// What a decoder may allocate, in bytes: 128 megapixels of 16-bit RGBA, twice.
const MAX_DECODER_BYTES: u64 = 2 << 30;
/// Endings that count as pictures in a folder of frames.
pub const EXTENSIONS: [&str; 8] = ["png", "jpg", "jpeg", "bmp", "webp", "tif", "tiff", "gif"];

/// What `-` may send.
const MAX_STDIN: u64 = 1 << 30;

/// Reads a photo, `-` from stdin: turned upright as its EXIF data say, transparency dropped, grey and 16-bit made 8-bit RGB.
pub fn read(path: &Path) -> Result<RgbImage> {
    read_inner(path).with_context(|| cannot_read(path))
}

/// Width and height that [`read`] will give, from the header alone.
pub fn dimensions(path: &Path) -> Result<(u32, u32)> {
    let inner = || {
        let mut decoder = open(path)?;
        let (width, height) = decoder.dimensions();
        let swapped = matches!(
            decoder.orientation()?,
            Orientation::Rotate90
                | Orientation::Rotate270
                | Orientation::Rotate90FlipH
                | Orientation::Rotate270FlipH
        );
        anyhow::Ok(if swapped { (height, width) } else { (width, height) })
    };
    inner().with_context(|| cannot_read(path))
}

/// Refuses pictures that would need absurd amounts of memory.
pub fn check_size(width: u32, height: u32) -> Result<()> {
    if width == 0 || height == 0 {
        bail!("it is empty ({width}x{height} pixels)");
    }
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        bail!(
            "it has {width}x{height} pixels, and at most {MAX_SIDE} a side and {} megapixels in all are read; \
             scale it down first",
            MAX_PIXELS >> 20
        );
    }
    Ok(())
}

/// Whether the file begins like a still picture of a known format.
pub fn looks_like_a_picture(path: &Path) -> bool {
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(64).read_to_end(&mut head)).is_ok()
        && image::guess_format(&head).is_ok()
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read the picture {}", path.display())
}

fn open(path: &Path) -> Result<Box<dyn ImageDecoder>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().take(MAX_STDIN).read_to_end(&mut bytes)?;
        return decoder(Cursor::new(bytes));
    }
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        bail!("it is a folder");
    }
    decoder(BufReader::new(file))
}

fn decoder(source: impl BufRead + Seek + 'static) -> Result<Box<dyn ImageDecoder>> {
    let mut reader = ImageReader::new(source).with_guessed_format()?;
    if reader.format().is_none() {
        bail!("it is not a picture that can be read (PNG, JPEG, GIF, BMP, WebP or TIFF)");
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    Ok(Box::new(decoder))
}

fn read_inner(path: &Path) -> Result<RgbImage> {
    let mut decoder = open(path)?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb};

    #[test]
    fn every_depth_becomes_rgb8() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let grey16 = dir.path().join("grey16.png");
        ImageBuffer::<Luma<u16>, _>::from_fn(3, 2, |x, _| Luma([[0, 32_768, 65_535][x as usize]]))
            .save(&grey16)
            .expect("save");
        let picture = read(&grey16).expect("read");
        assert_eq!(picture.dimensions(), (3, 2));
        assert_eq!(picture.get_pixel(0, 0), &Rgb([0, 0, 0]));
        assert_eq!(picture.get_pixel(1, 1), &Rgb([128, 128, 128]));
        assert_eq!(picture.get_pixel(2, 0), &Rgb([255, 255, 255]));

        let alpha = dir.path().join("alpha.png");
        GrayAlphaImage::from_pixel(1, 1, LumaA([77, 0])).save(&alpha).expect("save");
        assert_eq!(read(&alpha).expect("read").get_pixel(0, 0), &Rgb([77, 77, 77]));
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
        // Dark left, bright right; orientation 6 means: turn 90 degrees clockwise to see it upright.
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
        assert_eq!(picture.dimensions(), (32, 64));
        assert!(picture.get_pixel(16, 4).0[0] < 8 && picture.get_pixel(16, 60).0[0] > 247);
    }

    #[test]
    fn limits_are_stated() {
        assert!(check_size(16_384, 8_192).is_ok());
        for (width, height) in [(16_385, 1), (16_384, 8_193), (20_000, 20_000)] {
            let text = check_size(width, height).expect_err("too large").to_string();
            assert!(text.contains("16384") && text.contains("128 megapixels"), "{text}");
        }
        assert!(check_size(0, 4).is_err());
    }

    #[test]
    fn text_is_not_a_picture() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("notes.png");
        std::fs::write(&path, "shopping list").expect("write");
        let text = format!("{:#}", read(&path).expect_err("refused"));
        assert!(text.contains("notes.png") && text.contains("not a picture"), "{text}");
    }
}
