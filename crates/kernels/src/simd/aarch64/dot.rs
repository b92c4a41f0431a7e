//! ARM's dot product of bytes, optional in ARMv8.2 and mandatory in ARMv8.4: four products added to every
//! lane.
//!
//! Both of its operands are signed, so elements of a left operand are stored minus 128, and
//! [`Dot::correct_zero_point`] adds the difference back to a sum. 16-bit integers and floats are those of
//! [`Portable`].
//!
//! The instruction is inline assembly because its intrinsic, `vdotq_s32`, is unstable up to Rust 1.95
//! (`stdarch_neon_dotprod`, rust-lang/rust#117224). `.arch_extension` lets the assembler accept it without a
//! `#[target_feature]` gateway, so the surrounding code stays that of the portable vectors.
//!
//! Shared invariant of every `unsafe` block below: the token exists only after [`Dotprod::detect`] found
//! `dotprod`.

use std::arch::aarch64::*;
use std::arch::asm;
use std::mem::transmute;

use wide::{i16x16, i32x8};

use crate::simd::portable::{F32x8, add_times_zero_point};
use crate::simd::{Dot, DotOp, Portable};

/// Subtracted from every element of a left operand.
const OFFSET: u8 = 128;

/// Token: the host has NEON with dot products of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Dotprod(());

impl Dotprod {
    /// Its name in `SAM2_ISA`, in benchmarks and in tests.
    pub const NAME: &'static str = "dotprod";
    /// The features that [`Self::detect`] requires.
    pub const FEATURES: &'static [&'static str] = &["dotprod"];

    /// The token, if the host has the instruction.
    pub fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("dotprod").then_some(Self(()))
    }
}

impl Dot for Dotprod {
    type Floats = Portable;
    type Groups = [int8x16_t; 2];
    type Pairs = i16x16;
    type Sums = i32x8;
    const GROUP: usize = 4;

    #[inline(always)]
    fn floats(self) -> Portable {
        Portable
    }
    #[inline(always)]
    fn zero(self) -> i32x8 {
        Portable.zero()
    }
    #[inline(always)]
    unsafe fn splat_group(self, x: *const u8) -> [int8x16_t; 2] {
        // SAFETY: every AArch64 has NEON; the caller promises four readable bytes.
        let group = unsafe { vreinterpretq_s8_s32(vdupq_n_s32(x.cast::<i32>().read_unaligned())) };
        [group; 2]
    }
    #[inline(always)]
    unsafe fn load_groups(self, x: *const i8) -> [int8x16_t; 2] {
        // SAFETY: every AArch64 has NEON; the caller promises thirty-two readable bytes.
        unsafe { [vld1q_s8(x), vld1q_s8(x.add(16))] }
    }
    #[inline(always)]
    fn dot(self, sums: i32x8, a: [int8x16_t; 2], b: [int8x16_t; 2]) -> i32x8 {
        // SAFETY: both are eight 32-bit integers in order.
        let [mut low, mut high] = unsafe { transmute::<i32x8, [int32x4_t; 2]>(sums) };
        for (sums, (a, b)) in [&mut low, &mut high].into_iter().zip(a.into_iter().zip(b)) {
            // SAFETY: the token proves the feature; the instruction reads and writes registers only.
            unsafe {
                asm!(
                    ".arch_extension dotprod",
                    "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
                    sums = inout(vreg) *sums,
                    a = in(vreg) a,
                    b = in(vreg) b,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
        }
        // SAFETY: as above.
        unsafe { transmute::<[int32x4_t; 2], i32x8>([low, high]) }
    }
    #[inline(always)]
    fn store_lhs(self, x: F32x8, out: &mut [u8]) {
        self.store_u8(x, out);
        out[..8].iter_mut().for_each(|byte| *byte ^= OFFSET);
    }
    #[inline(always)]
    unsafe fn splat_pair(self, x: *const i16) -> i16x16 {
        // SAFETY: as the caller promises.
        unsafe { Portable.splat_pair(x) }
    }
    #[inline(always)]
    unsafe fn load_pairs(self, x: *const i16) -> i16x16 {
        // SAFETY: as the caller promises.
        unsafe { Portable.load_pairs(x) }
    }
    #[inline(always)]
    fn add_pairs(self, a: i16x16, b: i16x16) -> i16x16 {
        Portable.add_pairs(a, b)
    }
    #[inline(always)]
    fn dot_pairs(self, sums: i32x8, a: i16x16, b: i16x16) -> i32x8 {
        Portable.dot_pairs(sums, a, b)
    }
    #[inline(always)]
    fn store_pairs(self, x: [F32x8; 2], out: &mut [i16]) {
        Portable.store_pairs(x, out);
    }
    #[inline(always)]
    fn store_i16(self, x: F32x8, out: &mut [i16]) {
        Portable.store_i16(x, out);
    }
    #[inline(always)]
    fn to_floats(self, sums: i32x8) -> F32x8 {
        Portable.to_floats(sums)
    }
    #[inline(always)]
    fn correct_zero_point(self, sums: i32x8, zero: u8, pairs: &[i16]) -> i32x8 {
        add_times_zero_point(sums, i16::from(zero) - i16::from(OFFSET), pairs)
    }
    #[inline(always)]
    fn store_u8(self, x: F32x8, out: &mut [u8]) {
        Portable.store_u8(x, out);
    }
    #[inline]
    fn run_dots<O: DotOp>(self, op: O) -> O::Output {
        // 8×8 sums in 16 registers, 2 of B, 1 of A, of 32. Its columns must divide those of the tile of
        // floats, which are eight.
        op.eval::<Self, 8, 1>(self)
    }
}
