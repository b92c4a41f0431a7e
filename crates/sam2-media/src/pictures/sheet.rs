//! A contact sheet: several frames on one picture.

use image::{Rgb, RgbImage, imageops};

/// Space between frames, in pixels.
const GAP: u32 = 4;

/// Lays frames of one size out in rows, on white.
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

/// Digits of 3x5 pixels, a row per three bits from the top, the leftmost pixel highest.
#[rustfmt::skip]
const DIGITS: [u16; 10] = [
    0b111_101_101_101_111, 0b010_110_010_010_111, 0b111_001_111_100_111, 0b111_001_111_001_111, 0b101_101_111_001_001,
    0b111_100_111_001_111, 0b111_100_111_101_111, 0b111_001_010_010_010, 0b111_101_111_101_111, 0b111_101_111_001_111,
];
/// Pixels of the picture per pixel of a digit.
const SCALE: u32 = 2;

/// Writes a number into the top left corner, white on a dark plate.
pub fn number(picture: &mut RgbImage, number: usize) {
    let text = number.to_string();
    let mut put = |x: u32, y: u32, colour: Rgb<u8>| {
        if x < picture.width() && y < picture.height() {
            picture.put_pixel(x, y, colour);
        }
    };
    let (width, height) = ((4 * text.len() as u32 + 1) * SCALE, 7 * SCALE);
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
        put(x, y, Rgb([30, 30, 30]));
    }
    for (place, digit) in text.bytes().enumerate() {
        let bits = DIGITS[usize::from(digit - b'0')];
        for (x, y) in (0..5 * SCALE).flat_map(|y| (0..3 * SCALE).map(move |x| (x, y))) {
            if bits >> (14 - (3 * (y / SCALE) + x / SCALE)) & 1 == 1 {
                put((4 * place as u32 + 1) * SCALE + x, SCALE + y, Rgb([255; 3]));
            }
        }
    }
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
