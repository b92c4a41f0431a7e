//! Label maps: PNG files whose pixel values are object numbers, as in DAVIS, MOSE, SA-V and YouTube-VOS.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use png::{BitDepth, ColorType, Decoder, DecodingError};

use crate::error::{MediaError, PictureError};
use crate::size::check_size;

/// The numbers of one frame, row by row, 0 = background.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// One number per pixel.
    pub data: Vec<u8>,
    /// RGB triples, if the file has colours.
    pub palette: Option<Vec<u8>>,
}

/// Reads a PNG as Pillow converts it to NumPy: the palette index, else the grey value; 1-bit images become 0
/// and 1, 2- and 4-bit grey is scaled to 0 to 255.
///
/// # Errors
/// If the file cannot be read, or its pixels are colours or have more than 8 bits.
pub fn read(path: &Path) -> Result<Labels, MediaError> {
    read_inner(path).map_err(|source| MediaError::LabelMap { path: path.to_owned(), source })
}

fn read_inner(path: &Path) -> Result<Labels, PictureError> {
    let damaged = |error| match error {
        DecodingError::IoError(error) => PictureError::Io(error),
        error => PictureError::decode(error),
    };
    let mut reader = Decoder::new(BufReader::new(File::open(path)?)).read_info().map_err(damaged)?;
    let info = reader.info();
    let (width, height) = (info.width, info.height);
    let (color, depth) = (info.color_type, info.bit_depth);
    check_size(width, height)?;
    let palette = info.palette.as_ref().filter(|_| color == ColorType::Indexed).map(|p| p.to_vec());
    let bits = match (color, depth) {
        (ColorType::Indexed | ColorType::Grayscale, BitDepth::One) => 1,
        (ColorType::Indexed | ColorType::Grayscale, BitDepth::Two) => 2,
        (ColorType::Indexed | ColorType::Grayscale, BitDepth::Four) => 4,
        (ColorType::Indexed | ColorType::Grayscale, BitDepth::Eight) => 8,
        _ => {
            let (channels, bits) = (color.samples(), depth as usize);
            return Err(PictureError::NotLabels { channels, bits });
        }
    };
    let mut packed = vec![0; reader.output_buffer_size().ok_or(PictureError::TooLarge { width, height })?];
    let frame = reader.next_frame(&mut packed).map_err(damaged)?;
    let spread = match (color, bits) {
        (ColorType::Grayscale, 2) => 85,
        (ColorType::Grayscale, 4) => 17,
        _ => 1,
    };
    let mut data = Vec::with_capacity(width as usize * height as usize);
    for row in packed.chunks_exact(frame.line_size).take(height as usize) {
        let values = row.iter().flat_map(|byte| {
            let mask = ((1u16 << bits) - 1) as u8;
            (0..8 / bits).map(move |i| byte >> (8 - bits * (i + 1)) & mask)
        });
        data.extend(values.take(width as usize).map(|value| value * spread));
    }
    Ok(Labels { size: (width, height), data, palette })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;
    use png::Encoder;

    fn written(color: ColorType, depth: BitDepth, data: &[u8]) -> Result<Labels, MediaError> {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x.png");
        let mut encoder = Encoder::new(File::create(&path).expect("create"), 3, 2);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == ColorType::Indexed {
            encoder.set_palette(vec![7; 3 * 200]);
        }
        let mut writer = encoder.write_header().expect("header");
        writer.write_image_data(data).expect("pixels");
        writer.finish().expect("end");
        read(&path)
    }

    #[test]
    fn every_depth_is_read_as_numbers() {
        let labels = written(ColorType::Indexed, BitDepth::Eight, &[0, 1, 2, 3, 199, 5]).expect("indexed");
        assert_eq!((labels.size, labels.data.as_slice()), ((3, 2), [0, 1, 2, 3, 199, 5].as_slice()));
        assert_eq!(labels.palette.map(|p| p.len()), Some(600));
        let grey = written(ColorType::Grayscale, BitDepth::Eight, &[0, 1, 2, 3, 200, 255]).expect("grey");
        assert_eq!((grey.data.as_slice(), grey.palette), ([0, 1, 2, 3, 200, 255].as_slice(), None));
        let one = written(ColorType::Grayscale, BitDepth::One, &[0b1010_0000, 0b0100_0000]).expect("one bit");
        assert_eq!(one.data, [1, 0, 1, 0, 1, 0]);
        let two =
            written(ColorType::Grayscale, BitDepth::Two, &[0b0001_1000, 0b1100_0000]).expect("two bits");
        assert_eq!(two.data, [0, 85, 170, 255, 0, 0]);
        let four = written(ColorType::Indexed, BitDepth::Four, &[0x12, 0x30, 0x45, 0x60]).expect("four bits");
        assert_eq!(four.data, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn colours_and_other_files_are_refused() {
        let text = in_full(&written(ColorType::Rgb, BitDepth::Eight, &[0; 18]).expect_err("colours"));
        assert!(text.contains("x.png") && text.contains("palette"), "{text}");
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("notes.png");
        std::fs::write(&path, "no picture").expect("write");
        assert!(read(&path).is_err());
    }
}
