//! Integer dot products in vectors of `wide`: bytes widened to 16 bits, pairs of their products added.

use wide::{i8x16, i16x16, i32x8};

use super::{F32x8, Portable};
use crate::simd::dot::{Groups, column_sum_as_pair, tile_of_groups};
use crate::simd::{Dot, DotOp, F32s};

impl Dot for Portable {
    type Floats = Portable;
    type Pairs = i16x16;
    type Sums = i32x8;
    const GROUP: usize = 2;

    #[inline(always)]
    fn floats(self) -> Portable {
        self
    }
    #[inline(always)]
    fn zero(self) -> i32x8 {
        i32x8::splat(0)
    }
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn tile<const MR: usize, const NV: usize>(
        self,
        groups: usize,
        a: (*const u8, usize),
        b: (*const i8, usize),
    ) -> [[i32x8; NV]; MR] {
        // SAFETY: as the caller promises.
        unsafe { tile_of_groups(self, groups, a, b) }
    }
    #[inline(always)]
    fn store_lhs(self, x: F32x8, out: &mut [u8]) {
        let mut floats = [0.0; 8];
        x.store(&mut floats);
        out.as_chunks_mut::<2>().0[..8].copy_from_slice(&floats.map(|x| (x as i16).to_ne_bytes()));
    }
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn splat_pair(self, x: *const i16) -> i16x16 {
        // SAFETY: the caller promises two readable integers; they are aligned.
        let pair = unsafe { x.cast::<[i16; 2]>().read() };
        i16x16::new(std::array::from_fn(|i| pair[i % 2]))
    }
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn load_pairs(self, x: *const i16) -> i16x16 {
        // SAFETY: the caller promises sixteen readable integers; they are aligned.
        i16x16::new(unsafe { x.cast::<[i16; 16]>().read() })
    }
    #[inline(always)]
    fn add_pairs(self, a: i16x16, b: i16x16) -> i16x16 {
        a + b
    }
    #[inline(always)]
    fn dot_pairs(self, sums: i32x8, a: i16x16, b: i16x16) -> i32x8 {
        sums + a.dot(b)
    }
    #[inline(always)]
    fn store_pairs(self, x: [F32x8; 2], out: &mut [i16]) {
        for (i, x) in x.into_iter().enumerate() {
            let mut floats = [0.0; 8];
            x.store(&mut floats);
            out[..16].iter_mut().skip(i).step_by(2).zip(floats).for_each(|(out, x)| *out = x as i16);
        }
    }
    #[inline(always)]
    fn store_i16(self, x: F32x8, out: &mut [i16]) {
        let mut floats = [0.0; 8];
        x.store(&mut floats);
        out[..8].copy_from_slice(&floats.map(|x| x as i16));
    }
    #[inline(always)]
    fn to_floats(self, sums: i32x8) -> F32x8 {
        F32x8::load(self, &sums.to_array().map(|sum| sum as f32))
    }
    #[inline(always)]
    fn column_sum(sum: i32) -> i32 {
        column_sum_as_pair(sum)
    }
    #[inline(always)]
    #[allow(unsafe_code)]
    fn correct_zero_point(self, sums: i32x8, zero: u8, column_sums: &[i32]) -> i32x8 {
        assert!(column_sums.len() >= 8);
        let zero = i16::from(zero);
        let zero = i16x16::new(std::array::from_fn(|i| if i % 2 == 0 { zero } else { 128 * zero }));
        // SAFETY: eight pairs of integers, asserted above; they are aligned.
        sums + zero.dot(i16x16::new(unsafe { column_sums.as_ptr().cast::<[i16; 16]>().read() }))
    }
    #[inline(always)]
    fn store_u8(self, x: F32x8, out: &mut [u8]) {
        let mut floats = [0.0; 8];
        x.store(&mut floats);
        out[..8].copy_from_slice(&floats.map(|x| x as u8));
    }
    #[inline]
    fn run_dots<O: DotOp>(self, op: O) -> O::Output {
        // 4×8 sums in 8 SSE registers, 4 of B, 2 of A, of 16.
        op.eval::<Self, 4, 1>(self)
    }
}

impl Groups for Portable {
    type Group = i16x16;

    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn splat_group(self, x: *const u8) -> i16x16 {
        // SAFETY: the caller promises four readable bytes; an array of bytes needs no alignment.
        let [a, b, c, d] = unsafe { x.cast::<[u8; 4]>().read() };
        let pair = [i16::from_ne_bytes([a, b]), i16::from_ne_bytes([c, d])];
        i16x16::new(std::array::from_fn(|i| pair[i % 2]))
    }
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn load_groups(self, x: *const i8) -> i16x16 {
        // SAFETY: the caller promises sixteen readable bytes; an array of bytes needs no alignment.
        i16x16::from_i8x16(i8x16::new(unsafe { x.cast::<[i8; 16]>().read() }))
    }
    #[inline(always)]
    fn dot(self, sums: i32x8, a: i16x16, b: i16x16) -> i32x8 {
        self.dot_pairs(sums, a, b)
    }
}
