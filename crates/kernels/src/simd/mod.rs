//! The vector vocabulary: the operations that a kernel is written in, and the instruction sets that provide
//! them.
//!
//! [`Simd`] is a token that proves the host has the instruction set; a vector value can be made only with
//! one, so its operations are safe. Kernels are small structs that implement [`SimdOp`] (or [`TileOp`] where
//! the register tile matters, or [`DotOp`] over integer dot products) and are entered through
//! [`Isa::dispatch`].
//!
//! An instruction set is one file per vocabulary: `define_isa!` states its features, tiles and [`Tuning`]
//! once, `impl F32s` names its intrinsics, and `impl Dot` its integer products. [`Isa`] has one arm for each.

use half::f16;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod define;
mod dot;
mod isa;
mod portable;
mod tuning;

#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)]
mod aarch64;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86_64;

pub use dot::{Dot, DotOp, FloatsOf, SLICE, lhs_group, lhs_size, rounded};
pub use isa::{Isa, KnownIsa, UnknownIsa};
pub use portable::Portable;
pub use tuning::{Blocking, Tuning};

#[cfg(target_arch = "aarch64")]
pub use aarch64::{Caches, Dotprod, I8mm, Neon};
#[cfg(target_arch = "x86_64")]
pub use x86_64::{Avx2, Avx512, Avx512Vnni, AvxVnni};

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;
/// Prefetch distance into a panel of a right operand, in bytes: covers the latency of L3.
pub(crate) const AHEAD: usize = 3072;
/// Products whose sum is in half precision, in [`F32s::tile_of_halves`]. With more, the sum errs more; with
/// fewer, adding it up takes more time.
#[cfg(target_arch = "aarch64")]
pub(crate) const HALVES_PER_SUM: usize = 64;
/// The same in [`F32s::tile_of_sum_of_halves`]: scores are exponents, so their errors weigh more.
#[cfg(target_arch = "aarch64")]
pub(crate) const HALVES_PER_SCORE: usize = 32;

/// An instruction set, as a proof that the host has it.
pub trait Simd: Copy + Send + Sync + 'static {
    /// Its vector of `f32`.
    type F32: F32s<Token = Self>;

    /// Calls `op` with the target features of this instruction set enabled.
    fn run<O: SimdOp>(self, op: O) -> O::Output;

    /// As [`Simd::run`], for kernels that hold an `MR × (NV · LANES)` tile in registers.
    fn run_tiled<O: TileOp>(self, op: O) -> O::Output;
}

/// A kernel written once over [`Simd`]. Implementations mark `eval` and everything below `#[inline(always)]`.
///
/// ```
/// use kernels::Isa;
/// use kernels::simd::{F32s, Simd, SimdOp};
///
/// struct Double<'a>(&'a mut [f32]);
///
/// impl SimdOp for Double<'_> {
///     type Output = ();
///     #[inline(always)]
///     fn eval<S: Simd>(self, s: S) {
///         for x in self.0.chunks_mut(S::F32::LANES) {
///             let v = S::F32::load_partial(s, x);
///             v.add(v).store_partial(x);
///         }
///     }
/// }
///
/// let mut x = [1.0, 2.0, 3.0];
/// Isa::best().dispatch(Double(&mut x));
/// assert_eq!(x, [2.0, 4.0, 6.0]);
/// ```
pub trait SimdOp {
    /// The kernel's result.
    type Output;
    /// Runs the kernel.
    fn eval<S: Simd>(self, s: S) -> Self::Output;
}

/// A kernel over register tiles of `MR` rows and `NV` vectors; the instruction set determines both.
pub trait TileOp {
    /// The kernel's result.
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

    /// The first `LANES` half-precision numbers of `x`. Panics if there are fewer.
    fn load_half(s: Self::Token, x: &[f16]) -> Self;
    /// The first `LANES` bf16 numbers of `x`, by their bits. Panics if there are fewer.
    fn load_bf16(s: Self::Token, x: &[u16]) -> Self;
    /// Writes all lanes to the front of `out` in half precision, rounded to nearest even; what is too large
    /// becomes infinite. Panics if `out` is shorter.
    #[cfg(target_arch = "aarch64")]
    fn store_half(self, out: &mut [f16]);
    /// Prefetches the cache line at `x` into L1; any address is valid.
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
    /// `self * a + b`, fused where the instruction set has it.
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
    /// The upper half of the lanes, then the lower.
    fn swap_halves(self) -> Self;
    /// Sum of the lanes, in a fixed order.
    fn sum(self) -> f32;
    /// Largest lane.
    fn max_lane(self) -> f32;

    /// `MR × NV` vectors of `A · B` over `depth` steps of `k`, if the instruction set has a tile of its own:
    /// one that multiplies by a lane of a vector, where the tile in terms of this trait has a splat for every
    /// element of `A`. `a` has `MR` rows, `b` has `depth` rows of `NV` vectors; each comes with its stride in
    /// floats. Every element is one chain of [`Self::mul_add`] over `k`.
    ///
    /// # Safety
    /// `a` must be valid for reads of `MR` rows of `depth` floats, `b` for reads of its rows.
    #[allow(unsafe_code)]
    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(
        _: Self::Token,
        _depth: usize,
        _a: (*const f32, usize),
        _b: (*const f32, usize),
    ) -> Option<[[Self; NV]; MR]> {
        None
    }
    /// `T × NV` vectors, likewise: row `t` is `a[depth] + b[depth] + Σ (a[p] + b[p]) · z[p][t]`.
    ///
    /// # Safety
    /// `a` and `b` must be valid for reads of `depth + 1` rows of `NV` vectors, `z` for reads of `depth` rows
    /// of `T` floats.
    #[allow(unsafe_code)]
    #[inline(always)]
    unsafe fn tile_of_sum<const T: usize, const NV: usize>(
        _: Self::Token,
        _depth: usize,
        _ab: [*const f32; 2],
        _z: *const f32,
    ) -> Option<[[Self; NV]; T]> {
        None
    }
    /// `MR × NV` vectors of `A · B` over pairs of bf16 numbers, if the host has an instruction for them:
    /// `pairs` steps of `k`, operands as those of [`Self::tile`] with a pair's bits in every float. An
    /// element is one chain of additions: of each pair first the product of the upper halves.
    ///
    /// On ARM the sums are those of `bfmmla`. Of every two rows of `b` the pairs of one column lie beside
    /// each other, of every two rows of `a` two pairs of each by turns, up to an even number of them, the
    /// last one zero; a last row without another lies alone.
    ///
    /// # Safety
    /// As for [`Self::tile`].
    #[allow(unsafe_code)]
    #[inline(always)]
    unsafe fn tile_of_pairs<const MR: usize, const NV: usize>(
        _: Self::Token,
        _pairs: usize,
        _a: (*const f32, usize),
        _b: (*const f32, usize),
    ) -> Option<[[Self; NV]; MR]> {
        None
    }
    /// `MR × NV` vectors of `A · B` over `depth` steps of `k`, a multiple of eight, of numbers in half
    /// precision, if the host computes in it; operands as those of [`Self::tile`], strides in numbers. An
    /// element is the sum, in single precision, of one chain of multiply-adds in half precision for every
    /// 64 steps.
    ///
    /// # Safety
    /// As for [`Self::tile`].
    #[cfg(target_arch = "aarch64")]
    #[allow(unsafe_code)]
    #[inline(always)]
    unsafe fn tile_of_halves<const MR: usize, const NV: usize>(
        _: Self::Token,
        _depth: usize,
        _a: (*const f16, usize),
        _b: (*const f16, usize),
    ) -> Option<[[Self; NV]; MR]> {
        None
    }
    /// `T × NV` vectors, likewise: row `t` is `Σ (a[p] + b[p]) · z[p][t]`, in chains of 32 multiply-adds,
    /// which take the steps by turns: one at a time, two with three to six rows, four with fewer.
    ///
    /// # Safety
    /// `a` and `b` must be valid for reads of `depth` rows of `NV` vectors, `z` for reads of `depth` rows of
    /// `T` numbers.
    #[cfg(target_arch = "aarch64")]
    #[allow(unsafe_code)]
    #[inline(always)]
    unsafe fn tile_of_sum_of_halves<const T: usize, const NV: usize>(
        _: Self::Token,
        _depth: usize,
        _ab: [*const f16; 2],
        _z: *const f16,
    ) -> Option<[[Self; NV]; T]> {
        None
    }
}
