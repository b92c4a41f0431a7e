//! The vector of floats.

use std::arch::aarch64::float32x4_t;

/// Eight floats in two `q` registers.
#[derive(Clone, Copy, Debug)]
pub struct F32x8(pub(super) [float32x4_t; 2]);

impl F32x8 {
    #[inline(always)]
    pub(super) fn map(self, f: impl Fn(float32x4_t) -> float32x4_t) -> Self {
        let [low, high] = self.0;
        Self([f(low), f(high)])
    }

    #[inline(always)]
    pub(super) fn zip(self, o: Self, f: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> Self {
        Self([f(self.0[0], o.0[0]), f(self.0[1], o.0[1])])
    }

    #[cfg(test)]
    pub(super) fn lanes(self) -> [f32; 8] {
        let mut lanes = [0.0; 8];
        crate::simd::F32s::store(self, &mut lanes);
        lanes
    }
}
