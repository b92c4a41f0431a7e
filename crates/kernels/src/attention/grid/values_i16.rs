//! Weighted values from products of 16-bit integers: see [`crate::attention::values_i16`]. Here each block
//! has its own scales.

use super::scratch::Panel;
use crate::attention::values_i16::{ONE, scale_of, weight};
use crate::gemm::{KC, Tiles, cover_rows, pair_tile};
use crate::math;
use crate::parallel;
use crate::simd::{Dot, DotOp, F32s, FloatsOf, Isa};

/// Values as integers, block by block.
#[derive(Clone, Debug)]
pub(super) struct ValuesI16 {
    dv: usize,
    /// `(blocks, dv)` rows with stride [`KC`].
    data: Vec<i16>,
    /// `(blocks, dv)`.
    scales: Vec<f32>,
}

/// The values of one block.
#[derive(Clone, Copy)]
pub(super) struct ValueBlock<'a> {
    pub data: &'a [i16],
    scales: &'a [f32],
}

impl ValuesI16 {
    /// From `(blocks, dv)` rows of [`KC`] values.
    pub fn new(isa: Isa, values: &[f32], dv: usize) -> Self {
        let mut new = Self { dv, data: vec![0; values.len()], scales: vec![0.0; values.len() / KC] };
        parallel::for_each_chunk_mut2(&mut new.data, dv * KC, &mut new.scales, dv, |i, data, scales| {
            isa.dispatch_dots(Quantize { values: &values[i * dv * KC..], data, scales });
        });
        new
    }

    pub fn block(&self, block: usize) -> ValueBlock<'_> {
        let dv = self.dv;
        ValueBlock {
            data: &self.data[block * dv * KC..][..dv * KC],
            scales: &self.scales[block * dv..][..dv],
        }
    }
}

struct Quantize<'a> {
    values: &'a [f32],
    data: &'a mut [i16],
    scales: &'a mut [f32],
}

impl DotOp for Quantize<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        let (s, lanes) = (d.floats(), FloatsOf::<D>::LANES);
        let rows = self.values.chunks_exact(KC).zip(self.data.chunks_exact_mut(KC));
        for ((values, out), scale) in rows.zip(self.scales) {
            let extent = values.iter().fold(0.0, |extent: f32, v| v.abs().max(extent));
            let inverse;
            (*scale, inverse) = scale_of(extent);
            let inverse = FloatsOf::<D>::splat(s, inverse);
            for (values, out) in values.chunks_exact(lanes).zip(out.chunks_exact_mut(lanes)) {
                d.store_i16(FloatsOf::<D>::load(s, values).mul(inverse).round(), out);
            }
        }
    }
}

/// A step of the online softmax for one panel of queries and one block of `count` tokens, whose scores and
/// their maximum are in `panel`: scores to weights, and the weighted values onto the sums.
pub(super) struct Accumulate<'a> {
    pub count: usize,
    pub values: ValueBlock<'a>,
    pub panel: Panel<'a>,
}

impl DotOp for Accumulate<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        let Self { count, values, panel } = self;
        let (s, lanes) = (d.floats(), FloatsOf::<D>::LANES);
        let width = panel.max.len();
        let zero = FloatsOf::<D>::splat(s, 0.0);
        for first in (0..width).step_by(lanes) {
            let block_max = FloatsOf::<D>::load(s, &panel.block_max[first..]);
            let mut sum = zero;
            let pairs = panel.scores[..count * width].chunks(2 * width);
            for (scores, weights) in pairs.zip(panel.weights_i16.chunks_exact_mut(2 * width)) {
                let mut pair = [zero; 2];
                for (weights, scores) in pair.iter_mut().zip(scores.chunks_exact(width)) {
                    *weights = weight(s, FloatsOf::<D>::load(s, &scores[first..]), block_max);
                    sum = sum.add(*weights);
                }
                d.store_pairs(pair, &mut weights[2 * first..]);
            }
            let old_max = FloatsOf::<D>::load(s, &panel.max[first..]);
            let max = old_max.max(block_max);
            let old = math::exp2_negative(s, old_max.sub(max));
            let new = math::exp2_negative(s, block_max.sub(max)).mul(FloatsOf::<D>::splat(s, 1.0 / ONE));
            let total = FloatsOf::<D>::load(s, &panel.total[first..]);
            total.mul_add(old, sum.mul(new)).store(&mut panel.total[first..]);
            max.store(&mut panel.max[first..]);
            old.store(&mut panel.correction[first..]);
            // From here on the factor of the new sums.
            new.store(&mut panel.block_max[first..]);
        }
        for first in (0..width).step_by(NV * lanes) {
            let mut update = Update {
                pairs: count.div_ceil(2),
                first,
                values,
                weights: panel.weights_i16,
                old: panel.correction,
                new: panel.block_max,
                sums: panel.sums,
            };
            cover_rows::<D, MR, NV>(d, values.scales.len(), 0, &mut update);
        }
    }
}

/// `sums ← sums · old + values · weights · new`, from query `first` on.
struct Update<'a> {
    pairs: usize,
    first: usize,
    values: ValueBlock<'a>,
    weights: &'a [i16],
    old: &'a [f32],
    new: &'a [f32],
    sums: &'a mut [f32],
}

impl<D: Dot> Tiles<D> for Update<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, d: D, _: usize, i: usize) {
        let (s, lanes, width) = (d.floats(), FloatsOf::<D>::LANES, self.old.len());
        let right = (&self.weights[2 * self.first..], 2 * width);
        let products = pair_tile::<D, MR, NV>(d, self.pairs, &self.values.data[i * KC..], right);
        // Few checks: with one per vector the loops are not unrolled, and the sums go through memory.
        let columns = self.first..self.first + NV * lanes;
        let (old, new) = (&self.old[columns.clone()], &self.new[columns.clone()]);
        let scales: &[f32; MR] = self.values.scales[i..].first_chunk().expect("a scale per row");
        let rows = self.sums[i * width..].chunks_mut(width);
        for ((products, &scale), row) in products.iter().zip(scales).zip(rows) {
            let scale = FloatsOf::<D>::splat(s, scale);
            let row = &mut row[columns.clone()];
            for (v, &products) in products.iter().enumerate() {
                let at = v * lanes;
                let (old, new) = (FloatsOf::<D>::load(s, &old[at..]), FloatsOf::<D>::load(s, &new[at..]));
                let x = d.to_floats(products).mul(scale).mul(new);
                FloatsOf::<D>::load(s, &row[at..]).mul_add(old, x).store(&mut row[at..]);
            }
        }
    }
}
