//! A block of queries over all tokens.

use std::ops::Range;

use super::keys::GridKeys;
use super::products::Products;
use super::scratch::{Scratch, Sizes};
use super::split::Split;
use super::tokens::{GridTokens, Group, GroupTokens};
use super::{scores, scores_i16, values, values_i16};
#[cfg(target_arch = "aarch64")]
use super::{scores_f16, values_f16};
use crate::attention::KEYS;
use crate::gemm::{KC, Prefetch};
use crate::simd::Isa;

pub(super) struct Block<'a> {
    pub isa: Isa,
    pub keys: &'a GridKeys,
    pub tokens: &'a GridTokens,
    /// Keys of the unplaced tokens: rows with stride [`KC`], scaled.
    pub unplaced: &'a [f32],
    /// `(panels, d, width)`.
    pub queries: &'a [f32],
    pub scratch: Scratch<'a>,
    /// `(queries, dv)`, written.
    pub out: &'a mut [f32],
}

impl Block<'_> {
    pub fn attend(mut self) {
        self.split_queries();
        self.scratch.reset();
        let (tokens, panels) = (self.tokens, self.scratch.sizes.panels);
        for group in &tokens.groups {
            let per_block = group.cells_per_block();
            for block in 0..tokens.cells.div_ceil(per_block) {
                let cells = block * per_block..tokens.cells.min((block + 1) * per_block);
                for panel in 0..panels {
                    self.attend_to_cells(group, block, cells.clone(), panel);
                }
            }
        }
        for (block, values) in tokens.unplaced_values.chunks_exact(tokens.dv * KC).enumerate() {
            let first = block * KEYS;
            for panel in 0..panels {
                self.attend_to_unplaced(first..tokens.unplaced.min(first + KEYS), values, panel);
            }
        }
        self.write_output();
    }

    /// `a` and `b` of every panel.
    fn split_queries(&mut self) {
        let Sizes { m, panels, products, .. } = self.scratch.sizes;
        self.isa.dispatch_tiled(Split {
            keys: self.keys,
            queries: self.queries,
            scratch: self.scratch.split,
            by_column: self.scratch.by_column,
            by_row: self.scratch.by_row,
        });
        for panel in 0..panels {
            let panel = self.scratch.panel(panel);
            let (by_column, by_row, scales) = (panel.by_column, panel.by_row, panel.scales);
            match products {
                Products::F32 => {}
                #[cfg(target_arch = "aarch64")]
                Products::F16 => {
                    let halves = panel.split_f16;
                    self.isa.dispatch_tiled(scores_f16::NarrowSplit { m, by_column, by_row, halves, scales });
                }
                Products::I16 => {
                    let quantized = panel.split_i16;
                    let split = scores_i16::QuantizeSplit { m, by_column, by_row, quantized, scales };
                    self.isa.dispatch_dots(split);
                }
            }
        }
    }

    /// One panel over the tokens of one block of cells.
    fn attend_to_cells(&mut self, group: &Group, block: usize, cells: Range<usize>, panel: usize) {
        let GridTokens { dv, order, .. } = *self.tokens;
        let (isa, m, copies) = (self.isa, self.keys.m, group.copies);
        let count = cells.len() * copies;
        // The first panel prefetches the values, for the others too.
        let first = panel == 0;
        let panel = self.scratch.panel(panel);
        match &group.tokens {
            GroupTokens::F32 { inputs, values } => {
                let values = &values[block * dv * KC..][..dv * KC];
                isa.dispatch_tiled(scores::Scores {
                    inputs,
                    order,
                    copies,
                    m,
                    prefetch: Prefetch::new(if first { values } else { &[] }, cells.len()),
                    cells,
                    by_column: panel.by_column,
                    by_row: panel.by_row,
                    block_max: panel.block_max,
                    scores: panel.scores,
                });
                isa.dispatch_tiled(values::Accumulate { count, values, panel });
            }
            #[cfg(target_arch = "aarch64")]
            GroupTokens::F16 { inputs, values } => {
                let values = values.piece(block);
                isa.dispatch_tiled(scores_f16::Scores {
                    inputs,
                    order,
                    copies,
                    m,
                    prefetch: Prefetch::new(if first { values.0 } else { &[] }, cells.len()),
                    cells,
                    by_column: panel.by_column,
                    by_row: panel.by_row,
                    halves: panel.split_f16,
                    scales: panel.scales,
                    block_max: panel.block_max,
                    scores: panel.scores,
                });
                isa.dispatch_tiled(values_f16::Accumulate { count, values, panel });
            }
            GroupTokens::I16 { inputs, values } => {
                let values = values.block(block);
                isa.dispatch_dots(scores_i16::Scores {
                    inputs,
                    order,
                    copies,
                    m,
                    prefetch: Prefetch::new(if first { values.data } else { &[] }, cells.len()),
                    cells,
                    by_column: panel.by_column,
                    by_row: panel.by_row,
                    quantized: panel.split_i16,
                    scales: panel.scales,
                    block_max: panel.block_max,
                    scores: panel.scores,
                });
                isa.dispatch_dots(values_i16::Accumulate { count, values, panel });
            }
        }
    }

    /// One panel over at most [`KEYS`] unplaced tokens.
    fn attend_to_unplaced(&mut self, tokens: Range<usize>, values: &[f32], panel: usize) {
        let (d, width, count) = (self.keys.d, self.scratch.sizes.width, tokens.len());
        let queries = &self.queries[panel * d * width..][..d * width];
        let panel = self.scratch.panel(panel);
        self.isa.dispatch_tiled(scores::UnplacedScores {
            keys: &self.unplaced[tokens.start * KC..],
            count,
            d,
            queries,
            block_max: panel.block_max,
            scores: panel.scores,
        });
        self.isa.dispatch_tiled(values::Accumulate { count, values, panel });
    }

    /// The sums divided by the total weights.
    fn write_output(self) {
        let Scratch { sizes: Sizes { dv, width, .. }, sums, total, .. } = self.scratch;
        for (i, out) in self.out.chunks_exact_mut(dv).enumerate() {
            let (panel, lane) = (i / width, i % width);
            let inverse = 1.0 / total[i];
            let sums = sums[panel * dv * width + lane..].iter().step_by(width);
            out.iter_mut().zip(sums).for_each(|(x, sum)| *x = sum * inverse);
        }
    }
}
