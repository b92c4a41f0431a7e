//! The right operand, rearranged once into the order in which the micro-kernel reads it.

use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::{KC, Rows};
use crate::parallel;
use crate::simd::{F32s, Isa, Simd};

/// Bytes of a cache line.
const LINE: usize = 64;

/// A `(k, n)` matrix cut into blocks of at most [`KC`] rows, each cut into panels of `NR` columns; a panel is
/// contiguous and row-major, the last one padded with zeros. In single precision, or in half precision if that was [asked
/// for](Self::compact_from_nk) and loses nothing.
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
    /// Of the first element used in `data`, so that panels start on a cache line.
    start: usize,
    data: Data,
}

#[derive(Clone, Debug)]
enum Data {
    Single(Vec<f32>),
    /// Of what half precision holds exactly: half the memory, and the same products.
    Half(Vec<f16>),
}

impl Default for Data {
    fn default() -> Self {
        Self::Single(Vec::new())
    }
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
        packed.fill_single(isa, k, n, matrixmultiply_is_better(isa), &Transposed(Rows::new(w, k)));
        packed
    }

    /// As [`Self::from_nk`]. If half precision holds every element exactly, as it does those of a checkpoint in half precision, the elements are
    /// kept so, where our own micro-kernel multiplies: a panel becomes single precision when a block of rows comes to it.
    ///
    /// # Panics
    /// If `w` does not have `n · k` elements.
    #[track_caller]
    pub fn compact_from_nk(isa: Isa, w: &[f32], n: usize, k: usize) -> Self {
        if matrixmultiply_is_better(isa) {
            return Self::from_nk(isa, w, n, k);
        }
        assert_eq!(w.len(), n * k, "PackedB::compact_from_nk: {n}×{k}");
        let Some(w) = halves(w) else { return Self::from_nk(isa, w, n, k) };
        let mut packed = Self { step: step_of(k), ..Self::default() };
        packed.data = Data::Half(packed.fill(isa, k, n, false, &Transposed(Rows::new(&w, k)), Vec::new()));
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
        packed.fill_single(isa, k, n, matrixmultiply_is_better(isa), &Direct(Rows::new(b, n)));
        packed
    }

    /// Refills with the transpose of `n` rows of `k` elements, in panels, keeping the memory.
    pub(crate) fn repack_nk(&mut self, isa: Isa, w: Rows, n: usize, k: usize) {
        self.step = KC;
        self.fill_single(isa, k, n, false, &Transposed(w));
    }

    /// Refills with `k` rows of `n` elements, in blocks of `step` rows and panels, keeping the memory.
    pub(crate) fn repack_kn(&mut self, isa: Isa, b: Rows, (k, step): (usize, usize), n: usize) {
        self.step = step;
        self.fill_single(isa, k, n, false, &Direct(b));
    }

    fn fill_single(&mut self, isa: Isa, k: usize, n: usize, plain: bool, source: &impl Source<f32>) {
        let memory = match std::mem::take(&mut self.data) {
            Data::Single(data) => data,
            Data::Half(_) => Vec::new(),
        };
        self.data = Data::Single(self.fill(isa, k, n, plain, source, memory));
    }

    /// The elements in their order, in `memory` if that suffices.
    fn fill<T: Copy + Default + Send + Sync>(
        &mut self,
        isa: Isa,
        k: usize,
        n: usize,
        plain: bool,
        source: &impl Source<T>,
        mut memory: Vec<T>,
    ) -> Vec<T> {
        self.tile = isa.tile_shape();
        (self.k, self.n, self.plain) = (k, n, plain);
        let width = if plain { n } else { self.tile.1 };
        let len = if plain { k * n } else { n.next_multiple_of(width) * k };
        let step = self.step;
        let needed = len + LINE / size_of::<T>();
        if memory.len() < needed {
            memory = vec![T::default(); needed];
        }
        self.start = memory.as_ptr().align_offset(LINE);
        let data = &mut memory[self.start..self.start + len];
        if plain {
            if !data.is_empty() {
                source.panel(0, k, 0, n, n, data);
            }
            return memory;
        }
        let panels = n.div_ceil(width);
        let block_len = step * panels * width;
        for (block, data) in data.chunks_mut(block_len.max(1)).enumerate() {
            let depth = data.len() / (panels * width);
            // About 64 Ki elements a task; fewer are not worth a thread.
            let group = (65_536 / (depth * width)).max(1);
            parallel::for_each_chunk_mut(data, group * depth * width, |i, data| {
                for (p, panel) in data.chunks_exact_mut(depth * width).enumerate() {
                    let first = (i * group + p) * width;
                    source.panel(block * step, depth, first, width.min(n - first), width, panel);
                }
            });
        }
        memory
    }

    /// Rows.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Bytes that the elements take.
    pub fn bytes(&self) -> usize {
        match &self.data {
            Data::Single(data) => size_of_val(&data[..]),
            Data::Half(data) => size_of_val(&data[..]),
        }
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

    /// Whether a panel must be made single precision before it is multiplied.
    pub(crate) fn is_half(&self) -> bool {
        matches!(self.data, Data::Half(_))
    }

    /// The elements, of one that is not compact.
    fn single(&self) -> &[f32] {
        match &self.data {
            Data::Single(data) => &data[self.start..],
            Data::Half(_) => unreachable!("only gemm reads a compact matrix"),
        }
    }

    /// The row-major matrix of a plain one.
    pub(crate) fn plain(&self) -> &[f32] {
        debug_assert!(self.plain);
        &self.single()[..self.k * self.n]
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

    /// Where the elements of a panel in block `k_block` lie in `data`.
    #[inline(always)]
    fn place(&self, k_block: usize, panel: usize) -> Range<usize> {
        let (depth, width) = (self.depth(k_block), self.tile.1);
        let at = (self.first_row(k_block) * self.panels() + depth * panel) * width;
        at..at + depth * width
    }

    /// A panel of block `k_block`: its rows of [`Self::panel_width`]. In `room` if it is not in single precision already.
    #[inline(always)]
    pub(crate) fn panel<'a, S: Simd>(
        &'a self,
        s: S,
        k_block: usize,
        panel: usize,
        room: &'a mut [f32],
    ) -> &'a [f32] {
        let place = self.place(k_block, panel);
        match &self.data {
            Data::Single(data) => &data[self.start..][place],
            Data::Half(data) => {
                let panel = &data[self.start..][place];
                let room = &mut room[..panel.len()];
                let lanes = S::F32::LANES;
                for (x, out) in panel.chunks_exact(lanes).zip(room.chunks_exact_mut(lanes)) {
                    S::F32::load_half(s, x).store(out);
                }
                room
            }
        }
    }

    /// Block `k_block` of one that is not compact.
    #[inline(always)]
    pub(crate) fn block(&self, k_block: usize) -> KBlock<'_> {
        let (depth, width) = (self.depth(k_block), self.tile.1);
        let Range { start, .. } = self.place(k_block, 0);
        KBlock { data: &self.single()[start..][..depth * width * self.panels()], depth, width }
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

/// The same numbers in half precision, if that has them all.
fn halves(w: &[f32]) -> Option<Vec<f16>> {
    // Most matrices end it at their first block.
    const BLOCK: usize = 1024;
    let mut all = vec![f16::ZERO; w.len()];
    let mut back = [0.0; BLOCK];
    for (w, halves) in w.chunks(BLOCK).zip(all.chunks_mut(BLOCK)) {
        let back = &mut back[..w.len()];
        halves.convert_from_f32_slice(w);
        halves.convert_to_f32_slice(back);
        if !w.iter().zip(back).all(|(x, y)| x.to_bits() == y.to_bits()) {
            return None;
        }
    }
    Some(all)
}

/// Rows of a block, so that blocks of `k` rows are alike.
fn step_of(k: usize) -> usize {
    k.div_ceil(k.div_ceil(KC).max(1)).max(1)
}

/// On AArch64 the portable vectors have no fused multiply-add by lane; `matrixmultiply` brings NEON kernels.
fn matrixmultiply_is_better(isa: Isa) -> bool {
    match isa {
        Isa::Portable(_) => true,
        #[cfg(target_arch = "aarch64")]
        Isa::Dotprod(_) => true,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(_) | Isa::Avx512(_) => false,
    }
}

/// Where a panel's elements come from.
trait Source<T>: Sync {
    /// Rows `k0 .. k0 + depth`, columns `n0 .. n0 + cols` into rows of `width`; the rest of a row becomes zero.
    fn panel(&self, k0: usize, depth: usize, n0: usize, cols: usize, width: usize, out: &mut [T]);
}

struct Direct<'a>(Rows<'a>);

impl Source<f32> for Direct<'_> {
    fn panel(&self, k0: usize, depth: usize, n0: usize, cols: usize, width: usize, out: &mut [f32]) {
        for (p, row) in out.chunks_exact_mut(width).take(depth).enumerate() {
            row[..cols].copy_from_slice(self.0.part(k0 + p, n0, n0 + cols));
            row[cols..].fill(0.0);
        }
    }
}

struct Transposed<'a, T>(Rows<'a, T>);

impl<T: Copy + Default + Send + Sync> Source<T> for Transposed<'_, T> {
    fn panel(&self, k0: usize, depth: usize, n0: usize, cols: usize, width: usize, out: &mut [T]) {
        // A square of elements at a time, of which the compiler makes vectors.
        const SIDE: usize = 4;
        if cols < width {
            out.fill(T::default());
        }
        let row = |j: usize| self.0.part(n0 + j, k0, k0 + depth);
        let (square_rows, square_cols) = (depth - depth % SIDE, cols - cols % SIDE);
        for j in (0..square_cols).step_by(SIDE) {
            let rows: [_; SIDE] = std::array::from_fn(|c| row(j + c).as_chunks::<SIDE>().0);
            for (i, out) in out.chunks_exact_mut(SIDE * width).enumerate() {
                let square = rows.map(|row| row[i]);
                for (p, out) in out.chunks_exact_mut(width).enumerate() {
                    out[j..j + SIDE].copy_from_slice(&square.map(|row| row[p]));
                }
            }
        }
        for j in 0..cols {
            let done = if j < square_cols { square_rows } else { 0 };
            for (&x, out) in row(j)[done..].iter().zip(out[done * width..].chunks_exact_mut(width)) {
                out[j] = x;
            }
        }
    }
}
