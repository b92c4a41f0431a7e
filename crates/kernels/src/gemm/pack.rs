//! The right operand, rearranged once into the order in which the micro-kernel reads it.

use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::{Blocking, KC, Rows};
use crate::parallel;
use crate::simd::{F32s, Isa, Simd};

/// Bytes of a cache line.
const LINE: usize = 64;

/// A `(k, n)` matrix cut into k-blocks of at most [`KC`] rows, each cut into panels of `NR` columns; a panel
/// is contiguous and row-major, the last one padded with zeros. In single precision, or in half precision if
/// that was [requested](Self::compact_from_nk) and loses nothing.
///
/// Where `matrixmultiply` computes the product, the matrix stays row-major.
///
/// ```
/// use kernels::Isa;
/// use kernels::gemm::PackedB;
///
/// let weight = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // [out, in] = [2, 3], as in a checkpoint
/// let packed = PackedB::from_nk(Isa::best(), &weight, 2, 3);
/// assert_eq!((packed.k(), packed.n()), (3, 2));
/// assert!(packed.bytes() >= size_of_val(&weight));
/// ```
#[derive(Clone, Debug)]
pub struct PackedB {
    k: usize,
    n: usize,
    tile: (usize, usize),
    blocking: &'static Blocking,
    /// Rows of every k-block but the last.
    k_block: usize,
    plain: bool,
    /// Whether a float is a pair of bf16 numbers.
    pairs: bool,
    /// Index of the first element used in `data`, so that panels start on a cache line.
    start: u8,
    data: Data,
}

#[derive(Clone, Debug)]
enum Data {
    Single(Vec<f32>),
    /// Numbers that half precision represents exactly: half the memory, and the same products.
    Half(Vec<f16>),
    /// The bits of bf16 numbers.
    Bf16(Vec<u16>),
}

impl Default for PackedB {
    /// An empty matrix.
    fn default() -> Self {
        Self::empty(&Blocking::TINY, 0)
    }
}

impl Default for Data {
    fn default() -> Self {
        Self::Single(Vec::new())
    }
}

impl PackedB {
    /// From a weight in the layout of checkpoints: `(n, k)`, that is `[out, in]`.
    ///
    /// # Panics
    /// If `w` does not have `n · k` elements.
    #[track_caller]
    pub fn from_nk(isa: Isa, w: &[f32], n: usize, k: usize) -> Self {
        Self::from_nk_blocked(isa, &isa.tuning().gemm, w, n, k)
    }

    /// [`Self::from_nk`] with other block sizes, which products with it then use. Tests cross block edges
    /// with small ones.
    ///
    /// # Panics
    /// As [`Self::from_nk`].
    #[track_caller]
    pub fn from_nk_blocked(isa: Isa, blocking: &'static Blocking, w: &[f32], n: usize, k: usize) -> Self {
        assert_eq!(w.len(), n * k, "PackedB::from_nk: {n}×{k}");
        let mut packed = Self::empty(blocking, k);
        packed.fill_single(isa, k, n, is_plain(isa), &Transposed(Rows::new(w, k)));
        packed
    }

    /// As [`Self::from_nk`], of floats that are pairs of bf16 numbers, in k-blocks of `k_block` pairs.
    pub(super) fn from_pairs(isa: Isa, w: &[f32], (n, k): (usize, usize), k_block: usize) -> Self {
        let mut packed = Self { k_block, pairs: true, ..Self::empty(&isa.tuning().gemm, k) };
        packed.fill_single(isa, k, n, false, &Transposed(Rows::new(w, k)));
        if isa.bf16_by_matrices() {
            packed.join_rows();
        }
        packed
    }

    /// Of every two rows of a panel, puts the floats of one column beside each other.
    fn join_rows(&mut self) {
        let panels: Vec<_> = (0..self.k_blocks())
            .flat_map(|block| (0..self.panels()).map(move |panel| (block, panel)))
            .map(|(block, panel)| self.range(block, panel))
            .collect();
        let (width, start) = (self.tile.1, usize::from(self.start));
        let Data::Single(data) = &mut self.data else { unreachable!("pairs are the bits of floats") };
        let mut joined = vec![0.0; 2 * width];
        for range in panels {
            for rows in data[start..][range].chunks_exact_mut(2 * width) {
                let (first, second) = rows.split_at(width);
                for (out, (&a, &b)) in joined.as_chunks_mut().0.iter_mut().zip(first.iter().zip(second)) {
                    *out = [a, b];
                }
                rows.copy_from_slice(&joined);
            }
        }
    }

    /// As [`Self::from_nk`], of the bits of bf16 numbers, in k-blocks of `k_block`. Each block of rows
    /// converts a panel as it reads it.
    pub(super) fn from_bf16(isa: Isa, w: &[u16], (n, k): (usize, usize), k_block: usize) -> Self {
        let mut packed = Self { k_block, ..Self::empty(&isa.tuning().gemm, k) };
        packed.data = Data::Bf16(packed.fill(isa, k, n, false, &Transposed(Rows::new(w, k)), Vec::new()));
        packed
    }

    /// As [`Self::from_nk`]. If half precision represents every element exactly, as in a half-precision
    /// checkpoint, and the micro-kernel is this crate's, the elements are stored in half precision: each
    /// block of rows converts a panel as it reads it.
    ///
    /// # Panics
    /// If `w` does not have `n · k` elements.
    #[track_caller]
    pub fn compact_from_nk(isa: Isa, w: &[f32], n: usize, k: usize) -> Self {
        if is_plain(isa) {
            return Self::from_nk(isa, w, n, k);
        }
        assert_eq!(w.len(), n * k, "PackedB::compact_from_nk: {n}×{k}");
        let Some(w) = halves(w) else { return Self::from_nk(isa, w, n, k) };
        let mut packed = Self::empty(&isa.tuning().gemm, k);
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
        let mut packed = Self::empty(&isa.tuning().gemm, k);
        packed.fill_single(isa, k, n, is_plain(isa), &Direct(Rows::new(b, n)));
        packed
    }

    fn empty(blocking: &'static Blocking, k: usize) -> Self {
        let (tile, k_block, data) = ((0, 0), blocking.k_block(k), Data::default());
        Self { k: 0, n: 0, tile, blocking, k_block, plain: false, pairs: false, start: 0, data }
    }

    /// Refills it with the transpose of `n` rows of `k` elements, reusing its memory.
    pub(crate) fn repack_nk(&mut self, isa: Isa, w: Rows, n: usize, k: usize) {
        self.k_block = KC;
        self.fill_single(isa, k, n, false, &Transposed(w));
    }

    /// Refills it with `k` rows of `n` elements, in k-blocks of `k_block` rows, reusing its memory.
    pub(crate) fn repack_kn(&mut self, isa: Isa, b: Rows, (k, k_block): (usize, usize), n: usize) {
        self.k_block = k_block;
        self.fill_single(isa, k, n, false, &Direct(b));
    }

    fn fill_single(&mut self, isa: Isa, k: usize, n: usize, plain: bool, source: &impl Source<f32>) {
        let memory = match std::mem::take(&mut self.data) {
            Data::Single(data) => data,
            Data::Half(_) | Data::Bf16(_) => Vec::new(),
        };
        self.data = Data::Single(self.fill(isa, k, n, plain, source, memory));
    }

    /// The elements in packed order, in `memory` if that is large enough.
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
        let k_block = self.k_block;
        let needed = len + LINE / size_of::<T>();
        if memory.len() < needed {
            memory = vec![T::default(); needed];
        }
        let start = memory.as_ptr().align_offset(LINE);
        self.start = u8::try_from(start).expect("a cache line has 64 bytes");
        let data = &mut memory[start..start + len];
        if plain {
            if !data.is_empty() {
                source.panel(0, k, 0, n, n, data);
            }
            return memory;
        }
        let panels = n.div_ceil(width);
        let block_len = k_block * panels * width;
        for (block, data) in data.chunks_mut(block_len.max(1)).enumerate() {
            let depth = data.len() / (panels * width);
            // About 64 Ki elements per task; fewer are not worth a thread.
            let group = (65_536 / (depth * width)).max(1);
            parallel::for_each_chunk_mut(data, group * depth * width, |i, data| {
                for (p, panel) in data.chunks_exact_mut(depth * width).enumerate() {
                    let first = (i * group + p) * width;
                    source.panel(block * k_block, depth, first, width.min(n - first), width, panel);
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

    /// Size of the elements in bytes.
    pub fn bytes(&self) -> usize {
        match &self.data {
            Data::Single(data) => size_of_val(&data[..]),
            Data::Half(data) => size_of_val(&data[..]),
            Data::Bf16(data) => size_of_val(&data[..]),
        }
    }

    pub(crate) fn tile_rows(&self) -> usize {
        self.tile.0
    }

    pub(crate) fn panel_width(&self) -> usize {
        self.tile.1
    }

    /// The block sizes of products with it.
    pub fn blocking(&self) -> &'static Blocking {
        self.blocking
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    pub(super) fn is_pairs(&self) -> bool {
        self.pairs
    }

    /// Whether a panel must be converted to single precision before it is multiplied.
    pub(crate) fn is_half(&self) -> bool {
        matches!(self.data, Data::Half(_) | Data::Bf16(_))
    }

    /// The elements of a matrix in single precision.
    fn single(&self) -> &[f32] {
        match &self.data {
            Data::Single(data) => &data[usize::from(self.start)..],
            Data::Half(_) | Data::Bf16(_) => unreachable!("only gemm reads a matrix in half precision"),
        }
    }

    /// The row-major matrix, if [`Self::is_plain`].
    pub(crate) fn plain(&self) -> &[f32] {
        debug_assert!(self.plain);
        &self.single()[..self.k * self.n]
    }

    pub(crate) fn k_blocks(&self) -> usize {
        // With `k = 0` there is still one (empty) k-block, so that C is written.
        self.k.div_ceil(self.k_block).max(1)
    }

    /// The first row of k-block `k_block`.
    #[inline(always)]
    pub(crate) fn first_row(&self, k_block: usize) -> usize {
        k_block * self.k_block
    }

    /// Rows of k-block `k_block`.
    #[inline(always)]
    pub(crate) fn depth(&self, k_block: usize) -> usize {
        self.k_block.min(self.k - self.first_row(k_block))
    }

    pub(crate) fn panels(&self) -> usize {
        self.n.div_ceil(self.tile.1)
    }

    /// Range in `data` of the elements of a panel in k-block `k_block`.
    #[inline(always)]
    fn range(&self, k_block: usize, panel: usize) -> Range<usize> {
        let (depth, width) = (self.depth(k_block), self.tile.1);
        let at = (self.first_row(k_block) * self.panels() + depth * panel) * width;
        at..at + depth * width
    }

    /// A panel of k-block `k_block`: rows of [`Self::panel_width`] in single precision, converted into
    /// `scratch` if necessary.
    #[inline(always)]
    pub(crate) fn panel<'a, S: Simd>(
        &'a self,
        s: S,
        k_block: usize,
        panel: usize,
        scratch: &'a mut [f32],
    ) -> &'a [f32] {
        let range = self.range(k_block, panel);
        match &self.data {
            Data::Single(data) => &data[usize::from(self.start)..][range],
            Data::Half(data) => {
                convert::<S, _>(&data[usize::from(self.start)..][range], scratch, |x| S::F32::load_half(s, x))
            }
            Data::Bf16(data) => {
                convert::<S, _>(&data[usize::from(self.start)..][range], scratch, |x| S::F32::load_bf16(s, x))
            }
        }
    }

    /// K-block `k_block` of a matrix in single precision.
    #[inline(always)]
    pub(crate) fn block(&self, k_block: usize) -> KBlock<'_> {
        let (depth, width) = (self.depth(k_block), self.tile.1);
        let Range { start, .. } = self.range(k_block, 0);
        KBlock { data: &self.single()[start..][..depth * width * self.panels()], depth, width }
    }
}

/// A panel in single precision, in `scratch`.
#[inline(always)]
fn convert<'a, S: Simd, T>(panel: &[T], scratch: &'a mut [f32], load: impl Fn(&[T]) -> S::F32) -> &'a [f32] {
    let scratch = &mut scratch[..panel.len()];
    let lanes = S::F32::LANES;
    for (x, out) in panel.chunks_exact(lanes).zip(scratch.chunks_exact_mut(lanes)) {
        load(x).store(out);
    }
    scratch
}

/// A k-block of a [`PackedB`]: its place in memory is computed once, and not for every tile.
#[derive(Clone, Copy)]
pub(crate) struct KBlock<'a> {
    data: &'a [f32],
    /// Number of rows.
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

/// The same numbers in half precision, if that represents all of them exactly.
fn halves(w: &[f32]) -> Option<Vec<f16>> {
    // Most matrices of single-precision checkpoints fail in their first block.
    const BLOCK: usize = 1024;
    let mut all = vec![f16::ZERO; w.len()];
    let mut back = [0.0; BLOCK];
    for (w, halves) in w.chunks(BLOCK).zip(all.chunks_mut(BLOCK)) {
        let back = &mut back[..w.len()];
        halves.convert_from_f32_slice(w);
        halves.convert_to_f32_slice(back);
        // Without a branch per number, so that the compiler vectorises it.
        if w.iter().zip(back).fold(0, |differing, (x, y)| differing | (x.to_bits() ^ y.to_bits())) != 0 {
            return None;
        }
    }
    Some(all)
}

/// Whether `matrixmultiply` computes the products. It has kernels with SSE2 and NEON, where the portable
/// vectors lack a fused multiply-add by lane.
fn is_plain(isa: Isa) -> bool {
    !isa.tuning().own_micro_kernel
}

/// The source of a panel's elements.
trait Source<T>: Sync {
    /// Writes rows `k0 .. k0 + depth`, columns `n0 .. n0 + cols` to rows of `width`; the rest of a row
    /// becomes zero.
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
        // A square of elements at a time, which the compiler vectorises.
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
