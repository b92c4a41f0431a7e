//! Single-precision matrix multiplication, `C = epilogue(A · B)`, with `B` packed once.
//!
//! The loop nest is that of BLIS, with the roles that inference gives them: `B` is a weight (or the keys of
//! an attention), packed once into panels; rows of `A` are activations, divided among the threads.
//!
//! ```text
//! for each MC rows of A                           parallel: disjoint rows of C
//!   for each pass of two k-blocks                 A block → scratch, row-major with stride KC: fits L2
//!     for each NR columns of B                    the panel's columns of C stay in L1
//!       for each k-block of the pass              packed panel, KC × NR, contiguous: usually in L1
//!         for each MR rows                        tile MR × NR in registers
//!           for k                                 NV loads of B, MR broadcasts of A, MR·NV multiply-adds
//! ```
//!
//! An element of `C` is one chain of multiply-adds over `k` in a fixed order, whichever tile, task or thread
//! computes it, so results do not depend on the number of threads or of rows.
//!
//! Not done: packing `A` into column-major micro-panels. Packing rows is a plain copy, and the fixed stride
//! turns the row addresses into constant displacements from one register.
//!
//! | file | contents |
//! |---|---|
//! | `blocking` | the block sizes, as one value |
//! | `schedule` | the loops from a block of rows to a tile |
//! | `cover` | panels and rows to tiles, the last ones smaller |
//! | `microkernel` | the innermost loops |
//! | `epilogue` | from sums to stored elements |
//! | `pack` | [`PackedB`] |
//! | `rows` | the rows of `A` |
//! | [`int8`] | the same in 8 bits |
//! | [`bf16`] | the same with operands of bf16 |

pub mod bf16;
mod blocking;
mod cover;
mod epilogue;
pub mod int8;
mod microkernel;
mod pack;
mod rows;
mod schedule;

pub use blocking::{Blocking, KC};
pub use epilogue::{Activation, Epilogue};
pub use pack::PackedB;
pub use rows::{RowSource, Rows};

pub(crate) use cover::{Tiles, cover, cover_rows};
pub(crate) use microkernel::{
    Prefetch, dot_tile, dot_tile_of_sum, pair_tile, tile, tile_of_sum, tile_transposed,
};
#[cfg(target_arch = "aarch64")]
pub(crate) use microkernel::{tile_of_halves, tile_of_sum_of_halves};
pub(crate) use pack::KBlock;

use crate::parallel;
use crate::simd::Isa;
use epilogue::Output;

/// `C = epilogue(A · B)`: `a` is `(m, k)`, `b` is `(k, n)`, `c` is `(m, n)`, all contiguous. `c` is written
/// and not read.
///
/// ```
/// use kernels::Isa;
/// use kernels::gemm::{Activation, Epilogue, PackedB, gemm};
///
/// let isa = Isa::best();
/// let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // (2, 3)
/// let b = PackedB::from_kn(isa, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 3, 2);
/// let mut c = [f32::NAN; 4]; // (2, 2)
/// let epilogue = Epilogue::bias(&[0.5, -10.5]).activation(Activation::Relu);
/// gemm(isa, &a, 2, &b, &mut c, &epilogue);
/// assert_eq!(c, [4.5, 0.0, 10.5, 0.5]);
/// ```
///
/// # Panics
/// If the lengths do not agree, or if `b` was packed for another instruction set.
#[track_caller]
pub fn gemm(isa: Isa, a: &[f32], m: usize, b: &PackedB, c: &mut [f32], epilogue: &Epilogue) {
    assert_eq!(a.len(), m * b.k(), "gemm: a has {} elements, expected {m}×{}", a.len(), b.k());
    gemm_from(isa, &Rows::new(a, b.k()), m, b, c, epilogue);
}

/// [`gemm`] with the rows of `A` taken from a [`RowSource`].
///
/// ```
/// use kernels::Isa;
/// use kernels::gemm::{Epilogue, PackedB, Rows, gemm_from};
///
/// let isa = Isa::best();
/// let rows = Rows::new(&[1.0, 2.0, 9.0, 3.0, 4.0, 9.0], 3); // the first two of every three elements
/// let b = PackedB::from_kn(isa, &[0.0, 1.0, 1.0, 0.0], 2, 2);
/// let mut c = [0.0; 4];
/// gemm_from(isa, &rows, 2, &b, &mut c, &Epilogue::default());
/// assert_eq!(c, [2.0, 1.0, 4.0, 3.0]);
/// ```
///
/// # Panics
/// As [`gemm`].
#[track_caller]
pub fn gemm_from(isa: Isa, a: &impl RowSource, m: usize, b: &PackedB, c: &mut [f32], epilogue: &Epilogue) {
    check(isa, m, b, c.len(), epilogue);
    if c.is_empty() {
        return;
    }
    let (n, blocking) = (b.n(), b.blocking());
    let rows = parallel::rows_per_task(m, b.tile_rows(), blocking.mc);
    let prefetched = c.len() > blocking.prefetch_output_above;
    parallel::for_each_chunk_mut(c, rows * n, |i, c| {
        let output = Output { n, c, prefetched, epilogue: epilogue.rows(i * rows, n) };
        schedule::row_block(isa, a, i * rows, b, output);
    });
}

/// [`gemm`] on the calling thread: for work that is already parallel outside.
///
/// # Panics
/// As [`gemm`].
#[track_caller]
pub fn gemm_block(isa: Isa, a: &[f32], m: usize, b: &PackedB, c: &mut [f32], epilogue: &Epilogue) {
    assert_eq!(a.len(), m * b.k(), "gemm: a has {} elements, expected {m}×{}", a.len(), b.k());
    gemm_block_from(isa, &Rows::new(a, b.k()), m, b, c, epilogue);
}

/// [`gemm_block`] with the rows of `A` taken from a [`RowSource`].
#[track_caller]
fn gemm_block_from(isa: Isa, a: &impl RowSource, m: usize, b: &PackedB, c: &mut [f32], epilogue: &Epilogue) {
    check(isa, m, b, c.len(), epilogue);
    let (n, rows) = (b.n(), b.blocking().mc);
    for (i, c) in c.chunks_mut((rows * n).max(1)).enumerate() {
        let output = Output { n, c, prefetched: false, epilogue: epilogue.rows(i * rows, n) };
        schedule::row_block(isa, a, i * rows, b, output);
    }
}

#[track_caller]
fn check(isa: Isa, m: usize, b: &PackedB, c_len: usize, epilogue: &Epilogue) {
    let (k, n) = (b.k(), b.n());
    assert_eq!(c_len, m * n, "gemm: c has {c_len} elements, expected {m}×{n}");
    assert_eq!(
        isa.tile_shape(),
        (b.tile_rows(), b.panel_width()),
        "gemm: b was packed for another instruction set"
    );
    epilogue.check(m, k, n);
}
