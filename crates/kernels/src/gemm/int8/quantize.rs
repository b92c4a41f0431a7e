//! Floats to bytes.

use crate::gemm::SLICE;
use crate::simd::{Dot, F32s, FloatsOf};

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

/// `round(x · inverse) + zero`, within 0 ..= 255, for every element; the rest of the last vector becomes `zero`.
#[inline(always)]
pub(super) fn to_bytes<D: Dot>(d: D, x: &[f32], inverse: f32, zero: f32, out: &mut [u8]) {
    let s = d.floats();
    let lanes = FloatsOf::<D>::LANES;
    let [inverse, zero, least, most] = [inverse, zero, 0.0, 255.0].map(|x| FloatsOf::<D>::splat(s, x));
    for (x, out) in x.chunks(lanes).zip(out.chunks_exact_mut(lanes)) {
        let x = FloatsOf::<D>::load_partial(s, x).mul(inverse);
        d.store_bytes(x.round().add(zero).max(least).min(most), out);
    }
}

/// What the bytes of a row stand for: `scale · (byte − zero)`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RowScale {
    pub scale: f32,
    pub zero: u8,
}

/// Rows as unsigned bytes, in the order in which a register tile reads them: for `mr` rows [`SLICE`] bytes of each, then the next.
///
/// Each row has its own scale and zero: its smallest element (or zero) becomes 0, its largest (or zero) 255.
#[derive(Debug)]
pub(crate) struct RowGroups<'a> {
    bytes: &'a mut [u8],
    mr: usize,
    /// Of a row, with its padding.
    len: usize,
}

impl<'a> RowGroups<'a> {
    /// Bytes that `m` rows of `k` take.
    pub fn size(m: usize, k: usize, mr: usize) -> usize {
        m.next_multiple_of(mr) * k.next_multiple_of(SLICE)
    }

    /// In `bytes`, as many as [`Self::size`] says.
    pub fn new(bytes: &'a mut [u8], k: usize, mr: usize) -> Self {
        Self { bytes, mr, len: k.next_multiple_of(SLICE) }
    }

    /// Sets row `i`.
    #[inline(always)]
    pub fn set<D: Dot>(&mut self, d: D, i: usize, row: &[f32]) -> RowScale {
        let (low, high) = range(d, row);
        let (scale, inverse) = scale_of(high - low, 255.0);
        let zero = (-low * inverse).round_ties_even().clamp(0.0, 255.0);
        let group = &mut self.bytes[i / self.mr * self.mr * self.len..][..self.mr * self.len];
        for (x, slices) in row.chunks(SLICE).zip(group.chunks_exact_mut(self.mr * SLICE)) {
            to_bytes(d, x, inverse, zero, &mut slices[i % self.mr * SLICE..][..SLICE]);
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
