//! Attention of few queries over many rows, for callers that produce the rows a block at a time.
//!
//! ```text
//! for each block of rows                            parallel: one share per block
//!   S ← block · queriesᵀ                            the caller, by GEMM
//!   m ← max S;  P ← 2^(S − m);  l ← Σ P;  O ← Pᵀ · values
//! out ← Σ O · 2^(m − max m) / Σ l · 2^(m − max m)   over the blocks, in order
//! ```
//!
//! Each lane is a query, so maxima and sums are plain vector operations. The division into blocks determines
//! the order of the sums, so it must not depend on the number of threads.

use crate::gemm::{Tiles, cover, tile_transposed};
use crate::math;
use crate::parallel;
use crate::simd::{F32s, Isa, Simd, TileOp};

/// Factor of the scores that [`pool_block`] takes: the base-2 logarithm of e.
pub const SCORE_SCALE: f32 = std::f32::consts::LOG2_E;

/// The number of queries is a multiple of this: whole vectors on every instruction set.
pub const QUERY_STEP: usize = 16;

/// Floats per share of one block, for `n` queries and values of width `dv`.
pub fn share_len(n: usize, dv: usize) -> usize {
    n * (dv + 2)
}

/// Writes the share of one block of rows. `scores`, `(rows, n)` and times [`SCORE_SCALE`], are replaced by
/// weights; `values` are `(rows, dv)`. Runs on the calling thread.
///
/// # Panics
/// If the sizes do not agree, or `n` is not a multiple of [`QUERY_STEP`].
#[track_caller]
pub fn pool_block(isa: Isa, scores: &mut [f32], n: usize, values: &[f32], dv: usize, share: &mut [f32]) {
    let rows = values.len() / dv;
    assert!(n.is_multiple_of(QUERY_STEP), "pool_block: {n} queries are not a multiple of {QUERY_STEP}");
    assert!(
        scores.len() == rows * n && values.len() == rows * dv && share.len() == share_len(n, dv),
        "pool_block: {rows} rows, {n} queries, values of width {dv}"
    );
    let (max, share) = share.split_at_mut(n);
    let (total, sums) = share.split_at_mut(n);
    let panel = isa.tile_shape().1;
    isa.dispatch_tiled(Block { scores, n, panel, values, dv, rows, max, total, sums });
}

/// The weighted averages, `(n, dv)`, from the shares of all blocks, which it overwrites.
///
/// # Panics
/// If they are not whole shares.
#[track_caller]
pub fn merge_shares(isa: Isa, shares: &mut [f32], n: usize, dv: usize) -> Vec<f32> {
    let len = share_len(n, dv);
    assert!(
        !shares.is_empty() && shares.len().is_multiple_of(len),
        "merge_shares: {n} queries, values of width {dv}"
    );
    isa.dispatch_tiled(Merge { shares, n, dv });
    tensor::relayout::transpose(&shares[2 * n..len], dv, n)
}

struct Block<'a> {
    scores: &'a mut [f32],
    n: usize,
    /// Columns of a whole tile.
    panel: usize,
    values: &'a [f32],
    dv: usize,
    rows: usize,
    /// `(n)`.
    max: &'a mut [f32],
    /// `(n)`.
    total: &'a mut [f32],
    /// `(dv, n)`.
    sums: &'a mut [f32],
}

impl TileOp for Block<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(mut self, s: S) {
        let lanes = S::F32::LANES;
        for first in (0..self.n).step_by(lanes) {
            let mut max = S::F32::splat(s, f32::NEG_INFINITY);
            for row in self.scores.chunks_exact(self.n) {
                max = max.max(S::F32::load(s, &row[first..]));
            }
            let mut total = S::F32::splat(s, 0.0);
            for row in self.scores.chunks_exact_mut(self.n) {
                let e = math::exp2_negative(s, S::F32::load(s, &row[first..]).sub(max));
                total = total.add(e);
                e.store(&mut row[first..]);
            }
            max.store(&mut self.max[first..]);
            total.store(&mut self.total[first..]);
        }
        let size = (self.dv, self.n);
        cover::<S, MR, NV>(s, lanes, size, &mut self);
    }
}

impl<S: Simd> Tiles<S> for Block<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, s: S, panel: usize, i: usize) {
        let lanes = S::F32::LANES;
        let at = panel * self.panel;
        let (left, right) = ((&self.values[i..], self.dv), (&self.scores[at..], self.n));
        let acc = tile_transposed::<S, MR, NV>(s, self.rows, left, right);
        for (r, acc) in acc.into_iter().enumerate() {
            for (v, x) in acc.into_iter().enumerate() {
                x.store(&mut self.sums[(i + r) * self.n + at + v * lanes..]);
            }
        }
    }
}

struct Merge<'a> {
    shares: &'a mut [f32],
    n: usize,
    dv: usize,
}

impl TileOp for Merge<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) {
        let (n, lanes) = (self.n, S::F32::LANES);
        let (first, others) = self.shares.split_at_mut(share_len(n, self.dv));
        for at in (0..n).step_by(lanes) {
            let mut max = S::F32::load(s, &first[at..]);
            for share in others.chunks_exact(first.len()) {
                max = max.max(S::F32::load(s, &share[at..]));
            }
            let factor = math::exp2_negative(s, S::F32::load(s, &first[at..]).sub(max));
            for row in first.chunks_exact_mut(n).skip(1) {
                S::F32::load(s, &row[at..]).mul(factor).store(&mut row[at..]);
            }
            for share in others.chunks_exact(first.len()) {
                let factor = math::exp2_negative(s, S::F32::load(s, &share[at..]).sub(max));
                for (row, part) in first.chunks_exact_mut(n).zip(share.chunks_exact(n)).skip(1) {
                    let sum = S::F32::load(s, &row[at..]);
                    S::F32::load(s, &part[at..]).mul_add(factor, sum).store(&mut row[at..]);
                }
            }
            let total = S::F32::load(s, &first[n + at..]);
            for row in first.chunks_exact_mut(n).skip(2) {
                S::F32::load(s, &row[at..]).div(total).store(&mut row[at..]);
            }
        }
    }
}

/// [`pool_block`] over blocks of `block` rows and [`merge_shares`]: `scores` is `(rows, n)`, `values` is
/// `(rows, dv)`.
///
/// # Panics
/// As [`pool_block`].
#[track_caller]
pub fn pool(isa: Isa, scores: &mut [f32], n: usize, values: &[f32], dv: usize, block: usize) -> Vec<f32> {
    let blocks = values.len().div_ceil(block * dv);
    let mut shares = vec![0.0; blocks * share_len(n, dv)];
    parallel::for_each_chunk_mut2(scores, block * n, &mut shares, share_len(n, dv), |i, scores, share| {
        let rows = scores.len() / n;
        pool_block(isa, scores, n, &values[i * block * dv..][..rows * dv], dv, share);
    });
    merge_shares(isa, &mut shares, n, dv)
}
