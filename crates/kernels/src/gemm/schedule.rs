//! The loops around the micro-kernel; [`super`] has the picture.

use std::ops::Range;

use super::cover::{Tiles, cover_panel};
use super::epilogue::{KBlockPosition, Output, Remainder};
use super::microkernel::{bf16_tile, matrixmultiply_sgemm, tile};
use super::{KC, PackedB, RowSource};
use crate::parallel;
use crate::simd::{F32s, Isa, Simd, TileOp};

/// One block of rows: `C = epilogue(A · B)` for the rows of `A` from `first_row` on, all of `k` and all of
/// `n`.
pub(super) fn row_block(isa: Isa, a: &impl RowSource, first_row: usize, b: &PackedB, output: Output) {
    let m = output.c.len() / b.n();
    if b.is_plain() {
        return plain_row_block(isa, a, first_row, m, b, output);
    }
    let per_pass = b.k_blocks().min(b.blocking().k_blocks_per_pass);
    let unpacked_len = if b.is_half() { KC * b.panel_width() } else { 0 };
    parallel::with_scratch(unpacked_len + per_pass * m * KC, |scratch| {
        let (unpacked, a_blocks) = scratch.split_at_mut(unpacked_len);
        let mut output = output;
        for first in (0..b.k_blocks()).step_by(per_pass) {
            let k_blocks = first..b.k_blocks().min(first + per_pass);
            for (k_block, a_block) in k_blocks.clone().zip(a_blocks.chunks_exact_mut(m * KC)) {
                a.copy_rows(isa, first_row, (b.first_row(k_block), b.depth(k_block)), a_block);
            }
            let (a, output) = (&*a_blocks, &mut output);
            if b.is_pairs() {
                isa.dispatch_tiled(Pass::<true> { a, m, b, unpacked, k_blocks, output });
            } else {
                isa.dispatch_tiled(Pass::<false> { a, m, b, unpacked, k_blocks, output });
            }
        }
    });
}

/// The same by `matrixmultiply`, where the instruction set has no micro-kernel of this crate.
fn plain_row_block(isa: Isa, a: &impl RowSource, first_row: usize, m: usize, b: &PackedB, output: Output) {
    let (k, n) = (b.k(), b.n());
    let Output { c, epilogue, .. } = output;
    parallel::with_scratch(m * k, |a_block| {
        for (i, row) in a_block.chunks_exact_mut(k.max(1)).enumerate() {
            a.copy_row(first_row + i, 0, row);
        }
        matrixmultiply_sgemm(m, k, n, a_block, b.plain(), c);
    });
    isa.dispatch(Remainder { n, c, columns: 0..n, epilogue });
}

/// A block of rows times a few k-blocks: all panels of `B`, and of each panel its k-blocks one after the
/// other. `PAIRS`: a float is a pair of bf16 numbers. In one tile for both, the compiler makes the loop of
/// floats slower.
struct Pass<'a, 'b, const PAIRS: bool> {
    /// For each of `k_blocks`, `m` rows with stride [`KC`].
    a: &'a [f32],
    m: usize,
    b: &'a PackedB,
    /// Scratch for a panel of half-precision numbers in single precision.
    unpacked: &'a mut [f32],
    k_blocks: Range<usize>,
    output: &'a mut Output<'b>,
}

impl<const PAIRS: bool> TileOp for Pass<'_, '_, PAIRS> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) {
        let Self { a, m, b, unpacked, k_blocks, output } = self;
        let last = b.k_blocks() - 1;
        for panel in 0..b.panels() {
            for (k_block, a) in k_blocks.clone().zip(a.chunks_exact(m * KC)) {
                let position = KBlockPosition { first: k_block == 0, last: k_block == last };
                let depth = b.depth(k_block);
                // Known when compiling, rows of a panel are at fixed distances from a register, which saves
                // ARM an instruction for each. On x86 an address takes the sum of two registers.
                let width = if cfg!(target_arch = "aarch64") { NV * S::F32::LANES } else { b.panel_width() };
                let b_panel = (b.panel(s, k_block, panel, unpacked), width);
                let output = &mut *output;
                let mut products = PanelProduct::<PAIRS> { a, b: b_panel, depth, position, output };
                cover_panel::<S, MR, NV>(s, S::F32::LANES, (m, b.n()), panel, &mut products);
            }
        }
    }
}

/// A block of `A` times one panel of one k-block.
struct PanelProduct<'a, 'b, const PAIRS: bool> {
    /// Rows with stride [`KC`].
    a: &'a [f32],
    /// The panel and its width.
    b: (&'a [f32], usize),
    depth: usize,
    position: KBlockPosition,
    output: &'a mut Output<'b>,
}

impl<S: Simd, const PAIRS: bool> Tiles<S> for PanelProduct<'_, '_, PAIRS> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, s: S, panel: usize, i: usize) {
        let at = (i, panel * self.b.1);
        self.output.prefetch::<S, MR, NV>(s, at, self.position);
        let a = &self.a[i * KC..];
        let sums = if PAIRS {
            bf16_tile::<S, MR, NV>(s, self.depth, a, self.b)
        } else {
            tile::<S, MR, NV>(s, self.depth, a, self.b)
        };
        self.output.store(s, at, self.position, sums);
    }
}
