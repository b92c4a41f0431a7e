//! Scores to weights, and the weighted values onto the sums: a step of the online softmax.

use super::scratch::Panel;
use crate::gemm::{KC, Tiles, cover_rows, tile};
use crate::math;
use crate::simd::{F32s, Simd, TileOp};

/// One step for one panel of queries and one block of `count` tokens, whose scores and their maximum are in
/// `panel`.
pub(super) struct Accumulate<'a> {
    pub count: usize,
    /// `(dv)` rows with stride [`KC`].
    pub values: &'a [f32],
    pub panel: Panel<'a>,
}

impl TileOp for Accumulate<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) {
        let Self { count, values, mut panel } = self;
        let lanes = S::F32::LANES;
        let width = NV * lanes;
        let max = raise_max::<S, NV>(s, &mut panel);
        let mut sum = [S::F32::splat(s, 0.0); NV];
        for row in panel.scores.chunks_exact_mut(width).take(count) {
            for ((x, max), sum) in row.chunks_exact_mut(lanes).zip(max).zip(&mut sum) {
                let e = math::exp2_negative(s, S::F32::load(s, x).sub(max));
                *sum = sum.add(e);
                e.store(x);
            }
        }
        add_weights(s, &mut panel, sum);
        let Panel { scores: weights, correction, sums, .. } = panel;
        let dv = sums.len() / width;
        let mut update = Update { depth: count, values, weights, correction, sums };
        cover_rows::<S, MR, NV>(s, dv, 0, &mut update);
    }
}

/// The largest scores of all tokens so far. The correction of the sums becomes that of the new maximum.
#[inline(always)]
pub(super) fn raise_max<S: Simd, const NV: usize>(s: S, panel: &mut Panel) -> [S::F32; NV] {
    let lanes = S::F32::LANES;
    let mut max = [S::F32::splat(s, 0.0); NV];
    let block_max = panel.block_max.chunks_exact(lanes);
    let olds = panel.max.chunks_exact_mut(lanes).zip(panel.correction.chunks_exact_mut(lanes));
    for (((old_max, correction), block_max), max) in olds.zip(block_max).zip(&mut max) {
        let old = S::F32::load(s, old_max);
        *max = old.max(S::F32::load(s, block_max));
        math::exp2_negative(s, old.sub(*max)).store(correction);
        max.store(old_max);
    }
    max
}

/// Corrects the total weights and adds `sum`.
#[inline(always)]
pub(super) fn add_weights<S: Simd, const NV: usize>(s: S, panel: &mut Panel, sum: [S::F32; NV]) {
    let lanes = S::F32::LANES;
    let totals = panel.total.chunks_exact_mut(lanes).zip(panel.correction.chunks_exact(lanes));
    for ((total, correction), sum) in totals.zip(sum) {
        S::F32::load(s, total).mul_add(S::F32::load(s, correction), sum).store(total);
    }
}

/// `sums ← sums · correction + products` for `MR` rows of sums.
#[inline(always)]
pub(super) fn add_products<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    products: [[S::F32; NV]; MR],
    correction: &[f32],
    sums: &mut [f32],
) {
    let lanes = S::F32::LANES;
    let correction = load_vectors::<S::F32, NV>(s, correction);
    let sums = sums[..MR * NV * lanes].chunks_exact_mut(NV * lanes);
    for (products, sums) in products.into_iter().zip(sums) {
        for ((x, c), sum) in products.into_iter().zip(correction).zip(sums.chunks_exact_mut(lanes)) {
            S::F32::load(s, sum).mul_add(c, x).store(sum);
        }
    }
}

/// The first `NV` vectors of `x`.
#[inline(always)]
pub(super) fn load_vectors<V: F32s, const NV: usize>(s: V::Token, x: &[f32]) -> [V; NV] {
    let mut vectors = [V::splat(s, 0.0); NV];
    // Not by `array::from_fn`, which is a call without the instruction set's features.
    for (vector, x) in vectors.iter_mut().zip(x[..NV * V::LANES].chunks_exact(V::LANES)) {
        *vector = V::load(s, x);
    }
    vectors
}

/// `sums ← sums · correction + values · weights`.
struct Update<'a> {
    depth: usize,
    values: &'a [f32],
    weights: &'a [f32],
    correction: &'a [f32],
    sums: &'a mut [f32],
}

impl<S: Simd> Tiles<S> for Update<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, s: S, _: usize, i: usize) {
        let lanes = S::F32::LANES;
        let products = tile::<S, MR, NV>(s, self.depth, &self.values[i * KC..], (self.weights, NV * lanes));
        add_products(s, products, self.correction, &mut self.sums[i * NV * lanes..]);
    }
}
