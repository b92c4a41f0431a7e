//! Short texts in a built-in font of 3x5 pixels: digits, and the letters of "IoU".

use image::{Rgb, RgbImage};

/// Rows of three bits from the top, the leftmost pixel highest.
#[rustfmt::skip]
const DIGITS: [u16; 10] = [
    0b111_101_101_101_111, 0b010_110_010_010_111, 0b111_001_111_100_111, 0b111_001_111_001_111,
    0b101_101_111_001_001, 0b111_100_111_001_111, 0b111_100_111_101_111, 0b111_001_010_010_010,
    0b111_101_111_101_111, 0b111_101_111_001_111,
];

/// The pixels of a character; of one that the font has not, none.
fn glyph(character: char) -> u16 {
    match character {
        '0'..='9' => DIGITS[character as usize - '0' as usize],
        '.' => 0b000_000_000_000_010,
        '-' => 0b000_000_111_000_000,
        'I' => 0b111_010_010_010_111,
        'o' => 0b000_000_111_101_111,
        'U' => 0b101_101_101_101_111,
        _ => 0,
    }
}

/// Width and height of a text on its plate.
pub fn size(text: &str, scale: u32) -> (u32, u32) {
    ((4 * text.chars().count() as u32 + 1) * scale, 7 * scale)
}

/// Writes a text in `ink` on a plate of `paper` whose top left corner is at `(left, top)`. A pixel of the
/// font is `scale` × `scale` pixels; the part outside the picture is cut off.
///
/// ```
/// use sam2_media::pictures::text;
///
/// let mut picture = image::RgbImage::new(64, 48);
/// text::plate(&mut picture, (2, 2), "0.93", 2, ([255; 3], [30; 3]));
/// assert_eq!(text::size("0.93", 2), (34, 14));
/// assert_eq!(picture.get_pixel(2, 2).0, [30; 3]);
/// ```
pub fn plate(
    picture: &mut RgbImage,
    (left, top): (u32, u32),
    text: &str,
    scale: u32,
    (ink, paper): ([u8; 3], [u8; 3]),
) {
    let (width, height) = size(text, scale);
    let glyphs: Vec<u16> = text.chars().map(glyph).collect();
    let on = |x: u32, y: u32| {
        // One pixel of the font is left free on every side of a character.
        let (Some(x), Some(y)) = ((x / scale).checked_sub(1), (y / scale).checked_sub(1)) else {
            return false;
        };
        x % 4 < 3 && y < 5 && glyphs[x as usize / 4] >> (14 - (3 * y + x % 4)) & 1 == 1
    };
    let (right, bottom) = ((left + width).min(picture.width()), (top + height).min(picture.height()));
    for (x, y) in (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y))) {
        picture.put_pixel(x, y, Rgb(if on(x - left, y - top) { ink } else { paper }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_drawn_on_their_plate() {
        let mut picture = RgbImage::from_pixel(20, 10, Rgb([9; 3]));
        plate(&mut picture, (1, 1), "1.", 1, ([255; 3], [0; 3]));
        assert_eq!(size("1.", 1), (9, 7));
        let row =
            |y: u32| (1..10).map(|x| u8::from(picture.get_pixel(x, y).0 == [255; 3])).collect::<Vec<_>>();
        assert_eq!(row(1), [0; 9]);
        assert_eq!(row(2), [0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(row(6), [0, 1, 1, 1, 0, 0, 1, 0, 0]);
        assert_eq!(picture.get_pixel(10, 1).0, [9; 3], "beside the plate");
        // Partly and wholly outside.
        plate(&mut picture, (18, 8), "IoU 0.93", 2, ([255; 3], [0; 3]));
        plate(&mut picture, (90, 90), "-", 2, ([255; 3], [0; 3]));
    }
}
