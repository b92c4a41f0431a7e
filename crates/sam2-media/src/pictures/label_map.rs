//! Label maps: pictures whose pixel values are object numbers, as in DAVIS, MOSE, SA-V and YouTube-VOS.

use std::path::Path;

use super::mask::{self, Marks, Pixels, Stored};
use crate::error::{MediaError, PictureError};

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
/// number 1.
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
