//! NEON: thirty-two vectors of four floats, used in pairs.
//!
//! Shared invariant of every `unsafe` block below: every AArch64 has NEON, which the compilation target
//! guarantees.

use std::arch::aarch64::*;
use std::arch::asm;
use std::sync::OnceLock;

use half::f16;

use super::bfmmla::{self, Bf16};
use super::caches::Caches;
use super::halves::{self, Fp16};
use super::tiles;
use super::vector::F32x8;
use crate::simd::define::{all, define_isa, enter, has_all};
use crate::simd::{Blocking, F32s, Tuning};

define_isa! {
    /// Token: the host has NEON.
    Neon = "neon", is_aarch64_feature_detected ["neon"];
    tuning = Tuning {
        gemm: Blocking::with_rows(112),
        own_micro_kernel: true,
        words_pay: false,
        grid_queries: 96,
        grid_queries_i16: 48,
        grid_strip: Some(4),
    };
    // 16 accumulators, 8 vectors of A, 2 of B, of 32 registers.
    floats = F32x8, tile 8 x 1;
    // 16 sums, 4 vectors of B, 4 of A, 4 of products, of 32 registers.
    dots = tile 4 x 1;
    /// Token: the host has NEON with dot products of bytes, optional in ARMv8.2 and mandatory in ARMv8.4.
    // 16 sums, 8 vectors of A, 2 of B, of 32 registers.
    extended Dotprod with ["dotprod"], tile 8 x 1;
    /// Token: the host has NEON with products of matrices of bytes, optional in ARMv8.2 and mandatory in
    /// ARMv8.6.
    // 16 sums, 8 vectors of A, 4 of B, of 32 registers.
    extended I8mm with ["i8mm"], tile 8 x 1;
}

impl Neon {
    /// The sizes for the caches of this host.
    pub(in crate::simd) fn tuning() -> &'static Tuning {
        static TUNING: OnceLock<Tuning> = OnceLock::new();
        TUNING.get_or_init(|| Self::tuning_for(Caches::of_host()))
    }

    /// The sizes for a processor with these caches.
    pub fn tuning_for(caches: Caches) -> Tuning {
        // Two k-blocks of rows in half of a core's L2.
        let rows = caches.l2 / 2 / (2 * Self::TUNING.gemm.kc * size_of::<f32>()) / 8 * 8;
        // The column and row parts of 96 queries, 3.2 MB a thread at a grid of 64 and 64 channels, are read
        // from memory if the last level holds less than two threads'. Then fewer queries and wider strips,
        // whose row parts are read less often, move fewer bytes.
        let (grid_queries, grid_strip) = if caches.last < 8 << 20 { (48, Some(16)) } else { (96, Some(4)) };
        let gemm = Blocking::with_rows(rows.clamp(40, 216));
        Tuning { gemm, grid_queries, grid_strip, ..Self::TUNING }
    }
}

impl Dotprod {
    /// Its name in `SAM2_ISA`, in benchmarks and in tests.
    pub const NAME: &'static str = "dotprod";

    /// The token of its floats.
    #[inline(always)]
    pub(in crate::simd) fn neon(self) -> Neon {
        self.0
    }
}

impl I8mm {
    /// Its name in `SAM2_ISA`, in benchmarks and in tests.
    pub const NAME: &'static str = "i8mm";

    /// The token of its floats.
    #[inline(always)]
    pub(in crate::simd) fn neon(self) -> Neon {
        self.0
    }
}

/// The first `n < 4` floats at `x`, the missing ones zero.
///
/// # Safety
/// `x` must be valid for reads of `n` floats.
#[inline(always)]
unsafe fn load_few(x: *const f32, n: usize) -> float32x4_t {
    // SAFETY: no more than `n` floats are read in each case.
    unsafe {
        let zero = vdupq_n_f32(0.0);
        match n {
            0 => zero,
            1 => vld1q_lane_f32::<0>(x, zero),
            2 => vcombine_f32(vld1_f32(x), vdup_n_f32(0.0)),
            _ => vld1q_lane_f32::<2>(x.add(2), vcombine_f32(vld1_f32(x), vdup_n_f32(0.0))),
        }
    }
}

/// Writes the first `n < 4` lanes.
///
/// # Safety
/// `out` must be valid for writes of `n` floats.
#[inline(always)]
unsafe fn store_few(x: float32x4_t, out: *mut f32, n: usize) {
    // SAFETY: no more than `n` floats are written in each case.
    unsafe {
        if n >= 2 {
            vst1_f32(out, vget_low_f32(x));
        }
        match n {
            1 => vst1q_lane_f32::<0>(out, x),
            3 => vst1q_lane_f32::<2>(out.add(2), x),
            _ => {}
        }
    }
}

impl F32s for F32x8 {
    type Token = Neon;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(_: Neon, x: f32) -> Self {
        Self([neon!(vdupq_n_f32(x)); 2])
    }
    #[inline(always)]
    fn load(_: Neon, x: &[f32]) -> Self {
        assert!(x.len() >= 8);
        // SAFETY: `x` has eight floats, asserted above.
        Self(unsafe { [vld1q_f32(x.as_ptr()), vld1q_f32(x.as_ptr().add(4))] })
    }
    #[inline(always)]
    fn load_partial(s: Neon, x: &[f32]) -> Self {
        let (at, n) = (x.as_ptr(), x.len());
        if n >= 8 {
            return Self::load(s, x);
        }
        // SAFETY: `x` has `n` floats.
        Self(unsafe {
            if n >= 4 {
                [vld1q_f32(at), load_few(at.add(4), n - 4)]
            } else {
                [load_few(at, n), vdupq_n_f32(0.0)]
            }
        })
    }
    #[inline(always)]
    fn store(self, out: &mut [f32]) {
        assert!(out.len() >= 8);
        // SAFETY: `out` has room for eight floats, asserted above.
        unsafe {
            vst1q_f32(out.as_mut_ptr(), self.0[0]);
            vst1q_f32(out.as_mut_ptr().add(4), self.0[1]);
        }
    }
    #[inline(always)]
    fn store_partial(self, out: &mut [f32]) {
        let n = out.len();
        if n >= 8 {
            return self.store(out);
        }
        let at = out.as_mut_ptr();
        // SAFETY: `out` has room for `n` floats.
        unsafe {
            if n >= 4 {
                vst1q_f32(at, self.0[0]);
                store_few(self.0[1], at.add(4), n - 4);
            } else {
                store_few(self.0[0], at, n);
            }
        }
    }
    #[inline(always)]
    unsafe fn load_ptr(_: Neon, x: *const f32) -> Self {
        // SAFETY: the caller promises eight readable floats.
        Self(unsafe { [vld1q_f32(x), vld1q_f32(x.add(4))] })
    }
    #[inline(always)]
    fn load_bf16(_: Neon, x: &[u16]) -> Self {
        assert!(x.len() >= 8);
        // SAFETY: the token proves the feature; `x` has eight numbers, asserted above.
        unsafe {
            let bits = vld1q_u16(x.as_ptr());
            let [low, high] = [vget_low_u16(bits), vget_high_u16(bits)];
            Self([low, high].map(|bits| vreinterpretq_f32_u32(vshlq_n_u32::<16>(vmovl_u16(bits)))))
        }
    }
    #[inline(always)]
    fn load_half(_: Neon, x: &[f16]) -> Self {
        assert!(x.len() >= 8);
        // SAFETY: `x` has eight numbers of 16 bits, asserted above.
        halves::widen(unsafe { vld1q_u16(x.as_ptr().cast()) })
    }
    #[inline(always)]
    fn store_half(self, out: &mut [f16]) {
        assert!(out.len() >= 8);
        // SAFETY: `out` has room for eight numbers of 16 bits, asserted above.
        unsafe { vst1q_u16(out.as_mut_ptr().cast(), halves::narrow(self)) }
    }
    #[inline(always)]
    fn prefetch(_: Neon, x: *const f32) {
        // SAFETY: a prefetch reads no value, so any address is valid.
        unsafe {
            asm!("prfm pldl1keep, [{x}]", x = in(reg) x, options(readonly, nostack, preserves_flags));
        }
    }
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        self.zip(o, |x, o| neon!(vaddq_f32(x, o)))
    }
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        self.zip(o, |x, o| neon!(vsubq_f32(x, o)))
    }
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        self.zip(o, |x, o| neon!(vmulq_f32(x, o)))
    }
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        self.zip(o, |x, o| neon!(vdivq_f32(x, o)))
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        let fma = |i: usize| neon!(vfmaq_f32(b.0[i], self.0[i], a.0[i]));
        Self([fma(0), fma(1)])
    }
    #[inline(always)]
    fn max(self, o: Self) -> Self {
        // `fmax` is NaN if either is, and `fmaxnm` if both are.
        self.zip(o, |x, o| neon!(vbslq_f32(vcgtq_f32(x, o), x, o)))
    }
    #[inline(always)]
    fn min(self, o: Self) -> Self {
        self.zip(o, |x, o| neon!(vbslq_f32(vcgtq_f32(o, x), x, o)))
    }
    #[inline(always)]
    fn round(self) -> Self {
        self.map(|x| neon!(vrndnq_f32(x)))
    }
    #[inline(always)]
    fn times_pow2(self, n: Self) -> Self {
        self.zip(n, |x, n| {
            neon!({
                let exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
                vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
            })
        })
    }
    #[inline(always)]
    fn select_gt(self, o: Self, a: Self, b: Self) -> Self {
        let select = |i: usize| neon!(vbslq_f32(vcgtq_f32(self.0[i], o.0[i]), a.0[i], b.0[i]));
        Self([select(0), select(1)])
    }
    #[inline(always)]
    fn swap_halves(self) -> Self {
        let [low, high] = self.0;
        Self([high, low])
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // The order of the portable vectors: ((0+4) + (2+6)) + ((1+5) + (3+7)).
        neon!({
            let pairs = vaddq_f32(self.0[0], self.0[1]);
            let pairs = vadd_f32(vget_low_f32(pairs), vget_high_f32(pairs));
            vget_lane_f32::<0>(pairs) + vget_lane_f32::<1>(pairs)
        })
    }
    #[inline(always)]
    fn max_lane(self) -> f32 {
        neon!(vmaxnmvq_f32(vmaxnmq_f32(self.0[0], self.0[1])))
    }
    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(
        _: Neon,
        depth: usize,
        a: (*const f32, usize),
        b: (*const f32, usize),
    ) -> Option<[[Self; NV]; MR]> {
        // SAFETY: as the caller promises.
        Some(unsafe { tiles::tile(depth, a, b) })
    }
    #[inline(always)]
    unsafe fn tile_of_sum<const T: usize, const NV: usize>(
        _: Neon,
        depth: usize,
        ab: [*const f32; 2],
        z: *const f32,
    ) -> Option<[[Self; NV]; T]> {
        // SAFETY: as the caller promises.
        Some(unsafe { tiles::tile_of_sum(depth, ab, z) })
    }
    #[inline(always)]
    unsafe fn tile_of_pairs<const MR: usize, const NV: usize>(
        _: Neon,
        pairs: usize,
        a: (*const f32, usize),
        b: (*const f32, usize),
    ) -> Option<[[Self; NV]; MR]> {
        // SAFETY: the operands are as the caller promises.
        Bf16::detect().map(|s| unsafe { bfmmla::tile_of_pairs(s, pairs, a, b) })
    }
    #[inline(always)]
    unsafe fn tile_of_halves<const MR: usize, const NV: usize>(
        _: Neon,
        depth: usize,
        a: (*const f16, usize),
        b: (*const f16, usize),
    ) -> Option<[[Self; NV]; MR]> {
        // SAFETY: the operands are as the caller promises.
        Fp16::detect().map(|s| unsafe { halves::tile_of_halves(s, depth, a, b) })
    }
    #[inline(always)]
    unsafe fn tile_of_sum_of_halves<const T: usize, const NV: usize>(
        _: Neon,
        depth: usize,
        ab: [*const f16; 2],
        z: *const f16,
    ) -> Option<[[Self; NV]; T]> {
        // SAFETY: the operands are as the caller promises.
        Fp16::detect().map(|s| unsafe { halves::tile_of_sum_of_halves(s, depth, ab, z) })
    }
}
