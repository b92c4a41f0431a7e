//! Depthwise convolution: every channel has its own k×k filter.
//!
//! Channels-last makes it a vector operation over channels. A tile of neighbouring output pixels keeps its sums in
//! registers while the filter slides over it:
//!
//! ```text
//! for each output row                              parallel
//!   for each LANES channels
//!     for each tile of PIXELS output columns       sums in registers
//!       for ky, kx                                 1 load of the filter, PIXELS loads and multiply-adds
//! ```
//!
//! Zero padding is never stored: taps that fall outside are skipped, which is why the columns near the two
//! borders are computed one by one.

use crate::parallel;
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// Output columns of a tile: enough independent sums to hide the latency of a multiply-add.
const PIXELS: usize = 8;

/// A k×k depthwise convolution with stride 1 and zero padding k/2, which keeps the grid.
#[derive(Clone, Debug)]
pub struct Depthwise {
    /// `(k, k, C)`: the taps of neighbouring channels are neighbours.
    weight: Vec<f32>,
    bias: Vec<f32>,
    k: usize,
}

impl Depthwise {
    /// From the layout of checkpoints: `weight` is `(C, 1, k, k)`, `bias` is `(C)`.
    ///
    /// # Panics
    /// If `k` is even or the lengths do not agree.
    #[track_caller]
    pub fn new(weight: &[f32], bias: &[f32], k: usize) -> Self {
        let c = bias.len();
        assert!(k % 2 == 1, "Depthwise::new: k = {k} is even");
        assert_eq!(weight.len(), c * k * k, "Depthwise::new: weight is not ({c}, 1, {k}, {k})");
        Self { weight: tensor::relayout::transpose(weight, c, k * k), bias: bias.to_vec(), k }
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.bias.len()
    }

    /// Applies it: `(h, w, C)` → `(h, w, C)`.
    ///
    /// # Panics
    /// If `x_hwc` does not have `h·w·C` elements.
    #[track_caller]
    pub fn forward(&self, isa: Isa, x_hwc: &[f32], (h, w): (usize, usize)) -> Vec<f32> {
        let c = self.channels();
        assert_eq!(x_hwc.len(), h * w * c, "Depthwise::forward: x is not {h}×{w}×{c}");
        let mut out = vec![0.0; x_hwc.len()];
        if !out.is_empty() {
            parallel::for_each_chunk_mut(&mut out, w * c, |y, out| {
                isa.dispatch(Row { conv: self, x: x_hwc, h, w, y, out });
            });
        }
        out
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
    fn eval<S: Simd>(mut self, s: S) {
        let c = self.conv.channels();
        let mut at = 0;
        while at + S::F32::LANES <= c {
            self.channel_block::<S, false>(s, at);
            at += S::F32::LANES;
        }
        if at < c {
            self.channel_block::<S, true>(s, at);
        }
    }
}

impl Row<'_> {
    /// Channels `at .. at + LANES`, or as many of them as there are if `PARTIAL`.
    #[inline(always)]
    fn channel_block<S: Simd, const PARTIAL: bool>(&mut self, s: S, at: usize) {
        let pad = self.conv.k / 2;
        let mut x = 0;
        while x < self.w {
            if x >= pad && x + PIXELS + pad <= self.w {
                self.tile::<S, PARTIAL, PIXELS>(s, at, x, 0, self.conv.k);
                x += PIXELS;
            } else {
                let first = pad.saturating_sub(x);
                let last = self.conv.k.min(self.w + pad - x);
                self.tile::<S, PARTIAL, 1>(s, at, x, first, last);
                x += 1;
            }
        }
    }

    /// Output columns `x .. x + N`, for which filter columns `kx0 .. kx1` fall inside the image.
    #[inline(always)]
    fn tile<S: Simd, const PARTIAL: bool, const N: usize>(
        &mut self,
        s: S,
        at: usize,
        x: usize,
        kx0: usize,
        kx1: usize,
    ) {
        let (k, c) = (self.conv.k, self.conv.channels());
        let pad = k / 2;
        let lanes = if PARTIAL { c - at } else { S::F32::LANES };
        let mut sums = [load::<S, PARTIAL>(s, &self.conv.bias, at, lanes); N];
        for ky in pad.saturating_sub(self.y)..k.min(self.h + pad - self.y) {
            let row = &self.x[(self.y + ky - pad) * self.w * c..][..self.w * c];
            for kx in kx0..kx1 {
                let tap = load::<S, PARTIAL>(s, &self.conv.weight, (ky * k + kx) * c + at, lanes);
                for (i, sum) in sums.iter_mut().enumerate() {
                    let pixel = load::<S, PARTIAL>(s, row, (x + i + kx - pad) * c + at, lanes);
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

/// The `lanes` floats of `x` from `at` on, of which there are `LANES` unless `PARTIAL`.
#[inline(always)]
fn load<S: Simd, const PARTIAL: bool>(s: S, x: &[f32], at: usize, lanes: usize) -> S::F32 {
    let x = &x[at..at + lanes];
    if PARTIAL { S::F32::load_partial(s, x) } else { S::F32::load(s, x) }
}
