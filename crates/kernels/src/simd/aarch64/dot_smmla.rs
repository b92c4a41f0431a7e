//! `smmla`: products of two rows by two columns of eight bytes each, added to four sums.
//!
//! The instruction is inline assembly because its intrinsic, `vmmlaq_s32`, is unstable up to Rust 1.95
//! (`stdarch_neon_i8mm`, rust-lang/rust#117223). `.arch_extension` lets the assembler accept it wherever it
//! is inlined.
//!
//! Rows lie in pairs, eight bytes of each by turns, and groups are of eight bytes, so that two columns are a
//! vector of the right operand.
//!
//! Shared invariant of every `unsafe` block below: the token exists only after [`I8mm::detect`] found `i8mm`,
//! and every AArch64 has NEON.

use std::arch::aarch64::*;
use std::arch::asm;
use std::array;

use super::integers::{OFFSET, Pairs, Sums, integer_ops, to_i16};
use super::neon::{I8mm, Neon};
use super::vector::F32x8;
use super::{integers, tiles};
use crate::simd::{Dot, DotOp, SLICE};

/// Bytes of a row in a group.
const GROUP: usize = 8;
/// Bytes of a pair of rows in a vector.
const STEP: usize = 2 * GROUP;

/// Sums of two rows and eight columns: of two rows and two columns in each vector.
type Blocks = [int32x4_t; 4];

/// `sums + rows · columns`.
#[inline(always)]
fn smmla(_: I8mm, sums: &mut int32x4_t, rows: int8x16_t, columns: int8x16_t) {
    // SAFETY: the token proves the feature; the instruction reads and writes registers only.
    unsafe {
        asm!(
            ".arch_extension i8mm",
            "smmla {sums:v}.4s, {rows:v}.16b, {columns:v}.16b",
            sums = inout(vreg) *sums,
            rows = in(vreg) rows,
            columns = in(vreg) columns,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
}

/// One group: `acc[pair] += left[pair] · right`.
///
/// # Safety
/// `b` must be valid for reads of `NV` vectors of 64 bytes.
#[inline(always)]
unsafe fn step<const PAIRS: usize, const NV: usize>(
    d: I8mm,
    acc: &mut [[Blocks; NV]; PAIRS],
    left: [int8x16_t; PAIRS],
    b: *const i8,
) {
    for v in 0..NV {
        // SAFETY: the caller promises `NV` vectors of four pairs of columns.
        let right: [_; 4] = array::from_fn(|c| unsafe { vld1q_s8(b.add(8 * GROUP * v + STEP * c)) });
        for (acc, left) in acc.iter_mut().zip(left) {
            for (sums, right) in acc[v].iter_mut().zip(right) {
                smmla(d, sums, left, right);
            }
        }
    }
}

/// The sums of `PAIRS` pairs of rows.
///
/// # Safety
/// As for [`Dot::tile`], with `MR` = 2 · `PAIRS`.
#[inline(always)]
unsafe fn pairs<const PAIRS: usize, const NV: usize>(
    d: I8mm,
    groups: usize,
    (a, a_stride): (*const u8, usize),
    (mut b, b_stride): (*const i8, usize),
) -> [[[Sums; NV]; 2]; PAIRS] {
    let mut acc = [[[neon!(vdupq_n_s32(0)); 4]; NV]; PAIRS];
    let load = |group: usize, pair: usize| {
        let at = group * GROUP;
        let slice = a.wrapping_add(at / SLICE * a_stride + 2 * (at % SLICE));
        // SAFETY: eight bytes of each row of a pair in a slice; the caller promises whole slices.
        unsafe { vld1q_s8(slice.add(pair * 2 * SLICE).cast()) }
    };
    for first in (0..groups - groups % 2).step_by(2) {
        tiles::prefetch(b.cast(), 2 * NV * 8 * GROUP);
        let even: [_; PAIRS] = array::from_fn(|pair| load(first, pair));
        let odd: [_; PAIRS] = array::from_fn(|pair| load(first + 1, pair));
        // SAFETY: two of the `groups` rows of `NV` vectors.
        unsafe {
            step(d, &mut acc, even, b);
            step(d, &mut acc, odd, b.add(b_stride));
        }
        b = b.wrapping_add(2 * b_stride);
    }
    if !groups.is_multiple_of(2) {
        let last: [_; PAIRS] = array::from_fn(|pair| load(groups - 1, pair));
        // SAFETY: the last of the `groups` rows of `NV` vectors.
        unsafe { step(d, &mut acc, last, b) };
    }
    acc.map(|blocks| {
        [
            blocks.map(|[a, b, c, d]| [low_halves(a, b), low_halves(c, d)]),
            blocks.map(|[a, b, c, d]| [high_halves(a, b), high_halves(c, d)]),
        ]
    })
}

/// The first row of two blocks.
#[inline(always)]
fn low_halves(a: int32x4_t, b: int32x4_t) -> int32x4_t {
    neon!(vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b))))
}

/// The second row.
#[inline(always)]
fn high_halves(a: int32x4_t, b: int32x4_t) -> int32x4_t {
    neon!(vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b))))
}

impl Dot for I8mm {
    integer_ops! { |token| token.neon() }

    const GROUP: usize = GROUP;
    const ROWS: usize = 2;

    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(
        self,
        groups: usize,
        a: (*const u8, usize),
        b: (*const i8, usize),
    ) -> [[Sums; NV]; MR] {
        const { assert!(matches!(MR, 1 | 2 | 4 | 8)) };
        // SAFETY: as the caller promises; one row alone lies beside another, whose sums are dropped.
        unsafe {
            match MR {
                8 => rows(pairs::<4, NV>(self, groups, a, b)),
                4 => rows(pairs::<2, NV>(self, groups, a, b)),
                _ => rows(pairs::<1, NV>(self, groups, a, b)),
            }
        }
    }
}

/// The first `MR` rows of pairs.
#[inline(always)]
fn rows<const MR: usize, const PAIRS: usize, const NV: usize>(
    pairs: [[[Sums; NV]; 2]; PAIRS],
) -> [[Sums; NV]; MR] {
    let rows = pairs.as_flattened();
    array::from_fn(|r| rows[r])
}
