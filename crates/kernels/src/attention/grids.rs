//! Attention over tokens on copies of one square grid, under axial rotary encoding, without ever forming a key.
//!
//! A key is `R(x, y) · (W z + b)`: the rotation turns the first half of the channels with the column, the second with the
//! row, and does not know the copy. So a score splits into a part of the column and a part of the row,
//!
//! ```text
//! q · key = (a(x) + b(y)) · [z, 1],    a(x) = [W|b]ᵀ Rᵀ q, first half, at column x;    b(y) likewise, second half, row y
//! ```
//!
//! where `a` and `b` are products of the query with matrices of weights only ([`GridKeys`]). With `T` copies, a query and
//! a cell then cost one addition of two vectors as wide as `z` and `T` dot products of that width, in place of `T` dot products as
//! wide as a key.
//!
//! ```text
//! for each block of queries                        parallel: disjoint rows of the output
//!   a, b ← tile(weights, q)                        side · (m + 1) rows each: fits L2
//!   for each block of cells                        with all copies at most KC tokens
//!     S ← Σ (a(x) + b(y)) · z                      T rows at a time; queries lie along the vector
//!     P ← 2^(S − max);  O ← O · 2^(old max − max) + tile(vᵀ, P)
//! ```
//!
//! Queries lie along the vector, so that the maximum, the sum and the correction of the online softmax are plain vector
//! operations; the weights of a block are the right operand of the second product where they lie. The scale of the
//! softmax and the change to base two are part of the weights.
//!
//! Tokens that have no place on the grid come last, with keys of the usual kind.

mod tokens;

pub use tokens::GridTokens;

use tokens::Group;

use crate::gemm::{KC, PanelTiles, Rows, cover_rows, tile, tile_of_sum};
use crate::math;
use crate::parallel;
use crate::rope::Rope;
use crate::simd::{F32s, Isa, Simd, TileOp};

/// Most copies whose scores are formed together.
const MAX_COPIES: usize = 8;
/// Panels of queries in one block: with two, `a` and `b` take 2 MB at 32 queries a panel, a grid of 64 and 64 channels.
const PANELS: usize = 2;
/// Rows of weights that all panels of a block use before the next: they stay in L1 and L2.
const WEIGHT_ROWS: usize = 56;

/// The projection of inputs `z` to keys, turned to every column and every row of the grid.
#[derive(Clone, Debug)]
pub struct GridKeys {
    side: usize,
    d: usize,
    m: usize,
    scale: f32,
    /// `(side · (m + 1))` rows with stride [`KC`]: row `(j, c)` is column `c` of `[W|b]` turned to cell `(j, j)`, times the scale.
    turned: Vec<f32>,
}

impl GridKeys {
    /// From `weight`, `(d, m)`, and `bias`, `(d)`, for scores times `scale`, on the grid of `rope`.
    ///
    /// # Panics
    /// If the sizes do not agree or `d` exceeds [`KC`].
    #[track_caller]
    pub fn new(weight: &[f32], bias: &[f32], scale: f32, rope: &Rope) -> Self {
        let (d, side) = (bias.len(), rope.cells().isqrt());
        let m = weight.len() / d.max(1);
        assert!(weight.len() == d * m && d <= KC && d == rope.dim(), "GridKeys::new: {d}×{m}");
        let scale = scale * std::f32::consts::LOG2_E;
        let columns: Vec<f32> =
            (0..m).flat_map(|c| weight[c..].iter().step_by(m)).chain(bias).map(|x| scale * x).collect();
        let mut turned = vec![0.0; side * (m + 1) * KC];
        parallel::for_each_chunk_mut(&mut turned, (m + 1) * KC, |j, rows| {
            for (row, column) in rows.chunks_exact_mut(KC).zip(columns.chunks_exact(d)) {
                row[..d].copy_from_slice(column);
                rope.turn(j * side + j, &mut row[..d]);
            }
        });
        Self { side, d, m, scale, turned }
    }

    /// Attention of `q`, `(N, d)`, already rotated, over `tokens`; `placeless` are the keys, `(E, d)`, of those that have no
    /// place. To `out`, `(N, dv)`.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn attend(&self, isa: Isa, q: &[f32], tokens: &GridTokens, placeless: &[f32], out: &mut [f32]) {
        let (d, dv) = (self.d, tokens.dv);
        let n = q.len() / d;
        assert_eq!(out.len(), n * dv, "GridKeys::attend: out");
        assert_eq!(tokens.cells, self.side * self.side, "GridKeys::attend: tokens of another grid");
        assert_eq!(tokens.m, self.m, "GridKeys::attend: width of the tokens");
        assert_eq!(
            tokens.tile,
            isa.tile_shape(),
            "GridKeys::attend: tokens arranged for another instruction set"
        );
        assert_eq!(placeless.len(), tokens.placeless * d, "GridKeys::attend: keys without a place");
        let panel_width = isa.tile_shape().1;
        let ab = self.side * (self.m + 1) * panel_width;
        parallel::with_scratch(tokens.placeless * KC, |keys| {
            for (row, key) in keys.chunks_exact_mut(KC).zip(placeless.chunks_exact(d)) {
                row[..d].iter_mut().zip(key).for_each(|(x, k)| *x = k * self.scale);
            }
            let keys = &*keys;
            let queries = PANELS * panel_width;
            parallel::for_each_chunk_mut(out, queries * dv, |i, out| {
                let count = out.len() / dv;
                let panels = count.div_ceil(panel_width);
                let per_panel = d * panel_width + 2 * ab + dv * panel_width + 2 * panel_width;
                parallel::with_scratch(panels * per_panel + (KC + 1) * panel_width, |scratch| {
                    let (scores, scratch) = scratch.split_at_mut(KC * panel_width);
                    let (correction, mut scratch) = scratch.split_at_mut(panel_width);
                    let mut part = |len: usize| {
                        let (part, rest) = std::mem::take(&mut scratch).split_at_mut(panels * len);
                        scratch = rest;
                        part
                    };
                    let q = Rows::new(&q[i * queries * d..], d);
                    let packed = part(d * panel_width);
                    pack_queries(q, count, d, panel_width, packed);
                    let block = Block {
                        weights: self,
                        tokens,
                        keys,
                        panels,
                        queries: packed,
                        by_column: part(ab),
                        by_row: part(ab),
                        sums: part(dv * panel_width),
                        max: part(panel_width),
                        total: part(panel_width),
                        correction,
                        scores,
                        out,
                    };
                    isa.dispatch_tiled(block);
                });
            });
        });
    }
}

/// `count` rows of `d` into panels of `width`, `(d, width)` each, the missing ones zero.
fn pack_queries(q: Rows, count: usize, d: usize, width: usize, out: &mut [f32]) {
    for (p, panel) in out.chunks_exact_mut(d * width).enumerate() {
        let present = width.min(count - p * width);
        if present < width {
            panel.fill(0.0);
        }
        for j in 0..present {
            for (row, &x) in panel.chunks_exact_mut(width).zip(q.part(p * width + j, 0, d)) {
                row[j] = x;
            }
        }
    }
}

/// A block of queries over all tokens. What belongs to a panel is contiguous in every buffer.
struct Block<'a> {
    weights: &'a GridKeys,
    tokens: &'a GridTokens,
    /// Of the placeless tokens: rows with stride [`KC`], scaled.
    keys: &'a [f32],
    panels: usize,
    /// `(d, width)` a panel.
    queries: &'a [f32],
    /// `(side, m + 1, width)` a panel: `a`.
    by_column: &'a mut [f32],
    /// `(side, m + 1, width)` a panel: `b`.
    by_row: &'a mut [f32],
    /// `(dv, width)` a panel.
    sums: &'a mut [f32],
    max: &'a mut [f32],
    total: &'a mut [f32],
    /// Of the panel at hand.
    correction: &'a mut [f32],
    /// `(KC, width)`, of the panel at hand.
    scores: &'a mut [f32],
    /// `(queries, dv)`.
    out: &'a mut [f32],
}

impl TileOp for Block<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(mut self, s: S) {
        let width = NV * S::F32::LANES;
        self.split_queries::<S, MR, NV>(s);
        self.sums.fill(0.0);
        self.max.fill(f32::NEG_INFINITY);
        self.total.fill(0.0);
        let tokens = self.tokens;
        let value_rows = tokens.dv * KC;
        for group in &tokens.groups {
            for (block, values) in group.values.chunks_exact(value_rows).enumerate() {
                for panel in 0..self.panels {
                    let max = match group.copies {
                        1 => self.grid_scores::<S, NV, 1>(s, group, block, panel),
                        2 => self.grid_scores::<S, NV, 2>(s, group, block, panel),
                        3 => self.grid_scores::<S, NV, 3>(s, group, block, panel),
                        4 => self.grid_scores::<S, NV, 4>(s, group, block, panel),
                        5 => self.grid_scores::<S, NV, 5>(s, group, block, panel),
                        6 => self.grid_scores::<S, NV, 6>(s, group, block, panel),
                        7 => self.grid_scores::<S, NV, 7>(s, group, block, panel),
                        MAX_COPIES => self.grid_scores::<S, NV, MAX_COPIES>(s, group, block, panel),
                        copies => unreachable!("a group has at most {MAX_COPIES} copies, not {copies}"),
                    };
                    let first = block * group.cells_per_block();
                    let count = group.cells_per_block().min(tokens.cells - first) * group.copies;
                    self.accumulate::<S, MR, NV>(s, panel, max, count, values);
                }
            }
        }
        for (block, values) in tokens.placeless_values.chunks_exact(value_rows).enumerate() {
            let count = KC.min(tokens.placeless - block * KC);
            for panel in 0..self.panels {
                let max = self.plain_scores::<S, MR, NV>(s, block, count, panel);
                self.accumulate::<S, MR, NV>(s, panel, max, count, values);
            }
        }
        for (i, out) in self.out.chunks_exact_mut(tokens.dv).enumerate() {
            let (panel, lane) = (i / width, i % width);
            let inverse = 1.0 / self.total[i];
            let sums = self.sums[panel * tokens.dv * width + lane..].iter().step_by(width);
            out.iter_mut().zip(sums).for_each(|(x, sum)| *x = sum * inverse);
        }
    }
}

impl Block<'_> {
    /// `a` and `b` of every panel.
    #[inline(always)]
    fn split_queries<S: Simd, const MR: usize, const NV: usize>(&mut self, s: S) {
        let GridKeys { d, side, m, turned, .. } = self.weights;
        let width = NV * S::F32::LANES;
        let rows = side * (m + 1);
        for first in (0..rows).step_by(WEIGHT_ROWS) {
            let count = WEIGHT_ROWS.min(rows - first);
            for panel in 0..self.panels {
                let queries = &self.queries[panel * d * width..][..d * width];
                let (columns, lines) = queries.split_at(d / 2 * width);
                let at = (panel * rows + first) * width;
                let weights = &turned[first * KC..];
                for (weights, queries, out) in [
                    (weights, columns, &mut self.by_column[at..]),
                    (&weights[d / 2..], lines, &mut self.by_row[at..]),
                ] {
                    let mut product = Product { depth: d / 2, left: weights, right: queries, out };
                    cover_rows::<S, MR, NV>(s, count, 0, &mut product);
                }
            }
        }
    }

    /// The scores of the tokens of one block of cells; returns the new maxima.
    #[inline(always)]
    fn grid_scores<S: Simd, const NV: usize, const T: usize>(
        &mut self,
        s: S,
        group: &Group,
        block: usize,
        panel: usize,
    ) -> [S::F32; NV] {
        let GridKeys { side, m, .. } = *self.weights;
        let lanes = S::F32::LANES;
        let part = (m + 1) * NV * lanes;
        let (by_column, by_row) =
            (&self.by_column[panel * side * part..], &self.by_row[panel * side * part..]);
        let mut max = load::<S, NV>(s, &self.max[panel * NV * lanes..]);
        let first = block * (KC / T);
        let cells = first..(first + KC / T).min(self.tokens.cells);
        for (cell, out) in cells.zip(self.scores.chunks_exact_mut(T * NV * lanes)) {
            let a = &by_column[cell % side * part..][..part];
            let b = &by_row[cell / side * part..][..part];
            let inputs = &group.inputs[cell * m * T..][..m * T];
            let scores = tile_of_sum::<S, T, NV>(s, m, a, b, inputs);
            for (row, out) in scores.into_iter().zip(out.chunks_exact_mut(NV * lanes)) {
                for ((x, max), out) in row.into_iter().zip(&mut max).zip(out.chunks_exact_mut(lanes)) {
                    *max = max.max(x);
                    x.store(out);
                }
            }
        }
        max
    }

    /// The scores of some tokens without a place; returns the new maxima.
    #[inline(always)]
    fn plain_scores<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        block: usize,
        count: usize,
        panel: usize,
    ) -> [S::F32; NV] {
        let (d, lanes) = (self.weights.d, S::F32::LANES);
        let right = &self.queries[panel * d * NV * lanes..][..d * NV * lanes];
        let left = &self.keys[block * KC * KC..];
        cover_rows::<S, MR, NV>(s, count, 0, &mut Product { depth: d, left, right, out: self.scores });
        let mut max = load::<S, NV>(s, &self.max[panel * NV * lanes..]);
        for row in self.scores.chunks_exact(NV * lanes).take(count) {
            for (max, x) in max.iter_mut().zip(row.chunks_exact(lanes)) {
                *max = max.max(S::F32::load(s, x));
            }
        }
        max
    }

    /// Scores to weights, and the weighted values onto the sums.
    #[inline(always)]
    fn accumulate<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        panel: usize,
        max: [S::F32; NV],
        count: usize,
        values: &[f32],
    ) {
        let lanes = S::F32::LANES;
        let width = NV * lanes;
        let old = &mut self.max[panel * width..][..width];
        let corrections = self.correction.chunks_exact_mut(lanes);
        for ((old, max), correction) in old.chunks_exact_mut(lanes).zip(max).zip(corrections) {
            math::exp2_negative(s, S::F32::load(s, old).sub(max)).store(correction);
            max.store(old);
        }
        let mut sum = [S::F32::splat(s, 0.0); NV];
        for row in self.scores.chunks_exact_mut(width).take(count) {
            for ((x, max), sum) in row.chunks_exact_mut(lanes).zip(max).zip(&mut sum) {
                let e = math::exp2_negative(s, S::F32::load(s, x).sub(max));
                *sum = sum.add(e);
                e.store(x);
            }
        }
        let totals = self.total[panel * width..][..width].chunks_exact_mut(lanes);
        let corrections = self.correction.chunks_exact(lanes);
        for ((total, correction), sum) in totals.zip(corrections).zip(sum) {
            S::F32::load(s, total).mul_add(S::F32::load(s, correction), sum).store(total);
        }
        let dv = self.tokens.dv;
        let sums = &mut self.sums[panel * dv * width..][..dv * width];
        let mut update =
            Update { depth: count, values, weights: self.scores, correction: self.correction, sums };
        cover_rows::<S, MR, NV>(s, dv, 0, &mut update);
    }
}

#[inline(always)]
fn load<S: Simd, const NV: usize>(s: S, x: &[f32]) -> [S::F32; NV] {
    let mut out = [S::F32::splat(s, 0.0); NV];
    for (out, x) in out.iter_mut().zip(x.chunks_exact(S::F32::LANES)) {
        *out = S::F32::load(s, x);
    }
    out
}

/// `out ← left · right`: rows of `left` with stride [`KC`], `right` one panel.
struct Product<'a> {
    depth: usize,
    left: &'a [f32],
    right: &'a [f32],
    out: &'a mut [f32],
}

impl PanelTiles for Product<'_> {
    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, s: S, _: usize, i: usize) {
        let acc = tile::<S, MR, NV>(s, self.depth, &self.left[i * KC..], self.right);
        let lanes = S::F32::LANES;
        let out = self.out[i * NV * lanes..(i + MR) * NV * lanes].chunks_exact_mut(NV * lanes);
        for (acc, out) in acc.into_iter().zip(out) {
            for (x, out) in acc.into_iter().zip(out.chunks_exact_mut(lanes)) {
                x.store(out);
            }
        }
    }
}

/// `sums ← sums · correction + values · weights`.
struct Update<'a> {
    depth: usize,
    values: &'a [f32],
    weights: &'a [f32],
    correction: &'a [f32],
    sums: &'a mut [f32],
}

impl PanelTiles for Update<'_> {
    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, s: S, _: usize, i: usize) {
        let acc = tile::<S, MR, NV>(s, self.depth, &self.values[i * KC..], self.weights);
        let lanes = S::F32::LANES;
        let correction = load::<S, NV>(s, self.correction);
        let sums = self.sums[i * NV * lanes..(i + MR) * NV * lanes].chunks_exact_mut(NV * lanes);
        for (acc, sums) in acc.into_iter().zip(sums) {
            for ((x, c), sum) in acc.into_iter().zip(correction).zip(sums.chunks_exact_mut(lanes)) {
                S::F32::load(s, sum).mul_add(c, x).store(sum);
            }
        }
    }
}
