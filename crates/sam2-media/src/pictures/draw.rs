//! Anti-aliased shapes on an RGB image.

use image::{Rgb, RgbImage};

/// Blends `color` into a pixel: 0 keeps it, 1 replaces it.
///
/// ```
/// let mut pixel = image::Rgb([0, 100, 200]);
/// sam2_media::pictures::draw::blend(&mut pixel, [100, 100, 100], 0.5);
/// assert_eq!(pixel.0, [50, 100, 150]);
/// ```
pub fn blend(pixel: &mut Rgb<u8>, color: [u8; 3], amount: f32) {
    for (channel, target) in pixel.0.iter_mut().zip(color) {
        *channel = (f32::from(*channel) + (f32::from(target) - f32::from(*channel)) * amount).round() as u8;
    }
}

/// Paints every pixel by the signed distance (pixels, negative inside) of its centre to a shape.
fn paint(picture: &mut RgbImage, bounds: [f32; 4], color: [u8; 3], distance: impl Fn(f32, f32) -> f32) {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let [x0, y0, x1, y1] = bounds;
    let (x0, x1) = ((x0 - 1.0).clamp(0.0, width) as u32, (x1 + 2.0).clamp(0.0, width) as u32);
    let (y0, y1) = ((y0 - 1.0).clamp(0.0, height) as u32, (y1 + 2.0).clamp(0.0, height) as u32);
    for y in y0..y1 {
        for x in x0..x1 {
            let coverage = (0.5 - distance(x as f32 + 0.5, y as f32 + 0.5)).clamp(0.0, 1.0);
            blend(picture.get_pixel_mut(x, y), color, coverage);
        }
    }
}

/// A filled circle.
///
/// ```
/// use sam2_media::pictures::draw;
///
/// let mut picture = image::RgbImage::new(32, 32);
/// draw::disc(&mut picture, (8.0, 8.0), 3.0, [255, 0, 0]);
/// draw::bar(&mut picture, (24.0, 8.0), (4.0, 1.0), [0, 255, 0]);
/// draw::frame(&mut picture, [4.0, 16.0, 28.0, 28.0], 2.0, [0, 0, 255]);
/// let colours = [(8, 8), (24, 8), (4, 20), (16, 22)].map(|(x, y)| picture.get_pixel(x, y).0);
/// assert_eq!(colours, [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0]]);
/// ```
pub fn disc(picture: &mut RgbImage, (cx, cy): (f32, f32), radius: f32, color: [u8; 3]) {
    let bounds = [cx - radius, cy - radius, cx + radius, cy + radius];
    paint(picture, bounds, color, |x, y| (x - cx).hypot(y - cy) - radius);
}

/// A bar of the given length and thickness around a centre.
pub fn bar(
    picture: &mut RgbImage,
    (cx, cy): (f32, f32),
    (half_width, half_height): (f32, f32),
    color: [u8; 3],
) {
    let bounds = [cx - half_width, cy - half_height, cx + half_width, cy + half_height];
    paint(picture, bounds, color, |x, y| ((x - cx).abs() - half_width).max((y - cy).abs() - half_height));
}

/// The outline of a rectangle.
pub fn frame(picture: &mut RgbImage, [x0, y0, x1, y1]: [f32; 4], thickness: f32, color: [u8; 3]) {
    let half = thickness / 2.0;
    let (cx, cy) = ((x0 + x1) / 2.0, (y0 + y1) / 2.0);
    let (half_width, half_height) = ((x1 - x0) / 2.0 + half, (y1 - y0) / 2.0 + half);
    for y in [y0, y1] {
        bar(picture, (cx, y), (half_width, half), color);
    }
    for x in [x0, x1] {
        bar(picture, (x, cy), (half, half_height), color);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_cover_what_they_should_and_stay_inside() {
        let mut picture = RgbImage::new(20, 10);
        disc(&mut picture, (10.0, 5.0), 3.0, [255, 0, 0]);
        assert_eq!(picture.get_pixel(10, 5).0, [255, 0, 0]);
        assert_eq!(picture.get_pixel(2, 5).0, [0, 0, 0]);
        frame(&mut picture, [1.0, 1.0, 19.0, 9.0], 2.0, [0, 0, 255]);
        assert_eq!(picture.get_pixel(10, 0).0, [0, 0, 255]);
        assert_eq!(picture.get_pixel(10, 5).0, [255, 0, 0]);
        // Partly or wholly outside.
        disc(&mut picture, (-1.0, -1.0), 3.0, [0, 255, 0]);
        disc(&mut picture, (1e9, 5.0), 3.0, [0, 255, 0]);
        assert_eq!(picture.get_pixel(0, 0).0, [0, 255, 0]);
    }
}
