//! A block of queries over tokens on grids.

use std::ops::Range;

use super::scores16::{self, InputWords};
use super::tokens::GroupTokens;
use super::values16::{self, ValueBlock};
use super::{GridKeys, GridTokens, MAX_COPIES, Turned, split16};
use crate::attention::KEYS;
use crate::gemm::{Ahead, KC, PanelTiles, cover_rows, tile, tile_of_sum};
use crate::math;
use crate::simd::{F32s, Isa, Simd, TileOp};

/// Rows of weights that all panels of a block use before the next: they stay in L1 and L2.
pub(super) const WEIGHT_ROWS: usize = 54;

/// A block of queries over all tokens. What belongs to a panel is contiguous in every buffer.
pub(super) struct Block<'a> {
    pub isa: Isa,
    pub weights: &'a GridKeys,
    pub tokens: &'a GridTokens,
    /// Of the placeless tokens: rows with stride [`KC`], scaled.
    pub keys: &'a [f32],
    pub panels: usize,
    /// `(d, width)` a panel.
    pub queries: &'a [f32],
    /// As many words, if the weights are words.
    pub query_words: &'a mut [i16],
    /// `(side, m + 1, width)` a panel: `a`.
    pub by_column: &'a mut [f32],
    /// `(side, m + 1, width)` a panel: `b`.
    pub by_row: &'a mut [f32],
    /// `a` and `b` as words and their step, if the scores are formed from those: see [`scores16::ToWords`].
    pub words: &'a mut [i16],
    /// `(width)` a panel.
    pub steps: &'a mut [f32],
    /// `(dv, width)` a panel.
    pub sums: &'a mut [f32],
    pub max: &'a mut [f32],
    pub total: &'a mut [f32],
    /// Of the panel at hand.
    pub correction: &'a mut [f32],
    pub block_max: &'a mut [f32],
    /// `(KC, width)`, of the panel at hand.
    pub scores: &'a mut [f32],
    /// As many words, if the values are words.
    pub weight_words: &'a mut [i16],
    /// `(queries, dv)`.
    pub out: &'a mut [f32],
}

impl TileOp for Block<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(mut self, s: S) {
        let width = NV * S::F32::LANES;
        self.split_queries::<S, MR, NV>(s);
        if self.tokens.words {
            self.split_to_words(width);
        }
        self.sums.fill(0.0);
        self.max.fill(f32::NEG_INFINITY);
        self.total.fill(0.0);
        let tokens = self.tokens;
        let value_rows = tokens.dv * KC;
        for group in &tokens.groups {
            let per_block = group.cells_per_block();
            for block in 0..tokens.cells.div_ceil(per_block) {
                let cells = block * per_block..tokens.cells.min((block + 1) * per_block);
                let count = cells.len() * group.copies;
                for panel in 0..self.panels {
                    match &group.tokens {
                        GroupTokens::F32 { inputs, values } => {
                            let values = &values[block * value_rows..][..value_rows];
                            // The first panel has them come, for the others too.
                            let ahead = Ahead::new(if panel == 0 { values } else { &[] }, cells.len());
                            let max = self.grid_scores::<S, NV>(s, inputs, group.copies, block, panel, ahead);
                            self.accumulate::<S, MR, NV>(s, panel, max, count, values);
                        }
                        GroupTokens::Int16 { inputs, values } => {
                            let values = values.block(block);
                            let ahead = Ahead::new(if panel == 0 { values.data } else { &[] }, cells.len());
                            self.grid_scores_int16(inputs, group.copies, cells.clone(), panel, ahead);
                            self.accumulate_int16(panel, count, values);
                        }
                    }
                }
            }
        }
        for (block, values) in tokens.placeless_values.chunks_exact(value_rows).enumerate() {
            let count = KEYS.min(tokens.placeless - block * KEYS);
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
        let turned = match turned {
            Turned::F32(turned) => turned,
            Turned::Int16(weights) => {
                return self.isa.dispatch_dots(split16::Split {
                    weights,
                    d: *d,
                    width,
                    queries: self.queries,
                    words: self.query_words,
                    steps: self.steps,
                    by_column: self.by_column,
                    by_row: self.by_row,
                });
            }
        };
        let rows = side * (m + 1);
        for first in (0..rows).step_by(WEIGHT_ROWS) {
            let count = WEIGHT_ROWS.min(rows - first);
            let next = (first + count) * KC..(first + count + WEIGHT_ROWS).min(rows) * KC;
            let mut ahead = Ahead::new(&turned[next], 2 * self.panels * count.div_ceil(MR));
            for panel in 0..self.panels {
                let queries = &self.queries[panel * d * width..][..d * width];
                let (columns, lines) = queries.split_at(d / 2 * width);
                let at = (panel * rows + first) * width;
                let weights = &turned[first * KC..];
                for (weights, queries, out) in [
                    (weights, columns, &mut self.by_column[at..]),
                    (&weights[d / 2..], lines, &mut self.by_row[at..]),
                ] {
                    let mut product =
                        Product { depth: d / 2, left: weights, right: queries, ahead: &mut ahead, out };
                    cover_rows::<S, MR, NV>(s, count, 0, &mut product);
                }
            }
        }
    }

    /// The scores of the tokens of one block of cells; returns the new maxima.
    #[inline(always)]
    fn grid_scores<S: Simd, const NV: usize>(
        &mut self,
        s: S,
        inputs: &[f32],
        copies: usize,
        block: usize,
        panel: usize,
        ahead: Ahead<f32>,
    ) -> [S::F32; NV] {
        match copies {
            1 => self.grid_scores_of::<S, NV, 1>(s, inputs, block, panel, ahead),
            2 => self.grid_scores_of::<S, NV, 2>(s, inputs, block, panel, ahead),
            3 => self.grid_scores_of::<S, NV, 3>(s, inputs, block, panel, ahead),
            4 => self.grid_scores_of::<S, NV, 4>(s, inputs, block, panel, ahead),
            5 => self.grid_scores_of::<S, NV, 5>(s, inputs, block, panel, ahead),
            6 => self.grid_scores_of::<S, NV, 6>(s, inputs, block, panel, ahead),
            7 => self.grid_scores_of::<S, NV, 7>(s, inputs, block, panel, ahead),
            MAX_COPIES => self.grid_scores_of::<S, NV, MAX_COPIES>(s, inputs, block, panel, ahead),
            copies => unreachable!("a group has at most {MAX_COPIES} copies, not {copies}"),
        }
    }

    #[inline(always)]
    fn grid_scores_of<S: Simd, const NV: usize, const T: usize>(
        &mut self,
        s: S,
        inputs: &[f32],
        block: usize,
        panel: usize,
        mut ahead: Ahead<f32>,
    ) -> [S::F32; NV] {
        let GridKeys { side, m, .. } = *self.weights;
        let order = self.tokens.order;
        let lanes = S::F32::LANES;
        let part = (m + 1) * NV * lanes;
        let (by_column, by_row) =
            (&self.by_column[panel * side * part..], &self.by_row[panel * side * part..]);
        let mut max = load::<S, NV>(s, &self.max[panel * NV * lanes..]);
        let first = block * (KEYS / T);
        let cells = first..(first + KEYS / T).min(self.tokens.cells);
        for (cell, out) in cells.zip(self.scores.chunks_exact_mut(T * NV * lanes)) {
            let (x, y) = order.place(cell);
            let a = &by_column[x * part..][..part];
            let b = &by_row[y * part..][..part];
            let inputs = &inputs[cell * m * T..][..m * T];
            ahead.turn::<S::F32>(s);
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

    /// [`Self::grid_scores`] in 16 bits: the scores of the tokens of some cells, and the largest of each query.
    fn grid_scores_int16(
        &mut self,
        inputs: &InputWords,
        copies: usize,
        cells: Range<usize>,
        panel: usize,
        ahead: Ahead<i16>,
    ) {
        let width = self.block_max.len();
        let (ab, words) = (self.by_column.len() / self.panels, self.words.len() / self.panels);
        self.block_max.fill(f32::NEG_INFINITY);
        self.isa.dispatch_dots(scores16::Scores {
            inputs,
            order: self.tokens.order,
            copies,
            m: self.weights.m,
            cells,
            by_column: &self.by_column[panel * ab..][..ab],
            by_row: &self.by_row[panel * ab..][..ab],
            words: &self.words[panel * words..][..words],
            steps: &self.steps[panel * width..][..width],
            max: self.block_max,
            ahead,
            scores: self.scores,
        });
    }

    /// [`Self::accumulate`] of words.
    fn accumulate_int16(&mut self, panel: usize, count: usize, values: ValueBlock) {
        let (width, dv) = (self.block_max.len(), self.tokens.dv);
        self.isa.dispatch_dots(values16::Accumulate {
            count,
            values,
            scores: self.scores,
            weights: self.weight_words,
            block_max: self.block_max,
            correction: self.correction,
            max: &mut self.max[panel * width..][..width],
            total: &mut self.total[panel * width..][..width],
            sums: &mut self.sums[panel * dv * width..][..dv * width],
        });
    }

    /// `a` and `b` of every panel as words.
    #[inline(always)]
    fn split_to_words(&mut self, width: usize) {
        let (ab, words) = (self.by_column.len() / self.panels, self.words.len() / self.panels);
        let split = self.by_column.chunks_exact(ab).zip(self.by_row.chunks_exact(ab));
        let words = self.words.chunks_exact_mut(words).zip(self.steps.chunks_exact_mut(width));
        for ((by_column, by_row), (words, steps)) in split.zip(words) {
            let m = self.weights.m;
            self.isa.dispatch_dots(scores16::ToWords { m, by_column, by_row, words, steps });
        }
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
        let left = &self.keys[block * KEYS * KC..];
        let ahead = &mut Ahead::new(&[], 1);
        cover_rows::<S, MR, NV>(s, count, 0, &mut Product { depth: d, left, right, ahead, out: self.scores });
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
struct Product<'a, 'b> {
    depth: usize,
    left: &'a [f32],
    right: &'a [f32],
    /// What is multiplied next.
    ahead: &'a mut Ahead<'b, f32>,
    out: &'a mut [f32],
}

impl PanelTiles for Product<'_, '_> {
    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, s: S, _: usize, i: usize) {
        let lanes = S::F32::LANES;
        self.ahead.turn::<S::F32>(s);
        let acc = tile::<S, MR, NV>(s, self.depth, &self.left[i * KC..], (self.right, NV * lanes));
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
        let lanes = S::F32::LANES;
        let acc = tile::<S, MR, NV>(s, self.depth, &self.values[i * KC..], (self.weights, NV * lanes));
        let correction = load::<S, NV>(s, self.correction);
        let sums = self.sums[i * NV * lanes..(i + MR) * NV * lanes].chunks_exact_mut(NV * lanes);
        for (acc, sums) in acc.into_iter().zip(sums) {
            for ((x, c), sum) in acc.into_iter().zip(correction).zip(sums.chunks_exact_mut(lanes)) {
                S::F32::load(s, sum).mul_add(c, x).store(sum);
            }
        }
    }
}
