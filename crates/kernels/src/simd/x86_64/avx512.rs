//! AVX-512 as server cores have it since Skylake-SP: thirty-two vectors of sixteen floats.
//!
//! Shared invariant of every `unsafe` block below: a value of [`Avx512`] or [`F32x16`] exists only after
//! [`Avx512::detect`] found every feature of its list, so the intrinsics are available.

use std::arch::x86_64::*;

use half::f16;

use super::float_ops::float_ops;
use crate::simd::define::{all, define_isa, enter, has_all};
use crate::simd::{AHEAD, Blocking, F32s, LINE, Tuning};

define_isa! {
    /// Token: the host has AVX-512 F, BW, DQ and VL.
    Avx512 = "avx512", is_x86_feature_detected ["avx512f", "avx512bw", "avx512dq", "avx512vl", "fma", "f16c"];
    tuning = Tuning {
        gemm: Blocking::with_rows(216),
        own_micro_kernel: true,
        words_pay: true,
        grid_queries: 48,
        grid_queries_i16: 48,
        grid_strip: None,
    };
    // 24 accumulators, 3 vectors of B, up to 5 of A, of 32 registers. With 9×3 the compiler loads elements
    // of A ahead and keeps some of the sums in memory for it.
    floats = F32x16, tile 8 x 3;
    /// Token: the host has AVX-512 with VNNI.
    // 27 sums, 3 vectors of B, 1 of A, of 32 registers.
    extended Avx512Vnni with ["avx512vnni"], tile 9 x 3;
}

impl Avx512Vnni {
    /// The token of its floats.
    #[inline(always)]
    pub(super) fn avx512(self) -> Avx512 {
        self.0
    }
}

/// Sixteen floats in a `zmm` register.
#[derive(Clone, Copy, Debug)]
pub struct F32x16(pub(super) __m512);

/// Lane mask for the first `n` floats.
#[inline(always)]
fn mask(n: usize) -> __mmask16 {
    if n >= 16 { !0 } else { (1 << n) - 1 }
}

impl F32s for F32x16 {
    float_ops! {
        Avx512, 16 lanes:
        splat _mm512_set1_ps, load _mm512_loadu_ps, store _mm512_storeu_ps,
        load_half _mm512_cvtph_ps from _mm256_loadu_si256,
        add _mm512_add_ps, sub _mm512_sub_ps, mul _mm512_mul_ps, div _mm512_div_ps, mul_add _mm512_fmadd_ps,
        max _mm512_max_ps, min _mm512_min_ps, round _mm512_roundscale_ps,
    }

    #[inline(always)]
    fn load_bf16(_: Avx512, x: &[u16]) -> Self {
        assert!(x.len() >= 16);
        // SAFETY: the token proves the feature; `x` has sixteen numbers, asserted above.
        Self(unsafe {
            let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(x.as_ptr().cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits))
        })
    }
    #[inline(always)]
    fn load_partial(_: Avx512, x: &[f32]) -> Self {
        // SAFETY: the token proves the feature; the mask covers `min(16, x.len())` floats only.
        Self(unsafe { _mm512_maskz_loadu_ps(mask(x.len()), x.as_ptr()) })
    }
    #[inline(always)]
    fn store_partial(self, out: &mut [f32]) {
        // SAFETY: the value proves the feature; the mask covers `min(16, out.len())` floats only.
        unsafe { _mm512_mask_storeu_ps(out.as_mut_ptr(), mask(out.len()), self.0) }
    }
    #[inline(always)]
    fn times_pow2(self, n: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm512_scalef_ps(self.0, n.0) })
    }
    #[inline(always)]
    fn select_gt(self, o: Self, a: Self, b: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, o.0), b.0, a.0) })
    }
    #[inline(always)]
    fn swap_halves(self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm512_shuffle_f32x4::<0b01_00_11_10>(self.0, self.0) })
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: the value proves the feature.
        unsafe {
            let v = _mm256_add_ps(_mm512_castps512_ps256(self.0), _mm512_extractf32x8_ps::<1>(self.0));
            let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps::<1>(v, v)))
        }
    }
    #[inline(always)]
    fn max_lane(self) -> f32 {
        // SAFETY: the value proves the feature.
        unsafe {
            let v = _mm256_max_ps(_mm512_castps512_ps256(self.0), _mm512_extractf32x8_ps::<1>(self.0));
            let v = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_max_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_max_ss(v, _mm_shuffle_ps::<1>(v, v)))
        }
    }
    #[inline(always)]
    unsafe fn tile_of_pairs<const MR: usize, const NV: usize>(
        s: Avx512,
        pairs: usize,
        a: (*const f32, usize),
        b: (*const f32, usize),
    ) -> Option<[[Self; NV]; MR]> {
        // SAFETY: the feature is detected here, those of AVX-512 by the token; the operands are as the caller
        // promises.
        is_x86_feature_detected!("avx512bf16").then(|| unsafe { tile_of_pairs(s, pairs, a, b) })
    }
}

/// [`F32s::tile_of_pairs`].
///
/// # Safety
/// The host must have the features. The operands must be as stated there.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn tile_of_pairs<const MR: usize, const NV: usize>(
    s: Avx512,
    pairs: usize,
    (mut a, a_stride): (*const f32, usize),
    (mut b, b_stride): (*const f32, usize),
) -> [[F32x16; NV]; MR] {
    let mut acc = [[_mm512_setzero_ps(); NV]; MR];
    for _ in 0..pairs {
        let row: [__m512bh; NV] = std::array::from_fn(|v| {
            // SAFETY: one of `pairs` rows of `NV` vectors, which the caller promises.
            unsafe { _mm512_loadu_si512(b.add(v * 16).cast()).cast_bf16() }
        });
        for at in (0..NV * 64).step_by(LINE) {
            F32x16::prefetch(s, b.cast::<u8>().wrapping_add(AHEAD + at).cast());
        }
        for (r, acc) in acc.iter_mut().enumerate() {
            // SAFETY: row `r < MR` at one of `pairs` pairs, which the caller promises.
            let x = _mm512_set1_epi32(unsafe { a.add(r * a_stride).cast::<i32>().read_unaligned() });
            for (acc, &y) in acc.iter_mut().zip(&row) {
                *acc = _mm512_dpbf16_ps(*acc, x.cast_bf16(), y);
            }
        }
        (a, b) = (a.wrapping_add(1), b.wrapping_add(b_stride));
    }
    acc.map(|row| row.map(F32x16))
}

/// The same bits as pairs of bf16 numbers.
trait CastBf16 {
    fn cast_bf16(self) -> __m512bh;
}

impl CastBf16 for __m512i {
    #[inline(always)]
    fn cast_bf16(self) -> __m512bh {
        // SAFETY: both are 64 bytes of any bits.
        unsafe { std::mem::transmute(self) }
    }
}
