//! Integer dot products of AVX-VNNI: eight groups of four products added in one instruction, on processors
//! that have VNNI without AVX-512. Whatever multiplies nothing is that of AVX2.
//!
//! Shared invariant of every `unsafe` block below: the token exists only after [`AvxVnni::detect`] found
//! `avxvnni` and [`Avx2::detect`] found its list.

use std::arch::x86_64::*;

use super::avx2::F32x8;
use super::dot_avx2::times;
use super::{Avx2, AvxVnni};
use crate::simd::dot::{Groups, column_sum_as_pair, tile_of_groups};
use crate::simd::{Dot, DotOp, SLICE};

impl Dot for AvxVnni {
    type Floats = Avx2;
    type Pairs = __m256i;
    type Sums = __m256i;
    const GROUP: usize = 4;

    #[inline(always)]
    fn floats(self) -> Avx2 {
        self.avx2()
    }
    #[inline(always)]
    fn zero(self) -> __m256i {
        self.avx2().zero()
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
        self.store_u8(x, out);
    }
    #[inline(always)]
    fn store_slice(self, x: &[f32], (inverse, zero): (f32, u8), _: usize, out: &mut [u8]) {
        assert!(out.len() >= SLICE);
        for i in 0..2 {
            let x = x.get(32 * i..).unwrap_or_default();
            let (a, b) = (times(self.avx2(), x, 0, inverse), times(self.avx2(), x, 1, inverse));
            let (c, d) = (times(self.avx2(), x, 2, inverse), times(self.avx2(), x, 3, inverse));
            // SAFETY: the token proves the feature; `out` has room for two vectors, asserted above.
            unsafe {
                let zero = _mm256_set1_epi16(zero.into());
                let [ab, cd] = [_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d)];
                let bytes = _mm256_packus_epi16(_mm256_adds_epi16(ab, zero), _mm256_adds_epi16(cd, zero));
                // In every half of a vector four elements of each.
                let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
                let bytes = _mm256_permutevar8x32_epi32(bytes, order);
                _mm256_storeu_si256(out.as_mut_ptr().add(32 * i).cast(), bytes);
            }
        }
    }
    #[inline(always)]
    unsafe fn splat_pair(self, x: *const i16) -> __m256i {
        // SAFETY: as the caller promises.
        unsafe { self.avx2().splat_pair(x) }
    }
    #[inline(always)]
    unsafe fn load_pairs(self, x: *const i16) -> __m256i {
        // SAFETY: as the caller promises.
        unsafe { self.avx2().load_pairs(x) }
    }
    #[inline(always)]
    fn add_pairs(self, a: __m256i, b: __m256i) -> __m256i {
        self.avx2().add_pairs(a, b)
    }
    #[inline(always)]
    fn dot_pairs(self, sums: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the token proves the feature.
        unsafe { _mm256_dpwssd_avx_epi32(sums, a, b) }
    }
    #[inline(always)]
    fn store_pairs(self, x: [F32x8; 2], out: &mut [i16]) {
        self.avx2().store_pairs(x, out);
    }
    #[inline(always)]
    fn store_i16(self, x: F32x8, out: &mut [i16]) {
        self.avx2().store_i16(x, out);
    }
    #[inline(always)]
    fn to_floats(self, sums: __m256i) -> F32x8 {
        self.avx2().to_floats(sums)
    }
    #[inline(always)]
    fn column_sum(sum: i32) -> i32 {
        column_sum_as_pair(sum)
    }
    #[inline(always)]
    fn correct_zero_point(self, sums: __m256i, zero: u8, column_sums: &[i32]) -> __m256i {
        self.avx2().correct_zero_point(sums, zero, column_sums)
    }
    #[inline(always)]
    fn store_u8(self, x: F32x8, out: &mut [u8]) {
        self.avx2().store_u8(x, out);
    }
    #[inline]
    fn run_dots<O: DotOp>(self, op: O) -> O::Output {
        self.enter_dots(op)
    }
}

impl Groups for AvxVnni {
    type Group = __m256i;

    #[inline(always)]
    unsafe fn splat_group(self, x: *const u8) -> __m256i {
        // SAFETY: as the caller promises.
        unsafe { self.avx2().splat_group(x) }
    }
    #[inline(always)]
    unsafe fn load_groups(self, x: *const i8) -> __m256i {
        // SAFETY: the token proves the feature; the caller promises 32 readable bytes.
        unsafe { _mm256_loadu_si256(x.cast()) }
    }
    #[inline(always)]
    fn dot(self, sums: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the token proves the feature.
        unsafe { _mm256_dpbusd_avx_epi32(sums, a, b) }
    }
}
