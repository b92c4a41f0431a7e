//! Numbers in half precision, a power of two for every piece of them.

use half::f16;

use crate::attention::values_f16::scale_of;
use crate::parallel;
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// Cells whose inputs have one scale.
pub(super) const CELLS: usize = 64;

/// Columns of an input with those of zero, whole groups of what a tile multiplies at a time.
pub(super) fn padded(m: usize) -> usize {
    m.next_multiple_of(8)
}

/// Pieces of equal length. A number is below 2 times its scale.
#[derive(Clone, Debug)]
pub(super) struct Halves {
    len: usize,
    data: Vec<f16>,
    /// One per piece.
    scales: Vec<f32>,
}

impl Halves {
    /// From pieces of `len`, whole vectors each; the last one may be shorter.
    pub fn new(isa: Isa, values: &[f32], len: usize) -> Self {
        let scales = vec![1.0; values.len().div_ceil(len)];
        let mut new = Self { len, data: vec![f16::ZERO; values.len()], scales };
        parallel::for_each_chunk_mut2(&mut new.data, len, &mut new.scales, 1, |i, data, scale| {
            scale[0] = isa.dispatch(Narrow { values: &values[i * len..][..data.len()], data });
        });
        new
    }

    /// A piece, and its scale.
    #[inline(always)]
    pub fn piece(&self, i: usize) -> (&[f16], f32) {
        let first = i * self.len;
        (&self.data[first..self.data.len().min(first + self.len)], self.scales[i])
    }
}

/// One piece. The result is its scale.
struct Narrow<'a> {
    values: &'a [f32],
    data: &'a mut [f16],
}

impl SimdOp for Narrow<'_> {
    type Output = f32;
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) -> f32 {
        let scale = scale_of(extent(s, self.values, 0.0));
        narrow(s, self.values, scale, self.data);
        scale
    }
}

/// The largest magnitude of whole vectors of values, and of `floor`.
#[inline(always)]
pub(super) fn extent<S: Simd>(s: S, values: &[f32], floor: f32) -> f32 {
    let mut extent = S::F32::splat(s, floor);
    for x in values.chunks_exact(S::F32::LANES) {
        let x = S::F32::load(s, x);
        extent = x.max(S::F32::splat(s, 0.0).sub(x)).max(extent);
    }
    extent.max_lane()
}

/// Writes `values`, whole vectors, divided by `scale`.
#[inline(always)]
pub(super) fn narrow<S: Simd>(s: S, values: &[f32], scale: f32, out: &mut [f16]) {
    let (lanes, inverse) = (S::F32::LANES, S::F32::splat(s, 1.0 / scale));
    for (x, out) in values.chunks_exact(lanes).zip(out.chunks_exact_mut(lanes)) {
        S::F32::load(s, x).mul(inverse).store_half(out);
    }
}
