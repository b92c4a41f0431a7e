//! The scores of tokens from products in half precision.
//!
//! ```text
//! a(x) ≈ s · â,  b(y) ≈ s · b̂,  one power of two s per panel of queries
//! z ≈ s_z · ẑ,  one power of two s_z per CELLS cells
//! (a(x) + b(y)) · [z, 1] ≈ s · s_z · Σ (â + b̂) · ẑ + the last of a and b, as they are
//! ```
//!
//! The sums of 32 products, and `â + b̂`, are in half precision: below 4 times 2 times 32 each.

use std::ops::Range;

use half::f16;

use super::halves::{CELLS, Halves, extent, narrow, padded};
use super::tokens::Order;
use super::values::load_vectors;
use crate::attention::values_f16::scale_of;
use crate::gemm::{Prefetch, tile_of_sum_of_halves};
use crate::simd::{F32s, Simd, TileOp};

/// `â` and `b̂` of one panel of queries.
pub(super) struct NarrowSplit<'a> {
    pub m: usize,
    /// `(side, m + 1, width)`.
    pub by_column: &'a [f32],
    /// `(side, m + 1, width)`.
    pub by_row: &'a [f32],
    /// `(2, side, padded(m), width)`, written.
    pub halves: &'a mut [f16],
    /// `(width)`, written: `s`.
    pub scales: &'a mut [f32],
}

impl TileOp for NarrowSplit<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) {
        let Self { m, by_column, by_row, halves, scales } = self;
        let width = scales.len();
        let (part, len) = ((m + 1) * width, padded(m) * width);
        // The last row of a part stays as it is.
        let parts = || by_column.chunks_exact(part).chain(by_row.chunks_exact(part)).map(|x| &x[..m * width]);
        let mut largest = 0.0;
        for x in parts() {
            largest = extent(s, x, largest);
        }
        let scale = scale_of(largest);
        scales.fill(scale);
        for (x, out) in parts().zip(halves.chunks_exact_mut(len)) {
            let (out, padding) = out.split_at_mut(m * width);
            narrow(s, x, scale, out);
            padding.fill(f16::ZERO);
        }
    }
}

/// The scores of one panel of queries and the tokens of some cells.
pub(super) struct Scores<'a> {
    /// `(cells, padded(m), copies)`, in pieces of [`CELLS`].
    pub inputs: &'a Halves,
    pub order: Order,
    pub copies: usize,
    pub m: usize,
    pub cells: Range<usize>,
    /// The split in single precision, of which only the last rows are read, and that of [`NarrowSplit`].
    pub by_column: &'a [f32],
    pub by_row: &'a [f32],
    pub halves: &'a [f16],
    pub scales: &'a [f32],
    /// The values of these tokens.
    pub prefetch: Prefetch<'a, f16>,
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
        let width = NV * lanes;
        let (depth, part) = (padded(m), (m + 1) * width);
        let (columns, rows) = self.halves.split_at(self.halves.len() / 2);
        let scales = load_vectors::<S::F32, NV>(s, self.scales);
        let mut max = [S::F32::splat(s, f32::NEG_INFINITY); NV];
        for (cell, out) in self.cells.zip(self.scores.chunks_exact_mut(T * width)) {
            let (x, y) = self.order.place(cell);
            let (inputs, scale) = self.inputs.piece(cell / CELLS);
            let z = &inputs[cell % CELLS * depth * T..][..depth * T];
            let [a, b] =
                [(columns, x), (rows, y)].map(|(split, i)| &split[i * depth * width..][..depth * width]);
            self.prefetch.advance::<S::F32>(s);
            let sums = tile_of_sum_of_halves::<S, T, NV>(s, depth, a, b, z);
            let a = load_vectors::<S::F32, NV>(s, &self.by_column[x * part + m * width..]);
            let b = load_vectors::<S::F32, NV>(s, &self.by_row[y * part + m * width..]);
            let scale = S::F32::splat(s, scale);
            for (sums, out) in sums.into_iter().zip(out.chunks_exact_mut(width)) {
                for (v, out) in out.chunks_exact_mut(lanes).enumerate() {
                    let x = sums[v].mul_add(scales[v].mul(scale), a[v].add(b[v]));
                    max[v] = max[v].max(x);
                    x.store(out);
                }
            }
        }
        for (max, out) in max.into_iter().zip(self.block_max.chunks_exact_mut(lanes)) {
            max.store(out);
        }
    }
}
