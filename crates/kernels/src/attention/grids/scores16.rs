//! The scores of tokens on grids in 16 bits.
//!
//! ```text
//! a(x) ≈ s · â,  b(y) ≈ s · b̂,  both within ±8191, one s per query         z ≈ s_z · w,  one s_z per token
//! (a(x) + b(y)) · [z, 1] ≈ s · s_z · Σ (â + b̂) · w + the last of a and b, as they are
//! ```
//!
//! A query and a cell cost one addition for every two columns, and every copy one product of pairs, exact in 32 bits. In 8 bits the two
//! parts would have seven each and two roundings, which moved what the memory attention hands on by 2.4 % of its length.

use std::ops::Range;

use super::MAX_COPIES;
use super::tokens::Order;
use crate::gemm::{Ahead, dot_tile_of_sum};
use crate::parallel;
use crate::simd::{Dot, DotOp, F32s, FloatsOf};

/// The largest magnitude of `â` and `b̂`: their sum is a word.
const MOST: f32 = 8191.0;
/// Cells whose inputs are made words by one task.
const CELLS: usize = 64;

/// Words of `a` and `b` of one panel of queries.
pub(super) fn words_of_split(side: usize, m: usize, width: usize) -> usize {
    2 * side * m.next_multiple_of(2) * width
}

/// The largest magnitude of an input of `m` columns: no sum of products leaves 32 bits.
fn most_of_input(m: usize) -> f32 {
    ((1 << 17) / m - 1).min(8191) as f32
}

/// The inputs of some copies of the grid as words.
#[derive(Clone, Debug)]
pub(super) struct InputWords {
    /// `(cells, m / 2, copies, 2)`.
    data: Vec<i16>,
    /// `(cells, copies)`.
    scales: Vec<f32>,
}

impl InputWords {
    /// Of the tokens `row(copy, cell)`, `m` wide.
    pub fn new<'a>(
        (copies, cells, m): (usize, usize, usize),
        row: impl Fn(usize, usize) -> &'a [f32] + Sync,
    ) -> Self {
        let len = m.next_multiple_of(2) * copies;
        let mut new = Self { data: vec![0; cells * len], scales: vec![0.0; cells * copies] };
        let most = most_of_input(m);
        parallel::for_each_chunk_mut2(
            &mut new.data,
            CELLS * len,
            &mut new.scales,
            CELLS * copies,
            |i, data, scales| {
                for (j, data) in data.chunks_exact_mut(len).enumerate() {
                    for t in 0..copies {
                        let input = row(t, i * CELLS + j);
                        let extent = input.iter().fold(0.0, |extent: f32, x| x.abs().max(extent));
                        let scale = (extent / most).max(f32::MIN_POSITIVE);
                        scales[j * copies + t] = scale;
                        for (pair, place) in input.chunks(2).zip(data.chunks_exact_mut(2 * copies)) {
                            for (x, place) in pair.iter().zip(&mut place[2 * t..]) {
                                *place = (x / scale).round_ties_even() as i16;
                            }
                        }
                    }
                }
            },
        );
        new
    }
}

/// `â` and `b̂` of one panel of queries.
pub(super) struct ToWords<'a> {
    pub m: usize,
    /// `(side, m + 1, width)`.
    pub by_column: &'a [f32],
    /// `(side, m + 1, width)`.
    pub by_row: &'a [f32],
    /// `(2, side, m / 2, width, 2)`.
    pub words: &'a mut [i16],
    /// `(width)`: `s`.
    pub steps: &'a mut [f32],
}

impl DotOp for ToWords<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        let s = d.floats();
        let lanes = FloatsOf::<D>::LANES;
        let zero = FloatsOf::<D>::splat(s, 0.0);
        let (m, width) = (self.m, self.steps.len());
        let (part, len) = ((m + 1) * width, m.next_multiple_of(2) * width);
        let half = self.words.len() / 2;
        for first in (0..width).step_by(lanes) {
            let (mut low, mut high) = (zero, zero);
            for values in self.by_column.chunks_exact(part).chain(self.by_row.chunks_exact(part)) {
                for row in values.chunks_exact(width).take(m) {
                    let x = FloatsOf::<D>::load(s, &row[first..]);
                    low = x.min(low);
                    high = x.max(high);
                }
            }
            let extent = zero.sub(low).max(high);
            let [step, inverse] = step_and_inverse(d, extent, MOST);
            step.store(&mut self.steps[first..]);
            for (half, values) in self.words.chunks_exact_mut(half).zip([self.by_column, self.by_row]) {
                for (words, values) in half.chunks_exact_mut(len).zip(values.chunks_exact(part)) {
                    for (p, words) in words.chunks_exact_mut(2 * width).enumerate() {
                        let mut pair = [zero; 2];
                        for (c, word) in (2 * p..m).zip(&mut pair) {
                            let x = FloatsOf::<D>::load(s, &values[c * width + first..]);
                            *word = x.mul(inverse).round();
                        }
                        d.store_pairs(pair, &mut words[2 * first..]);
                    }
                }
            }
        }
    }
}

/// What a word is worth if the largest magnitude `extent` is to become `most`, and the inverse of it.
#[inline(always)]
pub(super) fn step_and_inverse<D: Dot>(d: D, extent: FloatsOf<D>, most: f32) -> [FloatsOf<D>; 2] {
    // Below the smallest normal number the inverse would overflow; all words are zero then.
    let [one, tiny, most] =
        [1.0, most * f32::MIN_POSITIVE, most].map(|x| FloatsOf::<D>::splat(d.floats(), x));
    [extent.div(most), most.div(extent)].map(|x| extent.select_gt(tiny, x, one))
}

/// The scores of one panel of queries and the tokens of some cells.
pub(super) struct Scores<'a> {
    pub inputs: &'a InputWords,
    pub order: Order,
    pub copies: usize,
    pub m: usize,
    pub cells: Range<usize>,
    /// The split in single precision, of which only the last rows are read, and as [`ToWords`] leaves it.
    pub by_column: &'a [f32],
    pub by_row: &'a [f32],
    pub words: &'a [i16],
    pub steps: &'a [f32],
    /// `(width)`: raised to the largest score.
    pub max: &'a mut [f32],
    /// The values of these tokens.
    pub ahead: Ahead<'a, i16>,
    /// `(cells, copies, width)`.
    pub scores: &'a mut [f32],
}

impl DotOp for Scores<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        match self.copies {
            1 => self.form::<D, NV, 1>(d),
            2 => self.form::<D, NV, 2>(d),
            3 => self.form::<D, NV, 3>(d),
            4 => self.form::<D, NV, 4>(d),
            5 => self.form::<D, NV, 5>(d),
            6 => self.form::<D, NV, 6>(d),
            7 => self.form::<D, NV, 7>(d),
            MAX_COPIES => self.form::<D, NV, MAX_COPIES>(d),
            copies => unreachable!("a group has at most {MAX_COPIES} copies, not {copies}"),
        }
    }
}

#[inline(always)]
fn load<D: Dot, const NV: usize>(d: D, x: &[f32]) -> [FloatsOf<D>; NV] {
    std::array::from_fn(|v| FloatsOf::<D>::load(d.floats(), &x[v * FloatsOf::<D>::LANES..]))
}

impl Scores<'_> {
    #[inline(always)]
    fn form<D: Dot, const NV: usize, const T: usize>(mut self, d: D) {
        let lanes = FloatsOf::<D>::LANES;
        let (m, width) = (self.m, self.steps.len());
        let (part, len) = ((m + 1) * width, m.next_multiple_of(2) * width);
        let side = self.by_column.len() / part;
        let (columns, rows) = self.words.split_at(side * len);
        for first in (0..width).step_by(NV * lanes) {
            let steps = load::<D, NV>(d, &self.steps[first..]);
            let mut max = load::<D, NV>(d, &self.max[first..]);
            for (cell, out) in self.cells.clone().zip(self.scores.chunks_exact_mut(T * width)) {
                let (x, y) = self.order.place(cell);
                let split = (&columns[x * len + 2 * first..], &rows[y * len + 2 * first..], 2 * width);
                let z = &self.inputs.data[cell * m.next_multiple_of(2) * T..];
                self.ahead.turn::<FloatsOf<D>>(d.floats());
                let sums = dot_tile_of_sum::<D, T, NV>(d, m.div_ceil(2), split, z);
                let last = m * width + first;
                let a = load::<D, NV>(d, &self.by_column[x * part + last..]);
                let b = load::<D, NV>(d, &self.by_row[y * part + last..]);
                for (t, (sums, out)) in sums.into_iter().zip(out.chunks_exact_mut(width)).enumerate() {
                    let scale = FloatsOf::<D>::splat(d.floats(), self.inputs.scales[cell * T + t]);
                    for v in 0..NV {
                        let x = d.to_floats(sums[v]).mul(scale).mul_add(steps[v], a[v].add(b[v]));
                        max[v] = max[v].max(x);
                        x.store(&mut out[first + v * lanes..]);
                    }
                }
            }
            for (v, max) in max.into_iter().enumerate() {
                max.store(&mut self.max[first + v * lanes..]);
            }
        }
    }
}
