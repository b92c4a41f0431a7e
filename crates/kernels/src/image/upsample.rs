//! The top-down path of a feature pyramid.

use crate::parallel;
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// Adds `coarse`, `(h, w, c)`, enlarged twofold by nearest neighbour, to `fine`, `(2h, 2w, c)`.
///
/// One step of a feature pyramid with nearest-neighbour interpolation.
///
/// ```
/// # use kernels::{Isa, image::upsample_nearest_2x_add};
/// let mut fine = [1.0, 2.0, 3.0, 4.0];
/// upsample_nearest_2x_add(Isa::best(), &[10.0], (1, 1), 1, &mut fine);
/// assert_eq!(fine, [11.0, 12.0, 13.0, 14.0]);
/// ```
///
/// # Panics
/// If the lengths are not `h·w·c` and `4·h·w·c`.
#[track_caller]
pub fn upsample_nearest_2x_add(
    isa: Isa,
    coarse_hwc: &[f32],
    (h, w): (usize, usize),
    c: usize,
    fine_hwc: &mut [f32],
) {
    assert_eq!(coarse_hwc.len(), h * w * c, "upsample_nearest_2x_add: coarse is not {h}×{w}×{c}");
    assert_eq!(fine_hwc.len(), 4 * h * w * c, "upsample_nearest_2x_add: fine is not {}×{}×{c}", 2 * h, 2 * w);
    if coarse_hwc.is_empty() {
        return;
    }
    parallel::for_each_chunk_mut(fine_hwc, 2 * w * c, |y, fine| {
        let coarse = &coarse_hwc[y / 2 * w * c..][..w * c];
        isa.dispatch(AddTwice { coarse, c, fine });
    });
}

/// Adds every pixel of a row to two neighbouring pixels of a row of twice the length.
struct AddTwice<'a> {
    coarse: &'a [f32],
    c: usize,
    fine: &'a mut [f32],
}

impl SimdOp for AddTwice<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        for (coarse, pair) in self.coarse.chunks_exact(self.c).zip(self.fine.chunks_exact_mut(2 * self.c)) {
            for fine in pair.chunks_exact_mut(self.c) {
                for (a, f) in coarse.chunks(S::F32::LANES).zip(fine.chunks_mut(S::F32::LANES)) {
                    S::F32::load_partial(s, f).add(S::F32::load_partial(s, a)).store_partial(f);
                }
            }
        }
    }
}
