//! The right operand, rearranged once into the order in which the micro-kernel reads it.

use super::{KC, Rows};
use crate::parallel;
use crate::simd::Isa;

/// Floats per cache line.
const LINE: usize = 16;

/// A `(k, n)` matrix cut into blocks of at most [`KC`] rows, each cut into panels of `NR` columns; a panel is
/// contiguous and row-major, the last one padded with zeros.
///
/// Where `matrixmultiply` does the work the matrix is kept row-major as it is.
#[derive(Clone, Debug, Default)]
pub struct PackedB {
    k: usize,
    n: usize,
    tile: (usize, usize),
    /// Rows of every block but the last.
    step: usize,
    plain: bool,
    /// Of the first float used in `data`, so that panels start on a cache line.
    start: usize,
    data: Vec<f32>,
}

impl PackedB {
    /// From a weight as the field stores it: `(n, k)`, that is `[out, in]`.
    ///
    /// # Panics
    /// If `w` does not have `n · k` elements.
    #[track_caller]
    pub fn from_nk(isa: Isa, w: &[f32], n: usize, k: usize) -> Self {
        assert_eq!(w.len(), n * k, "PackedB::from_nk: {n}×{k}");
        let mut packed = Self { step: step_of(k), ..Self::default() };
        packed.fill(isa, k, n, matrixmultiply_is_better(isa), &Transposed(Rows::new(w, k)));
        packed
    }

    /// From a row-major `(k, n)` matrix.
    ///
    /// # Panics
    /// If `b` does not have `k · n` elements.
    #[track_caller]
    pub fn from_kn(isa: Isa, b: &[f32], k: usize, n: usize) -> Self {
        assert_eq!(b.len(), n * k, "PackedB::from_kn: {k}×{n}");
        let mut packed = Self { step: step_of(k), ..Self::default() };
        packed.fill(isa, k, n, matrixmultiply_is_better(isa), &Direct(Rows::new(b, n)));
        packed
    }

    /// Refills with the transpose of `n` rows of `k` elements, in panels, keeping the memory.
    pub(crate) fn repack_nk(&mut self, isa: Isa, w: Rows, n: usize, k: usize) {
        self.step = KC;
        self.fill(isa, k, n, false, &Transposed(w));
    }

    /// Refills with `k` rows of `n` elements, in blocks of `step` rows and panels, keeping the memory.
    pub(crate) fn repack_kn(&mut self, isa: Isa, b: Rows, (k, step): (usize, usize), n: usize) {
        self.step = step;
        self.fill(isa, k, n, false, &Direct(b));
    }

    fn fill(&mut self, isa: Isa, k: usize, n: usize, plain: bool, source: &impl Source) {
        self.tile = isa.tile_shape();
        (self.k, self.n, self.plain) = (k, n, plain);
        let width = if plain { n } else { self.tile.1 };
        let len = if plain { k * n } else { n.next_multiple_of(width) * k };
        if self.data.len() < len + LINE {
            self.data = vec![0.0; len + LINE];
        }
        self.start = self.data.as_ptr().align_offset(LINE * size_of::<f32>());
        let data = &mut self.data[self.start..self.start + len];
        if plain {
            if !data.is_empty() {
                source.panel(0, k, 0, n, n, data);
            }
            return;
        }
        let panels = n.div_ceil(width);
        let step = self.step;
        let block_len = step * panels * width;
        for (block, data) in data.chunks_mut(block_len.max(1)).enumerate() {
            let depth = data.len() / (panels * width);
            // About 64 Ki floats a task; fewer are not worth a thread.
            let group = (65_536 / (depth * width)).max(1);
            parallel::for_each_chunk_mut(data, group * depth * width, |i, data| {
                for (p, panel) in data.chunks_exact_mut(depth * width).enumerate() {
                    let first = (i * group + p) * width;
                    source.panel(block * step, depth, first, width.min(n - first), width, panel);
                }
            });
        }
    }

    /// Rows.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns.
    pub fn n(&self) -> usize {
        self.n
    }

    pub(crate) fn tile_rows(&self) -> usize {
        self.tile.0
    }

    pub(crate) fn panel_width(&self) -> usize {
        self.tile.1
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// The row-major matrix of a plain one.
    pub(crate) fn plain(&self) -> &[f32] {
        debug_assert!(self.plain);
        &self.data[self.start..self.start + self.k * self.n]
    }

    pub(crate) fn k_blocks(&self) -> usize {
        // A product over nothing is still a (zero) block, so that C is written.
        self.k.div_ceil(self.step).max(1)
    }

    /// The first row of block `k_block`.
    #[inline(always)]
    pub(crate) fn first_row(&self, k_block: usize) -> usize {
        k_block * self.step
    }

    /// Rows of block `k_block`.
    #[inline(always)]
    pub(crate) fn depth(&self, k_block: usize) -> usize {
        self.step.min(self.k - self.first_row(k_block))
    }

    pub(crate) fn panels(&self) -> usize {
        self.n.div_ceil(self.tile.1)
    }

    /// Block `k_block`.
    #[inline(always)]
    pub(crate) fn block(&self, k_block: usize) -> KBlock<'_> {
        let (depth, width) = (self.depth(k_block), self.tile.1);
        let columns = self.panels() * width;
        let data = &self.data[self.start + self.first_row(k_block) * columns..][..depth * columns];
        KBlock { data, depth, width }
    }
}

/// A block of rows of a [`PackedB`]: where its panels lie is worked out once, and not for every tile.
#[derive(Clone, Copy)]
pub(crate) struct KBlock<'a> {
    data: &'a [f32],
    /// Rows.
    pub depth: usize,
    /// Columns of a panel.
    pub width: usize,
}

impl<'a> KBlock<'a> {
    /// Panel `panel`: `depth` rows of `width`.
    #[inline(always)]
    pub fn panel(&self, panel: usize) -> &'a [f32] {
        let len = self.depth * self.width;
        &self.data[panel * len..][..len]
    }
}

/// Rows of a block, so that blocks of `k` rows are alike.
fn step_of(k: usize) -> usize {
    k.div_ceil(k.div_ceil(KC).max(1)).max(1)
}

/// On AArch64 the portable vectors have no fused multiply-add by lane; `matrixmultiply` brings NEON kernels.
fn matrixmultiply_is_better(isa: Isa) -> bool {
    matches!(isa, Isa::Portable(_))
}

/// Where a panel's elements come from.
trait Source: Sync {
    /// Rows `k0 .. k0 + depth`, columns `n0 .. n0 + cols` into rows of `width`; the rest of a row becomes zero.
    fn panel(&self, k0: usize, depth: usize, n0: usize, cols: usize, width: usize, out: &mut [f32]);
}

struct Direct<'a>(Rows<'a>);

impl Source for Direct<'_> {
    fn panel(&self, k0: usize, depth: usize, n0: usize, cols: usize, width: usize, out: &mut [f32]) {
        for (p, row) in out.chunks_exact_mut(width).take(depth).enumerate() {
            row[..cols].copy_from_slice(self.0.part(k0 + p, n0, n0 + cols));
            row[cols..].fill(0.0);
        }
    }
}

struct Transposed<'a>(Rows<'a>);

impl Source for Transposed<'_> {
    fn panel(&self, k0: usize, _: usize, n0: usize, cols: usize, width: usize, out: &mut [f32]) {
        const STEP: usize = 8;
        if cols < width {
            out.fill(0.0);
        }
        // In strips of STEP rows of the output, so that the lines written stay in L1.
        for (strip, out) in out.chunks_mut(STEP * width).enumerate() {
            let from = k0 + strip * STEP;
            let rows = out.len() / width;
            for j in 0..cols {
                for (i, &x) in self.0.part(n0 + j, from, from + rows).iter().enumerate() {
                    out[i * width + j] = x;
                }
            }
        }
    }
}
