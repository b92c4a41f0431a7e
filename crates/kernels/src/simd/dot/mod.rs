//! Products of bytes and of 16-bit words: what an integer kernel may ask of an instruction set beyond [`Simd`].
//!
//! A vector holds one group of bytes for every lane of the floats, and a product adds the products of each group to a 32-bit sum. A group
//! is four bytes where there is an instruction for that, and else two, which become words on the way into a register. All of it is integer
//! arithmetic without saturation, so every instruction set gives the same bits.

mod portable;

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)]
mod dotprod;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod vnni;

use super::{F32s, Isa, Simd};

#[cfg(target_arch = "x86_64")]
pub use vnni::Avx512Vnni;

#[cfg(target_arch = "aarch64")]
pub use dotprod::Dotprod;

/// The floats that belong to the sums of `D`.
pub type FloatsOf<D> = <<D as Dot>::Floats as Simd>::F32;

/// An instruction set that multiplies bytes, as a proof that the host has it.
pub trait Dot: Copy + Send + Sync + 'static {
    /// What its floats are made of. A vector of sums has as many lanes as one of floats.
    type Floats: Simd;
    /// A group per lane.
    type Groups: Copy;
    /// A pair of 16-bit words per lane.
    type Pairs: Copy;
    /// A 32-bit sum per lane.
    type Sums: Copy;

    /// Bytes of a group of the right operand. On the left a group always takes four: one or two for each element.
    const GROUP: usize;

    /// The token of the floats.
    fn floats(self) -> Self::Floats;
    /// Nothing summed yet.
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
    /// `x` must be valid for reads of [`Self::GROUP`] bytes a lane; no alignment is needed.
    #[allow(unsafe_code)]
    unsafe fn load_groups(self, x: *const i8) -> Self::Groups;
    /// `sums + Σ a · b` over each group, `a` as [`Self::store_left`] keeps it and `b` signed.
    fn dot(self, sums: Self::Sums, a: Self::Groups, b: Self::Groups) -> Self::Sums;
    /// Writes integral floats in 0 ..= 255 as elements of a left operand, one a lane, `4 / GROUP` bytes each; where both operands of a
    /// product are signed, less 128. Panics if `out` is shorter.
    fn store_left(self, x: FloatsOf<Self>, out: &mut [u8]);
    /// The pair of words at `x` in every lane.
    ///
    /// # Safety
    /// `x` must be valid for reads of two words.
    #[allow(unsafe_code)]
    unsafe fn splat_pair(self, x: *const i16) -> Self::Pairs;
    /// A vector of pairs from `x`.
    ///
    /// # Safety
    /// `x` must be valid for reads of two words a lane.
    #[allow(unsafe_code)]
    unsafe fn load_pairs(self, x: *const i16) -> Self::Pairs;
    /// Word by word, wrapping.
    fn add_pairs(self, a: Self::Pairs, b: Self::Pairs) -> Self::Pairs;
    /// `sums + Σ a · b` over each pair.
    fn dot_pairs(self, sums: Self::Sums, a: Self::Pairs, b: Self::Pairs) -> Self::Sums;
    /// Writes integral floats within 16 bits as pairs, that of a lane from both vectors. Panics if `out` is shorter than a
    /// vector.
    fn store_pairs(self, x: [FloatsOf<Self>; 2], out: &mut [i16]);
    /// Writes integral floats within 16 bits, one a lane. Panics if `out` is shorter than a vector.
    fn store_words(self, x: FloatsOf<Self>, out: &mut [i16]);
    /// To the nearest float.
    fn to_floats(self, sums: Self::Sums) -> FloatsOf<Self>;
    /// Sums of `(u − zero) · b`, of what [`Self::dot`] summed for elements `u` of a left operand, `zero` in 0 ..= 255, and pairs `(l, h)`, one
    /// a lane, with `l + 128 · h = −Σ b`. Panics if `pairs` is shorter than a vector.
    fn centred(self, sums: Self::Sums, zero: u8, pairs: &[i16]) -> Self::Sums;
    /// Writes integral floats in 0 ..= 255 as bytes, one a lane. Panics if `out` is shorter than a vector.
    fn store_bytes(self, x: FloatsOf<Self>, out: &mut [u8]);

    /// Calls `op` with the target features of this instruction set switched on.
    fn run_dots<O: DotOp>(self, op: O) -> O::Output;
}

/// A kernel over register tiles of `MR` rows and `NV` vectors of sums; their columns divide those of the tile of floats, [`Isa::tile_shape`].
/// Implementations mark `eval` and everything below `#[inline(always)]`.
pub trait DotOp {
    /// What the kernel returns.
    type Output;
    /// Runs the kernel.
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) -> Self::Output;
}

impl Isa {
    /// Runs `op` with the products of bytes of this instruction set. AVX-512 without VNNI takes those of AVX2.
    #[inline]
    pub fn dispatch_dots<O: DotOp>(self, op: O) -> O::Output {
        match self {
            Isa::Portable(s) => s.run_dots(op),
            #[cfg(target_arch = "aarch64")]
            Isa::Dotprod(s) => s.run_dots(op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(s) => s.run_dots(op),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(s) => match Avx512Vnni::detect(s) {
                Some(s) => s.run_dots(op),
                None => s.avx2().run_dots(op),
            },
        }
    }

    /// Bytes of a group of the right operand: [`Dot::GROUP`].
    pub(crate) fn dot_group(self) -> usize {
        struct Group;
        impl DotOp for Group {
            type Output = usize;
            #[inline(always)]
            fn eval<D: Dot, const MR: usize, const NV: usize>(self, _: D) -> usize {
                D::GROUP
            }
        }
        self.dispatch_dots(Group)
    }

    /// Rows and columns of the register tile of sums.
    pub fn dot_tile_shape(self) -> (usize, usize) {
        struct Shape;
        impl DotOp for Shape {
            type Output = (usize, usize);
            #[inline(always)]
            fn eval<D: Dot, const MR: usize, const NV: usize>(self, _: D) -> (usize, usize) {
                (MR, NV * <FloatsOf<D> as F32s>::LANES)
            }
        }
        self.dispatch_dots(Shape)
    }
}
