//! Weighted values from products in half precision.
//!
//! ```text
//! for a query and at most KEYS keys, with M the largest score so far:
//!   p = half(2^(S − M))          v ≈ s_v · half(v / s_v),  one power of two s_v per block of keys
//!   Σ 2^(S − M) · v ≈ s_v · Σ p · half(v / s_v)        64 products at a time in half precision
//! ```
//!
//! A scaled value is below 2 and a weight at most 1, so no sum of 64 overflows. Such a sum errs by at most 64
//! roundings of 2⁻¹¹ each; on normal scores and values all of it moves a result by up to 1.4e-3 of its norm.

use std::ops::Range;

use half::f16;

use super::flash::{Running, Values};
use super::shape::KEYS;
use crate::gemm::{KC, Rows, Tiles, cover, tile_of_halves};
use crate::math;
use crate::parallel;
use crate::rows;
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// Keys are padded to whole groups of this size, with weights and values of zero.
pub(super) const GROUP: usize = 8;
const _: () = assert!(KEYS.is_multiple_of(GROUP) && KEYS <= KC);

/// A power of two with `extent` below twice of it; 1 where there is none.
pub(super) fn scale_of(extent: f32) -> f32 {
    const EXPONENT: u32 = 0x7f80_0000;
    if extent.is_normal() { f32::from_bits(extent.to_bits() & EXPONENT) } else { 1.0 }
}

/// `(n, dv)` values as halves, cut into blocks of [`KEYS`] rows and panels of `NR` columns. A panel is
/// contiguous. Columns are padded with zeros, and so are the rows of the last block to a whole [`GROUP`].
#[derive(Debug, Default)]
pub(super) struct ValuesF16 {
    columns: usize,
    panels: usize,
    width: usize,
    data: Vec<f16>,
    /// One per block.
    scales: Vec<f32>,
}

impl ValuesF16 {
    fn panel(&self, block: usize, panel: usize) -> &[f16] {
        let len = KEYS * self.width;
        &self.data[(block * self.panels + panel) * len..][..len]
    }
}

impl Values for ValuesF16 {
    fn pack(&mut self, isa: Isa, values: Rows, n: usize, dv: usize) {
        self.width = isa.tile_shape().1;
        (self.columns, self.panels) = (dv, dv.div_ceil(self.width));
        let (blocks, block) = (n.div_ceil(KEYS), KEYS * self.panels * self.width);
        self.data.resize(blocks * block, f16::ZERO);
        self.scales.resize(blocks, 1.0);
        let width = self.width;
        parallel::for_each_chunk_mut2(&mut self.data, block, &mut self.scales, 1, |i, data, scale| {
            let count = KEYS.min(n - i * KEYS);
            scale[0] = isa.dispatch(Pack { values: values.skip(i * KEYS), count, dv, width, data });
        });
    }

    #[inline(always)]
    fn accumulate<S: Simd, const MR: usize, const NV: usize>(
        &self,
        s: S,
        _: Isa,
        keys: Range<usize>,
        scores: &mut [f32],
        running: &mut Running,
    ) {
        let m = running.max.len();
        parallel::with_scratch_f16(m * KC, |weights| {
            for (r, (scores, weights)) in
                scores.chunks_exact_mut(KC).zip(weights.chunks_exact_mut(KC)).take(m).enumerate()
            {
                let max = running.max[r].max(rows::row_max(s, &scores[..keys.len()]));
                let sum = weigh(s, scores, keys.len(), max, weights);
                running.correct(s, r, max, sum, keys.start > 0);
            }
            let mut sums = Sums {
                values: self,
                block: keys.start / KEYS,
                depth: keys.len().next_multiple_of(GROUP),
                weights,
                sums: running.sums,
                stride: running.stride,
            };
            cover::<S, MR, NV>(s, S::F32::LANES, (m, self.columns), &mut sums);
        });
    }
}

/// Writes the weights of the first `count` of the scores of a query, and zeros up to a whole [`GROUP`].
/// Returns their sum.
#[inline(always)]
fn weigh<S: Simd>(s: S, scores: &mut [f32], count: usize, max: f32, weights: &mut [f16]) -> f32 {
    let padded = count.next_multiple_of(GROUP);
    scores[count..padded].fill(f32::NEG_INFINITY);
    let shift = S::F32::splat(s, max);
    let mut sum = S::F32::splat(s, 0.0);
    let vectors = scores[..padded].chunks_exact(S::F32::LANES);
    for (scores, weights) in vectors.zip(weights.chunks_exact_mut(S::F32::LANES)) {
        let e = math::exp2_coarse(s, S::F32::load(s, scores).sub(shift));
        sum = sum.add(e);
        e.store_half(weights);
    }
    sum.sum()
}

/// One block of [`ValuesF16`]. The result is its scale.
struct Pack<'a> {
    values: Rows<'a>,
    count: usize,
    dv: usize,
    width: usize,
    data: &'a mut [f16],
}

impl SimdOp for Pack<'_> {
    type Output = f32;
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) -> f32 {
        let Self { values, count, dv, width, data } = self;
        let lanes = S::F32::LANES;
        let extent = (0..count)
            .flat_map(|i| values.part(i, 0, dv))
            .fold(0.0, |extent: f32, value| value.abs().max(extent));
        let scale = scale_of(extent);
        let inverse = S::F32::splat(s, 1.0 / scale);
        for (panel, data) in data.chunks_exact_mut(KEYS * width).enumerate() {
            for (i, row) in data.chunks_exact_mut(width).take(count.next_multiple_of(GROUP)).enumerate() {
                for (v, out) in row.chunks_exact_mut(lanes).enumerate() {
                    let column = (panel * width + v * lanes).min(dv);
                    let row = if i < count { values.part(i, column, dv.min(column + lanes)) } else { &[] };
                    S::F32::load_partial(s, row).mul(inverse).store_half(out);
                }
            }
        }
        scale
    }
}

/// `O ← O + P · v` for the keys of one block.
struct Sums<'a> {
    values: &'a ValuesF16,
    block: usize,
    depth: usize,
    weights: &'a [f16],
    sums: &'a mut [f32],
    stride: usize,
}

impl<S: Simd> Tiles<S> for Sums<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, s: S, panel: usize, i: usize) {
        let (lanes, width) = (S::F32::LANES, self.values.width);
        let values = (self.values.panel(self.block, panel), width);
        let acc = tile_of_halves::<S, MR, NV>(s, self.depth, &self.weights[i * KC..], values);
        let scale = S::F32::splat(s, self.values.scales[self.block]);
        for (r, acc) in acc.into_iter().enumerate() {
            for (v, x) in acc.into_iter().enumerate() {
                let sum = &mut self.sums[(i + r) * self.stride + panel * width + v * lanes..];
                x.mul_add(scale, S::F32::load(s, sum)).store(sum);
            }
        }
    }
}
