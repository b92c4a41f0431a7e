//! Preprocessing: pixels to the normalised model input, `[S, S, 3]`, in the caller's buffer; prompts to model
//! coordinates.
//!
//! The two resize functions differ because those of the reference's image and video predictors do.

use kernels::{Isa, image};

use crate::error::PromptError;
use crate::prompt_encoder::ModelPoint;
use crate::types::{Frame, FrameView, Label, PixelFormat, Points};

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

fn normalise(pixels: &mut [f32]) {
    for pixel in pixels.chunks_exact_mut(3) {
        for c in 0..3 {
            pixel[c] = (pixel[c] - MEAN[c]) / STD[c];
        }
    }
}

/// Resize of the image predictor: floating point, bilinear, antialiased. Meta: `sam2/utils/transforms.py`,
/// `SAM2Transforms`.
pub(crate) fn image(isa: Isa, frame: FrameView, side: usize, out: &mut [f32]) {
    let (width, height) = (frame.width(), frame.height());
    let mut pixels = vec![0.0; width * height * 3];
    for (y, row) in pixels.chunks_exact_mut(width * 3).enumerate() {
        frame.read_row(y, row, |x| f32::from(x) / 255.0);
    }
    let resized = image::resize_bilinear_antialias(isa, &pixels, (height, width), 3, (side, side));
    out.copy_from_slice(&resized);
    normalise(out);
}

/// As the video predictor does for a folder of frames: Pillow's bicubic on bytes. Meta: `sam2/utils/misc.py`,
/// `_load_img_as_tensor`. Channels do not mix, so they are resized in the caller's order and put in order
/// afterwards.
pub(crate) fn video(isa: Isa, frame: FrameView, side: usize, out: &mut [f32]) {
    let copy;
    let (data, format) = match frame.packed() {
        Some(data) => (data, frame.format()),
        None => {
            copy = Frame::from(frame);
            (copy.rgb(), PixelFormat::Rgb8)
        }
    };
    let size = (frame.height(), frame.width());
    let resized = image::resize_pil_bicubic_u8(isa, data, size, format.bytes(), (side, side));
    format.read(&resized, out, |x| (f64::from(x) / 255.0) as f32);
    normalise(out);
}

/// Checks a prompt on an image of `width` × `height` pixels and scales it to the model's input of `side`
/// pixels: the corners of the box first, as points with labels 2 and 3, then the clicks. `earlier` is the
/// number of points that they are added to.
pub(crate) fn points(
    prompt: &Points,
    earlier: usize,
    (width, height): (usize, usize),
    side: usize,
) -> Result<Vec<ModelPoint>, PromptError> {
    let count = prompt.len() + earlier;
    if count > Points::MAX {
        return Err(PromptError::TooManyPoints { points: count, most: Points::MAX });
    }
    let (w, h) = (width as f32, height as f32);
    let point = |[x, y]: [f32; 2], label: Label| {
        // A coordinate may equal the width or height, as for the end of a box. The negated test refuses NaN.
        let inside = (0.0..=w).contains(&x) && (0.0..=h).contains(&y);
        let anywhere = prompt.allows_outside() || label == Label::NotAPoint;
        let at = ModelPoint { x: x / w * side as f32, y: y / h * side as f32, label: label as i32 };
        if !(inside || anywhere && at.x.is_finite() && at.y.is_finite()) {
            return Err(PromptError::OutsideImage { x, y, width, height });
        }
        Ok(at)
    };
    let mut points = Vec::with_capacity(prompt.len() + 3);
    if let Some([x0, y0, x1, y1]) = prompt.corners() {
        points.push(point([x0, y0], Label::TopLeft)?);
        points.push(point([x1, y1], Label::BottomRight)?);
        if x0 >= x1 || y0 >= y1 {
            return Err(PromptError::BadBox([x0, y0, x1, y1]));
        }
    }
    for &(at, label) in prompt.points() {
        points.push(point(at, label)?);
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_off_the_image_are_taken_only_where_they_are_allowed() {
        let scaled = |prompt: Points| points(&prompt, 0, (100, 50), 200);
        let off = Points::new().on(-0.5, 75.0);
        assert!(matches!(scaled(off.clone()), Err(PromptError::OutsideImage { .. })));
        let point = ModelPoint { x: -1.0, y: 300.0, label: 1 };
        assert_eq!(scaled(off.allow_outside(true)), Ok(vec![point]));
        for x in [f32::NAN, f32::INFINITY, f32::MAX] {
            for label in [Label::On, Label::NotAPoint] {
                let prompt = Points::new().point(x, 1.0, label).allow_outside(true);
                assert!(matches!(scaled(prompt), Err(PromptError::OutsideImage { .. })), "{x} {label:?}");
            }
        }
        // Padding has no place.
        assert!(scaled(Points::new().point(-9.0, 999.0, Label::NotAPoint)).is_ok());
    }

    #[test]
    fn the_number_of_points_is_bounded() {
        let many = |count: usize| (0..count).fold(Points::new(), |points, _| points.on(1.0, 2.0));
        let scaled =
            |count, earlier| points(&many(count), earlier, (100, 50), 200).map(|points| points.len());
        assert_eq!(scaled(Points::MAX, 0), Ok(Points::MAX));
        let refused = |points| Err(PromptError::TooManyPoints { points, most: Points::MAX });
        assert_eq!(scaled(Points::MAX + 1, 0), refused(Points::MAX + 1));
        assert_eq!(scaled(2, Points::MAX - 1), refused(Points::MAX + 1));
    }

    #[test]
    fn corners_with_labels_are_a_box() {
        let corners = Points::new().point(10.0, 5.0, Label::TopLeft).point(90.0, 45.0, Label::BottomRight);
        let scaled = |prompt: &Points| points(prompt, 0, (100, 50), 200).expect("it is on the image");
        assert_eq!(scaled(&corners), scaled(&Points::bbox(10.0, 5.0, 90.0, 45.0)));
    }

    #[test]
    fn every_pixel_format_gives_the_same_input() {
        let (width, height, side) = (13, 9, 8);
        let rgb: Vec<u8> = (0..width * height * 3).map(|i| (i * 37 % 251) as u8).collect();
        let bgra: Vec<u8> = rgb.chunks(3).flat_map(|p| [p[2], p[1], p[0], 77]).collect();
        let bgr: Vec<u8> = rgb.chunks(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
        let padded: Vec<u8> = rgb.chunks(width * 3).flat_map(|row| [row, &[1; 5]].concat()).collect();
        let of = |data, format| FrameView::new(data, width, height, format).expect("it fills the view");
        let views = [
            of(&bgra, PixelFormat::Bgra8),
            of(&bgr, PixelFormat::Bgr8),
            FrameView::with_stride(&padded, width, height, width * 3 + 5, PixelFormat::Rgb8).expect("padded"),
        ];
        let inputs = |view: FrameView| {
            let mut out = [vec![0.0; side * side * 3], vec![0.0; side * side * 3]];
            image(Isa::best(), view, side, &mut out[0]);
            video(Isa::best(), view, side, &mut out[1]);
            out
        };
        let expected = inputs(of(&rgb, PixelFormat::Rgb8));
        for view in views {
            assert_eq!(inputs(view), expected, "{:?}", view.format());
        }
    }
}
