//! Floats to bytes.

use crate::gemm::SLICE;
use crate::simd::{Dot, F32s, FloatsOf, Isa};

/// Half the range of an unsigned byte, and the difference between a signed and an unsigned one.
pub(super) const HALF: u8 = 128;
/// Buffers of bytes end on whole vectors.
pub(super) const VECTOR: usize = 16;

/// Smallest and largest element, zero among them.
#[inline(always)]
pub(super) fn range<D: Dot>(d: D, x: &[f32]) -> (f32, f32) {
    let s = d.floats();
    let zero = FloatsOf::<D>::splat(s, 0.0);
    // Several at a time: each waits for the one before.
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

/// The step with which `extent` is `steps` steps, and its inverse; a whole number of them for an extent of zero.
#[inline(always)]
pub(super) fn scale_of(extent: f32, steps: f32) -> (f32, f32) {
    // Below the smallest normal number the inverse would overflow.
    if extent / steps >= f32::MIN_POSITIVE { (extent / steps, steps / extent) } else { (1.0, 1.0) }
}

/// How an element becomes a byte: `round(x · inverse) + zero`, within 0 ..= 255.
#[derive(Clone, Copy)]
pub(super) struct Quantizer {
    pub inverse: f32,
    pub zero: f32,
}

impl Quantizer {
    /// Every element as a byte; the rest of the last vector becomes `zero`.
    #[inline(always)]
    pub fn bytes<D: Dot>(self, d: D, x: &[f32], out: &mut [u8]) {
        let lanes = FloatsOf::<D>::LANES;
        for (x, out) in x.chunks(lanes).zip(out.chunks_exact_mut(lanes)) {
            d.store_bytes(self.vector(d, x), out);
        }
    }

    /// As [`Self::bytes`], every one as an element of a left operand.
    #[inline(always)]
    pub fn left<D: Dot>(self, d: D, x: &[f32], out: &mut [u8]) {
        let lanes = FloatsOf::<D>::LANES;
        for (x, out) in x.chunks(lanes).zip(out.chunks_exact_mut(lanes * left_size(D::GROUP))) {
            d.store_left(self.vector(d, x), out);
        }
    }

    #[inline(always)]
    fn vector<D: Dot>(self, d: D, x: &[f32]) -> FloatsOf<D> {
        let s = d.floats();
        let [inverse, zero, least, most] =
            [self.inverse, self.zero, 0.0, 255.0].map(|x| FloatsOf::<D>::splat(s, x));
        FloatsOf::<D>::load_partial(s, x).mul(inverse).round().add(zero).max(least).min(most)
    }
}

/// Bytes of an element of a left operand.
#[inline(always)]
const fn left_size(group: usize) -> usize {
    4 / group
}

/// What the bytes of a row stand for: `scale · (byte − zero)`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RowScale {
    pub scale: f32,
    pub zero: u8,
}

/// Rows as left operands, in the order in which a register tile reads them: for `mr` rows [`SLICE`] bytes of each, then the next.
///
/// Each row has its own scale and zero: its smallest element (or zero) becomes 0, its largest (or zero) 255.
#[derive(Debug)]
pub(crate) struct RowGroups<'a> {
    bytes: &'a mut [u8],
    mr: usize,
    /// Bytes of a row, with its padding.
    len: usize,
}

impl<'a> RowGroups<'a> {
    /// Bytes that `m` rows of `k` take.
    pub fn size(isa: Isa, m: usize, k: usize) -> usize {
        m.next_multiple_of(isa.dot_tile_shape().0) * Self::row_size(isa, k)
    }

    /// In `bytes`, as many as [`Self::size`] says.
    pub fn new(isa: Isa, bytes: &'a mut [u8], k: usize) -> Self {
        Self { bytes, mr: isa.dot_tile_shape().0, len: Self::row_size(isa, k) }
    }

    fn row_size(isa: Isa, k: usize) -> usize {
        (k * left_size(isa.dot_group())).next_multiple_of(SLICE)
    }

    /// Sets row `i`.
    #[inline(always)]
    pub fn set<D: Dot>(&mut self, d: D, i: usize, row: &[f32]) -> RowScale {
        let (low, high) = range(d, row);
        let (scale, inverse) = scale_of(high - low, 255.0);
        let zero = (-low * inverse).round_ties_even().clamp(0.0, 255.0);
        let group = &mut self.bytes[i / self.mr * self.mr * self.len..][..self.mr * self.len];
        let slices = group.chunks_exact_mut(self.mr * SLICE);
        for (x, slices) in row.chunks(SLICE / left_size(D::GROUP)).zip(slices) {
            Quantizer { inverse, zero }.left(d, x, &mut slices[i % self.mr * SLICE..][..SLICE]);
        }
        RowScale { scale, zero: zero as u8 }
    }

    /// The bytes from row `i` on and the distance from one slice of a row to the next, for a tile that stays within a group of rows.
    #[inline(always)]
    pub fn tile(&self, i: usize) -> (&[u8], usize) {
        let group = &self.bytes[i / self.mr * self.mr * self.len..][..self.mr * self.len];
        (&group[i % self.mr * SLICE..], self.mr * SLICE)
    }
}
