//! 8-bit matrix multiplication, `C = epilogue(A · B)`: weights are signed bytes with a scale per column;
//! activations are quantised on the way in, to unsigned bytes with a scale and a zero point per row.
//!
//! ```text
//! a ≈ sₐ · (u − z),  u in 0 ..= 255        b ≈ s_b · w,  w in −127 ..= 127
//! a · b ≈ sₐ · s_b · (Σ u · w − z · Σ w)   the first sum in 32 bits and exact, the second precomputed
//! ```
//!
//! Up to the epilogue every instruction set gives the same bits: quantisation rounds as IEEE defines it, the
//! sums are integers, and dequantisation is one conversion and two products per element.
//!
//! ```text
//! for each MC rows of A                           parallel: disjoint rows of C
//!   u, z, sₐ ← rows, 64 bytes of each of MR       in the order in which a register tile reads them; fits L2
//!   for each NR columns of B                      panel of all k, two or four rows of k interleaved
//!     for each MR rows                            sums of all k in registers
//! ```

mod pack;
mod quantize;

pub use pack::{MAX_K, PackedB8};

pub(crate) use quantize::{RowGroups, RowScale};

use super::Rows;
use super::blocking::MAX_MC;
use super::cover::{Tiles, cover};
use super::epilogue::{Epilogue, KBlockPosition, Output};
use crate::parallel;
use crate::simd::{Dot, DotOp, F32s, FloatsOf, Isa};

/// `C = epilogue(A · B)`: `a` is `(m, k)`, `b` is `(k, n)`, `c` is `(m, n)`, all contiguous. `c` is written
/// and not read.
///
/// ```
/// use kernels::Isa;
/// use kernels::gemm::Epilogue;
/// use kernels::gemm::int8::{PackedB8, gemm};
///
/// let isa = Isa::best();
/// let weight = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0]; // [out, in] = [2, 3]
/// let b = PackedB8::from_nk(isa, &weight, 2, 3);
/// let mut c = [0.0; 2];
/// gemm(isa, &[1.0, 2.0, 3.0], 1, &b, &mut c, &Epilogue::default());
/// assert!((c[0] - 4.0).abs() < 0.05 && (c[1] - 5.0).abs() < 0.05);
/// ```
///
/// # Panics
/// If the lengths do not agree, or if `b` was packed for another instruction set.
#[track_caller]
pub fn gemm(isa: Isa, a: &[f32], m: usize, b: &PackedB8, c: &mut [f32], epilogue: &Epilogue) {
    check(isa, a, m, b, c, epilogue);
    let (n, blocking) = (b.n(), &isa.tuning().gemm);
    let rows = parallel::rows_per_task(m, b.tile.0, blocking.mc);
    let a = Rows::new(a, b.k());
    let prefetched = c.len() > blocking.prefetch_output_above;
    parallel::for_each_chunk_mut(c, (rows * n).max(1), |i, c| {
        let output = Output { n, c, prefetched, epilogue: epilogue.rows(i * rows, n) };
        row_block(isa, a.skip(i * rows), b, output);
    });
}

/// [`gemm`] on the calling thread: for work that is already parallel outside.
///
/// # Panics
/// As [`gemm`].
#[track_caller]
pub fn gemm_block(isa: Isa, a: &[f32], m: usize, b: &PackedB8, c: &mut [f32], epilogue: &Epilogue) {
    check(isa, a, m, b, c, epilogue);
    let a = Rows::new(a, b.k());
    let (n, rows) = (b.n(), isa.tuning().gemm.mc);
    for (i, c) in c.chunks_mut((rows * n).max(1)).enumerate() {
        let output = Output { n, c, prefetched: false, epilogue: epilogue.rows(i * rows, n) };
        row_block(isa, a.skip(i * rows), b, output);
    }
}

#[track_caller]
fn check(isa: Isa, a: &[f32], m: usize, b: &PackedB8, c: &[f32], epilogue: &Epilogue) {
    let (k, n) = (b.k(), b.n());
    assert_eq!((a.len(), c.len()), (m * k, m * n), "int8 gemm {m}×{k}×{n}: lengths of a and c");
    assert_eq!(isa.name(), b.isa, "int8 gemm: b was packed for another instruction set");
    epilogue.check(m, k, n);
}

/// One block of rows, all of `k`, all of `n`.
fn row_block(isa: Isa, a: Rows, b: &PackedB8, output: Output) {
    let m = output.c.len() / b.n();
    parallel::with_scratch_u8(RowGroups::size(isa, m, b.k()), |bytes| {
        let rows = RowGroups::new(isa, bytes, b.k());
        isa.dispatch_dots(RowBlock { a, m, b, rows, output });
    });
}

struct RowBlock<'a> {
    a: Rows<'a>,
    m: usize,
    b: &'a PackedB8,
    /// Scratch for the quantised rows.
    rows: RowGroups<'a>,
    output: Output<'a>,
}

impl DotOp for RowBlock<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        let Self { a, m, b, mut rows, output } = self;
        let mut scales = [RowScale::default(); MAX_MC];
        rows.fill(d, a, b.k(), &mut scales[..m]);
        let shape = (MR, NV * FloatsOf::<D>::LANES);
        let mut products = Products { rows, scales: &scales, b, shape, output };
        cover::<D, MR, NV>(d, FloatsOf::<D>::LANES, (m, b.n()), &mut products);
    }
}

struct Products<'a> {
    rows: RowGroups<'a>,
    scales: &'a [RowScale],
    b: &'a PackedB8,
    /// Of the whole register tile.
    shape: (usize, usize),
    output: Output<'a>,
}

impl<D: Dot> Tiles<D> for Products<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, d: D, panel: usize, i: usize) {
        let at = (i, panel * self.shape.1);
        self.output.prefetch::<D::Floats, MR, NV>(d.floats(), at, KBlockPosition::ONLY);
        let products = self.b.products::<D, MR, NV>(d, &self.rows, self.scales, (panel, i), self.shape);
        self.output.store(d.floats(), at, KBlockPosition::ONLY, products);
    }
}
