//! Weighted values from products of 16-bit integers.
//!
//! ```text
//! for a query and at most KEYS keys, with m the largest of their scores S:
//!   2^(S − m) ≈ p / 4096,  p in 0 ..= 4096          v ≈ s_v · w,  w within ±2047, one s_v per column
//!   Σ 2^(S − M) · v ≈ s_v · 2^(m − M) / 4096 · Σ p · w       the sum exact in 32 bits
//! ```
//!
//! `M` is the largest score of all keys. Weights relative to the maximum of their own block keep their
//! precision beside a large weight in another block. The normaliser is the sum of the rounded weights, so the
//! weights used add up to one.

use std::ops::Range;

use super::flash::{QUERIES, Running, Values};
use super::shape::KEYS;
use crate::gemm::{KC, Rows, Tiles, cover, pair_tile};
use crate::math;
use crate::parallel;
use crate::rows;
use crate::simd::{Dot, DotOp, F32s, FloatsOf, Isa, Simd};

/// The integer of a weight of one, the largest.
pub(super) const ONE: f32 = 4096.0;
/// Its logarithm in base two.
const LOG2_ONE: f32 = 12.0;
/// The largest magnitude of a value.
pub(super) const MAX_VALUE: f32 = 2047.0;
const _: () = assert!(KEYS as i64 * ONE as i64 * MAX_VALUE as i64 <= i32::MAX as i64);

/// `2^(score − max)` times [`ONE`], rounded.
#[inline(always)]
pub(super) fn weight<S: Simd>(s: S, score: S::F32, max: S::F32) -> S::F32 {
    math::exp2_coarse(s, score.sub(max.sub(S::F32::splat(s, LOG2_ONE)))).round()
}

/// The scale and its inverse for values of magnitude up to `extent`.
#[inline(always)]
pub(super) fn scale_of(extent: f32) -> (f32, f32) {
    // Below the smallest normal number the inverse would overflow.
    if extent / MAX_VALUE < f32::MIN_POSITIVE { (1.0, 1.0) } else { (extent / MAX_VALUE, MAX_VALUE / extent) }
}

/// `(n, dv)` values as integers, cut into blocks of [`KEYS`] rows and panels of `NR` columns. A panel is
/// contiguous: for every two rows the pair of integers of each column. Rows and columns are padded with
/// zeros.
#[derive(Debug, Default)]
pub(super) struct ValuesI16 {
    columns: usize,
    panels: usize,
    width: usize,
    data: Vec<i16>,
    /// One per column, padded; so are the inverses.
    scales: Vec<f32>,
    inverses: Vec<f32>,
}

impl ValuesI16 {
    fn panel(&self, block: usize, panel: usize) -> &[i16] {
        let len = KEYS * self.width;
        &self.data[(block * self.panels + panel) * len..][..len]
    }
}

impl Values for ValuesI16 {
    fn pack(&mut self, isa: Isa, values: Rows, n: usize, dv: usize) {
        self.width = isa.dot_tile_shape().1;
        (self.columns, self.panels) = (dv, dv.div_ceil(self.width));
        let columns = self.panels * self.width;
        self.inverses = fold_columns(values, n, dv, |extent, v| v.abs().max(extent));
        self.inverses.resize(columns, 0.0);
        self.scales.resize(columns, 0.0);
        for (scale, inverse) in self.scales.iter_mut().zip(&mut self.inverses) {
            (*scale, *inverse) = scale_of(*inverse);
        }
        let block = KEYS * columns;
        // Every integer up to the last pair is written; those after it are not read.
        self.data.resize(n.div_ceil(KEYS) * block, 0);
        let (width, inverses) = (self.width, &self.inverses);
        parallel::for_each_chunk_mut(&mut self.data, block, |i, data| {
            let count = KEYS.min(n - i * KEYS);
            isa.dispatch_dots(Pack { values: values.skip(i * KEYS), count, dv, width, inverses, data });
        });
    }

    #[inline(always)]
    fn accumulate<S: Simd, const MR: usize, const NV: usize>(
        &self,
        _: S,
        isa: Isa,
        keys: Range<usize>,
        scores: &mut [f32],
        running: &mut Running,
    ) {
        parallel::with_scratch_i16(running.max.len() * KC, |weights| {
            isa.dispatch_dots(Accumulate { values: self, keys, scores, weights, running });
        });
    }
}

/// One block of [`ValuesI16`].
struct Pack<'a> {
    values: Rows<'a>,
    count: usize,
    dv: usize,
    width: usize,
    inverses: &'a [f32],
    data: &'a mut [i16],
}

impl DotOp for Pack<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        let Self { values, count, dv, width, inverses, data } = self;
        let (s, lanes) = (d.floats(), FloatsOf::<D>::LANES);
        let panels = data.chunks_exact_mut(KEYS * width).zip(inverses.chunks_exact(width));
        for (panel, (data, inverses)) in panels.enumerate() {
            for (p, data) in data.chunks_exact_mut(2 * width).take(count.div_ceil(2)).enumerate() {
                for first in (0..width).step_by(lanes) {
                    let column = (panel * width + first).min(dv);
                    let inverse = FloatsOf::<D>::load(s, &inverses[first..]);
                    let pair = [2 * p, 2 * p + 1].map(|i| {
                        let row =
                            if i < count { values.part(i, column, dv.min(column + lanes)) } else { &[] };
                        FloatsOf::<D>::load_partial(s, row).mul(inverse).round()
                    });
                    d.store_pairs(pair, &mut data[2 * first..]);
                }
            }
        }
    }
}

struct Accumulate<'a, 'r> {
    values: &'a ValuesI16,
    keys: Range<usize>,
    /// Rows with stride [`KC`]; so are `weights`, which are written.
    scores: &'a mut [f32],
    weights: &'a mut [i16],
    running: &'a mut Running<'r>,
}

impl DotOp for Accumulate<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        let Self { values, keys, scores, weights, running } = self;
        let (s, lanes) = (d.floats(), FloatsOf::<D>::LANES);
        let m = running.max.len();
        // The factors of the sums so far and of the new ones.
        let mut factors = [(0.0, 0.0); QUERIES];
        let padded = keys.len().next_multiple_of(lanes);
        let rows_of_both = scores.chunks_exact_mut(KC).zip(weights.chunks_exact_mut(KC));
        for (r, (scores, weights)) in rows_of_both.take(m).enumerate() {
            let block_max = rows::row_max(s, &scores[..keys.len()]);
            // Padding gets weight zero.
            scores[keys.len()..padded].fill(f32::NEG_INFINITY);
            let shift = FloatsOf::<D>::splat(s, block_max);
            let mut sum = FloatsOf::<D>::splat(s, 0.0);
            let vectors = scores[..padded].chunks_exact(lanes).zip(weights.chunks_exact_mut(lanes));
            for (scores, out) in vectors {
                let weights = weight(s, FloatsOf::<D>::load(s, scores), shift);
                sum = sum.add(weights);
                d.store_i16(weights, out);
            }
            let max = running.max[r].max(block_max);
            let (old, new) = ((running.max[r] - max).exp2(), (block_max - max).exp2() / ONE);
            running.total[r] = running.total[r] * old + sum.sum() * new;
            running.max[r] = max;
            factors[r] = (old, new);
        }
        let Running { sums, stride, .. } = running;
        let mut sums = Sums {
            values,
            block: keys.start / KEYS,
            pairs: keys.len().div_ceil(2),
            weights,
            factors: &factors,
            sums,
            stride: *stride,
        };
        cover::<D, MR, NV>(d, lanes, (m, values.columns), &mut sums);
    }
}

struct Sums<'a> {
    values: &'a ValuesI16,
    block: usize,
    pairs: usize,
    weights: &'a [i16],
    factors: &'a [(f32, f32)],
    sums: &'a mut [f32],
    stride: usize,
}

impl<D: Dot> Tiles<D> for Sums<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, d: D, panel: usize, i: usize) {
        let (s, lanes) = (d.floats(), FloatsOf::<D>::LANES);
        let width = self.values.width;
        let right = (self.values.panel(self.block, panel), 2 * width);
        let acc = pair_tile::<D, MR, NV>(d, self.pairs, &self.weights[i * KC..], right);
        // Few checks: with one per vector the loops are not unrolled, and the sums go through memory.
        let columns = panel * width..panel * width + NV * lanes;
        let scales = &self.values.scales[columns.clone()];
        let factors: &[(f32, f32); MR] = self.factors[i..].first_chunk().expect("two factors per row");
        let rows = self.sums[i * self.stride..].chunks_mut(self.stride);
        for ((acc, &(old, new)), row) in acc.iter().zip(factors).zip(rows) {
            let (old, new) = (FloatsOf::<D>::splat(s, old), FloatsOf::<D>::splat(s, new));
            let row = &mut row[columns.clone()];
            for (v, &sums) in acc.iter().enumerate() {
                let (scale, sum) = (FloatsOf::<D>::load(s, &scales[v * lanes..]), &mut row[v * lanes..]);
                let x = d.to_floats(sums).mul(scale.mul(new));
                FloatsOf::<D>::load(s, sum).mul_add(old, x).store(sum);
            }
        }
    }
}

/// Folds every column of `n` rows of `d` with `step`, from 0: over [`KEYS`] rows at a time, then over those
/// results, so in the same order for any number of threads.
pub(super) fn fold_columns(
    rows: Rows,
    n: usize,
    d: usize,
    step: impl Fn(f32, f32) -> f32 + Sync,
) -> Vec<f32> {
    let fold = |columns: &mut [f32], row: &[f32]| {
        for (column, &x) in columns.iter_mut().zip(row) {
            *column = step(*column, x);
        }
    };
    let mut columns = vec![0.0; d];
    let parts = parallel::map(n.div_ceil(KEYS), |i| {
        let mut columns = vec![0.0; d];
        (i * KEYS..n.min((i + 1) * KEYS)).for_each(|i| fold(&mut columns, rows.part(i, 0, d)));
        columns
    });
    parts.iter().for_each(|part| fold(&mut columns, part));
    columns
}
