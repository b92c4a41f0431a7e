//! Products in single precision.
//!
//! Keys may be of two kinds, each with queries of its own width: see [`super::attention_of_two_kinds`].

use std::cell::RefCell;
use std::ops::Range;
use std::thread::LocalKey;

use super::flash::{Keys, Pool, Running, Values};
use super::shape::KEYS;
use crate::gemm::{KBlock, KC, PackedB, Rows, Tiles, cover, tile};
use crate::parallel;
use crate::rows;
use crate::simd::{F32s, Isa, Simd};

/// The keys of one head: usually of one kind, the second one empty.
#[derive(Debug, Default)]
pub(super) struct KeysF32 {
    kinds: [PackedB; 2],
}

/// The values of the keys of either kind.
#[derive(Debug, Default)]
pub(super) struct ValuesF32 {
    kinds: [PackedB; 2],
}

impl KeysF32 {
    /// Refills it with keys of two kinds, each `n` rows of `d`.
    pub fn pack_two(&mut self, isa: Isa, kinds: [(Rows, usize, usize); 2]) {
        for (packed, (rows, n, d)) in self.kinds.iter_mut().zip(kinds) {
            packed.repack_nk(isa, rows, n, d);
        }
    }

    /// The kind of the keys of a range, and the range among those.
    #[inline(always)]
    fn place(&self, keys: Range<usize>) -> (usize, Range<usize>) {
        place(self.kinds[0].n(), keys)
    }
}

impl ValuesF32 {
    /// Refills it with the values of keys of two kinds, each `n` rows of `dv`.
    pub fn pack_two(&mut self, isa: Isa, kinds: [(Rows, usize); 2], dv: usize) {
        for (packed, (rows, n)) in self.kinds.iter_mut().zip(kinds) {
            packed.repack_kn(isa, rows, (n, KEYS), dv);
        }
    }
}

#[inline(always)]
fn place(first: usize, keys: Range<usize>) -> (usize, Range<usize>) {
    if keys.start < first { (0, keys) } else { (1, keys.start - first..keys.end - first) }
}

impl Keys for KeysF32 {
    type Values = ValuesF32;
    /// For each kind rows with stride [`KC`], scaled.
    type Queries<'a> = [&'a [f32]; 2];

    fn pack(&mut self, isa: Isa, keys: Rows, n: usize, d: usize) {
        self.pack_two(isa, [(keys, n, d), (keys, 0, 0)]);
    }

    fn first_kind(&self, _: usize) -> usize {
        self.kinds[0].n()
    }

    fn with_queries(&self, _: Isa, rows: Rows, m: usize, scale: f32, f: impl FnOnce(&Self::Queries<'_>)) {
        let second = if self.kinds[1].n() > 0 { m } else { 0 };
        parallel::with_scratch((m + second) * KC, |scaled| {
            let (first, second) = scaled.split_at_mut(m * KC);
            let mut from = 0;
            for (kind, scaled) in self.kinds.iter().zip([&mut *first, &mut *second]) {
                let to = from + kind.k();
                for (r, row) in scaled.chunks_exact_mut(KC).enumerate() {
                    for (x, &q) in row.iter_mut().zip(rows.part(r, from, to)) {
                        *x = q * scale;
                    }
                }
                from = to;
            }
            f(&[first, second]);
        });
    }

    #[inline(always)]
    fn scores<S: Simd, const MR: usize, const NV: usize>(
        &self,
        s: S,
        queries: &Self::Queries<'_>,
        m: usize,
        keys: Range<usize>,
        scores: &mut [f32],
    ) {
        let width = NV * S::F32::LANES;
        let (kind, keys) = self.place(keys);
        let (queries, packed) = (queries[kind], self.kinds[kind].block(0));
        let mut scores = Scores { queries, keys: packed, first_panel: keys.start / width, scores };
        cover::<S, MR, NV>(s, S::F32::LANES, (m, keys.len()), &mut scores);
    }

    fn pool() -> &'static LocalKey<Pool<Self>> {
        thread_local!(static POOL: Pool<KeysF32> = const { RefCell::new(Vec::new()) });
        &POOL
    }
}

impl Values for ValuesF32 {
    fn pack(&mut self, isa: Isa, values: Rows, n: usize, dv: usize) {
        self.pack_two(isa, [(values, n), (values, 0)], dv);
    }

    #[inline(always)]
    fn accumulate<S: Simd, const MR: usize, const NV: usize>(
        &self,
        s: S,
        _: Isa,
        keys: Range<usize>,
        scores: &mut [f32],
        running: &mut Running,
    ) {
        let m = running.max.len();
        for (r, row) in scores.chunks_exact_mut(KC).take(m).enumerate() {
            let row = &mut row[..keys.len()];
            let max = running.max[r].max(rows::row_max(s, row));
            let sum = rows::exp2_minus_max(s, row, max);
            running.correct(s, r, max, sum, keys.start > 0);
        }
        let (kind, keys) = place(self.kinds[0].k(), keys);
        let values = &self.kinds[kind];
        let mut sums = Sums {
            weights: scores,
            values: values.block(keys.start / KEYS),
            sums: running.sums,
            stride: running.stride,
        };
        cover::<S, MR, NV>(s, S::F32::LANES, (m, values.n()), &mut sums);
    }
}

/// `S ← q · kᵀ` for the keys of one block.
struct Scores<'a> {
    queries: &'a [f32],
    keys: KBlock<'a>,
    first_panel: usize,
    scores: &'a mut [f32],
}

impl<S: Simd> Tiles<S> for Scores<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, s: S, panel: usize, i: usize) {
        let KBlock { depth, width, .. } = self.keys;
        let lanes = S::F32::LANES;
        let keys = (self.keys.panel(self.first_panel + panel), width);
        let acc = tile::<S, MR, NV>(s, depth, &self.queries[i * KC..], keys);
        for (r, acc) in acc.into_iter().enumerate() {
            for (v, x) in acc.into_iter().enumerate() {
                x.store(&mut self.scores[(i + r) * KC + panel * width + v * lanes..]);
            }
        }
    }
}

/// `O ← O + P · v` for the keys of one block.
struct Sums<'a> {
    weights: &'a [f32],
    values: KBlock<'a>,
    sums: &'a mut [f32],
    stride: usize,
}

impl<S: Simd> Tiles<S> for Sums<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, s: S, panel: usize, i: usize) {
        let KBlock { depth, width, .. } = self.values;
        let lanes = S::F32::LANES;
        let values = (self.values.panel(panel), width);
        let acc = tile::<S, MR, NV>(s, depth, &self.weights[i * KC..], values);
        for (r, acc) in acc.into_iter().enumerate() {
            for (v, x) in acc.into_iter().enumerate() {
                let sum = &mut self.sums[(i + r) * self.stride + panel * width + v * lanes..];
                S::F32::load(s, sum).add(x).store(sum);
            }
        }
    }
}
