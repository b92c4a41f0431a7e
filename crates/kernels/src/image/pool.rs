//! Max pooling.

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
            isa.dispatch(PoolRow { top, bottom, c, out });
        });
    }
}

/// One output row from two input rows; an odd last column is dropped.
struct PoolRow<'a> {
    top: &'a [f32],
    bottom: &'a [f32],
    c: usize,
    out: &'a mut [f32],
}

impl SimdOp for PoolRow<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let c = self.c;
        let pairs = self.top.chunks_exact(2 * c).zip(self.bottom.chunks_exact(2 * c));
        for ((top, bottom), out) in pairs.zip(self.out.chunks_exact_mut(c)) {
            for (block, out) in out.chunks_mut(S::F32::LANES).enumerate() {
                let at = block * S::F32::LANES;
                let end = at + out.len();
                let left = max(s, &top[at..end], &bottom[at..end]);
                let right = max(s, &top[c + at..c + end], &bottom[c + at..c + end]);
                left.max(right).store_partial(out);
            }
        }
    }
}

#[inline(always)]
fn max<S: Simd>(s: S, a: &[f32], b: &[f32]) -> S::F32 {
    S::F32::load_partial(s, a).max(S::F32::load_partial(s, b))
}
