//! Quantisation: floats to bytes.

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

/// From an element to a byte: `round(x · inverse) + zero`, clamped to 0 ..= 255.
#[derive(Clone, Copy)]
pub(super) struct Quantizer {
    pub inverse: f32,
    pub zero: f32,
}

impl Quantizer {
    /// Writes every element as a byte; the rest of the last vector becomes `zero`.
    #[inline(always)]
    pub fn bytes<D: Dot>(self, d: D, x: &[f32], out: &mut [u8]) {
        let lanes = FloatsOf::<D>::LANES;
        for (x, out) in x.chunks(lanes).zip(out.chunks_exact_mut(lanes)) {
            d.store_u8(self.vector(d, x), out);
        }
    }

    /// Writes every element as one of row `row` of the [`Dot::ROWS`] side by side in `out`; the rest of the
    /// last vector becomes `zero`.
    #[inline(always)]
    pub fn lhs<D: Dot>(self, d: D, x: &[f32], row: usize, out: &mut [u8]) {
        let lanes = FloatsOf::<D>::LANES;
        let size = lanes * lhs_size(D::GROUP);
        for (x, out) in x.chunks(lanes).zip(out.chunks_exact_mut(D::ROWS * size)) {
            d.store_lhs(self.vector(d, x), &mut out[row % D::ROWS * size..]);
        }
    }

    #[inline(always)]
    fn vector<D: Dot>(self, d: D, x: &[f32]) -> FloatsOf<D> {
        let s = d.floats();
        let [inverse, zero, min, max] =
            [self.inverse, self.zero, 0.0, 255.0].map(|x| FloatsOf::<D>::splat(s, x));
        FloatsOf::<D>::load_partial(s, x).mul(inverse).round().add(zero).max(min).min(max)
    }
}

/// Scale and zero point of a quantised row: a byte represents `scale · (byte − zero)`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RowScale {
    pub scale: f32,
    pub zero: u8,
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

    /// Quantises `row` as row `i`.
    #[inline(always)]
    pub fn set<D: Dot>(&mut self, d: D, i: usize, row: &[f32]) -> RowScale {
        let (low, high) = range(d, row);
        let (scale, inverse) = scale_of(high - low, 255.0);
        let zero = (-low * inverse).round_ties_even().clamp(0.0, 255.0);
        let group = &mut self.bytes[i / self.mr * self.mr * self.len..][..self.mr * self.len];
        let slices = group.chunks_exact_mut(self.mr * SLICE);
        for (x, slices) in row.chunks(SLICE / lhs_size(D::GROUP)).zip(slices) {
            let rows = &mut slices[i % self.mr / D::ROWS * D::ROWS * SLICE..][..D::ROWS * SLICE];
            Quantizer { inverse, zero }.lhs(d, x, i % self.mr, rows);
        }
        RowScale { scale, zero: zero as u8 }
    }

    /// The bytes from row `i` on, the first of [`Dot::ROWS`], and the distance from one slice of a row to the
    /// next, for a tile within one group of `mr` rows.
    #[inline(always)]
    pub fn tile(&self, i: usize, mr: usize) -> (&[u8], usize) {
        let group = &self.bytes[i / mr * mr * self.len..][..mr * self.len];
        (&group[i % mr * SLICE..], mr * SLICE)
    }
}
