//! Max and average pooling.

use crate::parallel;
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// 2×2 max pooling with stride 2: `(h, w, c)` → `out`, `(⌊h/2⌋, ⌊w/2⌋, c)`.
///
/// `F.max_pool2d(x, 2)`. NaNs are not propagated reliably.
///
/// ```
/// # use kernels::{Isa, image::max_pool_2x2};
/// let mut out = [0.0];
/// max_pool_2x2(Isa::best(), &[1.0, 4.0, 3.0, 2.0], (2, 2), 1, &mut out);
/// assert_eq!(out, [4.0]);
/// ```
///
/// # Panics
/// If `src_hwc` does not have `h·w·c` elements or `out` has another size.
#[track_caller]
pub fn max_pool_2x2(isa: Isa, src_hwc: &[f32], (h, w): (usize, usize), c: usize, out: &mut [f32]) {
    assert_eq!(src_hwc.len(), h * w * c, "max_pool_2x2: src is not {h}×{w}×{c}");
    let (out_h, out_w) = (h / 2, w / 2);
    assert_eq!(out.len(), out_h * out_w * c, "max_pool_2x2: out is not {out_h}×{out_w}×{c}");
    if !out.is_empty() {
        parallel::for_each_chunk_mut(out, out_w * c, |y, out| {
            let (top, bottom) = src_hwc[2 * y * w * c..][..2 * w * c].split_at(w * c);
            isa.dispatch(PoolRow::<false> { top, bottom, c, out });
        });
    }
}

/// 2×2 average pooling with stride 2: `(h, w, c)` → `out`, `(⌊h/2⌋, ⌊w/2⌋, c)`.
///
/// `F.avg_pool2d(x, 2)`.
///
/// # Panics
/// If `src_hwc` does not have `h·w·c` elements or `out` has another size.
#[track_caller]
pub fn average_pool_2x2(isa: Isa, src_hwc: &[f32], (h, w): (usize, usize), c: usize, out: &mut [f32]) {
    assert_eq!(src_hwc.len(), h * w * c, "average_pool_2x2: src is not {h}×{w}×{c}");
    let (out_h, out_w) = (h / 2, w / 2);
    assert_eq!(out.len(), out_h * out_w * c, "average_pool_2x2: out is not {out_h}×{out_w}×{c}");
    if !out.is_empty() {
        parallel::for_each_chunk_mut(out, out_w * c, |y, out| {
            let (top, bottom) = src_hwc[2 * y * w * c..][..2 * w * c].split_at(w * c);
            isa.dispatch(PoolRow::<true> { top, bottom, c, out });
        });
    }
}

/// One output row from two input rows, of averages or of maxima; an odd last column is dropped.
struct PoolRow<'a, const AVERAGE: bool> {
    top: &'a [f32],
    bottom: &'a [f32],
    c: usize,
    out: &'a mut [f32],
}

impl<const AVERAGE: bool> SimdOp for PoolRow<'_, AVERAGE> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let c = self.c;
        let pairs = self.top.chunks_exact(2 * c).zip(self.bottom.chunks_exact(2 * c));
        for ((top, bottom), out) in pairs.zip(self.out.chunks_exact_mut(c)) {
            for (block, out) in out.chunks_mut(S::F32::LANES).enumerate() {
                let at = block * S::F32::LANES;
                let end = at + out.len();
                let load = |x: &[f32]| S::F32::load_partial(s, x);
                let left = [load(&top[at..end]), load(&bottom[at..end])];
                let right = [load(&top[c + at..c + end]), load(&bottom[c + at..c + end])];
                let pooled = if AVERAGE {
                    left[0].add(left[1]).add(right[0].add(right[1])).mul(S::F32::splat(s, 0.25))
                } else {
                    left[0].max(left[1]).max(right[0].max(right[1]))
                };
                pooled.store_partial(out);
            }
        }
    }
}
