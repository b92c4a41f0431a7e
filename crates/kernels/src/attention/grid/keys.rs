//! The weights that stand for the keys.

use super::split_i16::WeightsI16;
use crate::gemm::KC;
use crate::parallel;
use crate::rope::Rope;

/// The projection of inputs `z` to keys, rotated to every column and every row of the grid.
#[derive(Clone, Debug)]
pub struct GridKeys {
    pub(super) side: usize,
    pub(super) d: usize,
    pub(super) m: usize,
    pub(super) scale: f32,
    pub(super) weights: Weights,
}

/// `(side · (m + 1))` rows with stride [`KC`]: row `(j, c)` is column `c` of `[W|b]` rotated to cell `(j,
/// j)`, times the scale.
#[derive(Clone, Debug)]
pub(super) enum Weights {
    F32(Vec<f32>),
    I16(WeightsI16),
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
        let columns: Vec<f32> =
            (0..m).flat_map(|c| weight[c..].iter().step_by(m)).chain(bias).map(|x| scale * x).collect();
        let mut rotated = vec![0.0; side * (m + 1) * KC];
        parallel::for_each_chunk_mut(&mut rotated, (m + 1) * KC, |j, rows| {
            for (row, column) in rows.chunks_exact_mut(KC).zip(columns.chunks_exact(d)) {
                row[..d].copy_from_slice(column);
                rope.rotate_key(j * side + j, &mut row[..d]);
            }
        });
        Self { side, d, m, scale, weights: Weights::F32(rotated) }
    }

    /// [`Self::new`] for products of 16-bit integers with the queries.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[track_caller]
    pub fn int16(weight: &[f32], bias: &[f32], scale: f32, rope: &Rope) -> Self {
        let mut keys = Self::new(weight, bias, scale, rope);
        if let Weights::F32(rows) = &keys.weights {
            keys.weights = Weights::I16(WeightsI16::new(rows, keys.d));
        }
        keys
    }
}
