//! Integer dot products: the operations of a quantised kernel beyond those of [`Simd`].
//!
//! A right operand holds one group of bytes for every lane of the floats, and a dot product adds the products
//! of each group to a 32-bit sum. A group is eight or four bytes where an instruction takes that many, else
//! two, which are widened to 16 bits on the way into a register. All of it is integer arithmetic without
//! saturation, so every instruction set gives the same bits.
//!
//! The tile of bytes belongs to the instruction set: x86 multiplies a group in every lane ([`Groups`]), ARM a
//! lane of a vector, or two rows by two columns.

use super::{AHEAD, F32s, LINE, Simd};

/// Contiguous bytes of a row in the left operand of [`Dot::tile`]: a cache line.
pub const SLICE: usize = 64;

/// The vector of floats with as many lanes as the sums of `D`.
pub type FloatsOf<D> = <<D as Dot>::Floats as Simd>::F32;

/// An instruction set with integer dot products, as a proof that the host has it.
pub trait Dot: Copy + Send + Sync + 'static {
    /// The instruction set of its floats. A vector of sums has as many lanes as one of floats.
    type Floats: Simd;
    /// A pair of 16-bit integers per lane.
    type Pairs: Copy;
    /// A 32-bit sum per lane.
    type Sums: Copy;

    /// Bytes per group of the right operand. A group of the left operand takes as many, but at least four:
    /// one or two per element.
    const GROUP: usize;
    /// Rows of the left operand that lie side by side: by turns as many bytes of each as
    /// [`Self::store_lhs`] writes.
    const ROWS: usize = 1;

    /// The token of the floats.
    fn floats(self) -> Self::Floats;
    /// Sums of zero.
    fn zero(self) -> Self::Sums;
    /// `MR × NV` vectors of sums of products of bytes over `groups` groups, of which there is at least one.
    ///
    /// `a`, as stored by [`Self::store_lhs`], is cut into slices: [`SLICE`] bytes of each of `MR` rows, then
    /// `a_stride` bytes further on the next; [`lhs_group`] bytes are a group. `b`, signed, has `groups` rows
    /// of `NV` vectors of groups with stride `b_stride`, in bytes.
    ///
    /// # Safety
    /// `a` must be valid for reads of whole slices of `MR` rows, rounded up to whole [`Self::ROWS`], for all
    /// groups, and `b` for reads of `groups` rows.
    #[allow(unsafe_code)]
    unsafe fn tile<const MR: usize, const NV: usize>(
        self,
        groups: usize,
        a: (*const u8, usize),
        b: (*const i8, usize),
    ) -> [[Self::Sums; NV]; MR];
    /// Writes integral floats in 0 ..= 255 as elements of a left operand, one per lane, [`lhs_size`] bytes
    /// each; minus 128 where the dot product takes signed operands only. Panics if `out` is shorter.
    fn store_lhs(self, x: FloatsOf<Self>, out: &mut [u8]);
    /// Writes a [`SLICE`] of row `row` of the [`Self::ROWS`] side by side in `out`: every element of `x` as
    /// [`rounded`], then zeros. Elements times `inverse` are within ±2¹⁴ or NaN. Panics if `out` is shorter
    /// than the slices of those rows.
    #[inline(always)]
    fn store_slice(self, x: &[f32], (inverse, zero): (f32, u8), row: usize, out: &mut [u8]) {
        let lanes = FloatsOf::<Self>::LANES;
        let size = lanes * lhs_size(Self::GROUP);
        for (x, out) in x.chunks(lanes).zip(out.chunks_exact_mut(Self::ROWS * size)) {
            let x = rounded(self, x, inverse, f32::from(zero));
            self.store_lhs(x, &mut out[row % Self::ROWS * size..]);
        }
    }
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
    /// The form in which [`Self::correct_zero_point`] takes the sum of a column, which is within 2²² of zero.
    fn column_sum(sum: i32) -> i32;
    /// `Σ (u − zero) · b` from the `sums` of [`Self::tile`] over elements `u` of a left operand, for `zero`
    /// in 0 ..= 255 and [`Self::column_sum`] of `Σ b`, one per lane. Panics if there are fewer.
    fn correct_zero_point(self, sums: Self::Sums, zero: u8, column_sums: &[i32]) -> Self::Sums;
    /// Writes integral floats in 0 ..= 255 as bytes, one per lane. Panics if `out` is shorter than a vector.
    fn store_u8(self, x: FloatsOf<Self>, out: &mut [u8]);

    /// Calls `op` with the target features of this instruction set enabled.
    fn run_dots<O: DotOp>(self, op: O) -> O::Output;
}

/// `round(x · inverse) + zero`, clamped to 0 ..= 255, of up to a vector of elements, missing ones zeros; 0 of
/// NaN.
#[inline(always)]
pub fn rounded<D: Dot>(d: D, x: &[f32], inverse: f32, zero: f32) -> FloatsOf<D> {
    let s = d.floats();
    let [inverse, zero, min, max] = [inverse, zero, 0.0, 255.0].map(|x| FloatsOf::<D>::splat(s, x));
    FloatsOf::<D>::load_partial(s, x).mul(inverse).round().add(zero).max(min).min(max)
}

/// Bytes of an element of the left operand.
#[inline(always)]
pub const fn lhs_size(group: usize) -> usize {
    4usize.div_ceil(group)
}

/// Bytes of a group of the left operand.
#[inline(always)]
pub const fn lhs_group(group: usize) -> usize {
    group * lhs_size(group)
}

/// Dot products of a group in every lane: the operations of [`tile_of_groups`].
pub(super) trait Groups: Dot {
    /// A group of bytes per lane.
    type Group: Copy;

    /// The group of a left operand at `x` in every lane.
    ///
    /// # Safety
    /// `x` must be valid for reads of four bytes; no alignment is needed.
    #[allow(unsafe_code)]
    unsafe fn splat_group(self, x: *const u8) -> Self::Group;
    /// A vector of groups of a right operand from `x`.
    ///
    /// # Safety
    /// `x` must be valid for reads of [`Dot::GROUP`] bytes per lane; no alignment is needed.
    #[allow(unsafe_code)]
    unsafe fn load_groups(self, x: *const i8) -> Self::Group;
    /// `sums + Σ a · b` over each group.
    fn dot(self, sums: Self::Sums, a: Self::Group, b: Self::Group) -> Self::Sums;
}

/// [`Dot::tile`] of instruction sets that multiply a group in every lane.
///
/// # Safety
/// As there.
#[allow(unsafe_code)]
#[inline(always)]
pub(super) unsafe fn tile_of_groups<D: Groups, const MR: usize, const NV: usize>(
    d: D,
    groups: usize,
    (a, a_stride): (*const u8, usize),
    (b, b_stride): (*const i8, usize),
) -> [[D::Sums; NV]; MR] {
    let width = D::GROUP * FloatsOf::<D>::LANES;
    let mut acc = [[d.zero(); NV]; MR];
    for first in (0..groups).step_by(SLICE / 4) {
        let slice = a.wrapping_add(first / (SLICE / 4) * a_stride);
        let mut row = b.wrapping_add(first * b_stride);
        for p in 0..(groups - first).min(SLICE / 4) {
            // SAFETY: one of `groups` rows of `NV` vectors, which the caller promises.
            let b_row: [D::Group; NV] = std::array::from_fn(|v| unsafe { d.load_groups(row.add(v * width)) });
            let ahead = row.cast::<u8>().wrapping_add(AHEAD);
            for at in (0..NV * width).step_by(LINE) {
                FloatsOf::<D>::prefetch(d.floats(), ahead.wrapping_add(at).cast());
            }
            for (r, acc) in acc.iter_mut().enumerate() {
                // SAFETY: `r < MR` and `p < SLICE / 4` in a slice of `a`, which the caller promises.
                let x = unsafe { d.splat_group(slice.add(r * SLICE + 4 * p)) };
                for (acc, b) in acc.iter_mut().zip(b_row) {
                    *acc = d.dot(*acc, x, b);
                }
            }
            row = row.wrapping_add(b_stride);
        }
    }
    acc
}

/// The sum of a column as a pair `(l, h)` of 16-bit integers in memory with `l + 128 · h = −sum`: a product
/// of pairs with `(z, 128 · z)` is `−z · sum`.
#[inline(always)]
pub(super) fn column_sum_as_pair(sum: i32) -> i32 {
    let [low, high] = [(-sum & 127) as i16, (-sum >> 7) as i16].map(i16::to_ne_bytes);
    i32::from_ne_bytes([low[0], low[1], high[0], high[1]])
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
