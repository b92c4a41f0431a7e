//! The values of a mask picture, as they are stored.

use std::path::Path;

use image::DynamicImage;
use image::metadata::Orientation;
use png::{BitDepth, ColorType, Decoder, DecodingError, Info, Limits};

use crate::decode::content::{Content, Decoded};
use crate::decode::guard::guarded;
use crate::decode::kind::{self, Kind};
use crate::decode::source::Source;

use crate::decode::tiff::values::{Meaning, Samples, Values};
use crate::decode::{self, tiff};
use crate::error::PictureError;

/// Bytes that the decoder of PNG may reserve for what is no pixel.
const BESIDE_PIXELS: u64 = 32 << 20;

/// The values of a picture.
pub(crate) struct Stored {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The values, row by row.
    pub pixels: Pixels,
    /// The opacity from 0 to 255, if any pixel is not opaque.
    pub alpha: Option<Vec<u8>>,
    /// Whether the format changes values on writing.
    pub lossy: bool,
}

/// One value a pixel.
pub(crate) enum Pixels {
    /// Indices of RGB triples.
    Indexed { numbers: Vec<u32>, palette: Vec<u8> },
    /// Grey from 0 to `white`.
    Grey { numbers: Vec<u32>, white: u32 },
    /// Red, green and blue.
    Colour(Vec<[u8; 3]>),
}

/// Reads the values, upright.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn read(path: &Path) -> Result<Stored, PictureError> {
    // A PNG is read as it is stored: other readers turn indices into colours.
    let source = Source::open(path)?;
    let (stored, orientation) = match kind::of(&source.head, source.len)? {
        Kind::Png => guarded(|| png(source))?,
        kind => {
            let Decoded { content, orientation, lossy } = decode::read_source(kind, source)?;
            match content {
                Content::Image(picture) => (of_image(picture, lossy), orientation),
                Content::Samples(samples) => (of_samples(&samples, lossy)?, orientation),
            }
        }
    };
    Ok(upright(stored, orientation))
}

fn png(mut source: Source) -> Result<(Stored, Orientation), PictureError> {
    let damaged = |error| match error {
        DecodingError::IoError(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            PictureError::Io(error)
        }
        DecodingError::Format(error) => PictureError::Damaged(error.to_string()),
        error => PictureError::decode(error),
    };
    decode::png::check(&mut source)?;
    let size = decode::png::size(&source.head);
    let pixels = size.0 as usize * size.1 as usize;
    let limits = Limits { bytes: (BESIDE_PIXELS + 16 * pixels as u64) as usize };
    let mut reader = Decoder::new_with_limits(source.reader, limits).read_info().map_err(damaged)?;
    let (width, height) = size;
    let mut packed = vec![0; reader.output_buffer_size().ok_or(PictureError::TooLarge { width, height })?];
    let frame = reader.next_frame(&mut packed).map_err(damaged)?;
    let info = reader.info();
    let numbers = unpacked(&packed, frame.line_size, info);
    let orientation = info.exif_metadata.as_deref().and_then(Orientation::from_exif_chunk);
    let (pixels, alpha) = interpreted(numbers, info);
    let opaque = alpha.iter().all(|&alpha| alpha == 255);
    let stored = Stored { size, pixels, alpha: (!opaque).then_some(alpha), lossy: false };
    Ok((stored, orientation.unwrap_or(Orientation::NoTransforms)))
}

/// The samples of all pixels, one after the other.
fn unpacked(packed: &[u8], line_size: usize, info: &Info) -> Vec<u32> {
    let (bits, samples) = (info.bit_depth as usize, info.color_type.samples());
    let row_len = info.width as usize * samples;
    let mut numbers = Vec::with_capacity(row_len * info.height as usize);
    for row in packed.chunks_exact(line_size).take(info.height as usize) {
        match bits {
            16 => numbers.extend(
                row.chunks_exact(2)
                    .take(row_len)
                    .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))),
            ),
            8 => numbers.extend(row[..row_len].iter().map(|&byte| u32::from(byte))),
            _ => {
                let mask = (1u8 << bits) - 1;
                let values = row.iter().flat_map(|byte| {
                    (0..8 / bits).map(move |i| u32::from(byte >> (8 - bits * (i + 1)) & mask))
                });
                numbers.extend(values.take(row_len));
            }
        }
    }
    numbers
}

/// Pixels and opacity of a PNG's samples; no opacity means that all are opaque.
fn interpreted(numbers: Vec<u32>, info: &Info) -> (Pixels, Vec<u8>) {
    let white = (1u32 << info.bit_depth as u32) - 1;
    let byte =
        |value: u32| if info.bit_depth == BitDepth::Sixteen { (value >> 8) as u8 } else { value as u8 };
    let transparent = info.trns.as_deref();
    // A transparent grey or colour is 16 bits a channel.
    let key: Vec<u32> = transparent.map_or(Vec::new(), |trns| {
        trns.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).collect()
    });
    let keyed = |pixel: &[u32]| if !key.is_empty() && pixel == key { 0 } else { 255 };
    match info.color_type {
        ColorType::Indexed => {
            let opacity =
                |&index: &u32| transparent.and_then(|t| t.get(index as usize)).copied().unwrap_or(255);
            let alpha = transparent.map_or(Vec::new(), |_| numbers.iter().map(opacity).collect());
            let palette = info.palette.as_deref().unwrap_or_default().to_vec();
            (Pixels::Indexed { numbers, palette }, alpha)
        }
        ColorType::Grayscale => {
            let alpha = transparent.map_or(Vec::new(), |_| numbers.chunks_exact(1).map(keyed).collect());
            (Pixels::Grey { numbers, white }, alpha)
        }
        ColorType::GrayscaleAlpha => {
            let alpha = numbers.chunks_exact(2).map(|pixel| byte(pixel[1])).collect();
            (Pixels::Grey { numbers: numbers.iter().step_by(2).copied().collect(), white }, alpha)
        }
        ColorType::Rgb => {
            let alpha = transparent.map_or(Vec::new(), |_| numbers.chunks_exact(3).map(keyed).collect());
            (
                Pixels::Colour(
                    numbers.chunks_exact(3).map(|p| [byte(p[0]), byte(p[1]), byte(p[2])]).collect(),
                ),
                alpha,
            )
        }
        ColorType::Rgba => {
            let alpha = numbers.chunks_exact(4).map(|pixel| byte(pixel[3])).collect();
            (
                Pixels::Colour(
                    numbers.chunks_exact(4).map(|p| [byte(p[0]), byte(p[1]), byte(p[2])]).collect(),
                ),
                alpha,
            )
        }
    }
}

fn of_image(picture: DynamicImage, lossy: bool) -> Stored {
    let size = (picture.width(), picture.height());
    let wide = |values: &[u16], step: usize| values.iter().step_by(step).map(|&v| u32::from(v)).collect();
    let (pixels, alpha) = match picture {
        DynamicImage::ImageLuma8(picture) => {
            let numbers = picture.as_raw().iter().map(|&value| u32::from(value)).collect();
            (Pixels::Grey { numbers, white: 255 }, Vec::new())
        }
        DynamicImage::ImageLuma16(picture) => {
            (Pixels::Grey { numbers: wide(picture.as_raw(), 1), white: 65_535 }, Vec::new())
        }
        DynamicImage::ImageLumaA16(picture) => {
            let alpha = picture.pixels().map(|pixel| (pixel.0[1] >> 8) as u8).collect();
            (Pixels::Grey { numbers: wide(picture.as_raw(), 2), white: 65_535 }, alpha)
        }
        picture if picture.color().has_alpha() => {
            let picture = picture.into_rgba8();
            let alpha = picture.pixels().map(|pixel| pixel.0[3]).collect();
            (Pixels::Colour(picture.pixels().map(|p| [p.0[0], p.0[1], p.0[2]]).collect()), alpha)
        }
        picture => (Pixels::Colour(picture.into_rgb8().pixels().map(|pixel| pixel.0).collect()), Vec::new()),
    };
    let opaque = alpha.iter().all(|&alpha| alpha == 255);
    Stored { size, pixels, alpha: (!opaque).then_some(alpha), lossy }
}

/// The first band of a TIFF as numbers, or its colours.
fn of_samples(samples: &Samples, lossy: bool) -> Result<Stored, PictureError> {
    let colours = samples.bands - usize::from(samples.alpha);
    let numbers = || -> Result<Vec<u32>, PictureError> {
        let step = samples.bands;
        Ok(match &samples.values {
            Values::U8(values) => values.iter().step_by(step).map(|&value| u32::from(value)).collect(),
            Values::U16(values) => values.iter().step_by(step).map(|&value| u32::from(value)).collect(),
            Values::Wide(values) => {
                let whole = |value: f64| match value {
                    _ if Some(value) == samples.no_data || value.is_nan() => Some(0),
                    // Some tools number what is no object −1.
                    _ if value <= 0.0 && value.fract() == 0.0 => Some(0),
                    _ if value.fract() == 0.0 && value <= f64::from(u32::MAX) => Some(value as u32),
                    _ => None,
                };
                let whole: Option<Vec<u32>> =
                    values.iter().step_by(step).map(|&value| whole(value)).collect();
                let part = |&value: &f64| (value.clamp(0.0, 1.0) * 65_535.0) as u32;
                match whole {
                    Some(numbers) => numbers,
                    None if values.iter().all(|value| (0.0..=1.0).contains(value)) => {
                        values.iter().step_by(step).map(part).collect()
                    }
                    None => {
                        let reading = "its values are no whole numbers, as a label map has, \
                                       and not from 0 to 1, as a mask has: write 0 and 255";
                        return Err(PictureError::Ambiguous(reading.to_owned()));
                    }
                }
            }
        })
    };
    let pixels = match &samples.meaning {
        Meaning::Palette(palette) => Pixels::Indexed { numbers: numbers()?, palette: palette.clone() },
        Meaning::Grey | Meaning::WhiteIsZero if colours == 1 => {
            let white = match &samples.values {
                Values::Wide(values) if values.iter().all(|value| (0.0..=1.0).contains(value)) => {
                    if values.iter().all(|value| value.fract() == 0.0) { 1 } else { 65_535 }
                }
                Values::Wide(_) => u32::MAX,
                _ => (1 << samples.bits) - 1,
            };
            let mut numbers = numbers()?;
            if samples.meaning == Meaning::WhiteIsZero && !matches!(samples.values, Values::Wide(_)) {
                numbers.iter_mut().for_each(|value| *value = white - *value);
            }
            Pixels::Grey { numbers, white }
        }
        _ => Pixels::Colour(tiff::rgb(samples).chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect()),
    };
    let alpha: Option<Vec<u8>> = samples.alpha.then(|| match &samples.values {
        Values::U8(values) => values.iter().skip(colours).step_by(samples.bands).copied().collect(),
        Values::U16(values) => {
            values.iter().skip(colours).step_by(samples.bands).map(|&value| (value >> 8) as u8).collect()
        }
        Values::Wide(_) => Vec::new(),
    });
    let alpha = alpha.filter(|alpha| alpha.iter().any(|&alpha| alpha < 255));
    Ok(Stored { size: samples.size, pixels, alpha, lossy })
}

fn upright(stored: Stored, orientation: Orientation) -> Stored {
    if orientation == Orientation::NoTransforms {
        return stored;
    }
    let Stored { size, pixels, alpha, lossy } = stored;
    let turn = |numbers: Vec<u32>| turned(&numbers, size, orientation);
    let pixels = match pixels {
        Pixels::Indexed { numbers, palette } => Pixels::Indexed { numbers: turn(numbers), palette },
        Pixels::Grey { numbers, white } => Pixels::Grey { numbers: turn(numbers), white },
        Pixels::Colour(colours) => Pixels::Colour(turned(&colours, size, orientation)),
    };
    let alpha = alpha.map(|alpha| turned(&alpha, size, orientation));
    let size = if is_turned(orientation) { (size.1, size.0) } else { size };
    Stored { size, pixels, alpha, lossy }
}

fn is_turned(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// The values of a picture of this width and height, turned for display.
fn turned<T: Copy>(data: &[T], size: (u32, u32), orientation: Orientation) -> Vec<T> {
    let (width, height) = (size.0 as usize, size.1 as usize);
    let (out_width, out_height) = if is_turned(orientation) { (height, width) } else { (width, height) };
    let source = |x: usize, y: usize| match orientation {
        Orientation::NoTransforms => (x, y),
        Orientation::FlipHorizontal => (width - 1 - x, y),
        Orientation::FlipVertical => (x, height - 1 - y),
        Orientation::Rotate180 => (width - 1 - x, height - 1 - y),
        Orientation::Rotate90 => (y, height - 1 - x),
        Orientation::Rotate270 => (width - 1 - y, x),
        Orientation::Rotate90FlipH => (y, x),
        Orientation::Rotate270FlipH => (width - 1 - y, height - 1 - x),
    };
    let mut out = Vec::with_capacity(data.len());
    for y in 0..out_height {
        out.extend((0..out_width).map(|x| {
            let (x, y) = source(x, y);
            data[y * width + x]
        }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_turned_as_pictures_are() {
        let data: Vec<u8> = (0..12).collect();
        for number in 1..=8 {
            let orientation = Orientation::from_exif(number).expect("1 to 8");
            let mut picture =
                DynamicImage::from(image::GrayImage::from_raw(4, 3, data.clone()).expect("size"));
            picture.apply_orientation(orientation);
            let turned = turned(&data, (4, 3), orientation);
            assert_eq!(turned, picture.into_luma8().into_raw(), "{number}");
        }
    }
}
