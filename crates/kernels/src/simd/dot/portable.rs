//! The floor: bytes widened to 16 bits, pairs of their products added, in vectors of `wide`.

use wide::{i16x16, i32x8};

use super::{Dot, DotOp};
use crate::simd::portable::F32x8;
use crate::simd::{F32s, Portable};

/// Bytes 0 and 2, and bytes 1 and 3, of eight groups.
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    even: i16x16,
    odd: i16x16,
}

impl Bytes {
    /// From 32 bytes, each made wider by `widen`.
    #[inline(always)]
    fn new(bytes: [u8; 32], widen: impl Fn(u8) -> i16) -> Self {
        let half = |first: usize| i16x16::new(std::array::from_fn(|i| widen(bytes[2 * i + first])));
        Self { even: half(0), odd: half(1) }
    }
}

impl Dot for Portable {
    type Floats = Portable;
    type Bytes = Bytes;
    type Sums = i32x8;

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
    unsafe fn splat_group(self, x: *const u8) -> Bytes {
        // SAFETY: the caller promises four readable bytes; an array of bytes needs no alignment.
        let group = unsafe { x.cast::<[u8; 4]>().read() };
        Bytes::new(std::array::from_fn(|i| group[i % 4]), i16::from)
    }
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn load_groups(self, x: *const i8) -> Bytes {
        // SAFETY: the caller promises 32 readable bytes; an array of bytes needs no alignment.
        let bytes = unsafe { x.cast::<[u8; 32]>().read() };
        Bytes::new(bytes, |byte| i16::from(byte as i8))
    }
    #[inline(always)]
    fn dot(self, sums: i32x8, a: Bytes, b: Bytes) -> i32x8 {
        sums + a.even.dot(b.even) + a.odd.dot(b.odd)
    }
    #[inline(always)]
    fn centred(self, sums: i32x8, zero: i32, columns: &[i32]) -> F32x8 {
        let columns: [i32; 8] = columns[..8].try_into().expect("eight sums");
        let sums = (sums - i32x8::splat(zero) * i32x8::new(columns)).to_array();
        F32x8::load(self, &sums.map(|sum| sum as f32))
    }
    #[inline(always)]
    fn store_bytes(self, x: F32x8, out: &mut [u8]) {
        let mut floats = [0.0; 8];
        x.store(&mut floats);
        out[..8].copy_from_slice(&floats.map(|x| x as u8));
    }
    #[inline]
    fn run_dots<O: DotOp>(self, op: O) -> O::Output {
        // 4×8 sums: 8 SSE registers, 4 of B, 2 of A, of 16.
        op.eval::<Self, 4, 1>(self)
    }
}
