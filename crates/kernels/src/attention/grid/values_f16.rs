//! Weighted values from products in half precision: see [`crate::attention::values_f16`].

use half::f16;

use super::scratch::Panel;
use super::values::{add_weights, raise_max};
use crate::attention::values_f16::{GROUP, scale_of};
use crate::gemm::{KC, Tiles, cover_rows, tile_of_halves};
use crate::math;
use crate::parallel;
use crate::simd::{F32s, Isa, Simd, SimdOp, TileOp};

/// Values as halves, block by block.
#[derive(Clone, Debug)]
pub(super) struct ValuesF16 {
    dv: usize,
    /// `(blocks, dv)` rows with stride [`KC`].
    data: Vec<f16>,
    /// One per block.
    scales: Vec<f32>,
}

/// The values of one block.
#[derive(Clone, Copy)]
pub(super) struct ValueBlock<'a> {
    pub data: &'a [f16],
    scale: f32,
}

impl ValuesF16 {
    /// From `(blocks, dv)` rows of [`KC`] values.
    pub fn new(isa: Isa, values: &[f32], dv: usize) -> Self {
        let blocks = values.len() / (dv * KC);
        let mut new = Self { dv, data: vec![f16::ZERO; values.len()], scales: vec![1.0; blocks] };
        parallel::for_each_chunk_mut2(&mut new.data, dv * KC, &mut new.scales, 1, |i, data, scale| {
            scale[0] = isa.dispatch(Narrow { values: &values[i * dv * KC..][..dv * KC], data });
        });
        new
    }

    pub fn block(&self, block: usize) -> ValueBlock<'_> {
        let len = self.dv * KC;
        ValueBlock { data: &self.data[block * len..][..len], scale: self.scales[block] }
    }
}

/// Values of a block as halves. The result is their scale.
struct Narrow<'a> {
    values: &'a [f32],
    data: &'a mut [f16],
}

impl SimdOp for Narrow<'_> {
    type Output = f32;
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) -> f32 {
        let lanes = S::F32::LANES;
        let scale = scale_of(self.values.iter().fold(0.0, |extent: f32, value| value.abs().max(extent)));
        let inverse = S::F32::splat(s, 1.0 / scale);
        for (values, out) in self.values.chunks_exact(lanes).zip(self.data.chunks_exact_mut(lanes)) {
            S::F32::load(s, values).mul(inverse).store_half(out);
        }
        scale
    }
}

/// A step of the online softmax, as [`super::values::Accumulate`].
pub(super) struct Accumulate<'a> {
    pub count: usize,
    pub values: ValueBlock<'a>,
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
    values: ValueBlock<'a>,
    weights: &'a [f16],
    correction: &'a [f32],
    sums: &'a mut [f32],
}

impl<S: Simd> Tiles<S> for Update<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, s: S, _: usize, i: usize) {
        let lanes = S::F32::LANES;
        let width = NV * lanes;
        let values = &self.values.data[i * KC..];
        let products = tile_of_halves::<S, MR, NV>(s, self.depth, values, (self.weights, width));
        let scale = S::F32::splat(s, self.values.scale);
        let mut correction = [S::F32::splat(s, 0.0); NV];
        for (correction, x) in correction.iter_mut().zip(self.correction.chunks_exact(lanes)) {
            *correction = S::F32::load(s, x);
        }
        let sums = self.sums[i * width..(i + MR) * width].chunks_exact_mut(width);
        for (products, sums) in products.into_iter().zip(sums) {
            for ((x, c), sum) in products.into_iter().zip(correction).zip(sums.chunks_exact_mut(lanes)) {
                S::F32::load(s, sum).mul_add(c, x.mul(scale)).store(sum);
            }
        }
    }
}
