//! Flash attention: `softmax(q · kᵀ · scale) · v` without ever forming the score matrix.
//!
//! ```text
//! for each block of queries                       parallel: disjoint rows of the output
//!   for each KC keys
//!     S ← tile(q, k)                              rows × KC, stays in L2
//!     m' ← max(m, max S);  P ← e^(S − m')         one row at a time
//!     l ← l · e^(m − m') + Σ P;  O ← O · e^(m − m')
//!     O ← O + tile(P, v)
//!   out ← O / l
//! ```
//!
//! Keys and values are packed like the right operand of a GEMM and multiplied by the same register tile. The
//! scores are written with the row stride that the tile expects of a left operand, so `P` needs no packing.
//! The online softmax is that of Milakov and Gimelshein (arXiv 1805.02867), the blocking that of
//! FlashAttention-2 (arXiv 2307.08691).
//!
//! A row of the output depends on its query, all keys and all values only, in an order fixed by their number.

mod grids;
mod pooled;

pub use grids::{GridKeys, GridTokens};
pub use pooled::{SCORE_SCALE, merge_shares, pool, pool_block, share_len};

use std::cell::RefCell;

use crate::gemm::{KC, PackedB, PanelTiles, Rows, cover_rows, tile};
use crate::parallel;
use crate::rows;
use crate::simd::{F32s, Isa, Simd, TileOp};

/// Most queries in one block.
const QUERIES: usize = 112;

/// Sizes of a multi-head attention. Head `h` of a query or key row is its elements `h·d .. (h+1)·d`, of a
/// value or output row its elements `h·dv .. (h+1)·dv`.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Independent problems, stacked along the rows.
    pub batch: usize,
    /// Heads.
    pub heads: usize,
    /// Queries of one problem.
    pub nq: usize,
    /// Keys of one problem.
    pub nk: usize,
    /// Width of a head's queries and keys, at most [`KC`].
    pub d: usize,
    /// Width of a head's values.
    pub dv: usize,
}

/// Keys and values of one head, packed. Keeps its memory from one use to the next.
#[derive(Debug, Default)]
pub struct KeyValues {
    keys: PackedB,
    values: PackedB,
}

/// Multi-head attention of `q` (`batch·nq` rows) over `k` and `v` (`batch·nk` rows) into `out`,
/// `(batch·nq, heads·dv)` and contiguous.
///
/// # Panics
/// If `out` has another size, there are no keys, or `d` exceeds [`KC`].
#[track_caller]
pub fn attention(isa: Isa, shape: Shape, scale: f32, q: Rows, k: Rows, v: Rows, out: &mut [f32]) {
    let Shape { batch, heads, nq, nk, d, dv } = shape;
    assert_eq!(out.len(), batch * nq * heads * dv, "attention: out, {shape:?}");
    assert!(nk > 0 && d <= KC, "attention: needs keys and d <= {KC}, {shape:?}");
    if out.is_empty() {
        return;
    }
    let width = heads * dv;
    if batch > 1 {
        // One task a problem: its keys are packed, used and dropped on one core.
        let one = Shape { batch: 1, ..shape };
        parallel::for_each_chunk_mut(out, nq * width, |i, out| {
            attention_block(isa, one, scale, q.skip(i * nq), k.skip(i * nk), v.skip(i * nk), out);
        });
        return;
    }
    let rows = parallel::rows_per_task(nq, isa.tile_shape().0, QUERIES);
    with_key_values(|kv| {
        for h in 0..heads {
            kv.pack(isa, shape, h, k, v);
            parallel::for_each_chunk_mut(out, rows * width, |i, out| {
                block(isa, shape, scale, h, q.skip(i * rows), kv, out);
            });
        }
    });
}

/// [`attention`] on the calling thread: for work that is already parallel outside.
///
/// # Panics
/// As [`attention`].
#[track_caller]
pub fn attention_block(isa: Isa, shape: Shape, scale: f32, q: Rows, k: Rows, v: Rows, out: &mut [f32]) {
    let Shape { batch, heads, nq, nk, d, dv } = shape;
    let width = heads * dv;
    assert_eq!(out.len(), batch * nq * width, "attention_block: out, {shape:?}");
    assert!(nk > 0 && d <= KC, "attention_block: needs keys and d <= {KC}, {shape:?}");
    with_key_values(|kv| {
        for (i, out) in out.chunks_exact_mut((nq * width).max(1)).enumerate() {
            let (q, k, v) = (q.skip(i * nq), k.skip(i * nk), v.skip(i * nk));
            for h in 0..heads {
                kv.pack(isa, shape, h, k, v);
                block(isa, shape, scale, h, q, kv, out);
            }
        }
    });
}

impl KeyValues {
    fn pack(&mut self, isa: Isa, shape: Shape, head: usize, k: Rows, v: Rows) {
        let Shape { nk, d, dv, .. } = shape;
        self.keys.repack_nk(isa, k.columns(head * d), nk, d);
        self.values.repack_kn(isa, v.columns(head * dv), nk, dv);
    }
}

/// Lends packed storage that is kept for reuse by this thread.
fn with_key_values<R>(f: impl FnOnce(&mut KeyValues) -> R) -> R {
    thread_local! {
        static POOL: RefCell<Vec<KeyValues>> = const { RefCell::new(Vec::new()) };
    }
    let mut kv = POOL.with_borrow_mut(Vec::pop).unwrap_or_default();
    let result = f(&mut kv);
    POOL.with_borrow_mut(|pool| pool.push(kv));
    result
}

/// Some queries of one head; `out` holds all heads of these rows.
fn block(isa: Isa, shape: Shape, scale: f32, head: usize, q: Rows, kv: &KeyValues, out: &mut [f32]) {
    let Shape { heads, d, dv, .. } = shape;
    let width = heads * dv;
    for (i, out) in out.chunks_mut(QUERIES * width).enumerate() {
        let m = out.len() / width;
        let dv_padded = dv.next_multiple_of(isa.tile_shape().1);
        parallel::with_scratch(m * (2 * KC + dv_padded + 2), |scratch| {
            let (queries, scratch) = scratch.split_at_mut(m * KC);
            let (scores, scratch) = scratch.split_at_mut(m * KC);
            let (sums, scratch) = scratch.split_at_mut(m * dv_padded);
            let (max, total) = scratch.split_at_mut(m);
            for (r, row) in queries.chunks_exact_mut(KC).enumerate() {
                for (x, &q) in row.iter_mut().zip(q.part(i * QUERIES + r, head * d, (head + 1) * d)) {
                    *x = q * scale;
                }
            }
            sums.fill(0.0);
            max.fill(f32::NEG_INFINITY);
            total.fill(0.0);
            isa.dispatch_tiled(Flash { m, queries, scores, sums, dv_padded, max, total, kv });
            for (r, row) in out.chunks_exact_mut(width).enumerate() {
                let inverse = 1.0 / total[r];
                for (x, &sum) in row[head * dv..(head + 1) * dv].iter_mut().zip(&sums[r * dv_padded..]) {
                    *x = sum * inverse;
                }
            }
        });
    }
}

struct Flash<'a> {
    m: usize,
    /// `m` rows with stride [`KC`], already scaled.
    queries: &'a [f32],
    /// `m` rows with stride [`KC`].
    scores: &'a mut [f32],
    /// `m` rows with stride `dv_padded`.
    sums: &'a mut [f32],
    dv_padded: usize,
    max: &'a mut [f32],
    total: &'a mut [f32],
    kv: &'a KeyValues,
}

impl TileOp for Flash<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) {
        let width = NV * S::F32::LANES;
        let values = &self.kv.values;
        for key_block in 0..values.k_blocks() {
            let count = values.depth(key_block);
            let first = key_block * KC / width;
            let mut scores = Scores {
                queries: self.queries,
                keys: &self.kv.keys,
                first_panel: first,
                scores: self.scores,
            };
            for panel in 0..count.div_ceil(width) {
                cover_rows::<S, MR, NV>(s, self.m, panel, &mut scores);
            }
            for r in 0..self.m {
                let row = &mut self.scores[r * KC..r * KC + count];
                let max = self.max[r].max(rows::row_max(s, row));
                let sum = rows::exp_minus_max(s, row, max);
                let correction = (self.max[r] - max).exp();
                self.total[r] = self.total[r] * correction + sum;
                self.max[r] = max;
                if key_block > 0 && correction != 1.0 {
                    let c = S::F32::splat(s, correction);
                    rows::map(
                        s,
                        &mut self.sums[r * self.dv_padded..(r + 1) * self.dv_padded],
                        rows::Scale(c),
                    );
                }
            }
            let mut sums =
                Sums { weights: self.scores, values, key_block, sums: self.sums, dv_padded: self.dv_padded };
            for panel in 0..values.panels() {
                cover_rows::<S, MR, NV>(s, self.m, panel, &mut sums);
            }
        }
    }
}

/// `S ← q · kᵀ` for the keys of one block.
struct Scores<'a> {
    queries: &'a [f32],
    keys: &'a PackedB,
    first_panel: usize,
    scores: &'a mut [f32],
}

impl PanelTiles for Scores<'_> {
    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, s: S, panel: usize, i: usize) {
        let lanes = S::F32::LANES;
        let keys = self.keys.panel(0, self.first_panel + panel);
        let acc = tile::<S, MR, NV>(s, self.keys.k(), &self.queries[i * KC..], keys);
        for (r, acc) in acc.into_iter().enumerate() {
            for (v, x) in acc.into_iter().enumerate() {
                x.store(&mut self.scores[(i + r) * KC + (panel * NV + v) * lanes..]);
            }
        }
    }
}

/// `O ← O + P · v` for the keys of one block.
struct Sums<'a> {
    weights: &'a [f32],
    values: &'a PackedB,
    key_block: usize,
    sums: &'a mut [f32],
    dv_padded: usize,
}

impl PanelTiles for Sums<'_> {
    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, s: S, panel: usize, i: usize) {
        let lanes = S::F32::LANES;
        let depth = self.values.depth(self.key_block);
        let acc =
            tile::<S, MR, NV>(s, depth, &self.weights[i * KC..], self.values.panel(self.key_block, panel));
        for (r, acc) in acc.into_iter().enumerate() {
            for (v, x) in acc.into_iter().enumerate() {
                let sum = &mut self.sums[(i + r) * self.dv_padded + (panel * NV + v) * lanes..];
                S::F32::load(s, sum).add(x).store(sum);
            }
        }
    }
}
