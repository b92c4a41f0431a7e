//! Integer dot products: the operations of a quantised kernel beyond those of [`Simd`].
//!
//! A vector holds one group of bytes for every lane of the floats, and a dot product adds the products of
//! each group to a 32-bit sum. A group is four bytes where an instruction takes that many, else two, which
//! are widened to 16 bits on the way into a register. All of it is integer arithmetic without saturation, so
//! every instruction set gives the same bits.

use super::Simd;

/// The vector of floats with as many lanes as the sums of `D`.
pub type FloatsOf<D> = <<D as Dot>::Floats as Simd>::F32;

/// An instruction set with integer dot products, as a proof that the host has it.
pub trait Dot: Copy + Send + Sync + 'static {
    /// The instruction set of its floats. A vector of sums has as many lanes as one of floats.
    type Floats: Simd;
    /// A group of bytes per lane.
    type Groups: Copy;
    /// A pair of 16-bit integers per lane.
    type Pairs: Copy;
    /// A 32-bit sum per lane.
    type Sums: Copy;

    /// Bytes per group of the right operand. A group of the left operand always takes four bytes: one or two
    /// per element.
    const GROUP: usize;

    /// The token of the floats.
    fn floats(self) -> Self::Floats;
    /// Sums of zero.
    fn zero(self) -> Self::Sums;
    /// The group of a left operand at `x` in every lane.
    ///
    /// # Safety
    /// `x` must be valid for reads of four bytes; no alignment is needed.
    #[allow(unsafe_code)]
    unsafe fn splat_group(self, x: *const u8) -> Self::Groups;
    /// A vector of groups of a right operand from `x`.
    ///
    /// # Safety
    /// `x` must be valid for reads of [`Self::GROUP`] bytes per lane; no alignment is needed.
    #[allow(unsafe_code)]
    unsafe fn load_groups(self, x: *const i8) -> Self::Groups;
    /// `sums + Σ a · b` over each group, `a` as stored by [`Self::store_lhs`] and `b` signed.
    fn dot(self, sums: Self::Sums, a: Self::Groups, b: Self::Groups) -> Self::Sums;
    /// Writes integral floats in 0 ..= 255 as elements of a left operand, one per lane, `4 / GROUP` bytes
    /// each; minus 128 where the dot product takes signed operands only. Panics if `out` is shorter.
    fn store_lhs(self, x: FloatsOf<Self>, out: &mut [u8]);
    /// The pair of integers at `x` in every lane.
    ///
    /// # Safety
    /// `x` must be valid for reads of two integers.
    #[allow(unsafe_code)]
    unsafe fn splat_pair(self, x: *const i16) -> Self::Pairs;
    /// A vector of pairs from `x`.
    ///
    /// # Safety
    /// `x` must be valid for reads of two integers per lane.
    #[allow(unsafe_code)]
    unsafe fn load_pairs(self, x: *const i16) -> Self::Pairs;
    /// `a + b`, element by element, wrapping.
    fn add_pairs(self, a: Self::Pairs, b: Self::Pairs) -> Self::Pairs;
    /// `sums + Σ a · b` over each pair.
    fn dot_pairs(self, sums: Self::Sums, a: Self::Pairs, b: Self::Pairs) -> Self::Sums;
    /// Writes integral floats within 16 bits as pairs: lane `i` of both vectors is pair `i`. Panics if `out`
    /// is shorter than a vector of pairs.
    fn store_pairs(self, x: [FloatsOf<Self>; 2], out: &mut [i16]);
    /// Writes integral floats within 16 bits, one per lane. Panics if `out` is shorter than a vector.
    fn store_i16(self, x: FloatsOf<Self>, out: &mut [i16]);
    /// To the nearest float.
    fn to_floats(self, sums: Self::Sums) -> FloatsOf<Self>;
    /// `Σ (u − zero) · b` from the `sums` of [`Self::dot`] over elements `u` of a left operand, for `zero` in
    /// 0 ..= 255 and one pair `(l, h)` per lane with `l + 128 · h = −Σ b`. Panics if `pairs` is shorter than
    /// a vector.
    fn correct_zero_point(self, sums: Self::Sums, zero: u8, pairs: &[i16]) -> Self::Sums;
    /// Writes integral floats in 0 ..= 255 as bytes, one per lane. Panics if `out` is shorter than a vector.
    fn store_u8(self, x: FloatsOf<Self>, out: &mut [u8]);

    /// Calls `op` with the target features of this instruction set enabled.
    fn run_dots<O: DotOp>(self, op: O) -> O::Output;
}

/// A kernel over register tiles of `MR` rows and `NV` vectors of sums. Their columns divide those of the tile
/// of floats, [`Isa::tile_shape`](super::Isa::tile_shape). Implementations mark `eval` and everything below
/// `#[inline(always)]`.
pub trait DotOp {
    /// The kernel's result.
    type Output;
    /// Runs the kernel.
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) -> Self::Output;
}
