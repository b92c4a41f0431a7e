//! Half precision: conversions, which every AArch64 has, and products by lane of eight numbers, which cores
//! with `fp16` have, twice as many an instruction as of floats.
//!
//! All of it is inline assembly, because the type of its intrinsics, `float16x8_t`, is unstable.
//!
//! Shared invariant of every `unsafe` block below: the token exists only after [`Fp16::detect`] found `fp16`,
//! and every AArch64 has NEON.

use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};
use std::array;

use half::f16;

use super::tiles;
use super::vector::F32x8;
use crate::simd::HALVES_PER_SUM;

/// Token: the host computes in half precision, optional in ARMv8.2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fp16(());

impl Fp16 {
    #[inline(always)]
    pub fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("fp16").then_some(Self(()))
    }
}

/// Numbers of a left operand per load, one a step.
const STEPS: usize = 8;
const _: () = assert!(HALVES_PER_SUM.is_multiple_of(STEPS));

/// Eight numbers in single precision.
#[inline(always)]
pub(super) fn widen(halves: uint16x8_t) -> F32x8 {
    let (low, high): (float32x4_t, float32x4_t);
    // SAFETY: both instructions read and write registers only.
    unsafe {
        asm!(
            "fcvtl {low:v}.4s, {halves:v}.4h",
            "fcvtl2 {high:v}.4s, {halves:v}.8h",
            low = out(vreg) low,
            high = lateout(vreg) high,
            halves = in(vreg) halves,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    F32x8([low, high])
}

/// The nearest numbers in half precision, ties to even.
#[inline(always)]
pub(super) fn narrow(x: F32x8) -> uint16x8_t {
    let halves: uint16x8_t;
    // SAFETY: both instructions read and write registers only.
    unsafe {
        asm!(
            "fcvtn {halves:v}.4h, {low:v}.4s",
            "fcvtn2 {halves:v}.8h, {high:v}.4s",
            halves = out(vreg) halves,
            low = in(vreg) x.0[0],
            high = in(vreg) x.0[1],
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    halves
}

/// One step of `k`: `acc[r] += left[r][$lane] · row`, fused, for the `NV` vectors of the row at `b`, which must
/// be valid for reads of them. The element of a lane comes from one of the first sixteen registers.
macro_rules! step {
    ($s:expr, $lane:literal, $acc:expr, $left:expr, $b:expr) => {{
        let _: Fp16 = $s;
        // SAFETY: one of the rows of `NV` vectors that the function's caller promises.
        let row: [uint16x8_t; NV] = array::from_fn(|v| unsafe { vld1q_u16($b.add(8 * v)) });
        for (acc, left) in $acc.iter_mut().zip($left) {
            for (acc, row) in acc.iter_mut().zip(row) {
                // SAFETY: the token proves the feature; the instruction reads and writes registers only.
                unsafe {
                    asm!(
                        ".arch_extension fp16",
                        concat!("fmla {acc:v}.8h, {row:v}.8h, {left:v}.h[", $lane, "]"),
                        acc = inout(vreg) *acc,
                        row = in(vreg) row,
                        left = in(vreg_low16) left,
                        options(pure, nomem, nostack, preserves_flags),
                    );
                }
            }
        }
    }};
}

/// [`crate::simd::F32s::tile_of_halves`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn tile_of_halves<const MR: usize, const NV: usize>(
    s: Fp16,
    depth: usize,
    (a, a_stride): (*const f16, usize),
    (b, b_stride): (*const f16, usize),
) -> [[F32x8; NV]; MR] {
    let (mut a, mut b) = (a.cast::<u16>(), b.cast::<u16>());
    let mut sums = [[F32x8([neon!(vdupq_n_f32(0.0)); 2]); NV]; MR];
    let mut rest = depth;
    while rest > 0 {
        let steps = rest.min(HALVES_PER_SUM);
        let mut acc = [[neon!(vdupq_n_u16(0)); NV]; MR];
        for _ in 0..steps / STEPS {
            tiles::prefetch(b.cast(), STEPS * NV * 8 * size_of::<f16>());
            // SAFETY: eight of the `depth` numbers of each of `MR` rows.
            let left: [_; MR] = array::from_fn(|r| unsafe { vld1q_u16(a.add(r * a_stride)) });
            step!(s, 0, acc, left, b);
            step!(s, 1, acc, left, b.wrapping_add(b_stride));
            step!(s, 2, acc, left, b.wrapping_add(2 * b_stride));
            step!(s, 3, acc, left, b.wrapping_add(3 * b_stride));
            step!(s, 4, acc, left, b.wrapping_add(4 * b_stride));
            step!(s, 5, acc, left, b.wrapping_add(5 * b_stride));
            step!(s, 6, acc, left, b.wrapping_add(6 * b_stride));
            step!(s, 7, acc, left, b.wrapping_add(7 * b_stride));
            (a, b) = (a.wrapping_add(STEPS), b.wrapping_add(STEPS * b_stride));
        }
        for (sums, acc) in sums.as_flattened_mut().iter_mut().zip(acc.as_flattened()) {
            *sums = sums.zip(widen(*acc), |sum, acc| neon!(vaddq_f32(sum, acc)));
        }
        rest -= steps;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::KC;
    use crate::reference::mul_add_half;

    /// Numbers of every size, some of them subnormal, from a small generator.
    fn numbers(seed: u32, count: usize) -> Vec<f16> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        (0..count)
            .map(|_| {
                let size = 2f32.powi((next() % 24) as i32 - 22);
                f16::from_f32((next() as f32 / 32768.0 - 1.0) * size)
            })
            .collect()
    }

    fn twin(depth: usize, a: &[f16], b: &[f16], column: usize) -> f32 {
        let mut sum = 0.0;
        for first in (0..depth).step_by(HALVES_PER_SUM) {
            let steps = first..depth.min(first + HALVES_PER_SUM);
            let chain = steps.fold(f16::ZERO, |sum, p| mul_add_half(a[p], b[p * 8 + column], sum));
            sum += chain.to_f32();
        }
        sum
    }

    fn check<const MR: usize>(s: Fp16) {
        for depth in [0, 8, 56, 64, 72, 240] {
            let (a, b) = (numbers(1 + depth as u32, MR * KC), numbers(2, depth * 8));
            // SAFETY: the operands are `MR` rows of `KC` numbers, and `depth` rows of one vector.
            let tile = unsafe { tile_of_halves::<MR, 1>(s, depth, (a.as_ptr(), KC), (b.as_ptr(), 8)) };
            for (r, [sums]) in tile.into_iter().enumerate() {
                for (column, sum) in sums.lanes().into_iter().enumerate() {
                    let expected = twin(depth, &a[r * KC..], &b, column);
                    assert_eq!(sum.to_bits(), expected.to_bits(), "depth {depth}, row {r}, column {column}");
                }
            }
        }
    }

    #[test]
    fn tiles_have_the_bits_of_the_twin() {
        let Some(s) = Fp16::detect() else {
            // As for the suites of whole sets: it must not pass unseen where a machine is said to have it.
            assert!(std::env::var_os("SAM2_REQUIRE_ISA").is_none(), "this machine lacks fp16");
            return;
        };
        check::<8>(s);
        check::<4>(s);
        check::<2>(s);
        check::<1>(s);
    }

    #[test]
    fn conversions_round_to_nearest_even() {
        let mut x = [1.0, 1.0 + 2f32.powi(-11), 1.0 + 3.0 * 2f32.powi(-11), 65519.0, 65520.0, 1e-9, 0.0, 0.0];
        x[6] = 2f32.powi(-24);
        x[7] = -2.5 * 2f32.powi(-24);
        // SAFETY: `x` has eight floats.
        let halves = narrow(F32x8(unsafe { [vld1q_f32(x.as_ptr()), vld1q_f32(x.as_ptr().add(4))] }));
        let expected = x.map(|x| f16::from_f32(x).to_f32());
        assert_eq!(widen(halves).lanes(), expected);
    }
}
