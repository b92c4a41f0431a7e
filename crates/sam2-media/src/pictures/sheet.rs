//! A contact sheet: several frames in one image.

use image::{Rgb, RgbImage, imageops};

use super::text;

/// Space between frames, in pixels.
const GAP: u32 = 4;

/// Arranges frames of equal size in rows, on white.
///
/// ```
/// use sam2_media::pictures::sheet;
///
/// let mut frames = vec![image::RgbImage::new(64, 48); 5];
/// for (i, frame) in frames.iter_mut().enumerate() {
///     sheet::number(frame, i);
///     sheet::score(frame, 0.93);
/// }
/// let picture = sheet::contact_sheet(&frames, 3); // two rows, 4 pixels between and around them
/// assert_eq!(picture.dimensions(), (3 * 68 + 4, 2 * 52 + 4));
/// ```
pub fn contact_sheet(frames: &[RgbImage], columns: usize) -> RgbImage {
    let Some(first) = frames.first() else { return RgbImage::new(1, 1) };
    let (width, height) = first.dimensions();
    let columns = columns.clamp(1, frames.len());
    let rows = frames.len().div_ceil(columns);
    let along = |count: usize, side: u32| count as u32 * (side + GAP) + GAP;
    let mut sheet = RgbImage::from_pixel(along(columns, width), along(rows, height), Rgb([255; 3]));
    for (i, frame) in frames.iter().enumerate() {
        let (x, y) = (along(i % columns, width), along(i / columns, height));
        imageops::replace(&mut sheet, frame, i64::from(x), i64::from(y));
    }
    sheet
}

/// Pixels of a frame per pixel of the font.
const SCALE: u32 = 2;
const INK: ([u8; 3], [u8; 3]) = ([255; 3], [30; 3]);

/// Writes the frame's number into the top left corner, white on a dark plate.
pub fn number(picture: &mut RgbImage, number: usize) {
    text::plate(picture, (0, 0), &number.to_string(), SCALE, INK);
}

/// Writes a score into the bottom left corner.
pub fn score(picture: &mut RgbImage, iou: f64) {
    let caption = format!("IoU {iou:.2}");
    let top = picture.height().saturating_sub(text::size(&caption, SCALE).1);
    text::plate(picture, (0, top), &caption, SCALE, INK);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_laid_out_in_rows() {
        let frames: Vec<RgbImage> = (0..5).map(|i| RgbImage::from_pixel(10, 6, Rgb([i; 3]))).collect();
        let sheet = contact_sheet(&frames, 3);
        assert_eq!(sheet.dimensions(), (3 * 14 + 4, 2 * 10 + 4));
        assert_eq!(sheet.get_pixel(4, 4).0, [0; 3]);
        assert_eq!(sheet.get_pixel(18, 14).0, [4; 3]);
        assert_eq!(sheet.get_pixel(32, 14).0, [255; 3], "no sixth frame");
    }
}
