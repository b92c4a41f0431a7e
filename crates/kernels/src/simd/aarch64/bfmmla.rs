//! `bfmmla`: products of two rows by two columns of four bf16 numbers each, added to four sums in single
//! precision.
//!
//! Of two numbers of a row the instruction adds the products to each other and that to the sum, then it takes
//! the other two. Additions round to odd and take numbers below the smallest normal one as zero, whatever the
//! floating-point control register says, unless a program selects other sums there (`FPCR.EBF`).
//!
//! It is inline assembly because its intrinsic, `vbfmmlaq_f32`, is unstable (`stdarch_neon_bf16`).
//!
//! Shared invariant of every `unsafe` block below: the token exists only after [`Bf16::detect`] found `bf16`,
//! and every AArch64 has NEON.

use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};
use std::array;

use super::tiles;
use super::vector::F32x8;

/// Token: the host multiplies matrices of bf16 numbers, optional in ARMv8.2 and mandatory in ARMv8.6.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bf16(());

impl Bf16 {
    #[inline(always)]
    pub fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("bf16").then_some(Self(()))
    }
}

/// Pairs in a row of the right operand.
const WIDTH: usize = 8;

/// Sums of two rows and eight columns: of two rows and two columns in each vector.
type Blocks = [float32x4_t; 4];

/// `sums + rows · columns`.
#[inline(always)]
fn bfmmla(_: Bf16, sums: &mut float32x4_t, rows: float32x4_t, columns: float32x4_t) {
    // SAFETY: the token proves the feature; the instruction reads and writes registers only.
    unsafe {
        asm!(
            ".arch_extension bf16",
            "bfmmla {sums:v}.4s, {rows:v}.8h, {columns:v}.8h",
            sums = inout(vreg) *sums,
            rows = in(vreg) rows,
            columns = in(vreg) columns,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
}

/// Two pairs of every row and column: `acc[i] += left[i] · right`.
#[inline(always)]
fn step<const COUPLES: usize>(
    s: Bf16,
    acc: &mut [Blocks; COUPLES],
    left: [float32x4_t; COUPLES],
    right: [float32x4_t; 4],
) {
    for (sums, left) in acc.iter_mut().zip(left) {
        for (sums, right) in sums.iter_mut().zip(right) {
            bfmmla(s, sums, left, right);
        }
    }
}

/// The lower halves of two vectors.
#[inline(always)]
fn low_halves(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    neon!(vreinterpretq_f32_f64(vzip1q_f64(vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b))))
}

/// The upper halves.
#[inline(always)]
fn high_halves(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    neon!(vreinterpretq_f32_f64(vzip2q_f64(vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b))))
}

/// [`crate::simd::F32s::tile_of_pairs`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn tile_of_pairs<const MR: usize, const NV: usize>(
    s: Bf16,
    pairs: usize,
    a: (*const f32, usize),
    b: (*const f32, usize),
) -> [[F32x8; NV]; MR] {
    const { assert!(matches!(MR, 1 | 2 | 4 | 8)) };
    assert!(NV == 1 && b.1 == WIDTH, "a tile of 8×8");
    assert!(pairs + 2 <= a.1, "a couple of rows fits two strides");
    // SAFETY: as the caller promises.
    unsafe {
        match MR {
            8 => rows(couples::<4, false>(s, pairs, a, b.0)),
            4 => rows(couples::<2, false>(s, pairs, a, b.0)),
            2 => rows(couples::<1, false>(s, pairs, a, b.0)),
            _ => rows(couples::<1, true>(s, pairs, a, b.0)),
        }
    }
}

/// Two pairs of a couple of rows, or of a row that is `ALONE` twice.
///
/// # Safety
/// `a` must be valid for reads of four floats, or of two.
#[inline(always)]
unsafe fn two_pairs<const ALONE: bool>(a: *const f32) -> float32x4_t {
    // SAFETY: as the caller promises.
    unsafe {
        if ALONE {
            let row = vld1_f32(a);
            vcombine_f32(row, row)
        } else {
            vld1q_f32(a)
        }
    }
}

/// The sums of `COUPLES` couples of rows, or of a row that is `ALONE`.
///
/// # Safety
/// As for [`crate::simd::F32s::tile_of_pairs`].
#[inline(always)]
unsafe fn couples<const COUPLES: usize, const ALONE: bool>(
    s: Bf16,
    pairs: usize,
    (mut a, a_stride): (*const f32, usize),
    mut b: *const f32,
) -> [[F32x8; 2]; COUPLES] {
    let advance = if ALONE { 2 } else { 4 };
    let mut acc = [[neon!(vdupq_n_f32(0.0)); 4]; COUPLES];
    for _ in 0..pairs / 4 {
        tiles::prefetch(b, 4 * WIDTH * size_of::<f32>());
        for _ in 0..2 {
            // SAFETY: two of four pairs that are left of every row.
            let left = array::from_fn(|i| unsafe { two_pairs::<ALONE>(a.add(2 * i * a_stride)) });
            // SAFETY: two joined rows of four that are left.
            let right = array::from_fn(|c| unsafe { vld1q_f32(b.add(4 * c)) });
            step(s, &mut acc, left, right);
            (a, b) = (a.wrapping_add(advance), b.wrapping_add(2 * WIDTH));
        }
    }
    if pairs % 4 >= 2 {
        // SAFETY: two pairs of every row.
        let left = array::from_fn(|i| unsafe { two_pairs::<ALONE>(a.add(2 * i * a_stride)) });
        // SAFETY: two joined rows.
        let right = array::from_fn(|c| unsafe { vld1q_f32(b.add(4 * c)) });
        step(s, &mut acc, left, right);
        (a, b) = (a.wrapping_add(advance), b.wrapping_add(2 * WIDTH));
    }
    if !pairs.is_multiple_of(2) {
        let zero = neon!(vdupq_n_f32(0.0));
        let left = array::from_fn(|i| {
            let a = a.wrapping_add(2 * i * a_stride);
            // SAFETY: the last pair of a row, or those of a couple, each with a zero.
            unsafe { if ALONE { vld1q_lane_f32::<0>(a, zero) } else { vld1q_f32(a) } }
        });
        // SAFETY: the last row, which is alone.
        let [x, y] = unsafe { [vld1q_f32(b), vld1q_f32(b.add(4))] };
        let right =
            neon!([vzip1q_f32(x, zero), vzip2q_f32(x, zero), vzip1q_f32(y, zero), vzip2q_f32(y, zero)]);
        step(s, &mut acc, left, right);
    }
    acc.map(|[a, b, c, d]| {
        [F32x8([low_halves(a, b), low_halves(c, d)]), F32x8([high_halves(a, b), high_halves(c, d)])]
    })
}

/// The first `MR` rows of couples.
#[inline(always)]
fn rows<const MR: usize, const COUPLES: usize, const NV: usize>(
    couples: [[F32x8; 2]; COUPLES],
) -> [[F32x8; NV]; MR] {
    let rows = couples.as_flattened();
    array::from_fn(|r| [rows[r]; NV])
}
