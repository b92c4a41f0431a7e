//! Single-precision matrix multiplication, `C = epilogue(A · B)`, with `B` packed once.
//!
//! The loop nest is that of BLIS, with the roles that inference gives them: `B` is a weight (or the keys of
//! an attention), packed once into panels; rows of `A` are activations, cut among the threads.
//!
//! ```text
//! for each block of rows of A                     parallel: disjoint rows of C
//!   for each two KC of k                          A block → scratch, row-major with stride KC: fits L2
//!     for each NR columns of B                    the panel's columns of C stay in L1
//!       for each KC of the two                    panel KC×NR: mostly in L1, contiguous in PackedB
//!         for each MR rows                        tile MR×NR in registers
//!           for k                                 NV loads of B, MR broadcasts of A, MR·NV multiply-adds
//! ```
//!
//! An element of `C` is one chain of multiply-adds over `k` in a fixed order, whatever tile, task or thread
//! it falls to, so results do not depend on the number of threads or on the number of rows.
//!
//! What we chose not to do: pack `A` into column-major micro-panels. Packing rows is a plain copy, and
//! the fixed stride turns the row addresses into constant displacements from one register.

pub mod int8;
mod micro;
mod output;
mod pack;

pub use pack::PackedB;

use std::ops::Range;

use crate::parallel;
use crate::simd::{F32s, Isa, Simd, TileOp};
pub(crate) use micro::{Ahead, SLICE};
pub(crate) use micro::{dot_tile, dot_tile_of_sum, pair_tile, tile, tile_of_sum, tile_transposed};
use output::{Finish, Output};
pub(crate) use pack::KBlock;

/// Most rows in a block of `k`. A panel of `B` takes 36 KiB at 192 rows, as of a `k` of 384, and NR = 48: mostly it stays in L1.
pub const KC: usize = 288;
/// Most rows of `A` in one block: [`TOGETHER`] times MC×KC floats stay in the L2 of processors with AVX-512, half as many in that of others.
const MC: usize = 216;
/// Blocks of `k` of which a block of `A` is there at once: the sums of a panel then go through L1 from one to the next, and not through
/// memory.
const TOGETHER: usize = 2;
/// Outputs of more floats than this do not stay in L2: their lines are asked for before a tile's sums are formed. Otherwise tiles wait for
/// memory, and only a few lines can be waited for at a time.
const FAR_FROM: usize = 1 << 20;

/// Element-wise function applied to a finished element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// Identity.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// Exact GELU.
    Gelu,
    /// GELU for what is then rounded to bytes.
    GeluCoarse,
}

/// What happens to an element of `A · B` before it is stored: `activation(x + bias) + residual`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// One value per column.
    pub bias: Option<&'a [f32]>,
    /// After the bias.
    pub activation: Activation,
    /// `(m, n)`, contiguous; added last.
    pub residual: Option<&'a [f32]>,
}

impl<'a> Epilogue<'a> {
    /// Bias only.
    pub fn bias(bias: &'a [f32]) -> Self {
        Self { bias: Some(bias), ..Self::default() }
    }

    /// With `activation` after the bias.
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// With a residual added last.
    pub fn residual(self, residual: &'a [f32]) -> Self {
        Self { residual: Some(residual), ..self }
    }

    /// The part that belongs to rows `first ..` of the output.
    fn rows(self, first: usize, n: usize) -> Self {
        Self { residual: self.residual.map(|r| &r[first * n..]), ..self }
    }

    #[track_caller]
    fn check(&self, m: usize, k: usize, n: usize) {
        if let Some(bias) = self.bias {
            assert_eq!(bias.len(), n, "gemm {m}×{k}×{n}: bias");
        }
        if let Some(residual) = self.residual {
            assert_eq!(residual.len(), m * n, "gemm {m}×{k}×{n}: residual");
        }
    }
}

/// Rows of a matrix that need not be contiguous: row `i` is `data[i · stride ..][.. width]`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T = f32> {
    data: &'a [T],
    stride: usize,
}

impl<'a, T> Rows<'a, T> {
    /// Rows that start every `stride` elements of `data`.
    pub fn new(data: &'a [T], stride: usize) -> Self {
        Self { data, stride }
    }

    /// Elements `from .. to` of row `i`.
    #[inline(always)]
    pub fn part(&self, i: usize, from: usize, to: usize) -> &'a [T] {
        &self.data[i * self.stride + from..i * self.stride + to]
    }

    /// The same rows without their first `n` elements.
    pub fn columns(&self, n: usize) -> Self {
        Self { data: &self.data[n.min(self.data.len())..], stride: self.stride }
    }

    /// The same rows without the first `n`.
    pub fn skip(&self, n: usize) -> Self {
        Self { data: &self.data[(n * self.stride).min(self.data.len())..], stride: self.stride }
    }
}

/// Where the rows of the left operand come from: memory, or a computation such as im2col.
pub trait RowSource: Sync {
    /// Writes elements `from .. from + out.len()` of row `row`.
    fn copy_row(&self, row: usize, from: usize, out: &mut [f32]);
}

impl RowSource for Rows<'_> {
    #[inline(always)]
    fn copy_row(&self, row: usize, from: usize, out: &mut [f32]) {
        out.copy_from_slice(self.part(row, from, from + out.len()));
    }
}

/// `C = epilogue(A · B)`: `a` is `(m, k)`, `b` is `(k, n)`, `c` is `(m, n)`, all contiguous. `c` is only written.
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
/// # Panics
/// As [`gemm`].
#[track_caller]
pub fn gemm_from(isa: Isa, a: &impl RowSource, m: usize, b: &PackedB, c: &mut [f32], epilogue: &Epilogue) {
    check(isa, m, b, c.len(), epilogue);
    if c.is_empty() {
        return;
    }
    let n = b.n();
    let rows = parallel::rows_per_task(m, b.tile_rows(), most_rows(isa));
    let far = c.len() > FAR_FROM;
    parallel::for_each_chunk_mut(c, rows * n, |i, c| {
        block(isa, a, i * rows, b, (c, far), epilogue.rows(i * rows, n));
    });
}

/// [`gemm`] on the calling thread: for work that is already parallel outside.
///
/// # Panics
/// As [`gemm`].
#[track_caller]
pub fn gemm_block(isa: Isa, a: &[f32], m: usize, b: &PackedB, c: &mut [f32], epilogue: &Epilogue) {
    assert_eq!(a.len(), m * b.k(), "gemm: a has {} elements, expected {m}×{}", a.len(), b.k());
    check(isa, m, b, c.len(), epilogue);
    let n = b.n();
    let a = Rows::new(a, b.k());
    let rows = most_rows(isa);
    for (i, c) in c.chunks_mut((rows * n).max(1)).enumerate() {
        block(isa, &a, i * rows, b, (c, false), epilogue.rows(i * rows, n));
    }
}

/// Most rows of `A` in one block with this instruction set.
fn most_rows(isa: Isa) -> usize {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512(_) => MC,
        _ => MC / 2,
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

/// One block of rows, all of `k`, all of `n`; whether `c` is part of something [`FAR_FROM`].
fn block(
    isa: Isa,
    a: &impl RowSource,
    first_row: usize,
    b: &PackedB,
    (c, far): (&mut [f32], bool),
    epilogue: Epilogue,
) {
    let m = c.len() / b.n();
    if b.is_plain() {
        return plain_block(isa, a, first_row, m, b, c, epilogue);
    }
    let together = b.k_blocks().min(TOGETHER);
    let room = if b.is_half() { KC * b.panel_width() } else { 0 };
    parallel::with_scratch(room + together * m * KC, |scratch| {
        let (room, a_blocks) = scratch.split_at_mut(room);
        for first in (0..b.k_blocks()).step_by(together) {
            let k_blocks = first..b.k_blocks().min(first + together);
            for (k_block, a_block) in k_blocks.clone().zip(a_blocks.chunks_exact_mut(m * KC)) {
                let depth = b.depth(k_block);
                for (i, row) in a_block.chunks_exact_mut(KC).enumerate() {
                    a.copy_row(first_row + i, b.first_row(k_block), &mut row[..depth]);
                }
            }
            let output = Output { n: b.n(), c: &mut *c, far, epilogue };
            isa.dispatch_tiled(Block { a: a_blocks, m, b, room: &mut *room, k_blocks, output });
        }
    });
}

/// The same through `matrixmultiply`, where the instruction set has no micro-kernel of ours that beats it.
fn plain_block(
    isa: Isa,
    a: &impl RowSource,
    first_row: usize,
    m: usize,
    b: &PackedB,
    c: &mut [f32],
    epilogue: Epilogue,
) {
    let (k, n) = (b.k(), b.n());
    parallel::with_scratch(m * k, |a_block| {
        for (i, row) in a_block.chunks_exact_mut(k.max(1)).enumerate() {
            a.copy_row(first_row + i, 0, row);
        }
        micro::matrixmultiply_sgemm(m, k, n, a_block, b.plain(), c);
    });
    isa.dispatch_tiled(Finish { n, c, epilogue });
}

struct Block<'a> {
    /// For every block of `k` that is at hand, `m` rows with stride [`KC`].
    a: &'a [f32],
    m: usize,
    b: &'a PackedB,
    /// For a panel.
    room: &'a mut [f32],
    k_blocks: Range<usize>,
    output: Output<'a>,
}

impl TileOp for Block<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) {
        let Self { a, m, b, room, k_blocks, mut output } = self;
        let last = b.k_blocks() - 1;
        for panel in 0..b.panels() {
            for (k_block, a) in k_blocks.clone().zip(a.chunks_exact(m * KC)) {
                let time = (k_block == 0, k_block == last);
                let depth = b.depth(k_block);
                let right = (b.panel(s, k_block, panel, room), b.panel_width());
                let mut tiles = Tiles { a, b: right, depth, time, output: &mut output };
                cover_panel::<S, MR, NV>(s, (m, b.n()), panel, &mut tiles);
            }
        }
    }
}

/// The tiles of one panel in one block of `k`.
struct Tiles<'a, 'b> {
    /// Rows with stride [`KC`].
    a: &'a [f32],
    /// The panel and its width.
    b: (&'a [f32], usize),
    depth: usize,
    /// Whether it is the first block of `k`, and the last.
    time: (bool, bool),
    output: &'a mut Output<'b>,
}

impl PanelTiles for Tiles<'_, '_> {
    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, s: S, panel: usize, i: usize) {
        let place = (i, panel * self.b.1);
        self.output.ask_for::<S, MR, NV>(s, place, self.time.1);
        let acc = tile::<S, MR, NV>(s, self.depth, &self.a[i * KC..], self.b);
        self.output.put(s, place, self.time, acc);
    }
}

/// Something computed tile by tile down the rows of one panel.
pub(crate) trait PanelTiles {
    /// Rows `i .. i + MR`.
    fn tile<S: Simd, const MR: usize, const NV: usize>(&mut self, s: S, panel: usize, i: usize);
}

/// How many vectors of panel `panel` are needed for `n` columns, in panels of `most` vectors.
#[inline(always)]
fn vectors_of(n: usize, panel: usize, most: usize, lanes: usize) -> usize {
    (n.div_ceil(lanes) - panel * most).min(most)
}

/// Covers `m` rows of every panel of `n` columns with tiles, in the last panel only as wide as its columns need.
#[inline(always)]
pub(crate) fn cover<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    (m, n): (usize, usize),
    body: &mut impl PanelTiles,
) {
    for panel in 0..n.div_ceil(NV * S::F32::LANES) {
        cover_panel::<S, MR, NV>(s, (m, n), panel, body);
    }
}

/// One panel of [`cover`].
#[inline(always)]
fn cover_panel<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    (m, n): (usize, usize),
    panel: usize,
    body: &mut impl PanelTiles,
) {
    match vectors_of(n, panel, NV, S::F32::LANES) {
        1 if NV > 1 => cover_rows::<S, MR, 1>(s, m, panel, body),
        2 if NV > 2 => cover_rows::<S, MR, 2>(s, m, panel, body),
        _ => cover_rows::<S, MR, NV>(s, m, panel, body),
    }
}

/// Covers `m` rows with tiles of `MR` and gives the last rows to smaller ones, so that a short block wastes
/// no multiply-adds.
#[inline(always)]
pub(crate) fn cover_rows<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    m: usize,
    panel: usize,
    body: &mut impl PanelTiles,
) {
    let mut i = 0;
    while i + MR <= m {
        body.tile::<S, MR, NV>(s, panel, i);
        i += MR;
    }
    if MR > 8 && i + 8 <= m {
        body.tile::<S, 8, NV>(s, panel, i);
        i += 8;
    }
    if MR > 4 && i + 4 <= m {
        body.tile::<S, 4, NV>(s, panel, i);
        i += 4;
    }
    if i + 2 <= m {
        body.tile::<S, 2, NV>(s, panel, i);
        i += 2;
    }
    if i < m {
        body.tile::<S, 1, NV>(s, panel, i);
    }
}
