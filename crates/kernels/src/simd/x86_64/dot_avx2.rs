//! Integer dot products of AVX2.
//!
//! `vpmaddubsw`, its product of unsigned and signed bytes, saturates at 16 bits, and staying below that takes
//! twice the instructions. So bytes are widened to 16 bits, and `vpmaddwd` adds two exact products of those.
//!
//! Shared invariant of every `unsafe` block below: the token exists only after [`Avx2::detect`] found `avx2`.

use std::arch::x86_64::*;

use super::Avx2;
use super::avx2::F32x8;
use crate::simd::dot::{Groups, column_sum_as_pair, tile_of_groups};
use crate::simd::{Dot, DotOp, F32s, SLICE};

/// Integral floats within 16 bits as 16-bit integers.
#[inline(always)]
fn to_i16(x: F32x8) -> __m128i {
    // SAFETY: the value proves the feature.
    unsafe {
        let x = _mm256_cvtps_epi32(x.0);
        _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x))
    }
}

/// Vector `i` of `x` times `inverse`, to the nearest integers; the smallest one where it is NaN. Missing
/// elements are zeros.
#[inline(always)]
pub(super) fn times(s: Avx2, x: &[f32], i: usize, inverse: f32) -> __m256i {
    // Not a load of no elements: where its address is none, it takes 90 cycles on a Zen 4.
    let Some(x) = x.get(8 * i..).filter(|x| !x.is_empty()) else { return s.zero() };
    let x = F32x8::load_partial(s, x);
    // SAFETY: the value proves the feature.
    unsafe { _mm256_cvtps_epi32(x.mul(F32x8::splat(s, inverse)).0) }
}

impl Dot for Avx2 {
    type Floats = Avx2;
    type Pairs = __m256i;
    type Sums = __m256i;
    const GROUP: usize = 2;

    #[inline(always)]
    fn floats(self) -> Avx2 {
        self
    }
    #[inline(always)]
    fn zero(self) -> __m256i {
        // SAFETY: the token proves the feature.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(
        self,
        groups: usize,
        a: (*const u8, usize),
        b: (*const i8, usize),
    ) -> [[__m256i; NV]; MR] {
        // SAFETY: as the caller promises.
        unsafe { tile_of_groups(self, groups, a, b) }
    }
    #[inline(always)]
    fn store_lhs(self, x: F32x8, out: &mut [u8]) {
        assert!(out.len() >= 16);
        // SAFETY: the token proves the feature; `out` has room for eight integers, asserted above.
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), to_i16(x)) }
    }
    #[inline(always)]
    fn store_slice(self, x: &[f32], (inverse, zero): (f32, u8), _: usize, out: &mut [u8]) {
        assert!(out.len() >= SLICE);
        for i in 0..2 {
            let (a, b) = (times(self, x, 2 * i, inverse), times(self, x, 2 * i + 1, inverse));
            // SAFETY: the token proves the feature; `out` has room for two vectors, asserted above.
            unsafe {
                // In every half of a vector four elements of `a`, then four of `b`.
                let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(a, b));
                let words = _mm256_adds_epi16(words, _mm256_set1_epi16(zero.into()));
                let least = _mm256_max_epi16(words, _mm256_setzero_si256());
                let words = _mm256_min_epi16(least, _mm256_set1_epi16(255));
                _mm256_storeu_si256(out.as_mut_ptr().add(32 * i).cast(), words);
            }
        }
    }
    #[inline(always)]
    unsafe fn splat_pair(self, x: *const i16) -> __m256i {
        // SAFETY: the token proves the feature; the caller promises two readable integers.
        unsafe { _mm256_set1_epi32(x.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn load_pairs(self, x: *const i16) -> __m256i {
        // SAFETY: the token proves the feature; the caller promises sixteen readable integers.
        unsafe { _mm256_loadu_si256(x.cast()) }
    }
    #[inline(always)]
    fn add_pairs(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the token proves the feature.
        unsafe { _mm256_add_epi16(a, b) }
    }
    #[inline(always)]
    fn dot_pairs(self, sums: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the token proves the feature.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)) }
    }
    #[inline(always)]
    fn store_pairs(self, x: [F32x8; 2], out: &mut [i16]) {
        assert!(out.len() >= 16);
        // SAFETY: the token proves the feature; `out` has room for sixteen integers, asserted above.
        unsafe {
            let [low, high] = x.map(|x| _mm256_cvtps_epi32(x.0));
            let low = _mm256_and_si256(low, _mm256_set1_epi32(0xffff));
            _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm256_or_si256(low, _mm256_slli_epi32::<16>(high)));
        }
    }
    #[inline(always)]
    fn store_i16(self, x: F32x8, out: &mut [i16]) {
        assert!(out.len() >= 8);
        // SAFETY: the token proves the feature; `out` has room for eight integers, asserted above.
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), to_i16(x)) }
    }
    #[inline(always)]
    fn to_floats(self, sums: __m256i) -> F32x8 {
        // SAFETY: the token proves the feature.
        F32x8(unsafe { _mm256_cvtepi32_ps(sums) })
    }
    #[inline(always)]
    fn column_sum(sum: i32) -> i32 {
        column_sum_as_pair(sum)
    }
    #[inline(always)]
    fn correct_zero_point(self, sums: __m256i, zero: u8, column_sums: &[i32]) -> __m256i {
        assert!(column_sums.len() >= 8);
        // SAFETY: the token proves the feature; there are eight pairs, asserted above.
        unsafe {
            let zero = _mm256_set1_epi32(i32::from(zero) * (1 + (128 << 16)));
            let pairs = _mm256_loadu_si256(column_sums.as_ptr().cast());
            _mm256_add_epi32(sums, _mm256_madd_epi16(zero, pairs))
        }
    }
    #[inline(always)]
    fn store_u8(self, x: F32x8, out: &mut [u8]) {
        assert!(out.len() >= 8);
        // SAFETY: the token proves the feature; `out` has room for eight bytes, asserted above.
        unsafe {
            let x = _mm256_cvtps_epi32(x.0);
            let words = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
            _mm_storel_epi64(out.as_mut_ptr().cast(), _mm_packus_epi16(words, words));
        }
    }
    #[inline]
    fn run_dots<O: DotOp>(self, op: O) -> O::Output {
        self.enter_dots(op)
    }
}

impl Groups for Avx2 {
    type Group = __m256i;

    #[inline(always)]
    unsafe fn splat_group(self, x: *const u8) -> __m256i {
        // SAFETY: the token proves the feature; the caller promises four readable bytes.
        unsafe { _mm256_set1_epi32(x.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn load_groups(self, x: *const i8) -> __m256i {
        // SAFETY: the token proves the feature; the caller promises sixteen readable bytes.
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(x.cast())) }
    }
    #[inline(always)]
    fn dot(self, sums: __m256i, a: __m256i, b: __m256i) -> __m256i {
        self.dot_pairs(sums, a, b)
    }
}
