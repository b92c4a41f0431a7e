//! The masks among which a memory policy selects, and its selection.

use kernels::Isa;

use crate::types::Mask;

/// The masks that the decoder predicts for one frame from the memories of one hypothesis.
#[derive(Clone, Debug)]
pub(crate) struct Candidates {
    /// `[K, s, s]` logits, [`crate::heads::NO_OBJ_SCORE`] everywhere if the object is absent.
    pub masks: Vec<f32>,
    /// Predicted IoU of each.
    pub ious: Vec<f32>,
    /// Mask tokens, the input of the object pointers, `(K, D)`.
    pub tokens: Vec<f32>,
    /// Object score: logit of the object being present.
    pub object_score: f32,
    /// Whether `object_score` exceeds the policy's threshold.
    pub in_view: bool,
    /// Side of the model's input, pixels.
    pub input_size: usize,
    pub isa: Isa,
}

impl Candidates {
    /// Side of the logits.
    pub fn side(&self) -> usize {
        (self.masks.len() / self.ious.len()).isqrt()
    }

    /// Logits of mask `k`, `[s, s]`.
    pub fn mask(&self, k: usize) -> &[f32] {
        let area = self.side().pow(2);
        &self.masks[k * area..(k + 1) * area]
    }

    /// Inclusive `x0, y0, x1, y1` of mask `k` in pixels of the model's input; zeros if it is empty.
    pub fn bbox(&self, k: usize) -> [f64; 4] {
        let size = (self.input_size, self.input_size);
        let mask = Mask::above_resized(self.isa, self.mask(k), size, 0.0);
        mask.bbox_xyxy().unwrap_or_default().map(|x| x as f64)
    }
}

/// The candidates of one hypothesis on one frame.
#[derive(Debug)]
pub(crate) struct HypothesisMasks {
    pub candidates: Candidates,
    /// Score of the hypothesis before this frame.
    pub score: f64,
}

/// A candidate with which tracking continues.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Selection {
    /// Index of the hypothesis whose candidate it is.
    pub hypothesis: usize,
    pub candidate: usize,
    /// Score of the hypothesis after this frame.
    pub score: f64,
    /// See [`crate::memory::bank::StoredOutput::motion`].
    pub motion: Option<f64>,
}

impl Selection {
    /// This candidate of the only hypothesis.
    pub fn single(candidate: usize) -> Self {
        Self { hypothesis: 0, candidate, score: 0.0, motion: None }
    }
}
