//! AVX2 with fused multiply-add: sixteen vectors of eight floats.
//!
//! Shared invariant of every `unsafe` block below: a value of [`Avx2`] or [`F32x8`] exists only after
//! [`Avx2::detect`] found every feature of its list, so the intrinsics are available.

use std::arch::x86_64::*;

use half::f16;

use super::float_ops::float_ops;
use crate::simd::define::{all, define_isa, enter, has_all};
use crate::simd::{Blocking, F32s, Tuning};

define_isa! {
    /// Token: the host has AVX2, FMA and F16C.
    Avx2 = "avx2", is_x86_feature_detected ["avx2", "fma", "f16c"];
    tuning = Tuning {
        gemm: Blocking::with_rows(108),
        own_micro_kernel: true,
        words_pay: true,
        grid_queries: 96,
        grid_queries_i16: 48,
        grid_strip: Some(4),
    };
    // 12 accumulators, 2 vectors of B, 1 of A, of 16 registers.
    floats = F32x8, tile 6 x 2;
    // 12 sums, 2 vectors of B, 1 of A, 1 of products, of 16 registers.
    dots = tile 6 x 2;
    /// Token: the host has AVX2 and, without AVX-512 or beside it, VNNI on its vectors.
    // 12 sums, 2 vectors of B, 1 of A, of 16 registers.
    extended AvxVnni with ["avxvnni"], tile 6 x 2;
}

impl AvxVnni {
    /// Its name in `SAM2_ISA`, in benchmarks and in tests.
    pub const NAME: &'static str = "avxvnni";

    /// The token of its floats.
    #[inline(always)]
    pub(in crate::simd) fn avx2(self) -> Avx2 {
        self.0
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
    float_ops! {
        Avx2, 8 lanes:
        splat _mm256_set1_ps, load _mm256_loadu_ps, store _mm256_storeu_ps,
        load_half _mm256_cvtph_ps from _mm_loadu_si128,
        add _mm256_add_ps, sub _mm256_sub_ps, mul _mm256_mul_ps, div _mm256_div_ps, mul_add _mm256_fmadd_ps,
        max _mm256_max_ps, min _mm256_min_ps, round _mm256_round_ps,
    }

    #[inline(always)]
    fn load_bf16(_: Avx2, x: &[u16]) -> Self {
        assert!(x.len() >= 8);
        // SAFETY: the token proves the feature; `x` has eight numbers, asserted above.
        Self(unsafe {
            let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(x.as_ptr().cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
        })
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
    fn store_partial(self, out: &mut [f32]) {
        // Most vectors are whole, and a masked store takes dozens of micro-operations on AMD's Zen cores.
        if out.len() >= 8 {
            return self.store(out);
        }
        // SAFETY: the value proves the feature; the mask covers `min(8, out.len())` floats only.
        unsafe { _mm256_maskstore_ps(out.as_mut_ptr(), mask(out.len()), self.0) }
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
