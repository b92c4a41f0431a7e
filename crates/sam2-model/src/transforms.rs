//! Pixels to the model's input, `[S, S, 3]`, normalised, in a buffer of the caller's; and prompts to its coordinates.
//!
//! The reference's image and video predictors resize differently, and so do these.

use kernels::{Isa, image};

use crate::error::PromptError;
use crate::prompt_encoder::ModelPoint;
use crate::types::{Frame, Points};

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

fn normalise(pixels: &mut [f32]) {
    for pixel in pixels.chunks_exact_mut(3) {
        for c in 0..3 {
            pixel[c] = (pixel[c] - MEAN[c]) / STD[c];
        }
    }
}

/// As the image predictor does: resized in floating point, bilinear, antialiased. Meta:
/// `sam2/utils/transforms.py`, `SAM2Transforms`.
pub(crate) fn image(isa: Isa, frame: &Frame, side: usize, out: &mut [f32]) {
    let pixels: Vec<f32> = frame.rgb().iter().map(|&x| f32::from(x) / 255.0).collect();
    let resized =
        image::resize_bilinear_antialias(isa, &pixels, (frame.height(), frame.width()), 3, (side, side));
    out.copy_from_slice(&resized);
    normalise(out);
}

/// As the video predictor does for a folder of frames: Pillow's bicubic on bytes. Meta: `sam2/utils/misc.py`,
/// `_load_img_as_tensor`.
pub(crate) fn video(frame: &Frame, side: usize, out: &mut [f32]) {
    let resized = image::resize_pil_bicubic_u8(frame.rgb(), (frame.height(), frame.width()), 3, (side, side));
    out.iter_mut().zip(&resized).for_each(|(out, &x)| *out = (f64::from(x) / 255.0) as f32);
    normalise(out);
}

/// Checks a prompt on an image of `width` × `height` pixels and scales it to the model's input of `side` pixels: the
/// corners of the box first, as points with labels 2 and 3, then the clicks.
pub(crate) fn points(
    prompt: &Points,
    (width, height): (usize, usize),
    side: usize,
) -> Result<Vec<ModelPoint>, PromptError> {
    if prompt.coords.len() != prompt.labels.len() {
        return Err(PromptError::LabelCount { points: prompt.coords.len(), labels: prompt.labels.len() });
    }
    let (w, h) = (width as f32, height as f32);
    let point = |x: f32, y: f32, label: i32| {
        // A coordinate may lie on the far edge, where boxes end. The negated test refuses NaN.
        if !((0.0..=w).contains(&x) && (0.0..=h).contains(&y)) {
            return Err(PromptError::OutsideImage { x, y, width, height });
        }
        Ok(ModelPoint { x: x / w * side as f32, y: y / h * side as f32, label })
    };
    let mut points = Vec::with_capacity(prompt.coords.len() + 3);
    if let Some([x0, y0, x1, y1]) = prompt.bbox {
        points.push(point(x0, y0, 2)?);
        points.push(point(x1, y1, 3)?);
        if x0 >= x1 || y0 >= y1 {
            return Err(PromptError::BadBox([x0, y0, x1, y1]));
        }
    }
    for (&[x, y], &label) in prompt.coords.iter().zip(&prompt.labels) {
        if !(0..=1).contains(&label) {
            return Err(PromptError::BadLabel(label));
        }
        points.push(point(x, y, label)?);
    }
    Ok(points)
}
