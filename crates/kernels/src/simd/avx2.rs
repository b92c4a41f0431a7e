//! AVX2 with fused multiply-add: sixteen vectors of eight floats.
//!
//! Shared invariant of every `unsafe` block below: a value of [`Avx2`] or [`F32x8`] exists only after
//! [`Avx2::detect`] saw `avx2`, `fma` and `f16c`, so the intrinsics are available.

use std::arch::x86_64::*;

use half::f16;

use super::{F32s, Simd, SimdOp, TileOp};

/// Token: the host has AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The token, if the host has the instruction set.
    pub fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        all.then_some(Self(()))
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn gateway<O: SimdOp>(s: Avx2, op: O) -> O::Output {
    op.eval(s)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn gateway_tiled<O: TileOp>(s: Avx2, op: O) -> O::Output {
    // 12 accumulators, 2 of B, 1 of A, of 16.
    op.eval::<Avx2, 6, 2>(s)
}

impl Simd for Avx2 {
    type F32 = F32x8;

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

/// Eight floats in a `ymm` register.
#[derive(Clone, Copy, Debug)]
pub struct F32x8(pub(super) __m256);

/// Lane mask for the first `n` floats.
#[inline(always)]
fn mask(n: usize) -> __m256i {
    const TABLE: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    let start = 8 - n.min(8);
    // SAFETY: `start <= 8`, so eight entries of the sixteen follow it.
    unsafe { _mm256_loadu_si256(TABLE.as_ptr().add(start).cast()) }
}

impl F32s for F32x8 {
    type Token = Avx2;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(_: Avx2, x: f32) -> Self {
        // SAFETY: the token proves the feature.
        Self(unsafe { _mm256_set1_ps(x) })
    }
    #[inline(always)]
    fn load(_: Avx2, x: &[f32]) -> Self {
        assert!(x.len() >= 8);
        // SAFETY: the token proves the feature; eight floats are there, asserted above.
        Self(unsafe { _mm256_loadu_ps(x.as_ptr()) })
    }
    #[inline(always)]
    fn load_partial(s: Avx2, x: &[f32]) -> Self {
        if x.len() >= 8 {
            return Self::load(s, x);
        }
        // SAFETY: the token proves the feature; the mask covers `min(8, x.len())` floats only.
        Self(unsafe { _mm256_maskload_ps(x.as_ptr(), mask(x.len())) })
    }
    #[inline(always)]
    fn store(self, out: &mut [f32]) {
        assert!(out.len() >= 8);
        // SAFETY: the value proves the feature; eight floats fit, asserted above.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    fn store_partial(self, out: &mut [f32]) {
        // Most vectors are whole, and on AMD's cores a masked store takes dozens of micro-operations.
        if out.len() >= 8 {
            return self.store(out);
        }
        // SAFETY: the value proves the feature; the mask covers `min(8, out.len())` floats only.
        unsafe { _mm256_maskstore_ps(out.as_mut_ptr(), mask(out.len()), self.0) }
    }
    #[inline(always)]
    unsafe fn load_ptr(_: Avx2, x: *const f32) -> Self {
        // SAFETY: the token proves the feature; the caller promises eight readable floats.
        Self(unsafe { _mm256_loadu_ps(x) })
    }
    #[inline(always)]
    fn load_half(_: Avx2, x: &[f16]) -> Self {
        assert!(x.len() >= 8);
        // SAFETY: the token proves the feature; eight numbers are there, asserted above.
        Self(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().cast())) })
    }
    #[inline(always)]
    fn prefetch(_: Avx2, x: *const f32) {
        // SAFETY: the token proves the feature; a prefetch of any address only moves cache lines.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(x.cast()) }
    }
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm256_add_ps(self.0, o.0) })
    }
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm256_sub_ps(self.0, o.0) })
    }
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm256_mul_ps(self.0, o.0) })
    }
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm256_div_ps(self.0, o.0) })
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm256_fmadd_ps(self.0, a.0, b.0) })
    }
    #[inline(always)]
    fn max(self, o: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm256_max_ps(self.0, o.0) })
    }
    #[inline(always)]
    fn min(self, o: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm256_min_ps(self.0, o.0) })
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }
    #[inline(always)]
    fn times_pow2(self, n: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n.0), _mm256_set1_epi32(127));
            _mm256_mul_ps(self.0, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        })
    }
    #[inline(always)]
    fn select_gt(self, o: Self, a: Self, b: Self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm256_blendv_ps(b.0, a.0, _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, o.0)) })
    }
    #[inline(always)]
    fn swap_halves(self) -> Self {
        // SAFETY: the value proves the feature.
        Self(unsafe { _mm256_permute2f128_ps::<1>(self.0, self.0) })
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: the value proves the feature.
        unsafe {
            let v = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps::<1>(v, v)))
        }
    }
    #[inline(always)]
    fn max_lane(self) -> f32 {
        // SAFETY: the value proves the feature.
        unsafe {
            let v = _mm_max_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let v = _mm_max_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_max_ss(v, _mm_shuffle_ps::<1>(v, v)))
        }
    }
}
