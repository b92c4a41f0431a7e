//! Prediction for one prompt, and clean-up of its masks. Meta: `sam2/utils/transforms.py`,
//! `SAM2Transforms.postprocess_masks`.

use std::sync::Arc;

use kernels::image::resize_bilinear;

use super::ImageOptions;
use crate::components::Components;
use crate::mask_decoder::Selected;
use crate::model::Model;
use crate::scores::{argmax, stability_score};
use crate::types::Mask;

/// Range to which returned logits are clamped.
pub(crate) const LOGIT_LIMIT: f32 = 32.0;
/// Offset of the reported stability score.
const STABILITY_OFFSET: f32 = 1.0;
/// Distance from the threshold of the logits of filled holes and removed sprinkles.
const CLEANED: f32 = 10.0;

/// The masks of one prompt.
///
/// ```
/// # use sam2_model::{Frame, ImagePredictor, Points};
/// # let mut predictor = ImagePredictor::new(sam2_micro::model());
/// # predictor.set_image(&Frame::new(96, 64, vec![90; 96 * 64 * 3])?);
/// let prediction = predictor.predict(&Points::click(48.0, 32.0).into())?;
/// for k in 0..prediction.len() {
///     let (iou, stability) = (prediction.ious()[k], prediction.stability_score(k));
///     println!("{} pixels, predicted IoU {iou}, stability {stability}", prediction.mask(k).area());
/// }
/// let best = prediction.best();
/// assert_eq!(prediction.mask_logits(best).len(), 96 * 64); // of the image
/// assert_eq!(prediction.low_res_shape(), [prediction.len(), 64, 64]); // of the decoder
/// assert_eq!(prediction.low_res_mask(best).len(), 64 * 64);
/// # Ok::<(), sam2_model::error::ImageError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prediction {
    model: Arc<Model>,
    options: ImageOptions,
    width: usize,
    height: usize,
    ious: Vec<f32>,
    object_score: f32,
    /// `[K, s, s]`, cleaned up but not clamped: the source of the masks.
    logits: Vec<f32>,
    /// `[K, s, s]` within ±32.
    low_res: Vec<f32>,
}

impl Prediction {
    pub(super) fn new(
        model: &Arc<Model>,
        options: ImageOptions,
        (width, height): (usize, usize),
        selected: Selected,
        object_score: f32,
    ) -> Self {
        let side = model.low_res_size();
        let low_res = selected.masks.iter().map(|x| x.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)).collect();
        let mut logits = selected.masks;
        logits.chunks_exact_mut(side * side).for_each(|mask| clean(mask, side, &options));
        let model = Arc::clone(model);
        Self { model, options, width, height, ious: selected.ious, object_score, logits, low_res }
    }

    /// Number of masks.
    pub fn len(&self) -> usize {
        self.ious.len()
    }

    /// Never: there is at least one mask.
    pub fn is_empty(&self) -> bool {
        self.ious.is_empty()
    }

    /// The model's own estimate of each mask's IoU with the object, 0 ..= 1.
    pub fn ious(&self) -> &[f32] {
        &self.ious
    }

    /// Index of the mask with the best estimate.
    pub fn best(&self) -> usize {
        argmax(&self.ious)
    }

    /// Object score: logit of an object being present.
    pub fn object_score(&self) -> f32 {
        self.object_score
    }

    /// Logits of all masks within ±32, as Meta's predictor returns them, row-major; see
    /// [`Self::low_res_shape`].
    pub fn low_res(&self) -> &[f32] {
        &self.low_res
    }

    /// Shape of [`Self::low_res`]: `[K, s, s]` with s = [`Model::low_res_size`].
    pub fn low_res_shape(&self) -> [usize; 3] {
        let side = self.model.low_res_size();
        [self.len(), side, side]
    }

    /// Logits of mask `k` within ±32, `[s, s]`: a later prompt can refine them, see
    /// [`ImagePrompt::mask_logits`](super::ImagePrompt::mask_logits).
    ///
    /// # Panics
    /// If there is no mask `k`.
    pub fn low_res_mask(&self, k: usize) -> &[f32] {
        let area = self.model.low_res_size().pow(2);
        &self.low_res[k * area..(k + 1) * area]
    }

    /// Logits of mask `k` at the size of the image, row-major, with holes and sprinkles removed according to
    /// the options.
    ///
    /// # Panics
    /// If there is no mask `k`.
    pub fn mask_logits(&self, k: usize) -> Vec<f32> {
        let side = self.model.low_res_size();
        resize_bilinear(self.model.isa, self.logits(k), (side, side), 1, (self.height, self.width))
    }

    /// Those of mask `k`, `[s, s]`.
    fn logits(&self, k: usize) -> &[f32] {
        let area = self.model.low_res_size().pow(2);
        &self.logits[k * area..(k + 1) * area]
    }

    /// Mask `k` at the size of the image.
    ///
    /// # Panics
    /// If there is no mask `k`.
    pub fn mask(&self, k: usize) -> Mask {
        let size = (self.width, self.height);
        Mask::above_resized(self.model.isa, self.logits(k), size, self.options.mask_threshold)
    }

    /// Stability score of mask `k`: IoU of the masks at thresholds ±1, 0 ..= 1, at the size of the image.
    ///
    /// # Panics
    /// If there is no mask `k`.
    pub fn stability_score(&self, k: usize) -> f32 {
        stability_score(&self.mask_logits(k), self.options.mask_threshold, STABILITY_OFFSET, 1.0)
    }
}

/// Fills small holes and removes small sprinkles of one mask, `[side, side]`. Both are found before either is
/// changed.
fn clean(logits: &mut [f32], side: usize, options: &ImageOptions) {
    let threshold = options.mask_threshold;
    let small = |area: usize, inside: &dyn Fn(f32) -> bool| {
        let chosen: Vec<bool> = logits.iter().map(|&x| inside(x)).collect();
        Components::of(&chosen, side).small(area).collect::<Vec<usize>>()
    };
    let holes = if options.max_hole_area > 0 {
        small(options.max_hole_area, &|x| x <= threshold)
    } else {
        Vec::new()
    };
    let sprinkles = if options.max_sprinkle_area > 0 {
        small(options.max_sprinkle_area, &|x| x > threshold)
    } else {
        Vec::new()
    };
    holes.into_iter().for_each(|pixel| logits[pixel] = threshold + CLEANED);
    sprinkles.into_iter().for_each(|pixel| logits[pixel] = threshold - CLEANED);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_and_sprinkles_are_found_in_the_mask_as_it_was() {
        // A ring of 8 around a hole of 1, and a lone pixel; all background outside is one component of 14.
        let picture = ["###..", "#.#..", "###..", ".....", "....#"].concat();
        let logits: Vec<f32> = picture.chars().map(|c| if c == '#' { 3.0 } else { 1.0 }).collect();
        let cleaned = |max_hole_area, max_sprinkle_area| {
            let mut logits = logits.clone();
            clean(&mut logits, 5, &ImageOptions { mask_threshold: 2.0, max_hole_area, max_sprinkle_area });
            logits
        };
        assert_eq!(cleaned(0, 0), logits);
        let changed =
            |a: &[f32]| (0..25).filter(|&i| a[i] != logits[i]).map(|i| (i, a[i])).collect::<Vec<_>>();
        assert_eq!(changed(&cleaned(1, 0)), [(6, 12.0)]);
        assert_eq!(changed(&cleaned(1, 1)), [(6, 12.0), (24, -8.0)]);
        // The ring is removed too, but its former hole is filled: it was not part of the ring.
        let all = changed(&cleaned(1, 8));
        assert_eq!(all.len(), 10);
        assert!(all.contains(&(6, 12.0)) && all.contains(&(0, -8.0)));
    }
}
