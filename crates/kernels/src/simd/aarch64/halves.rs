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
use crate::simd::{HALVES_PER_SCORE, HALVES_PER_SUM};

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
const _: () = assert!(HALVES_PER_SUM.is_multiple_of(STEPS) && HALVES_PER_SCORE.is_multiple_of(STEPS));

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

/// `acc += left[$lane] · row`, fused, for `NV` vectors. The element of a lane comes from one of the first
/// sixteen registers.
macro_rules! add_product {
    ($s:expr, $lane:literal, $acc:expr, $left:expr, $row:expr) => {
        let _: Fp16 = $s;
        for (acc, row) in $acc.iter_mut().zip($row) {
            // SAFETY: the token proves the feature; the instruction reads and writes registers only.
            unsafe {
                asm!(
                    ".arch_extension fp16",
                    concat!("fmla {acc:v}.8h, {row:v}.8h, {left:v}.h[", $lane, "]"),
                    acc = inout(vreg) *acc,
                    row = in(vreg) row,
                    left = in(vreg_low16) $left,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
        }
    };
}

/// One step of `k`: `acc[r] += left[r][$lane] · row` for the row at `b`, which must be valid for reads of
/// `NV` vectors.
macro_rules! step {
    ($s:expr, $lane:literal, $acc:expr, $left:expr, $b:expr) => {{
        // SAFETY: one of the rows of `NV` vectors that the function's caller promises.
        let row: [uint16x8_t; NV] = unsafe { load($b) };
        for (acc, left) in $acc.iter_mut().zip($left) {
            add_product!($s, $lane, acc, left, row);
        }
    }};
}

/// `NV` vectors from `x`.
///
/// # Safety
/// `x` must be valid for reads of `NV` vectors.
#[inline(always)]
unsafe fn load<const NV: usize>(x: *const u16) -> [uint16x8_t; NV] {
    // SAFETY: the caller promises `NV` vectors.
    array::from_fn(|v| unsafe { vld1q_u16(x.add(8 * v)) })
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
        add(&mut sums, &acc);
        rest -= steps;
    }
    sums
}

/// `acc[p % chains][t] += left[p · T + t] · row` for each `t < T`.
macro_rules! for_each_copy {
    ($s:ident, $p:literal, [$($t:literal),+], $acc:ident, $left:ident, $row:ident) => {
        $(if const { $t < T } {
            let (acc, left) = (&mut $acc[$p % chains(T)][$t], $left[($p * T + $t) / STEPS]);
            match const { ($p * T + $t) % STEPS } {
                0 => { add_product!($s, 0, acc, left, $row); }
                1 => { add_product!($s, 1, acc, left, $row); }
                2 => { add_product!($s, 2, acc, left, $row); }
                3 => { add_product!($s, 3, acc, left, $row); }
                4 => { add_product!($s, 4, acc, left, $row); }
                5 => { add_product!($s, 5, acc, left, $row); }
                6 => { add_product!($s, 6, acc, left, $row); }
                _ => { add_product!($s, 7, acc, left, $row); }
            }
        })+
    };
}

/// The steps by name, because the compiler does not unroll a loop around assembly by itself.
macro_rules! for_each_step {
    ($s:ident, [$($p:literal),+], [$a:ident, $b:ident], $acc:ident, $left:ident) => {
        $({
            let width = 8 * NV;
            // SAFETY: one of the rows of `NV` vectors, which both have, as the function's caller promises.
            let row = unsafe { load_sum::<NV>($s, $a.add($p * width), $b.add($p * width)) };
            for_each_copy!($s, $p, [0, 1, 2, 3, 4, 5, 6, 7], $acc, $left, row);
        })+
    };
}

/// [`crate::simd::F32s::tile_of_sum_of_halves`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn tile_of_sum_of_halves<const T: usize, const NV: usize>(
    s: Fp16,
    depth: usize,
    ab: [*const f16; 2],
    z: *const f16,
) -> [[F32x8; NV]; T] {
    const { assert!(T <= 8) };
    let ([mut a, mut b], mut z) = (ab.map(|x| x.cast::<u16>()), z.cast::<u16>());
    let mut sums = [[F32x8([neon!(vdupq_n_f32(0.0)); 2]); NV]; T];
    let mut rest = depth;
    while rest > 0 {
        let steps = rest.min(chains(T) * HALVES_PER_SCORE);
        let mut acc = [[[neon!(vdupq_n_u16(0)); NV]; T]; MAX_CHAINS];
        for _ in 0..steps / STEPS {
            // Eight steps of `T` numbers are `T` vectors: number `t` of step `p` is number `p · T + t`.
            // SAFETY: eight of the `depth` rows of `T`.
            let left: [_; T] = array::from_fn(|i| unsafe { vld1q_u16(z.add(STEPS * i)) });
            for_each_step!(s, [0, 1, 2, 3, 4, 5, 6, 7], [a, b], acc, left);
            let next = STEPS * 8 * NV;
            (a, b, z) = (a.wrapping_add(next), b.wrapping_add(next), z.wrapping_add(STEPS * T));
        }
        acc[..chains(T)].iter().for_each(|acc| add(&mut sums, acc));
        rest -= steps;
    }
    sums
}

const MAX_CHAINS: usize = 4;

/// Chains of sums of each of `T` rows, which take the steps by turns: eight in all keep both pipes of a
/// Cortex-A76 busy, whose multiply-adds take four cycles.
const fn chains(t: usize) -> usize {
    match t {
        0..=2 => MAX_CHAINS,
        3..=6 => 2,
        _ => 1,
    }
}

/// `sums += acc`.
#[inline(always)]
fn add<const ROWS: usize, const NV: usize>(sums: &mut [[F32x8; NV]; ROWS], acc: &[[uint16x8_t; NV]; ROWS]) {
    for (sums, acc) in sums.as_flattened_mut().iter_mut().zip(acc.as_flattened()) {
        *sums = sums.zip(widen(*acc), |sum, acc| neon!(vaddq_f32(sum, acc)));
    }
}

/// `NV` vectors of `a + b`.
///
/// # Safety
/// Both must be valid for reads of `NV` vectors.
#[inline(always)]
unsafe fn load_sum<const NV: usize>(_: Fp16, a: *const u16, b: *const u16) -> [uint16x8_t; NV] {
    // SAFETY: the caller promises `NV` vectors at both.
    let (mut sum, b) = unsafe { (load::<NV>(a), load::<NV>(b)) };
    for (sum, b) in sum.iter_mut().zip(b) {
        // SAFETY: the token proves the feature; the instruction reads and writes registers only.
        unsafe {
            asm!(
                ".arch_extension fp16",
                "fadd {sum:v}.8h, {sum:v}.8h, {b:v}.8h",
                sum = inout(vreg) *sum,
                b = in(vreg) b,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
    }
    sum
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

    /// Chains of `per_sum` steps, which `chains` take by turns.
    fn twin(depth: usize, (per_sum, chains): (usize, usize), a: &[f16], b: &[f16], column: usize) -> f32 {
        let mut sum = 0.0;
        for first in (0..depth).step_by(chains * per_sum) {
            for chain in 0..chains {
                let steps = (first + chain..depth.min(first + chains * per_sum)).step_by(chains);
                let chain = steps.fold(f16::ZERO, |sum, p| mul_add_half(a[p], b[p * 8 + column], sum));
                sum += chain.to_f32();
            }
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
                    let expected = twin(depth, (HALVES_PER_SUM, 1), &a[r * KC..], &b, column);
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
        check_sum::<8>(s);
        check_sum::<7>(s);
        check_sum::<6>(s);
        check_sum::<4>(s);
        check_sum::<3>(s);
        check_sum::<2>(s);
        check_sum::<1>(s);
    }

    fn check_sum<const T: usize>(s: Fp16) {
        for depth in [0, 8, 24, 32, 40, 64, 136] {
            let [a, b] = [3, 4].map(|seed| numbers(seed, depth * 8));
            let z = numbers(5, depth * T);
            // SAFETY: the operands are `depth` rows of one vector, and of `T` numbers.
            let tile =
                unsafe { tile_of_sum_of_halves::<T, 1>(s, depth, [a.as_ptr(), b.as_ptr()], z.as_ptr()) };
            let sum: Vec<f16> = a.iter().zip(&b).map(|(a, b)| mul_add_half(*a, f16::ONE, *b)).collect();
            for (t, [sums]) in tile.into_iter().enumerate() {
                let z: Vec<f16> = z.iter().skip(t).step_by(T).copied().collect();
                for (column, actual) in sums.lanes().into_iter().enumerate() {
                    let expected = twin(depth, (HALVES_PER_SCORE, chains(T)), &z, &sum, column);
                    assert_eq!(actual.to_bits(), expected.to_bits(), "depth {depth}, {t} of {T}");
                }
            }
        }
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
