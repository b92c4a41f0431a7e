//! Integer dot products of AVX-512 VNNI: sixteen groups of four products added in one instruction.
//!
//! Shared invariant of every `unsafe` block below: the token exists only after [`Avx512Vnni::detect`] found
//! `avx512vnni` and [`Avx512::detect`] found its list.

use std::arch::x86_64::*;

use super::avx512::F32x16;
use super::{Avx512, Avx512Vnni};
use crate::simd::dot::{Groups, column_sum_as_pair, tile_of_groups};
use crate::simd::{Dot, DotOp, F32s, SLICE};

/// Vector `i` of `x` times `inverse`, to the nearest integers; the smallest one where it is NaN. Missing
/// elements are zeros.
#[inline(always)]
fn times(d: Avx512Vnni, x: &[f32], i: usize, inverse: f32) -> __m512i {
    let s = d.floats();
    // Not a load of no elements: where its address is none, it takes 90 cycles on a Zen 4.
    let Some(x) = x.get(16 * i..).filter(|x| !x.is_empty()) else { return d.zero() };
    let x = F32x16::load_partial(s, x);
    // SAFETY: the token proves the feature.
    unsafe { _mm512_cvtps_epi32(x.mul(F32x16::splat(s, inverse)).0) }
}

impl Dot for Avx512Vnni {
    type Floats = Avx512;
    type Pairs = __m512i;
    type Sums = __m512i;
    const GROUP: usize = 4;

    #[inline(always)]
    fn floats(self) -> Avx512 {
        self.avx512()
    }
    #[inline(always)]
    fn zero(self) -> __m512i {
        // SAFETY: the token proves the feature.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(
        self,
        groups: usize,
        a: (*const u8, usize),
        b: (*const i8, usize),
    ) -> [[__m512i; NV]; MR] {
        // SAFETY: as the caller promises.
        unsafe { tile_of_groups(self, groups, a, b) }
    }
    #[inline(always)]
    fn store_lhs(self, x: F32x16, out: &mut [u8]) {
        self.store_u8(x, out);
    }
    #[inline(always)]
    fn store_slice(self, x: &[f32], (inverse, zero): (f32, u8), _: usize, out: &mut [u8]) {
        assert!(out.len() >= SLICE);
        let (a, b) = (times(self, x, 0, inverse), times(self, x, 1, inverse));
        let (c, d) = (times(self, x, 2, inverse), times(self, x, 3, inverse));
        // SAFETY: the token proves the feature; `out` has room for a vector, asserted above.
        unsafe {
            let zero = _mm512_set1_epi16(zero.into());
            let [ab, cd] = [_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d)];
            let bytes = _mm512_packus_epi16(_mm512_adds_epi16(ab, zero), _mm512_adds_epi16(cd, zero));
            // In every quarter of a vector four elements of each.
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            _mm512_storeu_si512(out.as_mut_ptr().cast(), _mm512_permutexvar_epi32(order, bytes));
        }
    }
    #[inline(always)]
    unsafe fn splat_pair(self, x: *const i16) -> __m512i {
        // SAFETY: the token proves the feature; the caller promises two readable integers.
        unsafe { _mm512_set1_epi32(x.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn load_pairs(self, x: *const i16) -> __m512i {
        // SAFETY: the token proves the feature; the caller promises thirty-two readable integers.
        unsafe { _mm512_loadu_si512(x.cast()) }
    }
    #[inline(always)]
    fn add_pairs(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the token proves the feature.
        unsafe { _mm512_add_epi16(a, b) }
    }
    #[inline(always)]
    fn dot_pairs(self, sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the token proves the feature.
        unsafe { _mm512_dpwssd_epi32(sums, a, b) }
    }
    #[inline(always)]
    fn store_pairs(self, x: [F32x16; 2], out: &mut [i16]) {
        assert!(out.len() >= 32);
        // SAFETY: the token proves the feature; `out` has room for thirty-two integers, asserted above.
        unsafe {
            let [low, high] = x.map(|x| _mm512_cvtps_epi32(x.0));
            let low = _mm512_and_si512(low, _mm512_set1_epi32(0xffff));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), _mm512_or_si512(low, _mm512_slli_epi32::<16>(high)));
        }
    }
    #[inline(always)]
    fn store_i16(self, x: F32x16, out: &mut [i16]) {
        assert!(out.len() >= 16);
        // SAFETY: the token proves the feature; `out` has room for sixteen integers, asserted above.
        unsafe {
            let integers = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(x.0));
            _mm256_storeu_si256(out.as_mut_ptr().cast(), integers);
        }
    }
    #[inline(always)]
    fn to_floats(self, sums: __m512i) -> F32x16 {
        // SAFETY: the token proves the feature.
        F32x16(unsafe { _mm512_cvtepi32_ps(sums) })
    }
    #[inline(always)]
    fn column_sum(sum: i32) -> i32 {
        column_sum_as_pair(sum)
    }
    #[inline(always)]
    fn correct_zero_point(self, sums: __m512i, zero: u8, column_sums: &[i32]) -> __m512i {
        assert!(column_sums.len() >= 16);
        // SAFETY: the token proves the feature; there are sixteen pairs, asserted above.
        unsafe {
            let zero = _mm512_set1_epi32(i32::from(zero) * (1 + (128 << 16)));
            _mm512_dpwssd_epi32(sums, zero, _mm512_loadu_si512(column_sums.as_ptr().cast()))
        }
    }
    #[inline(always)]
    fn store_u8(self, x: F32x16, out: &mut [u8]) {
        assert!(out.len() >= 16);
        // SAFETY: the token proves the feature; `out` has room for sixteen bytes, asserted above.
        unsafe {
            let bytes = _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(x.0));
            _mm_storeu_si128(out.as_mut_ptr().cast(), bytes);
        }
    }
    #[inline]
    fn run_dots<O: DotOp>(self, op: O) -> O::Output {
        self.enter_dots(op)
    }
}

impl Groups for Avx512Vnni {
    type Group = __m512i;

    #[inline(always)]
    unsafe fn splat_group(self, x: *const u8) -> __m512i {
        // SAFETY: the token proves the feature; the caller promises four readable bytes.
        unsafe { _mm512_set1_epi32(x.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn load_groups(self, x: *const i8) -> __m512i {
        // SAFETY: the token proves the feature; the caller promises 64 readable bytes.
        unsafe { _mm512_loadu_si512(x.cast()) }
    }
    #[inline(always)]
    fn dot(self, sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the token proves the feature.
        unsafe { _mm512_dpbusd_epi32(sums, a, b) }
    }
}
