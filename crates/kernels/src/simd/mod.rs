//! The vector vocabulary: what a kernel may ask of an instruction set.
//!
//! [`Simd`] is a token that proves the host has the instruction set; a vector value can be made only with
//! one, so its operations are safe. Kernels are small structs that implement [`SimdOp`] (or [`TileOp`] where
//! the register tile matters, or [`DotOp`] over products of bytes) and are entered through [`Isa::dispatch`].

use half::f16;

mod dot;
mod isa;
mod portable;

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512;

pub use dot::{Dot, DotOp, FloatsOf};
pub use isa::{Isa, UnknownIsa};
pub use portable::Portable;

#[cfg(target_arch = "aarch64")]
pub use dot::Dotprod;
#[cfg(target_arch = "x86_64")]
pub use {avx2::Avx2, avx512::Avx512, dot::Avx512Vnni};

/// An instruction set, as a proof that the host has it.
pub trait Simd: Copy + Send + Sync + 'static {
    /// Its vector of `f32`.
    type F32: F32s<Token = Self>;

    /// Calls `op` with the target features of this instruction set switched on.
    fn run<O: SimdOp>(self, op: O) -> O::Output;

    /// As [`Simd::run`], for kernels that hold an `MR × (NV · LANES)` tile in registers.
    fn run_tiled<O: TileOp>(self, op: O) -> O::Output;
}

/// A kernel written once over [`Simd`]. Implementations mark `eval` and everything below `#[inline(always)]`.
pub trait SimdOp {
    /// What the kernel returns.
    type Output;
    /// Runs the kernel.
    fn eval<S: Simd>(self, s: S) -> Self::Output;
}

/// A kernel over register tiles of `MR` rows and `NV` vectors; the sizes are chosen per instruction set.
pub trait TileOp {
    /// What the kernel returns.
    type Output;
    /// Runs the kernel.
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) -> Self::Output;
}

/// A vector of `LANES` floats. Arithmetic is IEEE single precision, lane by lane.
pub trait F32s: Copy + Send + Sync {
    /// The instruction set it belongs to.
    type Token: Simd<F32 = Self>;
    /// Number of floats.
    const LANES: usize;

    /// `x` in every lane.
    fn splat(s: Self::Token, x: f32) -> Self;
    /// The first `LANES` floats of `x`. Panics if there are fewer.
    fn load(s: Self::Token, x: &[f32]) -> Self;
    /// Up to `LANES` floats of `x`, the missing ones zero.
    fn load_partial(s: Self::Token, x: &[f32]) -> Self;
    /// Writes all lanes to the front of `out`. Panics if it is shorter.
    fn store(self, out: &mut [f32]);
    /// Writes the first `min(LANES, out.len())` lanes.
    fn store_partial(self, out: &mut [f32]);
    /// `LANES` floats from `x`.
    ///
    /// # Safety
    /// `x` must be valid for reads of `LANES` floats; no alignment is needed.
    #[allow(unsafe_code)]
    unsafe fn load_ptr(s: Self::Token, x: *const f32) -> Self;

    /// The first `LANES` numbers of `x`. Panics if there are fewer.
    fn load_half(s: Self::Token, x: &[f16]) -> Self;
    /// Asks for the cache line at `x`; any address is fine.
    #[inline(always)]
    fn prefetch(_: Self::Token, _x: *const f32) {}

    /// `self + o`.
    fn add(self, o: Self) -> Self;
    /// `self - o`.
    fn sub(self, o: Self) -> Self;
    /// `self * o`.
    fn mul(self, o: Self) -> Self;
    /// `self / o`.
    fn div(self, o: Self) -> Self;
    /// `self * a + b`, fused where the instruction set can.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// The larger of the two, `o` where `self` is NaN.
    fn max(self, o: Self) -> Self;
    /// The smaller of the two, `o` where `self` is NaN.
    fn min(self, o: Self) -> Self;
    /// To the nearest integer, ties to even. Lanes must be within ±2²².
    fn round(self) -> Self;
    /// `self · 2^n` for integral `n` in −126 ..= 127.
    fn times_pow2(self, n: Self) -> Self;
    /// `a` where `self > o`, else `b` (also where a comparand is NaN).
    fn select_gt(self, o: Self, a: Self, b: Self) -> Self;
    /// The second half of the lanes, then the first.
    fn swap_halves(self) -> Self;
    /// Sum of the lanes, in a fixed order.
    fn sum(self) -> f32;
    /// Largest lane.
    fn max_lane(self) -> f32;
}
