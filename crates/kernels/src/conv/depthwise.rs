//! Depthwise convolution: every channel has its own k×k filter.
//!
//! In the channels-last layout it is a vector operation over channels. A tile of neighbouring output pixels
//! keeps its sums in registers while the filter passes over it:
//!
//! ```text
//! for each output row                              parallel
//!   for each LANES channels
//!     for each tile of PIXELS output columns       sums in registers
//!       for ky, kx                                 1 load of the filter, PIXELS loads and multiply-adds
//! ```
//!
//! Zero padding is never stored: taps outside the image are skipped, so the columns near the two borders are
//! computed one by one.

use super::Size;
use crate::parallel;
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// Output columns per tile: enough independent sums to hide the latency of a multiply-add.
const PIXELS: usize = 8;

/// A k×k depthwise convolution with stride 1 or 2 and zero padding k/2: `nn.Conv2d(C, C, k, stride, k // 2,
/// groups=C)`.
///
/// ```
/// use kernels::Isa;
/// use kernels::conv::Depthwise;
///
/// let sum = Depthwise::with_stride(&[1.0; 2 * 9], &[0.0, 0.5], 3, 2); // two channels
/// assert_eq!((sum.channels(), sum.output_size((3, 3))), (2, (2, 2)));
/// assert_eq!(sum.forward(Isa::best(), &[1.0; 3 * 3 * 2], (3, 3))[..2], [4.0, 4.5]);
/// ```
#[derive(Clone, Debug)]
pub struct Depthwise {
    /// `(k, k, C)`: the taps of neighbouring channels are adjacent.
    weight: Vec<f32>,
    bias: Vec<f32>,
    k: usize,
    stride: usize,
}

impl Depthwise {
    /// With stride 1, from the layout of checkpoints: `weight` is `(C, 1, k, k)`, `bias` is `(C)`.
    ///
    /// # Panics
    /// If `k` is even or the lengths do not agree.
    #[track_caller]
    pub fn new(weight: &[f32], bias: &[f32], k: usize) -> Self {
        Self::with_stride(weight, bias, k, 1)
    }

    /// [`Self::new`] with another stride.
    ///
    /// # Panics
    /// If `k` is even, `stride` is neither 1 nor 2, or the lengths do not agree.
    #[track_caller]
    pub fn with_stride(weight: &[f32], bias: &[f32], k: usize, stride: usize) -> Self {
        let c = bias.len();
        assert!(k % 2 == 1, "Depthwise::new: k = {k} is even");
        assert!(stride == 1 || stride == 2, "Depthwise::new: stride {stride} is neither 1 nor 2");
        assert_eq!(weight.len(), c * k * k, "Depthwise::new: weight is not ({c}, 1, {k}, {k})");
        Self { weight: tensor::relayout::transpose(weight, c, k * k), bias: bias.to_vec(), k, stride }
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.bias.len()
    }

    /// Size of the output for an input of `(h, w)`: `⌈h / stride⌉` by `⌈w / stride⌉`.
    pub fn output_size(&self, (h, w): Size) -> Size {
        (h.div_ceil(self.stride), w.div_ceil(self.stride))
    }

    /// Applies it: `(h, w, C)` → `(h', w', C)`, see [`Self::output_size`].
    ///
    /// # Panics
    /// If `x_hwc` does not have `h·w·C` elements.
    #[track_caller]
    pub fn forward(&self, isa: Isa, x_hwc: &[f32], (h, w): Size) -> Vec<f32> {
        let c = self.channels();
        assert_eq!(x_hwc.len(), h * w * c, "Depthwise::forward: x is not {h}×{w}×{c}");
        let (out_h, out_w) = self.output_size((h, w));
        let mut out = vec![0.0; out_h * out_w * c];
        if !out.is_empty() {
            parallel::for_each_chunk_mut(&mut out, out_w * c, |y, out| {
                isa.dispatch(Row { conv: self, x: x_hwc, h, w, y, out });
            });
        }
        out
    }
}

impl Depthwise {
    /// Row `y` of the output alone, on the calling thread: `x_hwc`, `(h, w, C)`, to `out`, `(w', C)`.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn row_block(&self, isa: Isa, x_hwc: &[f32], (h, w): Size, y: usize, out: &mut [f32]) {
        let c = self.channels();
        let (out_h, out_w) = self.output_size((h, w));
        assert_eq!(x_hwc.len(), h * w * c, "Depthwise::row_block: x is not {h}×{w}×{c}");
        assert!(
            y < out_h && out.len() == out_w * c,
            "Depthwise::row_block: row {y} of {out_h}, {} elements of {out_w}×{c}",
            out.len()
        );
        isa.dispatch(Row { conv: self, x: x_hwc, h, w, y, out });
    }
}

/// One output row.
struct Row<'a> {
    conv: &'a Depthwise,
    x: &'a [f32],
    h: usize,
    w: usize,
    y: usize,
    out: &'a mut [f32],
}

impl SimdOp for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        if self.conv.stride == 1 { self.channel_blocks::<S, 1>(s) } else { self.channel_blocks::<S, 2>(s) }
    }
}

impl Row<'_> {
    #[inline(always)]
    fn channel_blocks<S: Simd, const STRIDE: usize>(mut self, s: S) {
        let c = self.conv.channels();
        let mut at = 0;
        while at + S::F32::LANES <= c {
            self.channel_block::<S, STRIDE, false>(s, at);
            at += S::F32::LANES;
        }
        if at < c {
            self.channel_block::<S, STRIDE, true>(s, at);
        }
    }

    /// Channels `at .. at + LANES`, or the remaining ones if `PARTIAL`.
    #[inline(always)]
    fn channel_block<S: Simd, const STRIDE: usize, const PARTIAL: bool>(&mut self, s: S, at: usize) {
        let (k, pad) = (self.conv.k, self.conv.k / 2);
        let out_w = self.out.len() / self.conv.channels();
        // Columns whose taps are all inside the image.
        let first = pad.div_ceil(STRIDE).min(out_w);
        let end = ((self.w + STRIDE).saturating_sub(k - pad) / STRIDE).min(out_w);
        let mut x = 0;
        while x < out_w {
            if x >= first && x < end && end - first >= PIXELS {
                // The last tile begins earlier, over columns that are computed twice.
                let from = x.min(end - PIXELS);
                match k {
                    3 if !PARTIAL => self.whole_tile::<S, STRIDE, 3>(s, at, from),
                    _ => self.tile::<S, STRIDE, PARTIAL, PIXELS>(s, at, from, 0, k),
                }
                x = from + PIXELS;
            } else {
                let first_tap = pad.saturating_sub(x * STRIDE);
                let end_tap = k.min(self.w + pad - x * STRIDE);
                self.tile::<S, STRIDE, PARTIAL, 1>(s, at, x, first_tap, end_tap);
                x += 1;
            }
        }
    }

    /// Output columns `x .. x + PIXELS` of a filter of `K` columns, all of whose taps are inside the image: a
    /// pixel is loaded once for all columns that read it. The sums are those of [`Self::tile`], in its order.
    #[inline(always)]
    fn whole_tile<S: Simd, const STRIDE: usize, const K: usize>(&mut self, s: S, at: usize, x: usize) {
        let (c, lanes) = (self.conv.channels(), S::F32::LANES);
        let (pad, top) = (K / 2, self.y * STRIDE);
        let mut sums = [S::F32::load(s, &self.conv.bias[at..]); PIXELS];
        for ky in pad.saturating_sub(top)..K.min(self.h + pad - top) {
            let first = ((top + ky - pad) * self.w + x * STRIDE - pad) * c + at;
            let filter = &self.conv.weight[ky * K * c + at..];
            let mut taps = [S::F32::splat(s, 0.0); K];
            for (kx, tap) in taps.iter_mut().enumerate() {
                *tap = S::F32::load(s, &filter[kx * c..]);
            }
            let row = &self.x[first..];
            for j in 0..(PIXELS - 1) * STRIDE + K {
                let pixel = S::F32::load(s, &row[j * c..]);
                for (kx, tap) in taps.iter().enumerate() {
                    // Column i reads pixel i · STRIDE + kx.
                    if j >= kx && (j - kx).is_multiple_of(STRIDE) && (j - kx) / STRIDE < PIXELS {
                        let sum = &mut sums[(j - kx) / STRIDE];
                        *sum = pixel.mul_add(*tap, *sum);
                    }
                }
            }
        }
        for (i, sum) in sums.iter().enumerate() {
            sum.store(&mut self.out[(x + i) * c + at..][..lanes]);
        }
    }

    /// Output columns `x .. x + N`, for which filter columns `kx0 .. kx1` are inside the image.
    #[inline(always)]
    fn tile<S: Simd, const STRIDE: usize, const PARTIAL: bool, const N: usize>(
        &mut self,
        s: S,
        at: usize,
        x: usize,
        kx0: usize,
        kx1: usize,
    ) {
        let (k, c) = (self.conv.k, self.conv.channels());
        let (pad, top) = (k / 2, self.y * STRIDE);
        let lanes = if PARTIAL { c - at } else { S::F32::LANES };
        let mut sums = [load::<S, PARTIAL>(s, &self.conv.bias, at, lanes); N];
        for ky in pad.saturating_sub(top)..k.min(self.h + pad - top) {
            let row = &self.x[(top + ky - pad) * self.w * c..][..self.w * c];
            for kx in kx0..kx1 {
                let tap = load::<S, PARTIAL>(s, &self.conv.weight, (ky * k + kx) * c + at, lanes);
                for (i, sum) in sums.iter_mut().enumerate() {
                    let pixel = load::<S, PARTIAL>(s, row, ((x + i) * STRIDE + kx - pad) * c + at, lanes);
                    *sum = pixel.mul_add(tap, *sum);
                }
            }
        }
        for (i, sum) in sums.iter().enumerate() {
            let out = &mut self.out[(x + i) * c + at..][..lanes];
            if PARTIAL { sum.store_partial(out) } else { sum.store(out) }
        }
    }
}

/// The `lanes` floats of `x` from `at` on: `LANES`, or fewer if `PARTIAL`.
#[inline(always)]
fn load<S: Simd, const PARTIAL: bool>(s: S, x: &[f32], at: usize, lanes: usize) -> S::F32 {
    let x = &x[at..at + lanes];
    if PARTIAL { S::F32::load_partial(s, x) } else { S::F32::load(s, x) }
}
