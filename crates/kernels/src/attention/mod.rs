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
mod schedule;
mod shape;
mod single;
#[cfg(target_arch = "aarch64")]
mod values_f16;
mod values_i16;

pub use grid::{GridKeys, GridTokens};
pub use pooled::{QUERY_STEP, SCORE_SCALE, merge_shares, pool, pool_block, share_len};
pub use shape::{KEYS, KeysOfOneKind, Repeated, Shape};

use schedule::{attend, attend_block, attend_to_two_kinds};
use single::KeysF32;

use crate::gemm::Rows;
use crate::simd::Isa;

/// Multi-head attention of `q` (`batch·nq` rows) over `k` and `v` (`batch·nk` rows) into `out`,
/// `(batch·nq, heads·dv)` and contiguous.
///
/// ```
/// use kernels::Isa;
/// use kernels::attention::{Shape, attention};
/// use kernels::gemm::Rows;
///
/// let shape = Shape { batch: 1, heads: 1, nq: 1, nk: 2, d: 2, dv: 1 };
/// let (q, k, v) = ([1.0, 1.0], [3.0, 0.0, 0.0, 3.0], [10.0, 20.0]);
/// let mut out = [0.0];
/// attention(Isa::best(), shape, 1.0, Rows::new(&q, 2), Rows::new(&k, 2), Rows::new(&v, 1), &mut out);
/// assert_eq!(out, [15.0]); // equal scores: the mean of the values
/// ```
///
/// # Panics
/// If `out` has another size, there are no keys, or `d` exceeds [`KC`](crate::gemm::KC).
#[track_caller]
pub fn attention(isa: Isa, shape: Shape, scale: f32, q: Rows, k: Rows, v: Rows, out: &mut [f32]) {
    attend::<KeysF32>(isa, shape, scale, (q, k, v), &Repeated::none(), out);
}

/// [`attention`] with some keys, and their values, that stand for several each; one problem.
///
/// # Panics
/// As [`attention`], and if there is more than one problem.
#[track_caller]
pub fn attention_repeated(
    isa: Isa,
    shape: Shape,
    scale: f32,
    operands: (Rows, Rows, Rows),
    repeated: &Repeated,
    out: &mut [f32],
) {
    assert_eq!(shape.batch, 1, "attention_repeated: {shape:?}");
    attend::<KeysF32>(isa, shape, scale, operands, repeated, out);
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
    let last = Repeated { keys: shape.nk.saturating_sub(1)..shape.nk, times: times_last };
    attend_block::<KeysF32>(isa, shape, scale, (q, k, v), &last, out);
}

/// Attention with one head over keys of two kinds, which share one softmax: a row of `q` is a query for the
/// first kind, then one for the second. `out` is `(nq, dv)`.
///
/// Keys that are a linear map of narrower inputs can be left as those: the map is applied to the query.
///
/// ```
/// use kernels::Isa;
/// use kernels::attention::{KeysOfOneKind, attention_of_two_kinds};
/// use kernels::gemm::Rows;
///
/// let first = KeysOfOneKind { keys: Rows::new(&[1.0, 1.0], 2), values: Rows::new(&[10.0], 1), n: 1, d: 2 };
/// let second = KeysOfOneKind { keys: Rows::new(&[2.0], 1), values: Rows::new(&[20.0], 1), n: 1, d: 1 };
/// let q = Rows::new(&[2.0, 2.0, 2.0], 3); // both scores are 4
/// let mut out = [0.0];
/// attention_of_two_kinds(Isa::best(), 1.0, q, [first, second], 1, &mut out);
/// assert_eq!(out, [15.0]);
/// ```
///
/// # Panics
/// If `out` is not whole rows, there are no keys, or a kind's `d` exceeds [`KC`](crate::gemm::KC).
#[track_caller]
pub fn attention_of_two_kinds(
    isa: Isa,
    scale: f32,
    q: Rows,
    kinds: [KeysOfOneKind; 2],
    dv: usize,
    out: &mut [f32],
) {
    attend_to_two_kinds(isa, scale, q, kinds, dv, out);
}
