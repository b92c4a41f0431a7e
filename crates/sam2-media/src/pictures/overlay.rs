//! Overlays: masks and prompts drawn on their image.

use image::{Rgb, RgbImage};
use sam2_model::Frame;

use super::draw::{self, blend};
use super::{png, text};
use crate::prompts::{BoxPrompt, Click, Prompt};

const CLICK_ON: [u8; 3] = [40, 190, 60];
const CLICK_OFF: [u8; 3] = [225, 45, 45];
const WHITE: [u8; 3] = [255; 3];
/// Share of the object's colour in the colour of a pixel inside the mask.
pub const TINT: f32 = 0.35;
/// Weights of red, green and blue in the brightness of a pixel (ITU-R BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// Opacity of the white ring around a mask.
const HALO: f32 = 0.85;

/// A copy of a frame to draw on.
///
/// # Panics
/// If a side of the frame has 2³² pixels or more.
pub fn picture(frame: &Frame) -> RgbImage {
    let side = |pixels: usize| u32::try_from(pixels).expect("a side has fewer than 2^32 pixels");
    RgbImage::from_raw(side(frame.width()), side(frame.height()), frame.rgb().to_vec())
        .expect("a frame has three bytes a pixel")
}

/// The colour that an object is drawn in: that of its number in the label maps. Numbers beyond 255 share the
/// last one.
pub fn colour(obj_id: u32) -> [u8; 3] {
    png::colour(u8::try_from(obj_id).unwrap_or(u8::MAX))
}

/// Tints a mask and draws its outline, in its colour inside the mask and in white around it, so that it shows
/// on any background. The tint changes the colour of a pixel and keeps its brightness, so the texture of the
/// object stays visible. `inside` is row by row, of the picture's size.
///
/// ```
/// use sam2_media::pictures::overlay;
/// use sam2_model::Frame;
///
/// let frame = Frame::new(64, 48, vec![90; 64 * 48 * 3])?;
/// let inside: Vec<bool> = (0..64 * 48).map(|i| i % 64 < 32).collect(); // the left half
/// let mut picture = overlay::picture(&frame);
/// overlay::mask(&mut picture, &inside, overlay::colour(1));
/// overlay::label(&mut picture, &inside, 1, overlay::colour(1));
/// assert_ne!(picture.get_pixel(10, 40).0, [90; 3]);
/// assert_eq!(picture.get_pixel(60, 40).0, [90; 3]);
/// # Ok::<(), sam2_model::error::ImageError>(())
/// ```
pub fn mask(picture: &mut RgbImage, inside: &[bool], colour: [u8; 3]) {
    mask_with(picture, inside, colour, TINT);
}

/// [`mask()`] with another share of the object's colour, 0 ..= 1.
pub fn mask_with(picture: &mut RgbImage, inside: &[bool], colour: [u8; 3], share: f32) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let thickness = stroke(picture).round() as usize;
    let shrunk = |mask: Vec<bool>, by: usize| (0..by).fold(mask, |mask, _| erode(&mask, width, height));
    let core = shrunk(inside.to_vec(), thickness.max(2));
    let far = shrunk(inside.iter().map(|inside| !inside).collect(), thickness);
    for (i, pixel) in picture.pixels_mut().enumerate() {
        match (inside[i], core[i], far[i]) {
            (true, true, _) => tint(pixel, colour, share),
            (true, false, _) => blend(pixel, colour, 1.0),
            (false, _, false) => blend(pixel, WHITE, HALO),
            (false, _, true) => {}
        }
    }
}

/// Moves the colour of a pixel towards `colour`, at its brightness.
fn tint(pixel: &mut Rgb<u8>, colour: [u8; 3], amount: f32) {
    let own = pixel.0.map(f32::from);
    // The colours of the palette are dark: at full brightness they tint enough.
    let brightest = f32::from(colour.into_iter().max().unwrap_or(0).max(1));
    let full = colour.map(|channel| f32::from(channel) * 255.0 / brightest);
    let (brightness, grey) = (luma(own), luma(full));
    let chroma = [0, 1, 2].map(|i| (1.0 - amount) * (own[i] - brightness) + amount * (full[i] - grey));
    // As much of it as fits between black and white at this brightness.
    let fit = |c: f32| if c > 0.0 { (255.0 - brightness) / c } else { -brightness / c.min(-1e-6) };
    let share = chroma.iter().map(|&c| fit(c)).fold(1.0, f32::min);
    pixel.0 = chroma.map(|c| (brightness + share * c).round() as u8);
}

/// Brightness of red, green and blue.
fn luma(rgb: [f32; 3]) -> f32 {
    rgb.iter().zip(LUMA).map(|(channel, weight)| channel * weight).sum()
}

/// Draws the outline of a mask as a dashed line, one pixel wide, on its outermost pixels.
///
/// ```
/// use sam2_media::pictures::overlay;
///
/// let mut picture = image::RgbImage::new(8, 8);
/// let inside: Vec<bool> =
///     (0..64).map(|i| (2..6).contains(&(i % 8)) && (2..6).contains(&(i / 8))).collect();
/// overlay::dashes(&mut picture, &inside, [255, 255, 0]);
/// assert_eq!(picture.get_pixel(2, 4).0, [255, 255, 0]);
/// assert_eq!(picture.get_pixel(4, 4).0, [0; 3]); // not at the edge
/// ```
pub fn dashes(picture: &mut RgbImage, inside: &[bool], colour: [u8; 3]) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let core = erode(inside, width, height);
    for (i, pixel) in picture.pixels_mut().enumerate() {
        let (x, y) = (i % width, i / width);
        if inside[i] && !core[i] && (x + y) % 6 < 4 {
            *pixel = Rgb(colour);
        }
    }
}

/// Writes the number of an object on a plate of its colour, above its topmost pixels; nothing if the mask is
/// empty.
pub fn label(picture: &mut RgbImage, inside: &[bool], number: u32, paper: [u8; 3]) {
    let (width, height) = picture.dimensions();
    let rows = || inside.chunks(width.max(1) as usize);
    let Some((row, pixels)) = rows().enumerate().find(|(_, row)| row.contains(&true)) else { return };
    let columns: Vec<usize> =
        pixels.iter().enumerate().filter_map(|(x, &inside)| inside.then_some(x)).collect();
    let left = (columns.iter().sum::<usize>() / columns.len()) as u32;
    let ink = if luma(paper.map(f32::from)) > 150.0 { [0; 3] } else { WHITE };
    let (text, scale) = (number.to_string(), 2 * stroke(picture).round().max(1.0) as u32);
    let (wide, high) = text::size(&text, scale);
    let corner = (
        left.saturating_sub(wide / 2).min(width.saturating_sub(wide)),
        (row as u32).saturating_sub(high + scale).min(height.saturating_sub(high)),
    );
    text::plate(picture, corner, &text, scale, (ink, paper));
}

/// Pixels whose four neighbours are inside too; beyond the image counts as inside.
fn erode(inside: &[bool], width: usize, height: usize) -> Vec<bool> {
    let mut core = inside.to_vec();
    for y in 0..height {
        for x in 0..width {
            let i = y * width + x;
            core[i] = inside[i]
                && (x == 0 || inside[i - 1])
                && (x + 1 == width || inside[i + 1])
                && (y == 0 || inside[i - width])
                && (y + 1 == height || inside[i + width]);
        }
    }
    core
}

/// Draws clicks (green with a plus: the object; red with a minus: not the object) and a box.
///
/// ```
/// use sam2_media::pictures::overlay;
/// use sam2_media::prompts::BoxPrompt;
///
/// let mut picture = image::RgbImage::new(64, 48);
/// let bbox = BoxPrompt([8.0, 8.0, 56.0, 40.0]);
/// overlay::points(&mut picture, &["32,24".parse()?, "12,12,0".parse()?], Some(bbox), overlay::colour(1));
/// assert_eq!(picture.get_pixel(32, 24).0, [255; 3]); // the plus of a click on the object
/// # Ok::<(), sam2_media::error::InvalidPrompt>(())
/// ```
pub fn points(picture: &mut RgbImage, clicks: &[Click], bbox: Option<BoxPrompt>, colour: [u8; 3]) {
    let stroke = stroke(picture);
    if let Some(BoxPrompt(corners)) = bbox {
        // Whole pixels on both sides of the edge.
        let line = stroke.max(2.0);
        draw::frame(picture, corners, line + 2.0, WHITE);
        draw::frame(picture, corners, line, colour);
    }
    let radius = 3.0 * stroke;
    for click in clicks {
        let on = click.label == 1;
        // A click's mark is centred on its pixel.
        let centre = (click.x + 0.5, click.y + 0.5);
        draw::disc(picture, centre, radius + stroke.max(1.2) * 0.8, WHITE);
        draw::disc(picture, centre, radius, if on { CLICK_ON } else { CLICK_OFF });
        let (long, short) = (radius * 0.6, (radius * 0.18).max(0.5));
        draw::bar(picture, centre, (long, short), WHITE);
        if on {
            draw::bar(picture, centre, (short, long), WHITE);
        }
    }
}

/// Draws a prompt, except a mask prompt, which resembles the result.
///
/// ```
/// use sam2_media::pictures::overlay;
/// use sam2_media::prompts::Prompt;
///
/// let mut picture = image::RgbImage::new(64, 48);
/// let prompt = Prompt::Points { clicks: vec!["32,24".parse()?], bbox: None };
/// overlay::target(&mut picture, &prompt, overlay::colour(1));
/// assert_ne!(picture.get_pixel(32, 24).0, [0; 3]);
/// # Ok::<(), sam2_media::error::InvalidPrompt>(())
/// ```
pub fn target(picture: &mut RgbImage, target: &Prompt, colour: [u8; 3]) {
    if let Prompt::Points { clicks, bbox } = target {
        points(picture, clicks, *bbox, colour);
    }
}

/// Line width in pixels.
fn stroke(picture: &RgbImage) -> f32 {
    (picture.width().min(picture.height()) as f32 / 320.0).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outline_is_opaque_and_inside_is_tinted() {
        let mut picture = RgbImage::from_pixel(9, 9, Rgb([60; 3]));
        let inside: Vec<bool> =
            (0..81).map(|i| (2..7).contains(&(i % 9)) && (2..7).contains(&(i / 9))).collect();
        mask(&mut picture, &inside, [200, 100, 0]);
        assert_eq!(picture.get_pixel(2, 4).0, [200, 100, 0], "outline");
        let [red, green, blue] = picture.get_pixel(4, 4).0;
        assert!(red > 80 && red > green && green > blue, "tint: {red} {green} {blue}");
        assert_eq!(picture.get_pixel(1, 4).0, [226; 3], "ring");
        assert_eq!(picture.get_pixel(0, 0).0, [60; 3], "outside");
    }

    #[test]
    fn a_tint_keeps_the_brightness() {
        for grey in [0u8, 1, 17, 90, 128, 200, 254, 255] {
            for (own, id) in
                [([grey; 3], 1), ([grey, 255 - grey, 30], 2), ([0, grey, 255], 6), ([grey; 3], 7)]
            {
                let mut pixel = Rgb(own);
                tint(&mut pixel, colour(id), TINT);
                assert!(
                    (luma(pixel.0.map(f32::from)) - luma(own.map(f32::from))).abs() < 1.5,
                    "{own:?} {id}: {:?}",
                    pixel.0
                );
            }
        }
    }

    #[test]
    fn objects_have_the_colours_of_the_label_maps() {
        assert_eq!([1, 2, 3].map(colour), [[128, 0, 0], [0, 128, 0], [128, 128, 0]]);
        assert_eq!(colour(255), colour(1000));
    }

    #[test]
    fn labels_stand_above_their_object_and_inside_the_picture() {
        let mut picture = RgbImage::new(40, 40);
        let inside: Vec<bool> = (0..1600).map(|i| (10..30).contains(&(i % 40)) && i / 40 >= 25).collect();
        label(&mut picture, &inside, 1, colour(1));
        assert_eq!(picture.get_pixel(15, 9).0, [128, 0, 0], "the plate");
        assert_eq!(picture.get_pixel(19, 26).0, [0; 3], "the object");
        label(&mut picture, &[false; 1600], 2, WHITE);
        label(&mut RgbImage::new(3, 3), &[true; 9], 200, WHITE);
    }

    #[test]
    fn dashes_follow_the_outline() {
        let mut picture = RgbImage::new(9, 9);
        let inside: Vec<bool> =
            (0..81).map(|i| (2..7).contains(&(i % 9)) && (2..7).contains(&(i / 9))).collect();
        dashes(&mut picture, &inside, WHITE);
        // Of the 16 outermost pixels, 9 have x + y modulo 6 below 4.
        assert_eq!(picture.pixels().filter(|p| p.0 == WHITE).count(), 9);
        assert_eq!((picture.get_pixel(4, 4).0, picture.get_pixel(1, 2).0), ([0; 3], [0; 3]));
    }

    #[test]
    fn marks_at_the_border_do_not_panic() {
        let mut picture = RgbImage::new(1, 1);
        let clicks = [Click { x: 0.0, y: 0.0, label: 1 }, Click { x: 0.5, y: 0.9, label: 0 }];
        points(&mut picture, &clicks, Some(BoxPrompt([0.0, 0.0, 1.0, 1.0])), colour(1));
        mask(&mut picture, &[true], colour(255));
    }
}
