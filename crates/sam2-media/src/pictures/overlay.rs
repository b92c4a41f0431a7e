//! Masks and prompts drawn on the picture they belong to.

use image::RgbImage;
use sam2_model::Frame;

use super::draw::{self, blend};
use crate::prompts::{BoxPrompt, Click, Prompt};

/// Colours of objects 1, 2, 3, ...: far apart for most eyes, and none is the green or red of the clicks.
const COLOURS: [[u8; 3]; 8] = [
    [30, 144, 255],
    [255, 150, 20],
    [255, 60, 180],
    [0, 205, 195],
    [255, 230, 60],
    [140, 100, 255],
    [170, 120, 70],
    [120, 130, 150],
];
const CLICK_ON: [u8; 3] = [40, 190, 60];
const CLICK_OFF: [u8; 3] = [225, 45, 45];
const WHITE: [u8; 3] = [255; 3];
/// How much of a pixel inside the mask is the object's colour.
const TINT: f32 = 0.5;
/// How white the ring around a mask is.
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

/// The colour that an object is drawn in.
pub fn colour(obj_id: u32) -> [u8; 3] {
    COLOURS[(obj_id as usize).wrapping_sub(1) % COLOURS.len()]
}

/// Tints a mask and draws its outline, in its colour inside the mask and in white around it, so that it shows on
/// any background. `inside` is row by row, of the picture's size.
pub fn mask(picture: &mut RgbImage, inside: &[bool], colour: [u8; 3]) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let thickness = stroke(picture).round().max(1.0) as usize;
    let shrunk = |mask: Vec<bool>| (0..thickness).fold(mask, |mask, _| erode(&mask, width, height));
    let core = shrunk(inside.to_vec());
    let far = shrunk(inside.iter().map(|inside| !inside).collect());
    for (i, pixel) in picture.pixels_mut().enumerate() {
        match (inside[i], core[i], far[i]) {
            (true, true, _) => blend(pixel, colour, TINT),
            (true, false, _) => blend(pixel, colour, 1.0),
            (false, _, false) => blend(pixel, WHITE, HALO),
            (false, _, true) => {}
        }
    }
}

/// The pixels whose four neighbours are inside too; the picture's border does not count as outside.
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
pub fn points(picture: &mut RgbImage, clicks: &[Click], bbox: Option<BoxPrompt>, colour: [u8; 3]) {
    let stroke = stroke(picture);
    if let Some(BoxPrompt(corners)) = bbox {
        draw::frame(picture, corners, stroke + 2.0, WHITE);
        draw::frame(picture, corners, stroke, colour);
    }
    let radius = 3.0 * stroke;
    for click in clicks {
        let on = click.label == 1;
        // A click names a pixel; its mark is centred on that pixel.
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

/// Draws a prompt; a mask prompt is not drawn, it resembles the result.
pub fn target(picture: &mut RgbImage, target: &Prompt, colour: [u8; 3]) {
    if let Prompt::Points { clicks, bbox } = target {
        points(picture, clicks, *bbox, colour);
    }
}

/// Width of a line that is visible but not in the way, in pixels.
fn stroke(picture: &RgbImage) -> f32 {
    (picture.width().min(picture.height()) as f32 / 320.0).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outline_is_opaque_and_inside_is_tinted() {
        let mut picture = RgbImage::new(9, 9);
        let inside: Vec<bool> =
            (0..81).map(|i| (2..7).contains(&(i % 9)) && (2..7).contains(&(i / 9))).collect();
        mask(&mut picture, &inside, [200, 100, 0]);
        assert_eq!(picture.get_pixel(2, 4).0, [200, 100, 0], "outline");
        assert_eq!(picture.get_pixel(4, 4).0, [100, 50, 0], "tint");
        assert_eq!(picture.get_pixel(1, 4).0, [217; 3], "ring");
        assert_eq!(picture.get_pixel(0, 0).0, [0, 0, 0], "outside");
    }

    #[test]
    fn marks_at_the_border_do_not_panic() {
        let mut picture = RgbImage::new(1, 1);
        let clicks = [Click { x: 0.0, y: 0.0, label: 1 }, Click { x: 0.5, y: 0.9, label: 0 }];
        points(&mut picture, &clicks, Some(BoxPrompt([0.0, 0.0, 1.0, 1.0])), colour(1));
        mask(&mut picture, &[true], colour(255));
    }
}
