//! Vectors of `wide`, on whatever the compilation target guarantees. No `unsafe` but the pointer loads of the
//! vocabulary.

mod dot;

use half::f16;
use wide::{f32x8, i32x8};

use super::{F32s, Simd, SimdOp, TileOp, Tuning, tuning};

/// Token of the portable instruction set. Always available.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Portable {
    /// Its name in `SAM2_ISA`, in benchmarks and in tests.
    pub const NAME: &'static str = "portable";
    pub(crate) const TUNING: Tuning = tuning::PORTABLE;
}

impl Simd for Portable {
    type F32 = F32x8;

    #[inline]
    fn run<O: SimdOp>(self, op: O) -> O::Output {
        op.eval(self)
    }

    #[inline]
    fn run_tiled<O: TileOp>(self, op: O) -> O::Output {
        // 4×8 floats in 8 SSE registers, 2 of B, 1 of A, of 16.
        op.eval::<Self, 4, 1>(self)
    }
}

/// Eight floats.
#[derive(Clone, Copy, Debug)]
pub struct F32x8(f32x8);

impl F32s for F32x8 {
    type Token = Portable;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(_: Portable, x: f32) -> Self {
        Self(f32x8::splat(x))
    }
    #[inline(always)]
    fn load(_: Portable, x: &[f32]) -> Self {
        let lanes: [f32; 8] = x[..8].try_into().expect("eight floats");
        Self(f32x8::new(lanes))
    }
    #[inline(always)]
    fn load_partial(_: Portable, x: &[f32]) -> Self {
        let mut lanes = [0.0; 8];
        let n = x.len().min(8);
        lanes[..n].copy_from_slice(&x[..n]);
        Self(f32x8::new(lanes))
    }
    #[inline(always)]
    fn store(self, out: &mut [f32]) {
        out[..8].copy_from_slice(&self.0.to_array());
    }
    #[inline(always)]
    fn store_partial(self, out: &mut [f32]) {
        let n = out.len().min(8);
        out[..n].copy_from_slice(&self.0.to_array()[..n]);
    }
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn load_ptr(_: Portable, x: *const f32) -> Self {
        // SAFETY: the caller promises eight readable floats; an array of floats needs no more alignment.
        Self(f32x8::new(unsafe { x.cast::<[f32; 8]>().read() }))
    }
    #[inline(always)]
    fn load_half(_: Portable, x: &[f16]) -> Self {
        let lanes: [f16; 8] = x[..8].try_into().expect("eight numbers");
        Self(f32x8::new(lanes.map(f16::to_f32)))
    }
    #[inline(always)]
    fn load_bf16(_: Portable, x: &[u16]) -> Self {
        let lanes: [u16; 8] = x[..8].try_into().expect("eight numbers");
        Self(f32x8::new(lanes.map(|bits| f32::from_bits(u32::from(bits) << 16))))
    }
    #[cfg(target_arch = "aarch64")]
    #[inline(always)]
    fn store_half(self, out: &mut [f16]) {
        out[..8].copy_from_slice(&self.0.to_array().map(f16::from_f32));
    }
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        Self(self.0 + o.0)
    }
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        Self(self.0 - o.0)
    }
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        Self(self.0 * o.0)
    }
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        Self(self.0 / o.0)
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self(self.0.mul_add(a.0, b.0))
    }
    #[inline(always)]
    fn max(self, o: Self) -> Self {
        self.select_gt(o, self, o)
    }
    #[inline(always)]
    fn min(self, o: Self) -> Self {
        o.select_gt(self, self, o)
    }
    #[inline(always)]
    fn round(self) -> Self {
        // A sum with 1.5·2²³ has no fraction bits, so it is rounded to an integer, ties to even.
        let magic = f32x8::splat(12_582_912.0);
        Self((self.0 + magic) - magic)
    }
    #[inline(always)]
    fn times_pow2(self, n: Self) -> Self {
        let exponent: i32x8 = n.0.trunc_int() + i32x8::splat(127);
        let bits: i32x8 = exponent << 23_i32;
        Self(self.0 * f32x8::new(bits.to_array().map(|bits| f32::from_bits(bits as u32))))
    }
    #[inline(always)]
    fn select_gt(self, o: Self, a: Self, b: Self) -> Self {
        Self(self.0.simd_gt(o.0).select(a.0, b.0))
    }
    #[inline(always)]
    fn swap_halves(self) -> Self {
        let mut lanes = self.0.to_array();
        lanes.rotate_left(4);
        Self(f32x8::new(lanes))
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        let v = self.0.to_array();
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }
    #[inline(always)]
    fn max_lane(self) -> f32 {
        self.0.to_array().into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}
