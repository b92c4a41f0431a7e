//! The blocks of [`super::attention`], generic over the type of its products.

use std::cell::RefCell;
use std::ops::Range;
use std::thread::LocalKey;

use super::shape::{KEYS, Repeated, Shape};
use crate::gemm::{KC, Rows};
use crate::parallel;
use crate::rows;
use crate::simd::{F32s, Isa, Simd, TileOp};

/// Queries per block.
pub(super) const QUERIES: usize = 108;

/// The packed keys of one head, and their products with queries.
pub(super) trait Keys: Default + Send + Sync + 'static {
    /// The packed values of the same precision.
    type Values: Values;
    /// The queries of a block as left operands.
    type Queries<'a>;

    /// Refills it with `n` rows of `d`, reusing its memory.
    fn pack(&mut self, isa: Isa, keys: Rows, n: usize, d: usize);
    /// Number of keys of the first kind, of `n` in all; no block has keys of both kinds.
    fn first_kind(&self, n: usize) -> usize {
        n
    }
    /// Calls `f` with the first `m` of `rows`, for scores times `scale`, which includes the change to base
    /// two.
    fn with_queries(&self, isa: Isa, rows: Rows, m: usize, scale: f32, f: impl FnOnce(&Self::Queries<'_>));
    /// Writes the scores of `m` queries and the keys of a range to rows with stride [`KC`]. The range has at
    /// most [`KEYS`] keys of one kind and starts at a multiple of that among them. The rest of a row is
    /// unspecified.
    fn scores<S: Simd, const MR: usize, const NV: usize>(
        &self,
        s: S,
        queries: &Self::Queries<'_>,
        m: usize,
        keys: Range<usize>,
        scores: &mut [f32],
    );
    /// The unused storage of this thread.
    fn pool() -> &'static LocalKey<Pool<Self>>;
}

/// The packed values of one head, and their weighted sums.
pub(super) trait Values: Default + Send + Sync + 'static {
    /// Refills it with `n` rows of `dv`, reusing its memory.
    fn pack(&mut self, isa: Isa, values: Rows, n: usize, dv: usize);
    /// Replaces the scores of the keys of a range by weights and adds the weighted values to the sums. The
    /// range is that of [`Keys::scores`]. The rest of a row of scores may be overwritten.
    fn accumulate<S: Simd, const MR: usize, const NV: usize>(
        &self,
        s: S,
        isa: Isa,
        keys: Range<usize>,
        scores: &mut [f32],
        running: &mut Running,
    );
}

/// Running softmax state of a block of queries: maximum `M`, weighted sum `Σ 2^(S − M) · v`, and normaliser
/// `Σ 2^(S − M)`.
pub(super) struct Running<'a> {
    /// Rows with this stride.
    pub sums: &'a mut [f32],
    pub stride: usize,
    /// One per row.
    pub max: &'a mut [f32],
    pub total: &'a mut [f32],
}

impl Running<'_> {
    /// Raises the maximum of row `r` for more keys, whose weights add up to `sum`. The sums so far, if there
    /// are `any`, are corrected; those of these keys are still to be added.
    #[inline(always)]
    pub fn correct<S: Simd>(&mut self, s: S, r: usize, max: f32, sum: f32, any: bool) {
        let correction = (self.max[r] - max).exp2();
        self.total[r] = self.total[r] * correction + sum;
        self.max[r] = max;
        if any && correction != 1.0 {
            let sums = &mut self.sums[r * self.stride..(r + 1) * self.stride];
            rows::map(s, sums, rows::Scale(S::F32::splat(s, correction)));
        }
    }
}

pub(super) type Pool<K> = RefCell<Vec<KeyValues<K>>>;

/// Keys and values of one head, packed. It reuses its memory.
#[derive(Debug, Default)]
pub(super) struct KeyValues<K: Keys> {
    pub keys: K,
    pub values: K::Values,
}

impl<K: Keys> KeyValues<K> {
    pub fn pack(&mut self, isa: Isa, shape: Shape, head: usize, k: Rows, v: Rows) {
        let Shape { nk, d, dv, .. } = shape;
        self.keys.pack(isa, k.columns(head * d), nk, d);
        self.values.pack(isa, v.columns(head * dv), nk, dv);
    }

    /// Calls `f` with storage that this thread reuses.
    pub fn lend<R>(f: impl FnOnce(&mut Self) -> R) -> R {
        let mut kv = K::pool().with_borrow_mut(Vec::pop).unwrap_or_default();
        let result = f(&mut kv);
        K::pool().with_borrow_mut(|pool| pool.push(kv));
        result
    }
}

/// Some queries of one head; `out` has all heads of these rows.
pub(super) fn block<K: Keys>(
    isa: Isa,
    shape: Shape,
    scale: f32,
    head: usize,
    q: Rows,
    (kv, repeated): (&KeyValues<K>, &Repeated),
    out: &mut [f32],
) {
    let Shape { heads, nk, d, dv, .. } = shape;
    let width = heads * dv;
    for (i, out) in out.chunks_mut(QUERIES * width).enumerate() {
        let m = out.len() / width;
        let dv_padded = dv.next_multiple_of(isa.tile_shape().1);
        let queries = q.skip(i * QUERIES).columns(head * d);
        kv.keys.with_queries(isa, queries, m, scale * std::f32::consts::LOG2_E, |queries| {
            parallel::with_scratch(m * (KC + dv_padded + 2), |scratch| {
                let (scores, scratch) = scratch.split_at_mut(m * KC);
                let (sums, scratch) = scratch.split_at_mut(m * dv_padded);
                let (max, total) = scratch.split_at_mut(m);
                sums.fill(0.0);
                max.fill(f32::NEG_INFINITY);
                total.fill(0.0);
                let running =
                    Running { sums: &mut *sums, stride: dv_padded, max: &mut *max, total: &mut *total };
                let bias = (repeated.keys.clone(), (repeated.times as f32).log2());
                isa.dispatch_tiled(Flash { isa, nk, bias, queries, scores, running, kv });
                for (r, row) in out.chunks_exact_mut(width).enumerate() {
                    let inverse = 1.0 / total[r];
                    for (x, &sum) in row[head * dv..(head + 1) * dv].iter_mut().zip(&sums[r * dv_padded..]) {
                        *x = sum * inverse;
                    }
                }
            });
        });
    }
}

struct Flash<'a, 'q, K: Keys> {
    isa: Isa,
    nk: usize,
    /// Added to the scores of these keys: the base-2 logarithm of how many each stands for.
    bias: (Range<usize>, f32),
    queries: &'a K::Queries<'q>,
    /// Rows with stride [`KC`].
    scores: &'a mut [f32],
    running: Running<'a>,
    kv: &'a KeyValues<K>,
}

impl<K: Keys> TileOp for Flash<'_, '_, K> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(mut self, s: S) {
        let m = self.running.max.len();
        let split = self.kv.keys.first_kind(self.nk);
        let of_both = (0..split).step_by(KEYS).chain((split..self.nk).step_by(KEYS));
        for first in of_both {
            let end = if first < split { split } else { self.nk };
            let keys = first..end.min(first + KEYS);
            self.kv.keys.scores::<S, MR, NV>(s, self.queries, m, keys.clone(), self.scores);
            let (biased, bias) = &self.bias;
            let (from, to) = (biased.start.max(keys.start), biased.end.min(keys.end));
            if *bias > 0.0 && from < to {
                for row in self.scores.chunks_exact_mut(KC).take(m) {
                    row[from - keys.start..to - keys.start].iter_mut().for_each(|score| *score += bias);
                }
            }
            let values = &self.kv.values;
            values.accumulate::<S, MR, NV>(s, self.isa, keys, self.scores, &mut self.running);
        }
    }
}
