//! `sdot`: four products of bytes added to every lane, the left operand a lane of four bytes.
//!
//! The instruction is inline assembly because its intrinsic, `vdotq_laneq_s32`, is unstable up to Rust 1.95
//! (`stdarch_neon_dotprod`, rust-lang/rust#117224). `.arch_extension` lets the assembler accept it wherever
//! it is inlined.
//!
//! Shared invariant of every `unsafe` block below: the token exists only after [`Dotprod::detect`] found
//! `dotprod`, and every AArch64 has NEON.

use std::arch::aarch64::*;
use std::arch::asm;
use std::array;

use super::integers::{OFFSET, Pairs, Sums, integer_ops, to_i16};
use super::neon::{Dotprod, Neon};
use super::vector::F32x8;
use super::{integers, tiles};
use crate::simd::{Dot, DotOp, SLICE};

/// Bytes of a row in a vector.
const STEP: usize = 16;

/// `sums + Σ a · b` over groups of four bytes, `a` one lane of four.
macro_rules! sdot {
    ($lane:literal, $sums:expr, $a:expr, $b:expr) => {
        // SAFETY: the caller's token proves the feature; the instruction reads and writes registers only.
        unsafe {
            asm!(
                ".arch_extension dotprod",
                concat!("sdot {sums:v}.4s, {b:v}.16b, {a:v}.4b[", $lane, "]"),
                sums = inout(vreg) *$sums,
                a = in(vreg) $a,
                b = in(vreg) $b,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
    };
}

/// One group of all rows: `acc[r] += left[r][$lane] · row` for the row at `b`.
macro_rules! step {
    ($lane:literal, $acc:expr, $left:expr, $b:expr) => {
        for v in 0..NV {
            // SAFETY: the caller promises `NV` vectors of 32 bytes.
            let row = unsafe { [vld1q_s8($b.add(32 * v)), vld1q_s8($b.add(32 * v + 16))] };
            for (acc, left) in $acc.iter_mut().zip($left) {
                for (acc, row) in acc[v].iter_mut().zip(row) {
                    sdot!($lane, acc, left, row);
                }
            }
        }
    };
}

impl Dot for Dotprod {
    integer_ops! { |token| token.neon() }

    const GROUP: usize = 4;

    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(
        self,
        groups: usize,
        (a, a_stride): (*const u8, usize),
        (mut b, b_stride): (*const i8, usize),
    ) -> [[Sums; NV]; MR] {
        let mut acc = [[self.zero(); NV]; MR];
        let load = |at: usize, r: usize| {
            let slice = a.wrapping_add(at / SLICE * a_stride + at % SLICE);
            // SAFETY: sixteen bytes of a slice of row `r < MR`; the caller promises whole slices.
            unsafe { vld1q_s8(slice.add(r * SLICE).cast()) }
        };
        for first in 0..groups / 4 {
            tiles::prefetch(b.cast(), 4 * NV * 32);
            let left: [_; MR] = array::from_fn(|r| load(first * STEP, r));
            step!(0, acc, left, b);
            step!(1, acc, left, b.wrapping_add(b_stride));
            step!(2, acc, left, b.wrapping_add(2 * b_stride));
            step!(3, acc, left, b.wrapping_add(3 * b_stride));
            b = b.wrapping_add(4 * b_stride);
        }
        if !groups.is_multiple_of(4) {
            let left: [_; MR] = array::from_fn(|r| load(groups / 4 * STEP, r));
            step!(0, acc, left, b);
            if groups % 4 >= 2 {
                step!(1, acc, left, b.wrapping_add(b_stride));
            }
            if groups % 4 == 3 {
                step!(2, acc, left, b.wrapping_add(2 * b_stride));
            }
        }
        acc
    }
}
