//! Flash attention: `softmax(q · kᵀ · scale) · v` without ever forming the score matrix.
//!
//! ```text
//! for each block of queries                       parallel: disjoint rows of the output
//!   for each KEYS keys
//!     S ← tile(q, k)                              rows × KEYS, stays in L2
//!     m' ← max(m, max S);  P ← 2^(S − m')         one row at a time; the base is in q
//!     l ← l · 2^(m − m') + Σ P;  O ← O · 2^(m − m')
//!     O ← O + tile(P, v)
//!   out ← O / l
//! ```
//!
//! Keys and values are packed like the right operand of a GEMM and multiplied by the same register tile. The
//! scores are written with the row stride that the tile expects of a left operand, so `P` needs no packing.
//! The online softmax is that of Milakov and Gimelshein (arXiv 1805.02867), the blocking that of
//! FlashAttention-2 (arXiv 2307.08691).
//!
//! A row of the output depends only on its query and on all keys and values, in an order fixed by their
//! number.
//!
//! The products can be integer products ([`int8`]); everything else is the same code.

mod flash;
mod grid;
pub mod int8;
mod pooled;
mod values_i16;

pub use grid::{GridKeys, GridTokens};
pub use pooled::{QUERY_STEP, SCORE_SCALE, merge_shares, pool, pool_block, share_len};

use flash::{KeyValues, Keys, QUERIES, block};

use crate::gemm::{KC, PackedB, Rows};
use crate::parallel;
use crate::simd::Isa;

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

/// Multi-head attention of `q` (`batch·nq` rows) over `k` and `v` (`batch·nk` rows) into `out`,
/// `(batch·nq, heads·dv)` and contiguous.
///
/// # Panics
/// If `out` has another size, there are no keys, or `d` exceeds [`KC`].
#[track_caller]
pub fn attention(isa: Isa, shape: Shape, scale: f32, q: Rows, k: Rows, v: Rows, out: &mut [f32]) {
    attend::<PackedB>(isa, shape, scale, (q, k, v), out);
}

/// [`attention`] on the calling thread: for work that is already parallel outside. The last key and its value
/// have multiplicity `times_last`.
///
/// # Panics
/// As [`attention`].
#[track_caller]
pub fn attention_block(
    isa: Isa,
    shape: Shape,
    scale: f32,
    (q, k, v): (Rows, Rows, Rows),
    times_last: usize,
    out: &mut [f32],
) {
    attend_block::<PackedB>(isa, shape, scale, (q, k, v), times_last, out);
}

#[track_caller]
fn check(shape: Shape, out: &[f32]) {
    let Shape { batch, heads, nq, nk, d, dv } = shape;
    assert_eq!(out.len(), batch * nq * heads * dv, "attention: out, {shape:?}");
    assert!(nk > 0 && d <= KC, "attention: needs keys and d <= {KC}, {shape:?}");
}

/// Keys per block: whole panels of every instruction set, at most [`KC`], and few enough that sums of 16-bit
/// products stay within 32 bits.
pub const KEYS: usize = 240;

/// Folds every column of `n` rows of `d` with `step`, from 0: over [`KEYS`] rows at a time, then over those
/// results, so in the same order for any number of threads.
fn fold_columns(rows: Rows, n: usize, d: usize, step: impl Fn(f32, f32) -> f32 + Sync) -> Vec<f32> {
    let fold = |columns: &mut [f32], row: &[f32]| {
        for (column, &x) in columns.iter_mut().zip(row) {
            *column = step(*column, x);
        }
    };
    let mut columns = vec![0.0; d];
    let parts = parallel::map(n.div_ceil(KEYS), |i| {
        let mut columns = vec![0.0; d];
        (i * KEYS..n.min((i + 1) * KEYS)).for_each(|i| fold(&mut columns, rows.part(i, 0, d)));
        columns
    });
    parts.iter().for_each(|part| fold(&mut columns, part));
    columns
}

#[track_caller]
fn attend<K: Keys>(isa: Isa, shape: Shape, scale: f32, (q, k, v): (Rows, Rows, Rows), out: &mut [f32]) {
    check(shape, out);
    if out.is_empty() {
        return;
    }
    let Shape { batch, heads, nq, nk, dv, .. } = shape;
    let width = heads * dv;
    if batch > 1 {
        // One task per problem: its keys are packed, used and dropped on one core.
        let one = Shape { batch: 1, ..shape };
        parallel::for_each_chunk_mut(out, nq * width, |i, out| {
            let operands = (q.skip(i * nq), k.skip(i * nk), v.skip(i * nk));
            attend_block::<K>(isa, one, scale, operands, 1, out);
        });
        return;
    }
    let rows = parallel::rows_per_task(nq, isa.tile_shape().0, QUERIES);
    KeyValues::<K>::lend(|kv| {
        for h in 0..heads {
            kv.pack(isa, shape, h, k, v);
            parallel::for_each_chunk_mut(out, rows * width, |i, out| {
                block(isa, shape, scale, h, q.skip(i * rows), (kv, 1), out);
            });
        }
    });
}

#[track_caller]
fn attend_block<K: Keys>(
    isa: Isa,
    shape: Shape,
    scale: f32,
    (q, k, v): (Rows, Rows, Rows),
    times_last: usize,
    out: &mut [f32],
) {
    check(shape, out);
    let Shape { heads, nq, nk, dv, .. } = shape;
    KeyValues::<K>::lend(|kv| {
        for (i, out) in out.chunks_exact_mut((nq * heads * dv).max(1)).enumerate() {
            let (q, k, v) = (q.skip(i * nq), k.skip(i * nk), v.skip(i * nk));
            for h in 0..heads {
                kv.pack(isa, shape, h, k, v);
                block(isa, shape, scale, h, q, (kv, times_last), out);
            }
        }
    });
}
