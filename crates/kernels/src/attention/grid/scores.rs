//! The scores of tokens.

use std::ops::Range;

use super::split::Product;
use super::tokens::Order;
use crate::gemm::{Prefetch, cover_rows, tile_of_sum};
use crate::simd::{F32s, Simd, TileOp};

/// The scores of one panel of queries and the tokens of some cells.
pub(super) struct Scores<'a> {
    /// `(all cells, m, copies)`.
    pub inputs: &'a [f32],
    pub order: Order,
    pub copies: usize,
    pub m: usize,
    pub cells: Range<usize>,
    /// `(side, m + 1, width)`; so is `by_row`.
    pub by_column: &'a [f32],
    pub by_row: &'a [f32],
    /// The values of these tokens.
    pub prefetch: Prefetch<'a, f32>,
    /// `(width)`, written: the largest score.
    pub block_max: &'a mut [f32],
    /// `(cells, copies, width)`, written.
    pub scores: &'a mut [f32],
}

impl TileOp for Scores<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) {
        for_copies!(self.compute::<S, NV>(s))
    }
}

impl Scores<'_> {
    #[inline(always)]
    fn compute<S: Simd, const NV: usize, const T: usize>(mut self, s: S) {
        let (m, lanes) = (self.m, S::F32::LANES);
        let part = (m + 1) * NV * lanes;
        let mut max = [S::F32::splat(s, f32::NEG_INFINITY); NV];
        for (cell, out) in self.cells.zip(self.scores.chunks_exact_mut(T * NV * lanes)) {
            let (x, y) = self.order.place(cell);
            let a = &self.by_column[x * part..][..part];
            let b = &self.by_row[y * part..][..part];
            let inputs = &self.inputs[cell * m * T..][..m * T];
            self.prefetch.advance::<S::F32>(s);
            let scores = tile_of_sum::<S, T, NV>(s, m, a, b, inputs);
            for (row, out) in scores.into_iter().zip(out.chunks_exact_mut(NV * lanes)) {
                for ((x, max), out) in row.into_iter().zip(&mut max).zip(out.chunks_exact_mut(lanes)) {
                    *max = max.max(x);
                    x.store(out);
                }
            }
        }
        for (max, out) in max.into_iter().zip(self.block_max.chunks_exact_mut(lanes)) {
            max.store(out);
        }
    }
}

/// The scores of one panel of queries and some tokens without a place.
pub(super) struct UnplacedScores<'a> {
    /// Rows with stride [`KC`](crate::gemm::KC), scaled.
    pub keys: &'a [f32],
    pub count: usize,
    pub d: usize,
    /// `(d, width)`.
    pub queries: &'a [f32],
    /// `(width)`, written: the largest score.
    pub block_max: &'a mut [f32],
    /// `(count, width)`, written.
    pub scores: &'a mut [f32],
}

impl TileOp for UnplacedScores<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) {
        let Self { keys, count, d, queries, block_max, scores } = self;
        let lanes = S::F32::LANES;
        let mut product = Product { depth: d, left: keys, right: queries, out: &mut *scores };
        cover_rows::<S, MR, NV>(s, count, 0, &mut product);
        let mut max = [S::F32::splat(s, f32::NEG_INFINITY); NV];
        for row in scores.chunks_exact(NV * lanes).take(count) {
            for (max, x) in max.iter_mut().zip(row.chunks_exact(lanes)) {
                *max = max.max(S::F32::load(s, x));
            }
        }
        for (max, out) in max.into_iter().zip(block_max.chunks_exact_mut(lanes)) {
            max.store(out);
        }
    }
}
