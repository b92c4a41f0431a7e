//! Pixels to the model's input, `[S, S, 3]`, normalised, in a buffer of the caller's. The image and the video predictor of the reference
//! resize differently, and so do ours.

use kernels::{Isa, image};

use crate::predictor::prompt::Frame;

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
