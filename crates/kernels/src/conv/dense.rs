//! Dense convolution as a GEMM whose left operand is never stored: each task gathers the patches of its
//! output pixels directly into the block that the micro-kernel reads.

use super::Size;
use crate::gemm::{Activation, Epilogue, KC, PackedB, RowSource, gemm_from};
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// A convolution with square kernel, stride and zero padding.
///
/// ```
/// use kernels::Isa;
/// use kernels::conv::Conv2d;
/// use kernels::gemm::Activation;
///
/// let isa = Isa::best();
/// let sum = Conv2d::new(isa, &[1.0; 9], &[0.0], 1, 3, 1, 1); // 3×3 ones, stride 1, padding 1
/// assert_eq!((sum.output_size((3, 3)), sum.out_channels()), ((3, 3), 1));
/// let mut out = [0.0; 9];
/// sum.forward(isa, &[1.0; 9], (3, 3), Activation::None, &mut out);
/// assert_eq!(out, [4.0, 6.0, 4.0, 6.0, 9.0, 6.0, 4.0, 6.0, 4.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: PackedB,
    bias: Vec<f32>,
    in_channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Conv2d {
    /// From `weight`, `[out, in, kernel, kernel]`, and `bias`, `[out]`.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn new(
        isa: Isa,
        weight: &[f32],
        bias: &[f32],
        in_channels: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Self {
        let out_channels = bias.len();
        let taps = kernel * kernel;
        assert_eq!(weight.len(), out_channels * in_channels * taps, "Conv2d::new: weight");
        // [out, in, tap] → [out, tap, in]: the order of a channels-last patch.
        let mut by_patch = Vec::with_capacity(weight.len());
        for filter in weight.chunks_exact(in_channels * taps) {
            for tap in 0..taps {
                by_patch.extend(filter.iter().skip(tap).step_by(taps));
            }
        }
        let weight = PackedB::from_nk(isa, &by_patch, out_channels, taps * in_channels);
        Self { weight, bias: bias.to_vec(), in_channels, kernel, stride, padding }
    }

    /// Size of the output for an input of `(h, w)`.
    pub fn output_size(&self, (h, w): Size) -> Size {
        let out = |n: usize| (n + 2 * self.padding - self.kernel) / self.stride + 1;
        (out(h), out(w))
    }

    /// Channels of the output.
    pub fn out_channels(&self) -> usize {
        self.bias.len()
    }

    /// Applies it: `x`, `[h, w, in]`, to `out`, `[h', w', out]`.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn forward(&self, isa: Isa, x: &[f32], (h, w): Size, activation: Activation, out: &mut [f32]) {
        assert_eq!(x.len(), h * w * self.in_channels, "Conv2d::forward: input {h}×{w}×{}", self.in_channels);
        let (out_h, out_w) = self.output_size((h, w));
        let epilogue = Epilogue::bias(&self.bias).activation(activation);
        gemm_from(isa, &Patches { conv: self, x, h, w, out_w }, out_h * out_w, &self.weight, out, &epilogue);
    }
}

/// The patches of an image: row `y · out_w + x` is the patch of output pixel `(y, x)`, zero outside the
/// image.
struct Patches<'a> {
    conv: &'a Conv2d,
    x: &'a [f32],
    h: usize,
    w: usize,
    out_w: usize,
}

impl RowSource for Patches<'_> {
    fn copy_rows(&self, isa: Isa, first: usize, (from, depth): (usize, usize), out: &mut [f32]) {
        isa.dispatch(CopyPatches { patches: self, first, from, depth, out });
    }

    fn copy_row(&self, row: usize, from: usize, out: &mut [f32]) {
        let &Conv2d { in_channels: c, kernel, stride, padding, .. } = self.conv;
        let (top, left) = ((row / self.out_w * stride) as isize, (row % self.out_w * stride) as isize);
        let (top, left) = (top - padding as isize, left - padding as isize);
        let line = kernel * c;
        let mut at = from;
        let to = from + out.len();
        while at < to {
            let (ky, start) = (at / line, at % line);
            let end = line.min(start + to - at);
            let out = &mut out[at - from..at - from + end - start];
            at += end - start;
            let y = top + ky as isize;
            if y < 0 || y >= self.h as isize {
                out.fill(0.0);
                continue;
            }
            // The part of the patch's line inside the image, in elements.
            let inside = |x: isize| (x * c as isize).clamp(start as isize, end as isize) as usize;
            let (first, last) = (inside(-left), inside(self.w as isize - left));
            let (first, last) = (first, last.max(first));
            out[..first - start].fill(0.0);
            out[last - start..].fill(0.0);
            if first < last {
                let source = (y * self.w as isize + left) * c as isize + first as isize;
                let source = source as usize;
                out[first - start..last - start].copy_from_slice(&self.x[source..source + last - first]);
            }
        }
    }
}

/// Copies patches a vector at a time: their lines are short where there are few channels, and a call per line
/// would take longer than the copy.
struct CopyPatches<'a> {
    patches: &'a Patches<'a>,
    first: usize,
    from: usize,
    depth: usize,
    /// Rows with stride [`KC`].
    out: &'a mut [f32],
}

impl SimdOp for CopyPatches<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let Self { patches: p, first, from, depth, out } = self;
        let &Conv2d { in_channels: c, kernel, stride, padding, .. } = p.conv;
        let (lanes, line) = (S::F32::LANES, kernel * c);
        // Whole vectors are written, beyond the end of the line before: the next one overwrites that.
        let whole = line.next_multiple_of(lanes);
        let fits = from == 0 && depth == kernel * line && (kernel - 1) * line + whole <= KC;
        let (mut y, mut x) = (first / p.out_w, first % p.out_w);
        for (i, out) in out.chunks_exact_mut(KC).enumerate() {
            let (top, left) = ((y * stride).wrapping_sub(padding), (x * stride).wrapping_sub(padding));
            // At the border of the image `top` or `left` may be below zero, that is very large.
            let inside = top < p.h && top + kernel <= p.h && left < p.w && left + kernel <= p.w;
            let start = top.wrapping_mul(p.w).wrapping_add(left).wrapping_mul(c);
            let end = (kernel - 1) * p.w * c + whole;
            match p.x.get(start..start.saturating_add(end)) {
                Some(source) if fits && inside => {
                    for ky in 0..kernel {
                        let (source, out) = (&source[ky * p.w * c..], &mut out[ky * line..]);
                        for at in (0..whole).step_by(lanes) {
                            S::F32::load(s, &source[at..]).store(&mut out[at..]);
                        }
                    }
                }
                _ => p.copy_row(first + i, from, &mut out[..depth]),
            }
            x += 1;
            if x == p.out_w {
                (y, x) = (y + 1, 0);
            }
        }
    }
}
