//! What a neck has computed so far.

use crate::features::{Features, HighRes};

/// The levels that a neck has computed so far, finest first: those of [`HighRes`], `level2`, and the coarsest
/// one. A neck of one level computes `level2` alone.
#[derive(Default)]
pub(crate) struct Pyramid {
    pub(super) levels: [Vec<f32>; 4],
}

impl Pyramid {
    /// The features, once all maps of the trunk were consumed. The coarsest level is part of `level2` then.
    pub fn into_features(self) -> Features {
        let [s0, s1, level2, _] = self.levels;
        Features { level2, high_res: (!s0.is_empty()).then_some(HighRes { s0, s1 }) }
    }
}
