//! AVX-512 as server cores since Skylake-SP have it: thirty-two vectors of sixteen floats.
//!
//! Shared invariant of every `unsafe` block below: a value of [`Avx512`] or [`F32x16`] exists only after
//! [`Avx512::detect`] saw every feature that `gateway` enables, so the intrinsics are available.

use std::arch::x86_64::*;

use half::f16;

use super::{Avx2, F32s, Simd, SimdOp, TileOp};

/// Token: the host has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// The token, if the host has the instruction set.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c"))
        .then_some(Self(()))
    }

    /// The instruction set below: every processor with AVX-512 has it.
    pub(super) fn avx2(self) -> Avx2 {
        Avx2::detect().expect("AVX-512 includes AVX2, and what else it asks for was seen")
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
fn gateway<O: SimdOp>(s: Avx512, op: O) -> O::Output {
    op.eval(s)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
fn gateway_tiled<O: TileOp>(s: Avx512, op: O) -> O::Output {
    // 27 accumulators, 3 of B, 1 of A, of 32. With 14×2 it takes four more loads to as many multiply-adds.
    op.eval::<Avx512, 9, 3>(s)
}

impl Simd for Avx512 {
    type F32 = F32x16;

    #[inline]
    fn run<O: SimdOp>(self, op: O) -> O::Output {
        // SAFETY: the token proves that the features of `gateway` are present.
        unsafe { gateway(self, op) }
    }

    #[inline]
    fn run_tiled<O: TileOp>(self, op: O) -> O::Output {
        // SAFETY: the token proves that the features of `gateway_tiled` are present.
        unsafe { gateway_tiled(self, op) }
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
    type Token = Avx512;
    const LANES: usize = 16;

    #[inline(always)]
    fn splat(_: Avx512, x: f32) -> Self {
        // SAFETY: the token proves the feature.
        Self(unsafe { _mm512_set1_ps(x) })
    }
    #[inline(always)]
    fn load(_: Avx512, x: &[f32]) -> Self {
        assert!(x.len() >= 16);
        // SAFETY: the token proves the feature; sixteen floats are there, asserted above.
        Self(unsafe { _mm512_loadu_ps(x.as_ptr()) })
    }
    #[inline(always)]
    fn load_partial(_: Avx512, x: &[f32]) -> Self {
        // SAFETY: the token proves the feature; the mask covers `min(16, x.len())` floats only.
        Self(unsafe { _mm512_maskz_loadu_ps(mask(x.len()), x.as_ptr()) })
    }
    #[inline(always)]
    fn store(self, out: &mut [f32]) {
        assert!(out.len() >= 16);
        // SAFETY: the value proves the feature; sixteen floats fit, asserted above.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    fn store_partial(self, out: &mut [f32]) {
        // SAFETY: the value proves the feature; the mask covers `min(16, out.len())` floats only.
        unsafe { _mm512_mask_storeu_ps(out.as_mut_ptr(), mask(out.len()), self.0) }
    }
    #[inline(always)]
    unsafe fn load_ptr(_: Avx512, x: *const f32) -> Self {
        // SAFETY: the token proves the feature; the caller promises sixteen readable floats.
        Self(unsafe { _mm512_loadu_ps(x) })
    }
    #[inline(always)]
    fn load_half(_: Avx512, x: &[f16]) -> Self {
        assert!(x.len() >= 16);
        // SAFETY: the token proves the feature; sixteen numbers are there, asserted above.
        Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(x.as_ptr().cast())) })
    }
    #[inline(always)]
    fn prefetch(_: Avx512, x: *const f32) {
        // SAFETY: the token proves the feature; a prefetch of any address only moves cache lines.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(x.cast()) }
    }
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm512_add_ps(self.0, o.0) })
    }
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm512_sub_ps(self.0, o.0) })
    }
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm512_mul_ps(self.0, o.0) })
    }
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm512_div_ps(self.0, o.0) })
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm512_fmadd_ps(self.0, a.0, b.0) })
    }
    #[inline(always)]
    fn max(self, o: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm512_max_ps(self.0, o.0) })
    }
    #[inline(always)]
    fn min(self, o: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm512_min_ps(self.0, o.0) })
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
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
}
