//! Tokens on copies of a grid, arranged for attention without keys.

use std::ops::Range;

use super::MAX_COPIES;
use super::int16::{self, InputWords};
use crate::gemm::KC;
use crate::parallel;
use crate::simd::Isa;

/// Tokens in the order in which [`super::GridKeys::attend`] reads them: once arranged, good for any number of projections.
#[derive(Clone, Debug)]
pub struct GridTokens {
    pub(super) cells: usize,
    pub(super) m: usize,
    pub(super) dv: usize,
    pub(super) tile: (usize, usize),
    pub(super) placeless: usize,
    pub(super) groups: Vec<Group>,
    /// Whether the inputs are words.
    pub(super) words: bool,
    /// Of the placeless tokens: `(dv)` rows with stride [`KC`] for every KC of them.
    pub(super) placeless_values: Vec<f32>,
}

/// Some of the copies.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub copies: usize,
    cells: usize,
    pub inputs: Inputs,
    /// Per block of cells `dv` rows with stride [`KC`]; a column is a token, the copies of a cell side by side.
    pub values: Vec<f32>,
}

#[derive(Clone, Debug)]
pub(super) enum Inputs {
    /// `(cells, m, copies)`.
    F32(Vec<f32>),
    Int16(InputWords),
}

impl Group {
    pub fn cells_per_block(&self) -> usize {
        KC / self.copies
    }
}

impl GridTokens {
    /// From `inputs`, `(T · cells + E, m)`, of the keys, and `values`, `(T · cells + E, dv)`: `copies` T of a grid of
    /// `cells`, then the E tokens that have no place. The inputs of those are not read.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn new(isa: Isa, copies: (usize, usize), inputs: (&[f32], usize), values: (&[f32], usize)) -> Self {
        Self::arrange(isa, copies, inputs, values, false)
    }

    /// [`Self::new`] for scores from exact sums of 16-bit products: less work with VNNI, and the output moves by about 5e-4 of its length.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn int16(isa: Isa, copies: (usize, usize), inputs: (&[f32], usize), values: (&[f32], usize)) -> Self {
        Self::arrange(isa, copies, inputs, values, true)
    }

    #[track_caller]
    fn arrange(
        isa: Isa,
        (copies, cells): (usize, usize),
        (inputs, m): (&[f32], usize),
        (values, dv): (&[f32], usize),
        words: bool,
    ) -> Self {
        let tokens = inputs.len() / m;
        assert!(
            inputs.len() == tokens * m && values.len() == tokens * dv && tokens >= copies * cells,
            "GridTokens::new: inputs {}, values {}, {copies} copies of {cells} cells",
            inputs.len(),
            values.len()
        );
        let most = MAX_COPIES.min(isa.tile_shape().0);
        let count = copies.div_ceil(most);
        let groups = (0..count).map(|i| {
            let range = copies * i / count..copies * (i + 1) / count;
            let group = Group::new(range.clone(), cells, (values, dv));
            group.with_inputs(range.start, inputs, m, words)
        });
        let groups = groups.collect();
        let placeless = tokens - copies * cells;
        let mut placeless_values = vec![0.0; placeless.div_ceil(KC) * dv * KC];
        for (block, out) in placeless_values.chunks_exact_mut(dv * KC).enumerate() {
            let first = copies * cells + block * KC;
            for (i, value) in values[first * dv..].chunks_exact(dv).take(KC).enumerate() {
                value.iter().enumerate().for_each(|(c, &x)| out[c * KC + i] = x);
            }
        }
        Self { cells, m, dv, tile: isa.tile_shape(), placeless, groups, words, placeless_values }
    }

    /// Words that `a` and `b` of one panel of queries take.
    pub(super) fn words_of_split(&self, side: usize, width: usize) -> usize {
        if self.words { int16::words_of_split(side, self.m, width) } else { 0 }
    }
}

impl Group {
    /// With the values of the tokens of some copies, and no inputs yet.
    fn new(range: Range<usize>, cells: usize, (values, dv): (&[f32], usize)) -> Self {
        let copies = range.len();
        let per_block = KC / copies;
        let mut group = Self {
            copies,
            cells,
            inputs: Inputs::F32(Vec::new()),
            values: vec![0.0; cells.div_ceil(per_block) * dv * KC],
        };
        parallel::for_each_chunk_mut(&mut group.values, dv * KC, |block, out| {
            let first = block * per_block;
            for cell in first..(first + per_block).min(cells) {
                for t in 0..copies {
                    let column = (cell - first) * copies + t;
                    let value = &values[((range.start + t) * cells + cell) * dv..][..dv];
                    out[column..].iter_mut().step_by(KC).zip(value).for_each(|(x, &v)| *x = v);
                }
            }
        });
        group
    }

    /// With its inputs, of the copies from `first` on.
    fn with_inputs(mut self, first: usize, inputs: &[f32], m: usize, words: bool) -> Self {
        let (copies, cells) = (self.copies, self.cells);
        let row = |t: usize, cell: usize| &inputs[((first + t) * cells + cell) * m..][..m];
        self.inputs = if words {
            Inputs::Int16(InputWords::new((copies, cells, m), row))
        } else {
            let mut arranged = vec![0.0; cells * m * copies];
            let chunk = 64 * m * copies;
            parallel::for_each_chunk_mut(&mut arranged, chunk, |i, out| {
                for (j, out) in out.chunks_exact_mut(m * copies).enumerate() {
                    for t in 0..copies {
                        let input = row(t, i * 64 + j);
                        out[t..].iter_mut().step_by(copies).zip(input).for_each(|(x, &z)| *x = z);
                    }
                }
            });
            Inputs::F32(arranged)
        };
        self
    }
}
