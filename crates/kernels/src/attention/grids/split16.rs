//! `a` and `b` of queries from 16-bit words.
//!
//! ```text
//! weights of a row ≈ s · w        a query ≈ t · q        a row of a or b ≈ s · t · Σ w · q, exact in 32 bits
//! ```

use super::block::WEIGHT_ROWS;
use super::scores16::step_and_inverse;
use crate::gemm::int8::{DotTiles, cover_rows};
use crate::gemm::{Ahead, KC, pair_tile};
use crate::simd::{Dot, DotOp, F32s, FloatsOf};

/// The largest magnitude of a word: `half` products of two stay within 32 bits.
fn most(half: usize) -> f32 {
    (i32::MAX as usize / half).isqrt().min(8191) as f32
}

/// Rows of weights as words.
#[derive(Clone, Debug)]
pub(super) struct WeightWords {
    /// Rows with stride [`KC`].
    data: Vec<i16>,
    /// One a row.
    scales: Vec<f32>,
}

impl WeightWords {
    /// Of rows of `d` with stride [`KC`], each of two halves that are multiplied by themselves.
    pub fn new(rows: &[f32], d: usize) -> Self {
        let most = most(d / 2);
        let mut new = Self { data: vec![0; rows.len()], scales: Vec::with_capacity(rows.len() / KC) };
        for (row, words) in rows.chunks_exact(KC).zip(new.data.chunks_exact_mut(KC)) {
            let extent = row[..d].iter().fold(0.0, |extent: f32, x| x.abs().max(extent));
            let scale = (extent / most).max(f32::MIN_POSITIVE);
            new.scales.push(scale);
            words
                .iter_mut()
                .zip(&row[..d])
                .for_each(|(word, x)| *word = (x / scale).round_ties_even() as i16);
        }
        new
    }
}

/// The split of some panels of queries. What belongs to a panel is contiguous in every buffer.
pub(super) struct Split<'a> {
    pub weights: &'a WeightWords,
    pub d: usize,
    pub width: usize,
    /// `(d, width)` a panel.
    pub queries: &'a [f32],
    /// `(d / 2, width, 2)` a panel, for the queries as words.
    pub words: &'a mut [i16],
    /// `(width)` a panel, for their scales.
    pub steps: &'a mut [f32],
    /// A row of each for every row of the weights, a panel.
    pub by_column: &'a mut [f32],
    pub by_row: &'a mut [f32],
}

impl DotOp for Split<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        let Self { weights, width, words, steps, by_column, by_row, .. } = self;
        let (len, half) = (self.d * width, self.d / 2);
        for ((queries, words), steps) in
            self.queries.chunks_exact(len).zip(words.chunks_exact_mut(len)).zip(steps.chunks_exact_mut(width))
        {
            to_words(d, most(half), queries, words, steps);
        }
        let rows = weights.scales.len();
        for first in (0..rows).step_by(WEIGHT_ROWS) {
            let count = WEIGHT_ROWS.min(rows - first);
            let scales = &weights.scales[first..first + count];
            let next = (first + count) * KC..(first + count + WEIGHT_ROWS).min(rows) * KC;
            let turns = 2 * steps.len() / (NV * FloatsOf::<D>::LANES) * count.div_ceil(MR);
            let mut ahead = Ahead::new(&weights.data[next], turns);
            for (panel, (words, steps)) in words.chunks_exact(len).zip(steps.chunks_exact(width)).enumerate()
            {
                let at = (panel * rows + first) * width;
                let (columns, lines) = words.split_at(half * width);
                let left = &weights.data[first * KC..];
                let halves = [
                    (left, columns, &mut by_column[at..at + count * width]),
                    (&left[half..], lines, &mut by_row[at..at + count * width]),
                ];
                for (left, right, out) in halves {
                    for first in (0..width).step_by(NV * FloatsOf::<D>::LANES) {
                        let mut product = Product {
                            pairs: half / 2,
                            first,
                            width,
                            left,
                            right,
                            ahead: &mut ahead,
                            scales,
                            steps,
                            out: &mut *out,
                        };
                        cover_rows::<D, MR, NV>(d, count, 0, &mut product);
                    }
                }
            }
        }
    }
}

/// One panel of queries, `(d, width)`, as pairs of words, and the scale of each query.
#[inline(always)]
fn to_words<D: Dot>(d: D, most: f32, queries: &[f32], words: &mut [i16], steps: &mut [f32]) {
    let (s, lanes, width) = (d.floats(), FloatsOf::<D>::LANES, steps.len());
    let zero = FloatsOf::<D>::splat(s, 0.0);
    for first in (0..width).step_by(lanes) {
        let mut extent = zero;
        for row in queries.chunks_exact(width) {
            let x = FloatsOf::<D>::load(s, &row[first..]);
            extent = x.max(zero.sub(x)).max(extent);
        }
        let [step, inverse] = step_and_inverse(d, extent, most);
        step.store(&mut steps[first..]);
        for (rows, words) in queries.chunks_exact(2 * width).zip(words.chunks_exact_mut(2 * width)) {
            let (even, odd) = rows.split_at(width);
            let pair = [even, odd].map(|row| FloatsOf::<D>::load(s, &row[first..]).mul(inverse).round());
            d.store_pairs(pair, &mut words[2 * first..]);
        }
    }
}

/// `out ← left · right`, from query `first` on.
struct Product<'a, 'b> {
    pairs: usize,
    first: usize,
    width: usize,
    /// Rows with stride [`KC`].
    left: &'a [i16],
    right: &'a [i16],
    /// What is multiplied next.
    ahead: &'a mut Ahead<'b, i16>,
    scales: &'a [f32],
    steps: &'a [f32],
    out: &'a mut [f32],
}

impl DotTiles for Product<'_, '_> {
    #[inline(always)]
    fn tile<D: Dot, const MR: usize, const NV: usize>(&mut self, d: D, _: usize, i: usize) {
        let (s, lanes) = (d.floats(), FloatsOf::<D>::LANES);
        let right = (&self.right[2 * self.first..], 2 * self.width);
        self.ahead.turn::<FloatsOf<D>>(s);
        let acc = pair_tile::<D, MR, NV>(d, self.pairs, &self.left[i * KC..], right);
        for (v, first) in (self.first..).step_by(lanes).take(NV).enumerate() {
            let step = FloatsOf::<D>::load(s, &self.steps[first..]);
            for (r, acc) in acc.iter().enumerate() {
                let scale = FloatsOf::<D>::splat(s, self.scales[i + r]);
                let x = d.to_floats(acc[v]).mul(step.mul(scale));
                x.store(&mut self.out[(i + r) * self.width + first..]);
            }
        }
    }
}
