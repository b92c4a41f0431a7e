//! JPEG. The decoder fills what is missing with grey; here a file whose data end early is refused, unless it
//! lacks the end marker alone.

mod segments;
mod tables;

use image::metadata::Orientation;
use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::bound;
use super::content::{Content, Decoded};
use super::kind::Kind;
use super::source::Source;
use crate::error::PictureError;

type Decoder<'a> = zune_jpeg::JpegDecoder<ZCursor<&'a [u8]>>;

const END: [u8; 2] = [0xff, 0xd9];
const ORDINARY: &str = "convert it to an ordinary JPEG or to PNG first (magick IN.jpg OUT.png, or ffmpeg)";

/// Decodes the picture: grey as grey, every other colour space as RGB.
///
/// # Errors
/// If it is damaged or cut short, or of a kind that is not supported (lossless, arithmetic coding, 12 bits).
pub(crate) fn read(source: Source) -> Result<Decoded, PictureError> {
    let (size, orientation, bytes) = header(source)?;
    let data = match scans(&bytes) {
        Scans::Whole => decode(&bytes, true)?,
        Scans::NoEnd { at, repairable } => without_end(&bytes, at, repairable, size)?,
    };
    let (width, height) = size;
    let pixels = data.pixels;
    let picture = match data.space {
        ColorSpace::Luma => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        ColorSpace::LumaA => GrayAlphaImage::from_raw(width, height, pixels).map(DynamicImage::from),
        ColorSpace::RGBA => RgbaImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    let picture = picture.ok_or(PictureError::Empty { width, height })?;
    Ok(Decoded { content: Content::Image(picture), orientation, lossy: true })
}

/// Width and height as stored, and the orientation.
///
/// # Errors
/// If the headers are damaged, or the file has lost its end.
pub(crate) fn size(source: Source) -> Result<((u32, u32), Orientation), PictureError> {
    let (size, orientation, bytes) = header(source)?;
    if let Scans::NoEnd { at, repairable } = scans(&bytes) {
        without_end(&bytes, at, repairable, size)?;
    }
    Ok((size, orientation))
}

/// Width and height, orientation, and all bytes.
type Header = ((u32, u32), Orientation, Vec<u8>);

fn header(source: Source) -> Result<Header, PictureError> {
    let bytes = tables::added(source.bytes()?);
    if let Some(what) = not_read(&bytes) {
        return Err(PictureError::NotRead { what, advice: ORDINARY });
    }
    let mut decoder = Decoder::new_with_options(ZCursor::new(&bytes), options());
    decoder.decode_headers().map_err(unreadable)?;
    let (width, height) = decoder.dimensions().unwrap_or((0, 0));
    let size = (width as u32, height as u32);
    bound::check(Kind::Jpeg, size, &[], bytes.len() as u64)?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    Ok((size, orientation.unwrap_or(Orientation::NoTransforms), bytes))
}

/// The kind of a JPEG that is whole, but that the decoder takes for a damaged one.
fn not_read(bytes: &[u8]) -> Option<&'static str> {
    let (marker, at) = frame(bytes)?;
    match marker {
        0xc3 => Some("a lossless JPEG"),
        0xc5..=0xc7 | 0xcd..=0xcf => Some("a hierarchical JPEG"),
        0xc9..=0xcb => Some("a JPEG with arithmetic coding"),
        0xf7 => Some("a JPEG-LS picture"),
        _ if bytes.get(at + 4).is_some_and(|&bits| bits > 8) => Some("a JPEG of more than 8 bits a value"),
        _ => None,
    }
}

/// Marker and offset of the frame header, the offset being that of the marker.
fn frame(bytes: &[u8]) -> Option<(u8, usize)> {
    segments::of(bytes)
        .find(|(marker, _)| matches!(marker, 0xc0..=0xcf | 0xf7) && !matches!(marker, 0xc4 | 0xc8 | 0xcc))
}

fn options() -> DecoderOptions {
    DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX)
}

struct Pixels {
    space: ColorSpace,
    pixels: Vec<u8>,
}

/// Decodes; with `strict`, wrong codes within the pixels are an error. Oddities of the header never are.
fn decode(bytes: &[u8], strict: bool) -> Result<Pixels, PictureError> {
    let mut decoder = Decoder::new_with_options(ZCursor::new(bytes), options());
    decoder.decode_headers().map_err(unreadable)?;
    let space = match decoder.input_colorspace() {
        Some(space @ (ColorSpace::RGB | ColorSpace::RGBA | ColorSpace::Luma | ColorSpace::LumaA)) => space,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(options().jpeg_set_out_colorspace(space).set_strict_mode(strict));
    let mut pixels = vec![0; decoder.output_buffer_size().unwrap_or(0)];
    decoder.decode_into(&mut pixels).map_err(unreadable)?;
    Ok(Pixels { space, pixels })
}

fn unreadable(error: DecodeErrors) -> PictureError {
    match error {
        DecodeErrors::Unsupported(_) => PictureError::decode(error),
        DecodeErrors::IoErrors(_) => PictureError::CutShort("its data end within its headers".to_owned()),
        error => PictureError::Damaged(error.to_string()),
    }
}

/// The end of the compressed data.
enum Scans {
    /// The end marker is there.
    Whole,
    /// The file ends within or after the data of a scan.
    NoEnd {
        /// Offset of the end of the data, without zeros that fill a file up.
        at: usize,
        /// Whether all components are in one sequential scan, so that the end marker may be all that is
        /// missing.
        repairable: bool,
    },
}

/// Walks over segments and scans up to the end marker.
fn scans(bytes: &[u8]) -> Scans {
    let (mut at, mut sequential, mut components, mut one_scan) = (2, true, 0, false);
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        at += found;
        let Some(&marker) = bytes.get(at + 1) else { break };
        match marker {
            // Stuffed bytes, restarts and fill bytes are parts of a scan.
            0x00 | 0x01 | 0xd0..=0xd8 => at += 2,
            0xff => at += 1,
            0xd9 => return Scans::Whole,
            _ => {
                let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { break };
                let length = usize::from(u16::from_be_bytes([high, low]));
                match marker {
                    0xc0 | 0xc1 => components = bytes.get(at + 9).copied().unwrap_or(0),
                    0xc2 => sequential = false,
                    0xda => one_scan = bytes.get(at + 4) == Some(&components),
                    _ => {}
                }
                at += 2 + length;
            }
        }
    }
    let zeros = bytes.iter().rev().take_while(|&&byte| byte == 0).count();
    let mut end = bytes.len() - zeros;
    // A lone 0xff would join with what is put behind it.
    while end > 0 && bytes[end - 1] == 0xff {
        end -= 1;
    }
    Scans::NoEnd { at: end, repairable: sequential && one_scan }
}

/// Width and height in the frame header.
pub(crate) fn claimed(bytes: &[u8]) -> Option<(u16, u16)> {
    let (_, at) = frame(bytes).filter(|(marker, _)| *marker < 0xf0)?;
    let side = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    Some((side(at + 7)?, side(at + 5)?))
}

/// A picture without its end marker. It is whole if its pixels do not depend on the bytes that follow: it is
/// decoded with two continuations that differ in their first bit, and rows that differ are missing.
fn without_end(
    bytes: &[u8],
    at: usize,
    repairable: bool,
    (width, height): (u32, u32),
) -> Result<Pixels, PictureError> {
    if !repairable {
        return Err(PictureError::CutShort("its end is missing".to_owned()));
    }
    let continued = |filler: u8| {
        let padded = [&bytes[..at], &[filler; 64], &END].concat();
        decode(&padded, false)
    };
    let (zeros, ones) = (continued(0x2a)?, continued(0xd5)?);
    let row = width as usize * zeros.space.num_components();
    let differs = zeros.pixels.chunks(row).zip(ones.pixels.chunks(row)).position(|(a, b)| a != b);
    match differs {
        None => Ok(zeros),
        Some(y) => {
            let missing = 100 * (height as usize - y) / height as usize;
            Err(PictureError::CutShort(format!(
                "the rows from {y} on of {height} are missing or incomplete ({} %)",
                missing.max(1)
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use image::{Rgb, RgbImage};

    fn file() -> Vec<u8> {
        let picture = RgbImage::from_fn(96, 64, |x, y| Rgb([x as u8 * 2, y as u8 * 3, (x * y) as u8]));
        let mut file = Vec::new();
        JpegEncoder::new(&mut file).encode_image(&picture).expect("encode");
        file
    }

    fn read(bytes: &[u8]) -> Result<Pixels, PictureError> {
        match scans(bytes) {
            Scans::Whole => decode(bytes, true),
            Scans::NoEnd { at, repairable } => without_end(bytes, at, repairable, (96, 64)),
        }
    }

    #[test]
    fn a_lost_end_marker_costs_nothing() {
        let file = file();
        let whole = read(&file).expect("whole").pixels;
        assert_eq!(read(&file[..file.len() - 2]).expect("no end marker").pixels, whole);
        assert_eq!(read(&file[..file.len() - 1]).expect("half of it").pixels, whole);
        let zeros = [&file[..file.len() - 2], &[0; 5000]].concat();
        assert_eq!(read(&zeros).expect("filled up").pixels, whole);
        let more = [&file[..], b"a second picture"].concat();
        assert_eq!(read(&more).expect("bytes behind").pixels, whole);
    }

    #[test]
    fn kinds_that_are_not_read_are_named_and_not_called_damaged() {
        let file = file();
        let frame = file.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header");
        let patched = |at: usize, byte: u8| {
            let mut file = file.clone();
            file[at] = byte;
            crate::decode::read_from(Box::new(std::io::Cursor::new(file))).map(|_| ()).expect_err("refused")
        };
        for (marker, word) in [
            (0xc3, "lossless"),
            (0xc9, "arithmetic"),
            (0xca, "arithmetic"),
            (0xc5, "hierarchical"),
            (0xf7, "JPEG-LS"),
        ] {
            let text = patched(frame + 1, marker).to_string();
            assert!(text.contains(word) && text.contains("convert") && !text.contains("damaged"), "{text}");
        }
        let text = patched(frame + 4, 12).to_string();
        assert!(text.contains("more than 8 bits") && !text.contains("damaged"), "{text}");
        assert_eq!(claimed(&file), Some((96, 64)));
    }

    #[test]
    fn every_cut_within_the_pixels_is_found() {
        let file = file();
        let start = file.windows(2).position(|pair| pair == [0xff, 0xda]).expect("a scan") + 14;
        for end in (start..file.len() - 6).step_by(7) {
            let Err(error) = read(&file[..end]) else { panic!("cut at {end} of {}", file.len()) };
            assert!(error.to_string().contains("cut short"), "{error}");
            let filled = [&file[..end], &vec![0; file.len() - end]].concat();
            assert!(read(&filled).is_err(), "zeros from {end}");
        }
    }
}
