//! Pictures as files: masks, palette PNGs, overlays and cut-outs. [`files::sync_folder`] must follow the last
//! one of a folder.

use std::io::{self, Write};
use std::path::Path;

use image::RgbImage;
use png::{BitDepth, ColorType, Compression, Encoder};

use crate::error::MediaError;
use crate::files;

/// Encodes one picture. `palette` belongs to [`ColorType::Indexed`].
fn write_png(
    path: &Path,
    (width, height): (u32, u32),
    color: ColorType,
    palette: Option<Vec<u8>>,
    data: &[u8],
) -> Result<(), MediaError> {
    files::write_in_series(path, |file| encode(file, (width, height), color, palette, data))
}

fn encode(
    sink: &mut dyn Write,
    (width, height): (u32, u32),
    color: ColorType,
    palette: Option<Vec<u8>>,
    data: &[u8],
) -> io::Result<()> {
    let mut encoder = Encoder::new(sink, width, height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(data)?;
    writer.finish()?;
    Ok(())
}

/// The file that [`write_mask`] writes, in memory.
///
/// # Panics
/// If `inside` is not of this size.
pub fn encode_mask(size: (u32, u32), inside: &[bool]) -> Vec<u8> {
    let mut file = Vec::new();
    let encoded = encode(&mut file, size, ColorType::Grayscale, None, &grey(inside));
    encoded.expect("writing to memory succeeds");
    file
}

fn grey(inside: &[bool]) -> Vec<u8> {
    inside.iter().map(|&inside| if inside { 255 } else { 0 }).collect()
}

/// Writes a mask: white inside, black outside.
///
/// ```
/// use sam2_media::pictures::png;
/// use sam2_model::Mask;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("mask.png");
/// let mask = Mask::new(3, 1, vec![false, true, true])?;
/// png::write_mask(&path, (3, 1), mask.data())?;
/// assert_eq!(std::fs::read(&path)?, png::encode_mask((3, 1), mask.data()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be written.
pub fn write_mask(path: &Path, size: (u32, u32), inside: &[bool]) -> Result<(), MediaError> {
    write_png(path, size, ColorType::Grayscale, None, &grey(inside))
}

/// Writes a colour picture.
///
/// ```
/// use sam2_media::frames::photo;
/// use sam2_media::pictures::png;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("overlay.png");
/// let picture = image::RgbImage::from_pixel(4, 2, image::Rgb([10, 20, 30]));
/// png::write_rgb(&path, &picture)?;
/// assert_eq!(photo::read(&path)?.rgb(), picture.as_raw().as_slice());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be written.
pub fn write_rgb(path: &Path, picture: &RgbImage) -> Result<(), MediaError> {
    write_png(path, picture.dimensions(), ColorType::Rgb, None, picture.as_raw())
}

/// Writes a picture that is transparent outside the mask.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("cutout.png");
/// let rgb = [10, 20, 30, 40, 50, 60]; // two pixels, the second outside
/// sam2_media::pictures::png::write_cutout(&path, (2, 1), &rgb, &[true, false])?;
/// assert_eq!(image::open(&path)?.into_rgba8().into_raw(), [10, 20, 30, 255, 40, 50, 60, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be written.
pub fn write_cutout(path: &Path, size: (u32, u32), rgb: &[u8], inside: &[bool]) -> Result<(), MediaError> {
    let mut data = Vec::with_capacity(inside.len() * 4);
    for (pixel, &inside) in rgb.chunks_exact(3).zip(inside) {
        data.extend_from_slice(pixel);
        data.push(if inside { 255 } else { 0 });
    }
    write_rgba(path, size, &data)
}

/// Writes four bytes a pixel: red, green, blue, opacity.
///
/// # Errors
/// If the file cannot be written.
pub fn write_rgba(path: &Path, size: (u32, u32), rgba: &[u8]) -> Result<(), MediaError> {
    write_png(path, size, ColorType::Rgba, None, rgba)
}

/// Writes an animated PNG of `count` frames that repeats endlessly; `next` gives their RGB pixels.
///
/// # Errors
/// If it cannot be written, or `next` fails.
pub fn write_animation(
    sink: &mut dyn Write,
    (width, height): (u32, u32),
    (count, fps): (u32, f64),
    next: &mut dyn FnMut() -> io::Result<Option<Vec<u8>>>,
) -> io::Result<()> {
    let mut encoder = Encoder::new(sink, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    encoder.set_animated(count, 0)?;
    encoder.set_frame_delay(100, (100.0 * fps).round().clamp(1.0, 65_535.0) as u16)?;
    let mut writer = encoder.write_header()?;
    while let Some(pixels) = next()? {
        writer.write_image_data(&pixels)?;
    }
    writer.finish()?;
    Ok(())
}

/// Writes object numbers as palette indices, 0 = background, with the colours of the DAVIS data set.
///
/// # Errors
/// If the file cannot be written.
pub fn write_indexed(path: &Path, size: (u32, u32), ids: &[u8]) -> Result<(), MediaError> {
    write_indexed_with(path, size, ids, &[])
}

/// [`write_indexed`] with other colours, RGB triples for the first indices.
///
/// ```
/// use sam2_media::pictures::{label_map, png};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("00000.png");
/// png::write_indexed_with(&path, (2, 1), &[0, 1], &[9, 9, 9, 0, 0, 255])?; // gray background, blue object
/// let palette = label_map::read(&path)?.palette;
/// assert_eq!(palette.expect("it has colours")[..6], [9, 9, 9, 0, 0, 255]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be written.
pub fn write_indexed_with(
    path: &Path,
    size: (u32, u32),
    ids: &[u8],
    colours: &[u8],
) -> Result<(), MediaError> {
    let mut palette = davis_palette();
    palette.iter_mut().zip(colours).for_each(|(value, colour)| *value = *colour);
    write_png(path, size, ColorType::Indexed, Some(palette), ids)
}

/// One label map of several masks. Where objects overlap, the lower number is kept.
///
/// ```
/// let (first, second) = ([true, true, false], [false, true, true]);
/// let labels = sam2_media::pictures::png::merge_objects(3, [(2, &second[..]), (1, &first[..])]);
/// assert_eq!(labels, [1, 1, 2]);
/// ```
pub fn merge_objects<'a>(len: usize, objects: impl IntoIterator<Item = (u8, &'a [bool])>) -> Vec<u8> {
    let mut objects: Vec<_> = objects.into_iter().collect();
    objects.sort_by_key(|&(id, _)| std::cmp::Reverse(id));
    let mut ids = vec![0; len];
    for (id, inside) in objects {
        for (pixel, _) in ids.iter_mut().zip(inside).filter(|(_, inside)| **inside) {
            *pixel = id;
        }
    }
    ids
}

/// The colour of an object number in the palette of the DAVIS data set.
///
/// ```
/// assert_eq!(sam2_media::pictures::png::colour(1), [128, 0, 0]);
/// ```
pub fn colour(number: u8) -> [u8; 3] {
    let palette = davis_palette();
    let at = 3 * usize::from(number);
    [palette[at], palette[at + 1], palette[at + 2]]
}

/// The palette of the VOC and DAVIS data sets, 256 RGB triples: the bits of the index, three at a time and
/// the lowest first, become the bits of red, green and blue, the highest first.
fn davis_palette() -> Vec<u8> {
    let channel = |index: usize, channel: usize| {
        (0..8).fold(0, |value, bit| {
            let shift = 3 * bit + channel;
            if shift < 8 { value | (((index >> shift) & 1) as u8) << (7 - bit) } else { value }
        })
    };
    (0..256).flat_map(|index| (0..3).map(move |c| channel(index, c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, GenericImageView, Rgba};

    #[test]
    fn palette_is_that_of_davis() {
        let palette = davis_palette();
        let colour = |i: usize| &palette[3 * i..3 * i + 3];
        assert_eq!(palette.len(), 768);
        let first: [[u8; 3]; 9] = [
            [0, 0, 0],
            [128, 0, 0],
            [0, 128, 0],
            [128, 128, 0],
            [0, 0, 128],
            [128, 0, 128],
            [0, 128, 128],
            [128, 128, 128],
            [64, 0, 0],
        ];
        for (index, expected) in first.iter().enumerate() {
            assert_eq!(colour(index), expected, "{index}");
        }
        assert_eq!(colour(255), [224, 224, 192]);
    }

    #[test]
    fn lower_numbers_win_where_objects_overlap() {
        let (a, b) = ([true, true, false, false], [false, true, true, false]);
        assert_eq!(merge_objects(4, [(7, &b[..]), (2, &a[..])]), [2, 2, 7, 0]);
        assert_eq!(merge_objects(4, [(2, &b[..]), (7, &a[..])]), [7, 2, 2, 0]);
    }

    #[test]
    fn files_read_back_as_they_were_meant() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x.png");
        write_mask(&path, (2, 1), &[true, false]).expect("write");
        assert_eq!(image::open(&path).expect("read").into_luma8().as_raw(), &[255, 0]);

        write_cutout(&path, (2, 1), &[9, 8, 7, 9, 8, 7], &[true, false]).expect("write");
        let cutout = image::open(&path).expect("read");
        assert!(matches!(cutout, DynamicImage::ImageRgba8(_)));
        assert_eq!(
            (cutout.get_pixel(0, 0), cutout.get_pixel(1, 0)),
            (Rgba([9, 8, 7, 255]), Rgba([9, 8, 7, 0]))
        );

        write_indexed(&path, (2, 1), &[1, 0]).expect("write");
        let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&path).expect("open")));
        let mut reader = decoder.read_info().expect("header");
        assert_eq!(reader.info().color_type, ColorType::Indexed);
        let mut indices = vec![0; reader.output_buffer_size().expect("size")];
        reader.next_frame(&mut indices).expect("pixels");
        assert_eq!(indices, [1, 0]);
    }
}
