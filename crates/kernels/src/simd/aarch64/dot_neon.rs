//! Products of bytes without `sdot`, as on ARMv8.0: two products of bytes are added in 16 bits, which they
//! fit (128 · 127 · 2 = 32,512), and neighbours of those added to 32 bits.
//!
//! Shared invariant of every `unsafe` block below: every AArch64 has NEON.

use std::arch::aarch64::*;
use std::arch::asm;

use super::integers::{OFFSET, Pairs, Sums, integer_ops, to_i16};
use super::neon::Neon;
use super::vector::F32x8;
use super::{integers, tiles};
use crate::simd::{Dot, DotOp, SLICE};

/// Sums of neighbouring products: the lanes of a vector belong to two columns, two of each.
type Halves = [int32x4_t; 4];

/// Four bytes of a row, twice.
///
/// # Safety
/// `x` must be valid for reads of four bytes.
#[inline(always)]
unsafe fn group(x: *const u8) -> int8x16_t {
    // SAFETY: the caller promises four bytes.
    let group = unsafe { x.cast::<i32>().read_unaligned() };
    neon!(vreinterpretq_s8_s32(vdupq_n_s32(group)))
}

/// `sums += Σ left · right` over two groups of four bytes, the right ones of eight columns.
///
/// Assembly, because the compiler moves the upper halves of the columns down for `smull` where `smull2` takes
/// them as they lie, and has no registers left for that.
#[inline(always)]
fn add_two_groups(sums: &mut Halves, left: [int8x16_t; 2], right: [[int8x16_t; 2]; 2]) {
    let [s0, s1, s2, s3] = sums;
    // SAFETY: every AArch64 has NEON; the instructions read and write registers only.
    unsafe {
        asm!(
            "smull {t0:v}.8h, {a:v}.8b, {b0:v}.8b",
            "smull2 {t1:v}.8h, {a:v}.16b, {b0:v}.16b",
            "smull {t2:v}.8h, {a:v}.8b, {b1:v}.8b",
            "smull2 {t3:v}.8h, {a:v}.16b, {b1:v}.16b",
            "smlal {t0:v}.8h, {c:v}.8b, {d0:v}.8b",
            "smlal2 {t1:v}.8h, {c:v}.16b, {d0:v}.16b",
            "smlal {t2:v}.8h, {c:v}.8b, {d1:v}.8b",
            "smlal2 {t3:v}.8h, {c:v}.16b, {d1:v}.16b",
            "sadalp {s0:v}.4s, {t0:v}.8h",
            "sadalp {s1:v}.4s, {t1:v}.8h",
            "sadalp {s2:v}.4s, {t2:v}.8h",
            "sadalp {s3:v}.4s, {t3:v}.8h",
            a = in(vreg) left[0],
            c = in(vreg) left[1],
            b0 = in(vreg) right[0][0],
            b1 = in(vreg) right[0][1],
            d0 = in(vreg) right[1][0],
            d1 = in(vreg) right[1][1],
            s0 = inout(vreg) *s0,
            s1 = inout(vreg) *s1,
            s2 = inout(vreg) *s2,
            s3 = inout(vreg) *s3,
            t0 = out(vreg) _,
            t1 = out(vreg) _,
            t2 = out(vreg) _,
            t3 = out(vreg) _,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
}

/// The same over one group.
#[inline(always)]
fn add_group(sums: &mut Halves, left: int8x16_t, right: [int8x16_t; 2]) {
    let products = neon!([
        vmull_s8(vget_low_s8(left), vget_low_s8(right[0])),
        vmull_high_s8(left, right[0]),
        vmull_s8(vget_low_s8(left), vget_low_s8(right[1])),
        vmull_high_s8(left, right[1]),
    ]);
    for (sums, products) in sums.iter_mut().zip(products) {
        *sums = neon!(vpadalq_s16(*sums, products));
    }
}

/// The bytes of eight columns.
///
/// # Safety
/// `b` must be valid for reads of 32 bytes.
#[inline(always)]
unsafe fn load(b: *const i8) -> [int8x16_t; 2] {
    // SAFETY: the caller promises 32 bytes.
    unsafe { [vld1q_s8(b), vld1q_s8(b.add(16))] }
}

impl Dot for Neon {
    integer_ops! { |token| token }

    // Words take the one pipe that multiplies integers, with half of what floats get.
    const GROUP: usize = 4;

    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(
        self,
        groups: usize,
        (a, a_stride): (*const u8, usize),
        (b, b_stride): (*const i8, usize),
    ) -> [[Sums; NV]; MR] {
        let mut acc = [[[neon!(vdupq_n_s32(0)); 4]; NV]; MR];
        let row = |group: usize, r: usize| {
            a.wrapping_add(group / (SLICE / 4) * a_stride + r * SLICE + group % (SLICE / 4) * 4)
        };
        for first in (0..groups - groups % 2).step_by(2) {
            let b = b.wrapping_add(first * b_stride);
            tiles::prefetch(b.cast(), 2 * NV * 32);
            for v in 0..NV {
                // SAFETY: two of the `groups` rows of `NV` vectors.
                let [even, odd] = unsafe { [load(b.add(32 * v)), load(b.add(b_stride + 32 * v))] };
                for (r, acc) in acc.iter_mut().enumerate() {
                    // SAFETY: two neighbouring groups of row `r` in a slice, which has an even number.
                    let left = unsafe { [group(row(first, r)), group(row(first, r).add(4))] };
                    add_two_groups(&mut acc[v], left, [even, odd]);
                }
            }
        }
        if !groups.is_multiple_of(2) {
            for v in 0..NV {
                // SAFETY: the last of the `groups` rows of `NV` vectors.
                let last = unsafe { load(b.add((groups - 1) * b_stride + 32 * v)) };
                for (r, acc) in acc.iter_mut().enumerate() {
                    // SAFETY: the last group of row `r`.
                    let left = unsafe { group(row(groups - 1, r)) };
                    add_group(&mut acc[v], left, last);
                }
            }
        }
        acc.map(|acc| acc.map(|s| neon!([vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3])])))
    }
}
