//! The right operand, quantised and rearranged once into the order in which the register tile reads it.

use super::quantize::{HALF, RowGroups, RowScale, VECTOR, range, scale_of};
use crate::gemm::{Rows, dot_tile};
use crate::parallel;
use crate::simd::{Dot, DotOp, F32s, FloatsOf, Isa, rounded};

/// Largest number of rows: the sums stay within 32 bits, and a 128th of the sum of a column within 16.
pub const MAX_K: usize = 1 << 15;

/// A `(k, n)` matrix as signed bytes, cut into panels of `NR` columns. A panel is contiguous: for every
/// [`Dot::GROUP`] rows of `k`, as many bytes of each column. Rows and columns are padded with zeros.
#[derive(Clone, Debug, Default)]
pub struct PackedB8 {
    k: usize,
    /// With padding.
    padded_k: usize,
    n: usize,
    pub(super) tile: (usize, usize),
    /// Name of the instruction set: two may have one tile and other groups or column sums.
    pub(super) isa: &'static str,
    data: Vec<i8>,
    /// One per column, padded to whole panels.
    scales: Vec<f32>,
    /// [`Dot::column_sum`] of the bytes of each column, padded.
    column_sums: Vec<i32>,
}

impl PackedB8 {
    /// From a weight in the layout of checkpoints: `(n, k)`, that is `[out, in]`. The largest magnitude of a
    /// column becomes 127.
    ///
    /// # Panics
    /// If `w` does not have `n · k` elements, or `k` is 0 or above [`MAX_K`].
    #[track_caller]
    pub fn from_nk(isa: Isa, w: &[f32], n: usize, k: usize) -> Self {
        assert_eq!(w.len(), n * k, "PackedB8::from_nk: {n}×{k}");
        let mut packed = Self::default();
        packed.repack_nk(isa, Rows::new(w, k), &vec![0.0; k], n, k);
        packed
    }

    /// Refills it with the transpose of `n` rows of `k` elements, `common` subtracted from each, reusing its
    /// memory.
    pub(crate) fn repack_nk(&mut self, isa: Isa, w: Rows, common: &[f32], n: usize, k: usize) {
        assert!(k > 0 && k <= MAX_K, "PackedB8: k = {k}");
        (self.k, self.n, self.tile, self.isa) = (k, n, isa.dot_tile_shape(), isa.name());
        self.padded_k = padded(k, isa.dot_group());
        let width = self.tile.1;
        let columns = n.next_multiple_of(width);
        // Every byte is written, those of padded columns as zeros.
        self.data.resize(columns * self.padded_k, 0);
        self.scales.resize(columns, 0.0);
        self.column_sums.resize(columns, 0);
        let mut panels: Vec<_> = self
            .data
            .chunks_exact_mut(width * self.padded_k)
            .zip(self.scales.chunks_exact_mut(width).zip(self.column_sums.chunks_exact_mut(width)))
            .collect();
        // About 64 Ki bytes per task; fewer are not worth a thread.
        let group = (65_536 / (k * width)).max(1);
        parallel::for_each_chunk_mut(&mut panels, group, |i, panels| {
            parallel::with_scratch(k, |weights| {
                parallel::with_scratch_u8(k.next_multiple_of(VECTOR), |row| {
                    for (p, (bytes, (scales, column_sums))) in panels.iter_mut().enumerate() {
                        let first = (i * group + p) * width;
                        let panel =
                            PackPanel { w, common, first, n, weights, row, bytes, scales, column_sums };
                        isa.dispatch_dots(panel);
                    }
                });
            });
        });
    }

    /// Rows.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.data.len() + size_of_val(&self.scales[..]) + size_of_val(&self.column_sums[..])
    }

    /// Products of the rows `i .. i + MR`, all of one group, with the columns of a panel, dequantised.
    ///
    /// `mr` and `width` are the shape of the whole register tile. Its caller knows it when compiling: then
    /// the operands of a step are at fixed distances from a register.
    #[inline(always)]
    pub(crate) fn products<D: Dot, const MR: usize, const NV: usize>(
        &self,
        d: D,
        rows: &RowGroups,
        scales: &[RowScale],
        (panel, i): (usize, usize),
        (mr, width): (usize, usize),
    ) -> [[FloatsOf<D>; NV]; MR] {
        debug_assert_eq!((mr, width), self.tile);
        let s = d.floats();
        let lanes = FloatsOf::<D>::LANES;
        let right = (self.panel(panel), D::GROUP * width);
        let acc = dot_tile::<D, MR, NV>(d, self.padded_k / D::GROUP, rows.tile(i, mr), right);
        // Few checks: with one per vector the loops are not unrolled, and the sums go through memory.
        let scales: &[RowScale; MR] = scales[i..].first_chunk().expect("a scale per row");
        let columns = panel * width..panel * width + NV * lanes;
        let (column_scales, column_sums) = (&self.scales[columns.clone()], &self.column_sums[columns]);
        let mut out = [[FloatsOf::<D>::splat(s, 0.0); NV]; MR];
        for ((&RowScale { scale, zero }, acc), out) in scales.iter().zip(&acc).zip(&mut out) {
            let scale = FloatsOf::<D>::splat(s, scale);
            for (v, (&sums, out)) in acc.iter().zip(out).enumerate() {
                let sums = d.correct_zero_point(sums, zero, &column_sums[v * lanes..]);
                let scale = scale.mul(FloatsOf::<D>::load(s, &column_scales[v * lanes..]));
                *out = d.to_floats(sums).mul(scale);
            }
        }
        out
    }

    fn panel(&self, panel: usize) -> &[i8] {
        let len = self.tile.1 * self.padded_k;
        &self.data[panel * len..(panel + 1) * len]
    }
}

/// Number of rows with padding.
fn padded(k: usize, group: usize) -> usize {
    k.next_multiple_of(group.max(4))
}

/// One panel of [`PackedB8`].
struct PackPanel<'a> {
    w: Rows<'a>,
    common: &'a [f32],
    first: usize,
    n: usize,
    /// Scratch: one column, as floats and as bytes.
    weights: &'a mut [f32],
    row: &'a mut [u8],
    bytes: &'a mut [i8],
    scales: &'a mut [f32],
    column_sums: &'a mut [i32],
}

impl DotOp for PackPanel<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) {
        let Self { w, common, first, n, weights, row, bytes, scales, column_sums } = self;
        let (width, k) = (scales.len(), common.len());
        for j in 0..width {
            if first + j < n {
                let parts = weights.iter_mut().zip(w.part(first + j, 0, k)).zip(common);
                parts.for_each(|((x, w), common)| *x = w - common);
                let (low, high) = range(d, weights);
                let (scale, inverse) = scale_of((-low).max(high), 127.0);
                let lanes = FloatsOf::<D>::LANES;
                for (x, out) in weights.chunks(lanes).zip(row.chunks_exact_mut(lanes)) {
                    d.store_u8(rounded(d, x, inverse, f32::from(HALF)), out);
                }
                scales[j] = scale;
            } else {
                row.fill(HALF);
                scales[j] = 0.0;
            }
            row[k..].fill(HALF);
            let row = &row[..padded(k, D::GROUP)];
            let groups = bytes[D::GROUP * j..].chunks_mut(D::GROUP * width);
            for (out, group) in groups.zip(row.chunks_exact(D::GROUP)) {
                out.iter_mut().zip(group).for_each(|(out, byte)| *out = (byte ^ HALF) as i8);
            }
            let sum: i32 = row.iter().map(|&byte| i32::from(byte) - i32::from(HALF)).sum();
            column_sums[j] = D::column_sum(sum);
        }
    }
}
