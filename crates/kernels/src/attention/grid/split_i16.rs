//! `a` and `b` of queries from products of 16-bit integers.
//!
//! ```text
//! weights of a row ≈ s · w        a query ≈ t · q        a row of a or b ≈ s · t · Σ w · q, exact in 32 bits
//! ```

use super::scores_i16::scale_and_inverse;
use super::split::WEIGHT_ROWS;
use crate::gemm::{KC, Prefetch, Tiles, cover_rows, pair_tile};
use crate::simd::{Dot, DotOp, F32s, FloatsOf};

/// The largest magnitude of an integer: a sum of `half` products of two stays within 32 bits.
fn max_magnitude(half: usize) -> f32 {
    (i32::MAX as usize / half).isqrt().min(8191) as f32
}

/// Rows of weights as integers.
#[derive(Clone, Debug)]
pub(super) struct WeightsI16 {
    /// Rows with stride [`KC`].
    data: Vec<i16>,
    /// One per row.
    scales: Vec<f32>,
}

impl WeightsI16 {
    /// From rows of `d` with stride [`KC`], whose two halves are multiplied separately.
    pub fn new(rows: &[f32], d: usize) -> Self {
        let max = max_magnitude(d / 2);
        let mut new = Self { data: vec![0; rows.len()], scales: Vec::with_capacity(rows.len() / KC) };
        for (row, out) in rows.chunks_exact(KC).zip(new.data.chunks_exact_mut(KC)) {
            let extent = row[..d].iter().fold(0.0, |extent: f32, x| x.abs().max(extent));
            let scale = (extent / max).max(f32::MIN_POSITIVE);
            new.scales.push(scale);
            out.iter_mut().zip(&row[..d]).for_each(|(out, x)| *out = (x / scale).round_ties_even() as i16);
        }
        new
    }
}

/// The split of some panels of queries. The part of each panel is contiguous in every buffer.
pub(super) struct SplitI16<'a> {
    pub weights: &'a WeightsI16,
    pub d: usize,
    pub width: usize,
    /// `(d, width)` per panel.
    pub queries: &'a [f32],
    /// `(d / 2, width, 2)` per panel, written: the queries as integers.
    pub queries_i16: &'a mut [i16],
    /// `(width)` per panel, written: their scales.
    pub scales: &'a mut [f32],
    /// One row for every row of the weights, per panel; so is `by_row`.
    pub by_column: &'a mut [f32],
    pub by_row: &'a mut [f32],
}

impl DotOp for SplitI16<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        let Self { weights, width, queries_i16, scales, by_column, by_row, .. } = self;
        let (len, half) = (self.d * width, self.d / 2);
        let panels = self.queries.chunks_exact(len).zip(queries_i16.chunks_exact_mut(len));
        for ((queries, out), scales) in panels.zip(scales.chunks_exact_mut(width)) {
            quantize(d, max_magnitude(half), queries, out, scales);
        }
        let rows = weights.scales.len();
        for first in (0..rows).step_by(WEIGHT_ROWS) {
            let count = WEIGHT_ROWS.min(rows - first);
            let row_scales = &weights.scales[first..first + count];
            let next = (first + count) * KC..(first + count + WEIGHT_ROWS).min(rows) * KC;
            let tiles = 2 * scales.len() / (NV * FloatsOf::<D>::LANES) * count.div_ceil(MR);
            let mut prefetch = Prefetch::new(&weights.data[next], tiles);
            let panels = queries_i16.chunks_exact(len).zip(scales.chunks_exact(width));
            for (panel, (queries, scales)) in panels.enumerate() {
                let at = (panel * rows + first) * width;
                let (first_half, second_half) = queries.split_at(half * width);
                let left = &weights.data[first * KC..];
                let halves = [
                    (left, first_half, &mut by_column[at..at + count * width]),
                    (&left[half..], second_half, &mut by_row[at..at + count * width]),
                ];
                for (left, right, out) in halves {
                    for first in (0..width).step_by(NV * FloatsOf::<D>::LANES) {
                        let mut product = Product {
                            pairs: half / 2,
                            first,
                            width,
                            left,
                            right,
                            prefetch: &mut prefetch,
                            row_scales,
                            scales,
                            out: &mut *out,
                        };
                        cover_rows::<D, MR, NV>(d, count, 0, &mut product);
                    }
                }
            }
        }
    }
}

/// One panel of queries, `(d, width)`, as pairs of integers, and the scale of each query.
#[inline(always)]
fn quantize<D: Dot>(d: D, max: f32, queries: &[f32], out: &mut [i16], scales: &mut [f32]) {
    let (s, lanes, width) = (d.floats(), FloatsOf::<D>::LANES, scales.len());
    let zero = FloatsOf::<D>::splat(s, 0.0);
    for first in (0..width).step_by(lanes) {
        let mut extent = zero;
        for row in queries.chunks_exact(width) {
            let x = FloatsOf::<D>::load(s, &row[first..]);
            extent = x.max(zero.sub(x)).max(extent);
        }
        let [scale, inverse] = scale_and_inverse(d, extent, max);
        scale.store(&mut scales[first..]);
        for (rows, out) in queries.chunks_exact(2 * width).zip(out.chunks_exact_mut(2 * width)) {
            let (even, odd) = rows.split_at(width);
            let pair = [even, odd].map(|row| FloatsOf::<D>::load(s, &row[first..]).mul(inverse).round());
            d.store_pairs(pair, &mut out[2 * first..]);
        }
    }
}

/// `out ← left · right`, from query `first` on.
struct Product<'a, 'b> {
    pairs: usize,
    first: usize,
    width: usize,
    /// Rows with stride [`KC`].
    left: &'a [i16],
    right: &'a [i16],
    /// The operand of the next product.
    prefetch: &'a mut Prefetch<'b, i16>,
    /// Of `left` and of `right`.
    row_scales: &'a [f32],
    scales: &'a [f32],
    out: &'a mut [f32],
}

impl<D: Dot> Tiles<D> for Product<'_, '_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, d: D, _: usize, i: usize) {
        let (s, lanes) = (d.floats(), FloatsOf::<D>::LANES);
        let right = (&self.right[2 * self.first..], 2 * self.width);
        self.prefetch.advance::<FloatsOf<D>>(s);
        let sums = pair_tile::<D, MR, NV>(d, self.pairs, &self.left[i * KC..], right);
        for (v, first) in (self.first..).step_by(lanes).take(NV).enumerate() {
            let scale = FloatsOf::<D>::load(s, &self.scales[first..]);
            for (r, sums) in sums.iter().enumerate() {
                let row_scale = FloatsOf::<D>::splat(s, self.row_scales[i + r]);
                let x = d.to_floats(sums[v]).mul(scale.mul(row_scale));
                x.store(&mut self.out[(i + r) * self.width + first..]);
            }
        }
    }
}
