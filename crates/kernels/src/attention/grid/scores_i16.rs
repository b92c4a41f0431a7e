//! The scores of tokens from products of 16-bit integers.
//!
//! ```text
//! a(x) ≈ s · â,  b(y) ≈ s · b̂,  both within ±8191, one s per query         z ≈ s_z · w,  one s_z per token
//! (a(x) + b(y)) · [z, 1] ≈ s · s_z · Σ (â + b̂) · w + the last of a and b, as they are
//! ```
//!
//! A query and a cell cost one addition for every two columns, and every copy one product of pairs, exact in
//! 32 bits. In 8 bits the two parts would have seven bits each and two roundings, which changed the output of
//! SAM 2's memory attention by 2.4 % (relative L2).

use std::ops::Range;

use super::inputs_i16::InputsI16;
use super::tokens::Order;
use super::values::load_vectors;
use crate::gemm::{Prefetch, dot_tile_of_sum};
use crate::simd::{Dot, DotOp, F32s, FloatsOf};

/// The largest magnitude of `â` and `b̂`: their sum stays within 16 bits.
const MAX: f32 = 8191.0;
/// `â` and `b̂` of one panel of queries.
pub(super) struct QuantizeSplit<'a> {
    pub m: usize,
    /// `(side, m + 1, width)`.
    pub by_column: &'a [f32],
    /// `(side, m + 1, width)`.
    pub by_row: &'a [f32],
    /// `(2, side, m / 2, width, 2)`, written.
    pub quantized: &'a mut [i16],
    /// `(width)`, written: `s`.
    pub scales: &'a mut [f32],
}

impl DotOp for QuantizeSplit<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        let s = d.floats();
        let lanes = FloatsOf::<D>::LANES;
        let zero = FloatsOf::<D>::splat(s, 0.0);
        let (m, width) = (self.m, self.scales.len());
        let (part, len) = ((m + 1) * width, m.next_multiple_of(2) * width);
        let half = self.quantized.len() / 2;
        for first in (0..width).step_by(lanes) {
            let (mut low, mut high) = (zero, zero);
            for values in self.by_column.chunks_exact(part).chain(self.by_row.chunks_exact(part)) {
                for row in values.chunks_exact(width).take(m) {
                    let x = FloatsOf::<D>::load(s, &row[first..]);
                    low = x.min(low);
                    high = x.max(high);
                }
            }
            let extent = zero.sub(low).max(high);
            let [scale, inverse] = scale_and_inverse(d, extent, MAX);
            scale.store(&mut self.scales[first..]);
            let halves = self.quantized.chunks_exact_mut(half).zip([self.by_column, self.by_row]);
            for (half, values) in halves {
                for (out, values) in half.chunks_exact_mut(len).zip(values.chunks_exact(part)) {
                    for (p, out) in out.chunks_exact_mut(2 * width).enumerate() {
                        let mut pair = [zero; 2];
                        for (c, element) in (2 * p..m).zip(&mut pair) {
                            let x = FloatsOf::<D>::load(s, &values[c * width + first..]);
                            *element = x.mul(inverse).round();
                        }
                        d.store_pairs(pair, &mut out[2 * first..]);
                    }
                }
            }
        }
    }
}

/// The scale with which the magnitude `extent` becomes `max`, and its inverse.
#[inline(always)]
pub(super) fn scale_and_inverse<D: Dot>(d: D, extent: FloatsOf<D>, max: f32) -> [FloatsOf<D>; 2] {
    // Below the smallest normal number the inverse would overflow; then all integers are zero.
    let [one, tiny, max] = [1.0, max * f32::MIN_POSITIVE, max].map(|x| FloatsOf::<D>::splat(d.floats(), x));
    [extent.div(max), max.div(extent)].map(|x| extent.select_gt(tiny, x, one))
}

/// The scores of one panel of queries and the tokens of some cells.
pub(super) struct Scores<'a> {
    pub inputs: &'a InputsI16,
    pub order: Order,
    pub copies: usize,
    pub m: usize,
    pub cells: Range<usize>,
    /// The f32 split, of which only the last rows are read, and the split written by [`QuantizeSplit`].
    pub by_column: &'a [f32],
    pub by_row: &'a [f32],
    pub quantized: &'a [i16],
    pub scales: &'a [f32],
    /// The values of these tokens.
    pub prefetch: Prefetch<'a, i16>,
    /// `(width)`, written: the largest score.
    pub block_max: &'a mut [f32],
    /// `(cells, copies, width)`, written.
    pub scores: &'a mut [f32],
}

impl DotOp for Scores<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        for_copies!(self.compute::<D, NV>(d))
    }
}

impl Scores<'_> {
    #[inline(always)]
    fn compute<D: Dot, const NV: usize, const T: usize>(mut self, d: D) {
        let lanes = FloatsOf::<D>::LANES;
        let (m, width) = (self.m, self.scales.len());
        let (part, len) = ((m + 1) * width, m.next_multiple_of(2) * width);
        let side = self.by_column.len() / part;
        let (columns, rows) = self.quantized.split_at(side * len);
        for first in (0..width).step_by(NV * lanes) {
            let scales = load_vectors::<FloatsOf<D>, NV>(d.floats(), &self.scales[first..]);
            let mut max = [FloatsOf::<D>::splat(d.floats(), f32::NEG_INFINITY); NV];
            for (cell, out) in self.cells.clone().zip(self.scores.chunks_exact_mut(T * width)) {
                let (x, y) = self.order.place(cell);
                let split = (&columns[x * len + 2 * first..], &rows[y * len + 2 * first..], 2 * width);
                let z = &self.inputs.data[cell * m.next_multiple_of(2) * T..];
                self.prefetch.advance::<FloatsOf<D>>(d.floats());
                let sums = dot_tile_of_sum::<D, T, NV>(d, m.div_ceil(2), split, z);
                let last = m * width + first;
                let a = load_vectors::<FloatsOf<D>, NV>(d.floats(), &self.by_column[x * part + last..]);
                let b = load_vectors::<FloatsOf<D>, NV>(d.floats(), &self.by_row[y * part + last..]);
                let of_inputs = &self.inputs.scales[cell * T..][..T];
                for ((sums, &scale), out) in sums.iter().zip(of_inputs).zip(out.chunks_exact_mut(width)) {
                    let scale = FloatsOf::<D>::splat(d.floats(), scale);
                    let out = &mut out[first..first + NV * lanes];
                    for v in 0..NV {
                        let x = d.to_floats(sums[v]).mul(scale).mul_add(scales[v], a[v].add(b[v]));
                        max[v] = max[v].max(x);
                        x.store(&mut out[v * lanes..]);
                    }
                }
            }
            for (v, max) in max.into_iter().enumerate() {
                max.store(&mut self.block_max[first + v * lanes..]);
            }
        }
    }
}
