//! Label maps: pictures whose pixel values are object numbers, as in DAVIS, MOSE, SA-V and YouTube-VOS.

use std::collections::BTreeSet;
use std::path::Path;

use super::mask::{self, Marks, Pixels, Stored};
use crate::error::{MediaError, PictureError};

/// Distinct values above which a grey picture may be a mask with soft edges.
const MANY: usize = 16;

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

/// Reads a picture as Pillow converts it to NumPy: the palette index, else the grey value; 1-bit images
/// become 0 and 1, 2- and 4-bit grey is scaled to 0 to 255. Colours and pictures with transparency, which
/// have no numbers there, are read as masks are: by the colours of the DAVIS data set, or as one object,
/// number 1. A grey mask with soft edges is one object, with the number of its largest value, as it would be
/// without them.
///
/// ```
/// use sam2_media::pictures::{label_map, png};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("00000.png");
/// png::write_indexed(&path, (3, 1), &[0, 2, 1])?;
/// let labels = label_map::read(&path)?;
/// assert_eq!((labels.size, labels.data), ((3, 1), vec![0, 2, 1]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be read, can be read in two ways, or has numbers above 255.
pub fn read(path: &Path) -> Result<Labels, MediaError> {
    read_inner(path).map_err(|source| MediaError::LabelMap { path: path.to_owned(), source })
}

fn read_inner(path: &Path) -> Result<Labels, PictureError> {
    let stored = mask::stored(path)?;
    let size = stored.size;
    let (numbers, palette) = match stored {
        Stored { pixels: Pixels::Indexed { numbers, palette }, .. } => (numbers, Some(palette)),
        Stored { pixels: Pixels::Grey { mut numbers, white }, alpha: None, lossy: false, .. } => {
            if white == 3 || white == 15 {
                numbers.iter_mut().for_each(|value| *value *= 255 / white);
            } else if let Some(inside) = soft(&numbers, white, size) {
                let largest = numbers.iter().copied().max().unwrap_or(0);
                numbers = inside.into_iter().map(|inside| if inside { largest } else { 0 }).collect();
            }
            (numbers, None)
        }
        stored => match mask::marks(stored)? {
            Marks::Shape(inside) => (inside.into_iter().map(u32::from).collect(), None),
            Marks::Numbers(numbers) => (numbers, None),
        },
    };
    let small = |&number: &u32| u8::try_from(number).map_err(|_| PictureError::LargeLabel(number));
    Ok(Labels { size, data: numbers.iter().map(small).collect::<Result<_, _>>()?, palette })
}

/// The shape of a mask with soft edges; its values would otherwise be hundreds of objects.
fn soft(numbers: &[u32], white: u32, size: (u32, u32)) -> Option<Vec<bool>> {
    let distinct: BTreeSet<u32> = numbers.chunk_by(|a, b| a == b).map(|run| run[0]).collect();
    if white != 255 || distinct.len() <= MANY {
        return None;
    }
    let pixels = Pixels::Grey { numbers: numbers.to_vec(), white };
    match mask::marks(Stored { size, pixels, alpha: None, lossy: false }) {
        Ok(Marks::Shape(inside)) => Some(inside),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;
    use png::{BitDepth, ColorType, Encoder};
    use std::fs::File;

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
        let wide = [0, 0, 0, 1, 0, 2, 0, 255, 0, 0, 0, 9];
        let wide = written(ColorType::Grayscale, BitDepth::Sixteen, &wide).expect("16 bits");
        assert_eq!(wide.data, [0, 1, 2, 255, 0, 9]);
        let davis = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [0, 0, 0], [128, 128, 0], [0, 0, 0]].concat();
        assert_eq!(
            written(ColorType::Rgb, BitDepth::Eight, &davis).expect("colours").data,
            [0, 1, 2, 0, 3, 0]
        );
        let clear = [[9, 0], [9, 255], [9, 0], [8, 255], [7, 0], [9, 0]].concat();
        let clear = written(ColorType::GrayscaleAlpha, BitDepth::Eight, &clear).expect("alpha");
        assert_eq!(clear.data, [0, 1, 0, 1, 0, 0]);
    }

    #[test]
    fn soft_edges_are_no_objects() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x.png");
        // A disc whose edge is several pixels wide.
        let value = |x: u32, y: u32| {
            let distance = (x as f32 - 19.0).hypot(y as f32 - 21.0);
            (255.0 * (13.0 - distance) / 5.0).clamp(0.0, 255.0) as u8
        };
        let disc = image::GrayImage::from_fn(40, 40, |x, y| image::Luma([value(x, y)]));
        disc.save(&path).expect("save");
        let expected: Vec<u8> = disc.as_raw().iter().map(|&v| if v >= 128 { 255 } else { 0 }).collect();
        assert_eq!(read(&path).expect("a mask").data, expected);
        // As many objects in areas are a label map.
        let areas = image::GrayImage::from_fn(40, 40, |x, y| image::Luma([(x / 8 + 5 * (y / 8)) as u8 * 10]));
        areas.save(&path).expect("save");
        assert_eq!(read(&path).expect("a label map").data, *areas.as_raw());
    }

    #[test]
    fn large_numbers_colours_and_other_files_are_refused() {
        let large = [0, 0, 1, 0, 0, 2, 0, 255, 0, 0, 0, 9];
        let text = in_full(&written(ColorType::Grayscale, BitDepth::Sixteen, &large).expect_err("256"));
        assert!(text.contains("x.png") && text.contains("object 256"), "{text}");
        let photo: Vec<u8> = (0..18).map(|i| i * 14).collect();
        let text = in_full(&written(ColorType::Rgb, BitDepth::Eight, &photo).expect_err("colours"));
        assert!(text.contains("x.png") && text.contains("palette"), "{text}");
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("notes.png");
        std::fs::write(&path, "no picture").expect("write");
        assert!(read(&path).is_err());
    }
}
