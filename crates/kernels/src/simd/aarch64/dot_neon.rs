//! Products of bytes without `sdot`, as on ARMv8.0: two products of bytes are added in 16 bits, which they
//! fit (128 · 127 · 2 = 32,512), and neighbours of those added to 32 bits.
//!
//! Shared invariant of every `unsafe` block below: every AArch64 has NEON.

use std::arch::aarch64::*;

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

/// Four groups of sixteen columns, as products in 16 bits: `a` times the eight columns at `b`.
#[inline(always)]
fn multiply(a: int8x16_t, b: [int8x16_t; 2]) -> [int16x8_t; 4] {
    neon!([
        vmull_s8(vget_low_s8(a), vget_low_s8(b[0])),
        vmull_high_s8(a, b[0]),
        vmull_s8(vget_low_s8(a), vget_low_s8(b[1])),
        vmull_high_s8(a, b[1]),
    ])
}

/// `products + a · b`, as above.
#[inline(always)]
fn multiply_add(products: [int16x8_t; 4], a: int8x16_t, b: [int8x16_t; 2]) -> [int16x8_t; 4] {
    neon!([
        vmlal_s8(products[0], vget_low_s8(a), vget_low_s8(b[0])),
        vmlal_high_s8(products[1], a, b[0]),
        vmlal_s8(products[2], vget_low_s8(a), vget_low_s8(b[1])),
        vmlal_high_s8(products[3], a, b[1]),
    ])
}

/// Adds neighbouring products to the sums.
#[inline(always)]
fn accumulate(sums: &mut Halves, products: [int16x8_t; 4]) {
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
                    accumulate(&mut acc[v], multiply_add(multiply(left[0], even), left[1], odd));
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
                    accumulate(&mut acc[v], multiply(left, last));
                }
            }
        }
        acc.map(|acc| acc.map(|s| neon!([vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3])])))
    }
}
