//! Tokens on copies of a grid, arranged in the order in which attention without keys reads them.

#[cfg(target_arch = "aarch64")]
use super::halves::{CELLS, Halves, padded};
use super::inputs_i16::InputsI16;
use super::products::Products;
use super::values_i16::ValuesI16;
use crate::attention::KEYS;
use crate::attention::int8::ValueType;
use crate::gemm::KC;
use crate::parallel;
use crate::simd::Isa;

/// Largest number of copies whose scores are computed together.
pub(super) const MAX_COPIES: usize = 8;

/// Tokens in the order in which [`super::GridKeys::attend`] reads them. Arranged once, they serve any number
/// of projections.
#[derive(Clone, Debug)]
pub struct GridTokens {
    pub(super) cells: usize,
    pub(super) m: usize,
    pub(super) dv: usize,
    pub(super) tile: (usize, usize),
    pub(super) unplaced: usize,
    pub(super) order: Order,
    pub(super) groups: Vec<Group>,
    pub(super) products: Products,
    /// Values of the unplaced tokens: `(dv)` rows with stride [`KC`] for every [`KEYS`] of them.
    pub(super) unplaced_values: Vec<f32>,
}

/// Cell order: column strips, left to right; within a strip, row by row. Keeps a strip's column scores in L2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    side: usize,
    strip: usize,
}

impl Order {
    fn new(isa: Isa, products: Products, side: usize) -> Self {
        // In 16 bits the column scores are half as large.
        let strips = |strip: &usize| products != Products::I16 && side.is_multiple_of(*strip);
        let strip = isa.tuning().grid_strip.filter(strips);
        Self { side, strip: strip.unwrap_or(side) }
    }

    /// Column and row of the `i`-th cell in this order.
    #[inline(always)]
    pub fn place(self, i: usize) -> (usize, usize) {
        let Self { side, strip } = self;
        let (left, i) = (i / (strip * side) * strip, i % (strip * side));
        (left + i % strip, i / strip)
    }

    /// Row-major index of the `i`-th cell in this order.
    fn cell(self, i: usize) -> usize {
        let (x, y) = self.place(i);
        y * self.side + x
    }
}

/// Some of the copies, at most [`MAX_COPIES`] and `MR`.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub copies: usize,
    pub tokens: GroupTokens,
}

/// Inputs and values. The values are, per block of cells, `dv` rows with stride [`KC`]; a column is a token,
/// the copies of a cell adjacent.
#[derive(Clone, Debug)]
pub(super) enum GroupTokens {
    F32 {
        /// `(cells, m, copies)`, the cells in [`Order`].
        inputs: Vec<f32>,
        values: Vec<f32>,
    },
    #[cfg(target_arch = "aarch64")]
    F16 {
        /// `(cells, padded m, copies)`, in pieces of [`CELLS`] cells.
        inputs: Halves,
        /// In pieces of a block.
        values: Halves,
    },
    I16 {
        inputs: InputsI16,
        values: ValuesI16,
    },
}

impl Group {
    pub fn cells_per_block(&self) -> usize {
        KEYS / self.copies
    }
}

impl GridTokens {
    /// From the keys' `inputs`, `(T · cells + E, m)`, and `values`, `(T · cells + E, dv)`: `copies` is `(T,
    /// cells)`, T copies of a grid of `cells`; the E tokens after them have no place. Their inputs are not
    /// read.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn new(isa: Isa, copies: (usize, usize), inputs: (&[f32], usize), values: (&[f32], usize)) -> Self {
        Self::arrange(isa, copies, inputs, values, Products::F32)
    }

    /// [`Self::new`] for scores and weighted values from exact sums of 16-bit products: less work with VNNI.
    /// The relative L2 error of the output is about 2e-3.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn int16(isa: Isa, copies: (usize, usize), inputs: (&[f32], usize), values: (&[f32], usize)) -> Self {
        Self::arrange(isa, copies, inputs, values, Products::I16)
    }

    /// [`Self::new`] for the products that are fastest on this instruction set in 8-bit precision:
    /// those of [`ValueType::of`].
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn int8(isa: Isa, copies: (usize, usize), inputs: (&[f32], usize), values: (&[f32], usize)) -> Self {
        let products = match ValueType::of(isa) {
            ValueType::I16 => Products::I16,
            #[cfg(target_arch = "aarch64")]
            ValueType::F16 => Products::F16,
            _ => Products::F32,
        };
        Self::arrange(isa, copies, inputs, values, products)
    }

    #[track_caller]
    fn arrange(
        isa: Isa,
        (copies, cells): (usize, usize),
        (inputs, m): (&[f32], usize),
        (values, dv): (&[f32], usize),
        products: Products,
    ) -> Self {
        let tokens = inputs.len() / m;
        assert!(
            inputs.len() == tokens * m && values.len() == tokens * dv && tokens >= copies * cells,
            "GridTokens::new: inputs {}, values {}, {copies} copies of {cells} cells",
            inputs.len(),
            values.len()
        );
        let count = copies.div_ceil(MAX_COPIES.min(isa.tile_shape().0));
        let order = Order::new(isa, products, cells.isqrt());
        let groups = (0..count).map(|i| {
            let range = copies * i / count..copies * (i + 1) / count;
            let token = |t: usize, i: usize| (range.start + t) * cells + order.cell(i);
            let values = Group::values((range.len(), cells, dv), |t, i| &values[token(t, i) * dv..][..dv]);
            let row = |t: usize, i: usize| &inputs[token(t, i) * m..][..m];
            let sizes = (range.len(), cells, m);
            let tokens = match products {
                Products::F32 => GroupTokens::F32 { inputs: Group::inputs(sizes, row), values },
                #[cfg(target_arch = "aarch64")]
                Products::F16 => {
                    let depth = padded(m);
                    let inputs = Group::inputs((range.len(), cells, depth), row);
                    let inputs = Halves::new(isa, &inputs, CELLS * depth * range.len());
                    GroupTokens::F16 { inputs, values: Halves::new(isa, &values, dv * KC) }
                }
                Products::I16 => {
                    let inputs = InputsI16::new(sizes, row);
                    GroupTokens::I16 { inputs, values: ValuesI16::new(isa, &values, dv) }
                }
            };
            Group { copies: range.len(), tokens }
        });
        let groups = groups.collect();
        let unplaced = tokens - copies * cells;
        let mut unplaced_values = vec![0.0; unplaced.div_ceil(KEYS) * dv * KC];
        for (block, out) in unplaced_values.chunks_exact_mut(dv * KC).enumerate() {
            let first = copies * cells + block * KEYS;
            for (i, value) in values[first * dv..].chunks_exact(dv).take(KEYS).enumerate() {
                value.iter().enumerate().for_each(|(c, &x)| out[c * KC + i] = x);
            }
        }
        Self { cells, m, dv, tile: isa.tile_shape(), unplaced, order, groups, products, unplaced_values }
    }
}

impl Group {
    /// The values `row(copy, i)` of the tokens of some copies in the layout of [`GroupTokens`].
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

    /// The inputs `row(copy, i)` of the tokens of some copies in the layout of [`GroupTokens::F32`].
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
