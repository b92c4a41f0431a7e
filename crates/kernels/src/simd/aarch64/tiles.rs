//! Register tiles of floats by lane: four elements of the left operand are one load, and each of them
//! multiplies a vector without a splat of its own, which takes a vector pipe beside its load.

use std::arch::aarch64::*;
use std::arch::asm;
use std::array;

use super::vector::F32x8;
use crate::simd::{AHEAD, LINE};

/// Floats of a left operand per load.
const STEPS: usize = 4;

/// `NV` vectors from `x`.
///
/// # Safety
/// `x` must be valid for reads of `NV` vectors.
#[inline(always)]
unsafe fn load<const NV: usize>(x: *const f32) -> [F32x8; NV] {
    // SAFETY: the caller promises `NV` vectors.
    array::from_fn(|v| F32x8(unsafe { [vld1q_f32(x.add(8 * v)), vld1q_f32(x.add(8 * v + 4))] }))
}

/// `acc += a[$lane] · row`, fused, for `NV` vectors.
///
/// Assembly, because the compiler makes a scalar load of every lane that `vfmaq_laneq_f32` multiplies by,
/// four for one of the vector, and a splat of some.
macro_rules! add_product {
    ($lane:literal, $acc:expr, $a:expr, $row:expr) => {
        for (acc, row) in $acc.iter_mut().zip($row) {
            for (acc, row) in acc.0.iter_mut().zip(row.0) {
                // SAFETY: every AArch64 has NEON; the instruction reads and writes registers only.
                unsafe {
                    asm!(
                        concat!("fmla {acc:v}.4s, {row:v}.4s, {a:v}.s[", $lane, "]"),
                        acc = inout(vreg) *acc,
                        row = in(vreg) row,
                        a = in(vreg) $a,
                        options(pure, nomem, nostack, preserves_flags),
                    );
                }
            }
        }
    };
}

/// One step of `k`: `acc[r] += left[r][$lane] · row` for the row at `b`, which must be valid for reads of
/// `NV` vectors.
macro_rules! step {
    ($lane:literal, $acc:expr, $left:expr, $b:expr) => {{
        // SAFETY: one of the rows of `NV` vectors that the function's caller promises.
        let row: [F32x8; NV] = unsafe { load($b) };
        for (acc, left) in $acc.iter_mut().zip($left) {
            add_product!($lane, acc, left, row);
        }
    }};
}

/// Prefetches the lines of `bytes` at some distance from `x`.
#[inline(always)]
pub(super) fn prefetch(x: *const f32, bytes: usize) {
    for at in (0..bytes).step_by(LINE) {
        let x = x.cast::<u8>().wrapping_add(AHEAD + at);
        // SAFETY: a prefetch reads no value, so any address is valid.
        unsafe {
            asm!("prfm pldl1keep, [{x}]", x = in(reg) x, options(readonly, nostack, preserves_flags));
        }
    }
}

/// [`crate::simd::F32s::tile`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn tile<const MR: usize, const NV: usize>(
    depth: usize,
    (mut a, a_stride): (*const f32, usize),
    (mut b, b_stride): (*const f32, usize),
) -> [[F32x8; NV]; MR] {
    let mut acc = [[F32x8([neon!(vdupq_n_f32(0.0)); 2]); NV]; MR];
    for _ in 0..depth / STEPS {
        // What four rows of a panel take, so that the number of lines is known when compiling.
        prefetch(b, STEPS * NV * 8 * size_of::<f32>());
        // SAFETY: four of the `depth` elements of each of `MR` rows.
        let left: [_; MR] = array::from_fn(|r| unsafe { vld1q_f32(a.add(r * a_stride)) });
        step!(0, acc, left, b);
        step!(1, acc, left, b.wrapping_add(b_stride));
        step!(2, acc, left, b.wrapping_add(2 * b_stride));
        step!(3, acc, left, b.wrapping_add(3 * b_stride));
        (a, b) = (a.wrapping_add(STEPS), b.wrapping_add(STEPS * b_stride));
    }
    for _ in 0..depth % STEPS {
        // SAFETY: one of the `depth` elements of each of `MR` rows.
        let left: [_; MR] = array::from_fn(|r| unsafe { first(a.add(r * a_stride)) });
        step!(0, acc, left, b);
        (a, b) = (a.wrapping_add(1), b.wrapping_add(b_stride));
    }
    acc
}

/// The float at `x` in the first lane.
///
/// # Safety
/// `x` must be valid for reads of one float.
#[inline(always)]
unsafe fn first(x: *const f32) -> float32x4_t {
    // SAFETY: the caller promises one float.
    unsafe { vld1q_lane_f32::<0>(x, vdupq_n_f32(0.0)) }
}

/// The steps by name, because the compiler does not unroll a loop around assembly by itself.
macro_rules! for_each_step {
    ([$($step:literal),+], |$p:ident| $body:block) => {
        $({
            const $p: usize = $step;
            $body
        })+
    };
}

/// `acc[t] += left[p · T + t] · row` for each `t < T`.
macro_rules! for_each_copy {
    ($p:ident, [$($t:literal),+], $acc:ident, $left:ident, $row:ident) => {
        $(if const { $t < T } {
            let (acc, left) = (&mut $acc[$t], $left[($p * T + $t) / STEPS]);
            match const { ($p * T + $t) % STEPS } {
                0 => add_product!(0, acc, left, $row),
                1 => add_product!(1, acc, left, $row),
                2 => add_product!(2, acc, left, $row),
                _ => add_product!(3, acc, left, $row),
            }
        })+
    };
}

/// [`crate::simd::F32s::tile_of_sum`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn tile_of_sum<const T: usize, const NV: usize>(
    depth: usize,
    [mut a, mut b]: [*const f32; 2],
    mut z: *const f32,
) -> [[F32x8; NV]; T] {
    const { assert!(T <= 8) };
    let width = 8 * NV;
    // SAFETY: both have `depth + 1` rows of `NV` vectors.
    let mut acc = [unsafe { load_sum::<NV>(a.add(depth * width), b.add(depth * width)) }; T];
    for _ in 0..depth / STEPS {
        // Four steps of `T` elements are `T` vectors: element `t` of step `p` is number `p · T + t`.
        // SAFETY: four of the `depth` rows of `T`.
        let left: [_; T] = array::from_fn(|i| unsafe { vld1q_f32(z.add(STEPS * i)) });
        for_each_step!([0, 1, 2, 3], |P| {
            // SAFETY: one of the `depth` rows of `NV` vectors, which both have.
            let row = unsafe { load_sum::<NV>(a.add(P * width), b.add(P * width)) };
            for_each_copy!(P, [0, 1, 2, 3, 4, 5, 6, 7], acc, left, row);
        });
        let next = STEPS * width;
        (a, b, z) = (a.wrapping_add(next), b.wrapping_add(next), z.wrapping_add(STEPS * T));
    }
    for _ in 0..depth % STEPS {
        // SAFETY: one of the `depth` rows, which all three have.
        let row = unsafe { load_sum::<NV>(a, b) };
        for (t, acc) in acc.iter_mut().enumerate() {
            // SAFETY: one of the `T` elements of a row.
            let left = unsafe { first(z.add(t)) };
            add_product!(0, acc, left, row);
        }
        (a, b, z) = (a.wrapping_add(width), b.wrapping_add(width), z.wrapping_add(T));
    }
    acc
}

/// `NV` vectors of `a + b`.
///
/// # Safety
/// Both must be valid for reads of `NV` vectors.
#[inline(always)]
unsafe fn load_sum<const NV: usize>(a: *const f32, b: *const f32) -> [F32x8; NV] {
    // SAFETY: the caller promises `NV` vectors at both.
    let (mut sum, b) = unsafe { (load::<NV>(a), load::<NV>(b)) };
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum = neon!(F32x8([vaddq_f32(sum.0[0], b.0[0]), vaddq_f32(sum.0[1], b.0[1])]));
    }
    sum
}
