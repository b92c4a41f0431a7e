//! Tokens on copies of a grid, arranged for attention without keys.

use super::MAX_COPIES;
use super::scores16::{self, InputWords};
use super::values16::ValueWords;
use crate::attention::KEYS;
use crate::gemm::KC;
use crate::parallel;
use crate::simd::Isa;

/// Columns of a strip: see [`Order`].
const STRIP: usize = 4;

/// Tokens in the order in which [`super::GridKeys::attend`] reads them: once arranged, good for any number of projections.
#[derive(Clone, Debug)]
pub struct GridTokens {
    pub(super) cells: usize,
    pub(super) m: usize,
    pub(super) dv: usize,
    pub(super) tile: (usize, usize),
    pub(super) placeless: usize,
    pub(super) order: Order,
    pub(super) groups: Vec<Group>,
    /// Whether the inputs are words.
    pub(super) words: bool,
    /// Of the placeless tokens: `(dv)` rows with stride [`KC`] for every KC of them.
    pub(super) placeless_values: Vec<f32>,
}

/// In which order the cells of the grid are taken: strips of columns from left to right, each row by row. What a block of queries needs of
/// the columns of a strip stays in L2 on the way down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    side: usize,
    strip: usize,
}

impl Order {
    fn new(isa: Isa, words: bool, side: usize) -> Self {
        let strip = match isa {
            // L2 has room for the whole grid, or they are half as large.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => side,
            _ if words => side,
            _ if side.is_multiple_of(STRIP) => STRIP,
            _ => side,
        };
        Self { side, strip }
    }

    /// Column and row of the cell that comes as number `i`.
    #[inline(always)]
    pub fn place(self, i: usize) -> (usize, usize) {
        let Self { side, strip } = self;
        let (left, i) = (i / (strip * side) * strip, i % (strip * side));
        (left + i % strip, i / strip)
    }

    /// Which cell of the grid, row by row, comes as number `i`.
    fn cell(self, i: usize) -> usize {
        let (x, y) = self.place(i);
        y * self.side + x
    }
}

/// Some of the copies.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub copies: usize,
    pub tokens: GroupTokens,
}

/// Inputs and values. The values are, per block of cells, `dv` rows with stride [`KC`]; a column is a token, the copies of a cell
/// side by side.
#[derive(Clone, Debug)]
pub(super) enum GroupTokens {
    F32 {
        /// `(cells, m, copies)`, the cells in [`Order`] as everywhere.
        inputs: Vec<f32>,
        values: Vec<f32>,
    },
    Int16 {
        inputs: InputWords,
        values: ValueWords,
    },
}

impl Group {
    pub fn cells_per_block(&self) -> usize {
        KEYS / self.copies
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

    /// [`Self::new`] for scores and weighted values from exact sums of 16-bit products: less work with VNNI, and with
    /// [`super::GridKeys::int16`] the output moves by about 2e-3 of its length.
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
        let order = Order::new(isa, words, cells.isqrt());
        let groups = (0..count).map(|i| {
            let range = copies * i / count..copies * (i + 1) / count;
            let token = |t: usize, i: usize| (range.start + t) * cells + order.cell(i);
            let values = Group::values((range.len(), cells, dv), |t, i| &values[token(t, i) * dv..][..dv]);
            let row = |t: usize, i: usize| &inputs[token(t, i) * m..][..m];
            let sizes = (range.len(), cells, m);
            let tokens = if words {
                let inputs = InputWords::new(sizes, row);
                GroupTokens::Int16 { inputs, values: ValueWords::new(isa, &values, dv) }
            } else {
                GroupTokens::F32 { inputs: Group::inputs(sizes, row), values }
            };
            Group { copies: range.len(), tokens }
        });
        let groups = groups.collect();
        let placeless = tokens - copies * cells;
        let mut placeless_values = vec![0.0; placeless.div_ceil(KEYS) * dv * KC];
        for (block, out) in placeless_values.chunks_exact_mut(dv * KC).enumerate() {
            let first = copies * cells + block * KEYS;
            for (i, value) in values[first * dv..].chunks_exact(dv).take(KEYS).enumerate() {
                value.iter().enumerate().for_each(|(c, &x)| out[c * KC + i] = x);
            }
        }
        Self { cells, m, dv, tile: isa.tile_shape(), placeless, order, groups, words, placeless_values }
    }

    /// Words that `a` and `b` of one panel of queries take.
    pub(super) fn words_of_split(&self, side: usize, width: usize) -> usize {
        if self.words { scores16::words_of_split(side, self.m, width) } else { 0 }
    }
}

impl Group {
    /// The values `row(copy, i)` of the tokens of some copies: see [`GroupTokens`].
    fn values<'a>(
        (copies, cells, dv): (usize, usize, usize),
        row: impl Fn(usize, usize) -> &'a [f32] + Sync,
    ) -> Vec<f32> {
        let per_block = KEYS / copies;
        let mut arranged = vec![0.0; cells.div_ceil(per_block) * dv * KC];
        parallel::for_each_chunk_mut(&mut arranged, dv * KC, |block, out| {
            let first = block * per_block;
            for cell in first..(first + per_block).min(cells) {
                for t in 0..copies {
                    let column = (cell - first) * copies + t;
                    out[column..].iter_mut().step_by(KC).zip(row(t, cell)).for_each(|(x, &v)| *x = v);
                }
            }
        });
        arranged
    }

    /// The inputs `row(copy, i)` in single precision.
    fn inputs<'a>(
        (copies, cells, m): (usize, usize, usize),
        row: impl Fn(usize, usize) -> &'a [f32] + Sync,
    ) -> Vec<f32> {
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
        arranged
    }
}
