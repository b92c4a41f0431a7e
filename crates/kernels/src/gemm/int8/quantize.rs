//! Quantisation: floats to bytes.

use crate::gemm::Rows;
use crate::simd::{Dot, F32s, FloatsOf, Isa, SLICE, lhs_size};

/// Half the range of an unsigned byte, and the difference between a signed and an unsigned one.
pub(super) const HALF: u8 = 128;
/// Buffers of bytes are padded to a multiple of this, a whole vector on every instruction set.
pub(super) const VECTOR: usize = 16;

/// Minimum and maximum of the elements and zero.
#[inline(always)]
pub(super) fn range<D: Dot>(d: D, x: &[f32]) -> (f32, f32) {
    let s = d.floats();
    let zero = FloatsOf::<D>::splat(s, 0.0);
    // Four independent chains hide the latency of `min` and `max`.
    let (mut low, mut high) = ([zero; 4], [zero; 4]);
    let mut blocks = x.chunks_exact(4 * FloatsOf::<D>::LANES);
    for block in &mut blocks {
        for (i, x) in block.chunks_exact(FloatsOf::<D>::LANES).enumerate() {
            let x = FloatsOf::<D>::load(s, x);
            low[i] = x.min(low[i]);
            high[i] = x.max(high[i]);
        }
    }
    for (i, x) in blocks.remainder().chunks(FloatsOf::<D>::LANES).enumerate() {
        let x = FloatsOf::<D>::load_partial(s, x);
        low[i] = x.min(low[i]);
        high[i] = x.max(high[i]);
    }
    let low = low[0].min(low[1]).min(low[2].min(low[3]));
    let high = high[0].max(high[1]).max(high[2].max(high[3]));
    (-zero.sub(low).max_lane(), high.max_lane())
}

/// The scale with which `extent` becomes `max`, and its inverse; 1 for an extent of zero.
#[inline(always)]
pub(super) fn scale_of(extent: f32, max: f32) -> (f32, f32) {
    // Below the smallest normal number the inverse would overflow.
    if extent / max >= f32::MIN_POSITIVE { (extent / max, max / extent) } else { (1.0, 1.0) }
}

/// Scale and zero point of a quantised row: a byte represents `scale · (byte − zero)`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RowScale {
    pub scale: f32,
    pub zero: u8,
}

/// Scale and zero of a row, and the inverse of the scale.
#[inline(always)]
fn scaling<D: Dot>(d: D, row: &[f32]) -> (RowScale, f32) {
    let (low, high) = range(d, row);
    let (scale, inverse) = scale_of(high - low, 255.0);
    let zero = (-low * inverse).round_ties_even().clamp(0.0, 255.0) as u8;
    (RowScale { scale, zero }, inverse)
}

/// Quantised rows as left operands, in the order in which a register tile reads them: [`SLICE`] bytes of each
/// of `mr` rows, then the next of each. [`Dot::ROWS`] rows lie side by side.
///
/// Each row has its own scale and zero point: the smaller of zero and its minimum becomes 0, the larger of
/// zero and its maximum becomes 255.
#[derive(Debug)]
pub(crate) struct RowGroups<'a> {
    bytes: &'a mut [u8],
    mr: usize,
    /// Bytes per row, with padding.
    len: usize,
}

impl<'a> RowGroups<'a> {
    /// Size of `m` rows of `k` elements in bytes.
    pub fn size(isa: Isa, m: usize, k: usize) -> usize {
        m.next_multiple_of(isa.dot_tile_shape().0) * Self::row_size(isa, k)
    }

    /// In `bytes`, whose length is [`Self::size`].
    pub fn new(isa: Isa, bytes: &'a mut [u8], k: usize) -> Self {
        Self { bytes, mr: isa.dot_tile_shape().0, len: Self::row_size(isa, k) }
    }

    fn row_size(isa: Isa, k: usize) -> usize {
        (k * lhs_size(isa.dot_group())).next_multiple_of(SLICE)
    }

    /// Quantises `scales.len()` rows of `k` elements, at least one.
    #[inline(always)]
    pub fn fill<D: Dot>(&mut self, d: D, rows: Rows, k: usize, scales: &mut [RowScale]) {
        let last = scales.len() - 1;
        let mut next = scaling(d, rows.part(0, 0, k));
        for (i, scale) in scales.iter_mut().enumerate() {
            let inverse;
            (*scale, inverse) = next;
            if i < last {
                // While the next row's extremes are found, the division for this row ends.
                next = scaling(d, rows.part(i + 1, 0, k));
            }
            self.write(d, i, rows.part(i, 0, k), (inverse, scale.zero));
        }
    }

    /// Writes row `i`, with the inverse of its scale and its zero.
    #[inline(always)]
    fn write<D: Dot>(&mut self, d: D, i: usize, row: &[f32], scaling: (f32, u8)) {
        let group = &mut self.bytes[i / self.mr * self.mr * self.len..][..self.mr * self.len];
        let slices = group.chunks_exact_mut(self.mr * SLICE);
        for (x, slices) in row.chunks(SLICE / lhs_size(D::GROUP)).zip(slices) {
            let rows = &mut slices[i % self.mr / D::ROWS * D::ROWS * SLICE..][..D::ROWS * SLICE];
            d.store_slice(x, scaling, i % self.mr, rows);
        }
    }

    /// The bytes from row `i` on, the first of [`Dot::ROWS`], and the distance from one slice of a row to the
    /// next, for a tile within one group of `mr` rows.
    #[inline(always)]
    pub fn tile(&self, i: usize, mr: usize) -> (&[u8], usize) {
        let group = &self.bytes[i / mr * mr * self.len..][..mr * self.len];
        (&group[i % mr * SLICE..], mr * SLICE)
    }
}
