//! The operations of [`Dot`](crate::simd::Dot) that NEON itself has: all but the products of bytes.

use std::arch::aarch64::*;

/// Eight sums in two `q` registers.
pub(super) type Sums = [int32x4_t; 2];
/// Eight pairs of 16-bit integers in two `q` registers.
pub(super) type Pairs = [int16x8_t; 2];

/// Subtracted from every element of a left operand, since the products take signed bytes.
pub(super) const OFFSET: u8 = 128;

/// Integral floats within 16 bits as 16-bit integers.
#[inline(always)]
pub(super) fn to_i16([low, high]: [float32x4_t; 2]) -> int16x8_t {
    neon!(vcombine_s16(vqmovn_s32(vcvtq_s32_f32(low)), vqmovn_s32(vcvtq_s32_f32(high))))
}

/// `sums + Σ a · b` over each pair.
#[inline(always)]
pub(super) fn dot_pairs(sums: int32x4_t, a: int16x8_t, b: int16x8_t) -> int32x4_t {
    neon!({
        let low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
        vaddq_s32(sums, vpaddq_s32(low, vmull_high_s16(a, b)))
    })
}

/// The operations of `impl Dot` for a token of NEON's floats.
macro_rules! integer_ops {
    ($floats:expr) => {
        type Floats = Neon;
        type Pairs = Pairs;
        type Sums = Sums;
        #[inline(always)]
        fn floats(self) -> Neon {
            let floats: fn(Self) -> Neon = $floats;
            floats(self)
        }
        #[inline(always)]
        fn zero(self) -> Sums {
            [neon!(vdupq_n_s32(0)); 2]
        }
        #[inline(always)]
        fn store_lhs(self, x: F32x8, out: &mut [u8]) {
            assert!(out.len() >= 8);
            let bytes = neon!(veor_u8(vqmovun_s16(to_i16(x.0)), vdup_n_u8(OFFSET)));
            // SAFETY: `out` has room for eight bytes, asserted above.
            unsafe { vst1_u8(out.as_mut_ptr(), bytes) }
        }
        #[inline(always)]
        unsafe fn splat_pair(self, x: *const i16) -> Pairs {
            // SAFETY: the caller promises two readable integers.
            let pair = unsafe { x.cast::<i32>().read_unaligned() };
            [neon!(vreinterpretq_s16_s32(vdupq_n_s32(pair))); 2]
        }
        #[inline(always)]
        unsafe fn load_pairs(self, x: *const i16) -> Pairs {
            // SAFETY: the caller promises sixteen readable integers.
            unsafe { [vld1q_s16(x), vld1q_s16(x.add(8))] }
        }
        #[inline(always)]
        fn add_pairs(self, a: Pairs, b: Pairs) -> Pairs {
            neon!([vaddq_s16(a[0], b[0]), vaddq_s16(a[1], b[1])])
        }
        #[inline(always)]
        fn dot_pairs(self, sums: Sums, a: Pairs, b: Pairs) -> Sums {
            [integers::dot_pairs(sums[0], a[0], b[0]), integers::dot_pairs(sums[1], a[1], b[1])]
        }
        #[inline(always)]
        fn store_pairs(self, x: [F32x8; 2], out: &mut [i16]) {
            assert!(out.len() >= 16);
            let [even, odd] = x.map(|x| to_i16(x.0));
            // SAFETY: `out` has room for sixteen integers, asserted above.
            unsafe { vst2q_s16(out.as_mut_ptr(), int16x8x2_t(even, odd)) }
        }
        #[inline(always)]
        fn store_i16(self, x: F32x8, out: &mut [i16]) {
            assert!(out.len() >= 8);
            // SAFETY: `out` has room for eight integers, asserted above.
            unsafe { vst1q_s16(out.as_mut_ptr(), to_i16(x.0)) }
        }
        #[inline(always)]
        fn to_floats(self, sums: Sums) -> F32x8 {
            F32x8(neon!([vcvtq_f32_s32(sums[0]), vcvtq_f32_s32(sums[1])]))
        }
        #[inline(always)]
        fn column_sum(sum: i32) -> i32 {
            -sum
        }
        #[inline(always)]
        fn correct_zero_point(self, sums: Sums, zero: u8, column_sums: &[i32]) -> Sums {
            assert!(column_sums.len() >= 8);
            let zero = neon!(vdupq_n_s32(i32::from(zero) - i32::from(OFFSET)));
            // SAFETY: there are eight sums, asserted above.
            let low = unsafe { vld1q_s32(column_sums.as_ptr()) };
            // SAFETY: as above.
            let high = unsafe { vld1q_s32(column_sums.as_ptr().add(4)) };
            neon!([vmlaq_s32(sums[0], low, zero), vmlaq_s32(sums[1], high, zero)])
        }
        #[inline(always)]
        fn store_u8(self, x: F32x8, out: &mut [u8]) {
            assert!(out.len() >= 8);
            // SAFETY: `out` has room for eight bytes, asserted above.
            unsafe { vst1_u8(out.as_mut_ptr(), vqmovun_s16(to_i16(x.0))) }
        }
        #[inline]
        fn run_dots<O: DotOp>(self, op: O) -> O::Output {
            self.enter_dots(op)
        }
    };
}

pub(super) use integer_ops;
