//! Transposed convolution with a 2×2 kernel and stride 2: no two taps overlap, so it is one GEMM and a
//! scatter.

use super::Size;
use crate::gemm::{Epilogue, PackedB, gemm_block};
use crate::parallel;
use crate::simd::Isa;

/// `[h, w, in]` → `[2h, 2w, out]`.
///
/// ```
/// use kernels::Isa;
/// use kernels::conv::ConvTranspose2x2;
///
/// let isa = Isa::best();
/// let conv = ConvTranspose2x2::new(isa, &[1.0, 2.0, 3.0, 4.0], &[0.0], 1);
/// let mut out = [0.0; 4];
/// conv.forward(isa, &[10.0], (1, 1), &mut out);
/// assert_eq!(out, [10.0, 20.0, 30.0, 40.0]);
/// ```
#[derive(Clone, Debug)]
pub struct ConvTranspose2x2 {
    /// `(in, 4·out)`, columns ordered `(dy, dx, out)`.
    weight: PackedB,
    /// The bias, repeated four times.
    bias: Vec<f32>,
    out_channels: usize,
}

impl ConvTranspose2x2 {
    /// From `weight`, `[in, out, 2, 2]`, and `bias`, `[out]`.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn new(isa: Isa, weight: &[f32], bias: &[f32], in_channels: usize) -> Self {
        let out_channels = bias.len();
        assert_eq!(weight.len(), in_channels * out_channels * 4, "ConvTranspose2x2::new: weight");
        let mut by_tap = Vec::with_capacity(weight.len());
        for filter in weight.chunks_exact(out_channels * 4) {
            for tap in 0..4 {
                by_tap.extend(filter.iter().skip(tap).step_by(4));
            }
        }
        let weight = PackedB::from_kn(isa, &by_tap, in_channels, 4 * out_channels);
        Self { weight, bias: bias.repeat(4), out_channels }
    }

    /// Pixels `x`, `(m, in)`, to their 2×2 output pixels, `(m, 2, 2, out)`, on the calling thread.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn taps_block(&self, isa: Isa, x: &[f32], out: &mut [f32]) {
        gemm_block(isa, x, x.len() / self.weight.k(), &self.weight, out, &Epilogue::bias(&self.bias));
    }

    /// Applies it: `x`, `[h, w, in]`, to `out`, `[2h, 2w, out]`.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn forward(&self, isa: Isa, x: &[f32], (h, w): Size, out: &mut [f32]) {
        let (k, c) = (self.weight.k(), self.out_channels);
        assert_eq!(x.len(), h * w * k, "ConvTranspose2x2::forward: input {h}×{w}×{k}");
        assert_eq!(out.len(), 4 * h * w * c, "ConvTranspose2x2::forward: output {}×{}×{c}", 2 * h, 2 * w);
        parallel::for_each_chunk_mut(out, 4 * w * c, |y, out| {
            parallel::with_scratch(4 * w * c, |taps| {
                self.taps_block(isa, &x[y * w * k..(y + 1) * w * k], taps);
                let (top, bottom) = out.split_at_mut(2 * w * c);
                for (x, taps) in taps.chunks_exact(4 * c).enumerate() {
                    top[2 * x * c..(2 * x + 2) * c].copy_from_slice(&taps[..2 * c]);
                    bottom[2 * x * c..(2 * x + 2) * c].copy_from_slice(&taps[2 * c..]);
                }
            });
        });
    }
}
