//! 8-bit matrix multiplication, `C = epilogue(A · B)`: weights as signed bytes with a scale per column, activations made
//! unsigned bytes with a scale and a zero per row on the way in.
//!
//! ```text
//! a ≈ sₐ · (u − z),  u in 0 ..= 255        b ≈ s_b · w,  w in −127 ..= 127
//! a · b ≈ sₐ · s_b · (Σ u · w − z · Σ w)   the first sum in 32 bits and exact, the second known beforehand
//! ```
//!
//! Up to the epilogue every instruction set gives the same bits: the rounding to bytes is that of IEEE, the sums are
//! integers, and what follows is one conversion, two products and a sum per element.
//!
//! ```text
//! for each block of rows of A                     parallel: disjoint rows of C
//!   u, z, sₐ ← rows, 64 bytes of each of MR       a register tile reads them in order; fits L2
//!   for each NR columns of B                      panel of all k, two or four rows of k together
//!     for each MR rows                            sums of all k in registers
//! ```

mod pack;
mod quantize;

pub use pack::{MAX_K, PackedB8};

use super::{Epilogue, FAR_FROM, MC, Output, Rows, most_rows, vectors_of};
use crate::parallel;
use crate::simd::{Dot, DotOp, F32s, FloatsOf, Isa};
pub(crate) use quantize::{RowGroups, RowScale};

/// `C = epilogue(A · B)`: `a` is `(m, k)`, `b` is `(k, n)`, `c` is `(m, n)`, all contiguous. `c` is only written.
///
/// # Panics
/// If the lengths do not agree, or if `b` was packed for another instruction set.
#[track_caller]
pub fn gemm(isa: Isa, a: &[f32], m: usize, b: &PackedB8, c: &mut [f32], epilogue: &Epilogue) {
    check(isa, a, m, b, c, epilogue);
    let n = b.n();
    let rows = parallel::rows_per_task(m, b.tile.0, most_rows(isa));
    let a = Rows::new(a, b.k());
    let far = c.len() > FAR_FROM;
    parallel::for_each_chunk_mut(c, (rows * n).max(1), |i, c| {
        block(isa, a.skip(i * rows), b, (c, far), epilogue.rows(i * rows, n));
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
    let rows = most_rows(isa);
    for (i, c) in c.chunks_mut((rows * b.n()).max(1)).enumerate() {
        block(isa, a.skip(i * rows), b, (c, false), epilogue.rows(i * rows, b.n()));
    }
}

#[track_caller]
fn check(isa: Isa, a: &[f32], m: usize, b: &PackedB8, c: &[f32], epilogue: &Epilogue) {
    let (k, n) = (b.k(), b.n());
    assert_eq!((a.len(), c.len()), (m * k, m * n), "int8 gemm {m}×{k}×{n}: lengths of a and c");
    assert_eq!(isa.dot_tile_shape(), b.tile, "int8 gemm: b was packed for another instruction set");
    epilogue.check(m, k, n);
}

fn block(isa: Isa, a: Rows, b: &PackedB8, (c, far): (&mut [f32], bool), epilogue: Epilogue) {
    let m = c.len() / b.n();
    parallel::with_bytes(RowGroups::size(isa, m, b.k()), |bytes| {
        let rows = RowGroups::new(isa, bytes, b.k());
        let output = Output { n: b.n(), c, far, epilogue };
        isa.dispatch_dots(Block { a, m, b, rows, output });
    });
}

/// One block of rows, all of `k`, all of `n`.
struct Block<'a> {
    a: Rows<'a>,
    m: usize,
    b: &'a PackedB8,
    rows: RowGroups<'a>,
    output: Output<'a>,
}

impl DotOp for Block<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        let Self { a, m, b, mut rows, output } = self;
        let mut scales = [RowScale::default(); MC];
        for (i, scale) in scales[..m].iter_mut().enumerate() {
            *scale = rows.set(d, i, a.part(i, 0, b.k()));
        }
        let mut tiles = Tiles { rows, scales: &scales, b, output };
        cover::<D, MR, NV>(d, (m, b.n()), &mut tiles);
    }
}

/// Something computed tile by tile down the rows of one panel.
pub(crate) trait DotTiles {
    /// Rows `i .. i + MR`, all of one group.
    fn tile<D: Dot, const MR: usize, const NV: usize>(&mut self, d: D, panel: usize, i: usize);
}

/// As [`super::cover`].
#[inline(always)]
pub(crate) fn cover<D: Dot, const MR: usize, const NV: usize>(
    d: D,
    (m, n): (usize, usize),
    body: &mut impl DotTiles,
) {
    let lanes = FloatsOf::<D>::LANES;
    for panel in 0..n.div_ceil(NV * lanes) {
        match vectors_of(n, panel, NV, lanes) {
            1 if NV > 1 => cover_rows::<D, MR, 1>(d, m, panel, body),
            2 if NV > 2 => cover_rows::<D, MR, 2>(d, m, panel, body),
            _ => cover_rows::<D, MR, NV>(d, m, panel, body),
        }
    }
}

/// As [`super::cover_rows`]: the last rows go to smaller tiles.
#[inline(always)]
pub(crate) fn cover_rows<D: Dot, const MR: usize, const NV: usize>(
    d: D,
    m: usize,
    panel: usize,
    body: &mut impl DotTiles,
) {
    let mut i = 0;
    while i + MR <= m {
        body.tile::<D, MR, NV>(d, panel, i);
        i += MR;
    }
    if MR > 8 && i + 8 <= m {
        body.tile::<D, 8, NV>(d, panel, i);
        i += 8;
    }
    if MR > 4 && i + 4 <= m {
        body.tile::<D, 4, NV>(d, panel, i);
        i += 4;
    }
    if i + 2 <= m {
        body.tile::<D, 2, NV>(d, panel, i);
        i += 2;
    }
    if i < m {
        body.tile::<D, 1, NV>(d, panel, i);
    }
}

struct Tiles<'a> {
    rows: RowGroups<'a>,
    scales: &'a [RowScale],
    b: &'a PackedB8,
    output: Output<'a>,
}

impl DotTiles for Tiles<'_> {
    #[inline(always)]
    fn tile<D: Dot, const MR: usize, const NV: usize>(&mut self, d: D, panel: usize, i: usize) {
        let place = (i, panel * self.b.tile.1);
        self.output.ask_for::<D::Floats, MR, NV>(d.floats(), place, true);
        let products = self.b.products::<D, MR, NV>(d, &self.rows, self.scales, panel, i);
        self.output.put(d.floats(), place, (true, true), products);
    }
}
