//! Weighted values from products in half precision: see [`crate::attention::values_f16`].

use half::f16;

use super::scratch::Panel;
use super::values::{add_products, add_weights, raise_max};
use crate::attention::values_f16::GROUP;
use crate::gemm::{KC, Tiles, cover_rows, tile_of_halves};
use crate::math;
use crate::parallel;
use crate::simd::{F32s, Simd, TileOp};

/// A step of the online softmax, as [`super::values::Accumulate`].
pub(super) struct Accumulate<'a> {
    pub count: usize,
    /// `(dv)` rows with stride [`KC`], and their scale.
    pub values: (&'a [f16], f32),
    pub panel: Panel<'a>,
}

impl TileOp for Accumulate<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) {
        let Self { count, values, mut panel } = self;
        let lanes = S::F32::LANES;
        let width = NV * lanes;
        let depth = count.next_multiple_of(GROUP);
        let max = raise_max::<S, NV>(s, &mut panel);
        parallel::with_scratch_f16(depth * width, |weights| {
            let mut sum = [S::F32::splat(s, 0.0); NV];
            let rows = panel.scores.chunks_exact(width).zip(weights.chunks_exact_mut(width));
            for (scores, weights) in rows.take(count) {
                let vectors = scores.chunks_exact(lanes).zip(weights.chunks_exact_mut(lanes));
                for (((scores, weights), max), sum) in vectors.zip(max).zip(&mut sum) {
                    let e = math::exp2_coarse(s, S::F32::load(s, scores).sub(max));
                    *sum = sum.add(e);
                    e.store_half(weights);
                }
            }
            weights[count * width..].fill(f16::ZERO);
            add_weights(s, &mut panel, sum);
            let Panel { correction, sums, .. } = panel;
            let dv = sums.len() / width;
            let mut update = Update { depth, values, weights, correction, sums };
            cover_rows::<S, MR, NV>(s, dv, 0, &mut update);
        });
    }
}

/// `sums ← sums · correction + values · weights · scale`.
struct Update<'a> {
    depth: usize,
    values: (&'a [f16], f32),
    weights: &'a [f16],
    correction: &'a [f32],
    sums: &'a mut [f32],
}

impl<S: Simd> Tiles<S> for Update<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, s: S, _: usize, i: usize) {
        let width = NV * S::F32::LANES;
        let (values, scale) = self.values;
        let mut products =
            tile_of_halves::<S, MR, NV>(s, self.depth, &values[i * KC..], (self.weights, width));
        let scale = S::F32::splat(s, scale);
        products.as_flattened_mut().iter_mut().for_each(|x| *x = x.mul(scale));
        add_products(s, products, self.correction, &mut self.sums[i * width..]);
    }
}
