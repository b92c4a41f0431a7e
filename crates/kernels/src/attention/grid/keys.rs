//! The weights that stand for the keys.

use super::factors::Factors;
use crate::gemm::KC;
use crate::rope::Rope;

/// The projection of inputs `z` to keys, and the rotations to the columns and rows of the grid.
#[derive(Clone, Debug)]
pub struct GridKeys {
    pub(super) side: usize,
    pub(super) d: usize,
    pub(super) m: usize,
    pub(super) scale: f32,
    /// `(m + 1, d)`: the columns of `[W|b]` rotated to the middle of the grid, times the scale.
    pub(super) weights: Vec<f32>,
    /// Of the angles to the middle, by distance and pair of channels.
    pub(super) cosines: Factors,
    pub(super) sines: Factors,
}

impl GridKeys {
    /// From `weight`, `(d, m)`, and `bias`, `(d)`, for scores times `scale`, on the grid of keys of `rope`.
    ///
    /// # Panics
    /// If the sizes do not agree or `d` exceeds [`KC`].
    #[track_caller]
    pub fn new(weight: &[f32], bias: &[f32], scale: f32, rope: &Rope) -> Self {
        let (d, side) = (bias.len(), rope.key_side());
        let m = weight.len() / d.max(1);
        assert!(weight.len() == d * m && d <= KC && d == rope.dim(), "GridKeys::new: {d}×{m}");
        let scale = scale * std::f32::consts::LOG2_E;
        let frequencies = rope.frequencies();
        let middle = (side as f64 - 1.0) / 2.0;
        let turns: Vec<(f64, f64)> = frequencies.iter().map(|&f| (middle * f64::from(f)).sin_cos()).collect();
        let columns = (0..m).flat_map(|c| weight[c..].iter().step_by(m)).chain(bias);
        let mut weights: Vec<f32> = columns.map(|x| scale * x).collect();
        for half in weights.chunks_exact_mut((d / 2).max(1)) {
            for (pair, (sin, cos)) in half.chunks_exact_mut(2).zip(&turns) {
                let [a, b] = [pair[0], pair[1]].map(f64::from);
                pair[0] = (a * cos - b * sin) as f32;
                pair[1] = (b * cos + a * sin) as f32;
            }
        }
        let distances: Vec<f64> = (side / 2..side).map(|x| x as f64 - middle).collect();
        Self {
            side,
            d,
            m,
            scale,
            weights,
            cosines: Factors::new(&distances, frequencies, f64::cos),
            sines: Factors::new(&distances, frequencies, f64::sin),
        }
    }

    /// Multiply-adds for the parts of the columns and rows of one query.
    pub fn split_products(&self) -> usize {
        let (pairs, distances) = (self.d / 4, self.side.div_ceil(2));
        let products = |factors: &Factors| factors.products(distances, pairs);
        2 * (self.m + 1) * (4 * pairs + products(&self.cosines) + products(&self.sines))
    }

    /// Rows of scratch memory, each of a panel's width, that the split of a query takes.
    pub(super) fn split_scratch(&self) -> usize {
        self.d / 2 + self.cosines.rank + self.sines.rank
    }
}
