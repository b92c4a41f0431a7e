//! The float resamplers: tables of taps for the engine of [`super::separable`].
//!
//! The tables are computed as PyTorch computes them (`aten/src/ATen/native/cpu/UpSampleKernel.cpp`), single
//! precision included, so that weights agree to the last bit wherever possible.

use super::separable::{Resampling, Rows, Taps};
use crate::simd::Isa;

/// Bilinear resampling without antialiasing, half-pixel centres:
/// `(h, w, channels)` → `(out_h, out_w, channels)`.
///
/// An axis whose length does not change is copied.
///
/// ```
/// # use kernels::{Isa, image::resize_bilinear};
/// let row = resize_bilinear(Isa::best(), &[0.0, 1.0], (1, 2), 1, (1, 4));
/// assert_eq!(row, [0.0, 0.25, 0.75, 1.0]);
/// ```
///
/// # Panics
/// If `src` does not have `h·w·channels` elements, or if the output is not empty but the input is.
#[track_caller]
pub fn resize_bilinear(
    isa: Isa,
    src: &[f32],
    size: (usize, usize),
    channels: usize,
    out_size: (usize, usize),
) -> Vec<f32> {
    resize("resize_bilinear", bilinear_taps, isa, src, size, channels, out_size)
}

/// Whether each pixel of [`resize_bilinear`] of one channel is above `threshold`: `(h, w)` →
/// `(out_h, out_w)`.
///
/// ```
/// # use kernels::{Isa, image::bilinear_above};
/// let row = bilinear_above(Isa::best(), &[-1.0, 1.0], (1, 2), (1, 4), 0.0);
/// assert_eq!(row, [false, false, true, true]);
/// ```
///
/// # Panics
/// As [`resize_bilinear`].
#[track_caller]
pub fn bilinear_above(
    isa: Isa,
    src: &[f32],
    size: (usize, usize),
    out_size: (usize, usize),
    threshold: f32,
) -> Vec<bool> {
    resampling("bilinear_above", bilinear_taps, src, size, 1, out_size)
        .map_or_else(Vec::new, |resampling| resampling.above(isa, src, threshold))
}

/// Bilinear resampling with antialiasing, as torchvision resizes float images: the triangle filter widens
/// with the scale when the image shrinks. `(h, w, channels)` → `(out_h, out_w, channels)`, width first.
///
/// ```
/// # use kernels::{Isa, image::resize_bilinear_antialias};
/// let row = resize_bilinear_antialias(Isa::best(), &[0.0, 0.0, 7.0, 7.0], (1, 4), 1, (1, 2));
/// assert!((row[0] - 1.0).abs() < 1e-5 && (row[1] - 6.0).abs() < 1e-5);
/// ```
///
/// # Panics
/// As [`resize_bilinear`].
#[track_caller]
pub fn resize_bilinear_antialias(
    isa: Isa,
    src: &[f32],
    size: (usize, usize),
    channels: usize,
    out_size: (usize, usize),
) -> Vec<f32> {
    resize("resize_bilinear_antialias", antialias_taps, isa, src, size, channels, out_size)
}

/// Bicubic resampling (a = −0.75) without antialiasing: `(h, w, channels)` → `(out_h, out_w, channels)`.
///
/// ```
/// # use kernels::{Isa, image::resize_bicubic};
/// let row = resize_bicubic(Isa::best(), &[0.0, 1.0], (1, 2), 1, (1, 4));
/// assert!(row[0] < 0.0 && row[3] > 1.0); // it overshoots at edges
/// ```
///
/// # Panics
/// As [`resize_bilinear`].
#[track_caller]
pub fn resize_bicubic(
    isa: Isa,
    src: &[f32],
    size: (usize, usize),
    channels: usize,
    out_size: (usize, usize),
) -> Vec<f32> {
    resize("resize_bicubic", bicubic_taps, isa, src, size, channels, out_size)
}

/// [`resize_bicubic`] with each row computed on demand, from a map resized along its rows only. The same
/// bits.
///
/// ```
/// use kernels::Isa;
/// use kernels::image::{BicubicRows, resize_bicubic};
///
/// let (isa, map) = (Isa::best(), [0.0, 1.0, 2.0, 3.0]);
/// let mut row = [0.0; 4];
/// BicubicRows::new(isa, &map, (2, 2), 1, (4, 4)).row(isa, 3, &mut row);
/// assert_eq!(row, resize_bicubic(isa, &map, (2, 2), 1, (4, 4))[12..]);
/// ```
#[derive(Clone, Debug)]
pub struct BicubicRows {
    rows: Rows,
    out_h: usize,
}

impl BicubicRows {
    /// Resizes `src`, `(h, w, channels)`, to `(out_h, out_w, channels)`.
    ///
    /// # Panics
    /// If `src` does not have `h·w·channels` elements or there are none.
    #[track_caller]
    pub fn new(
        isa: Isa,
        src: &[f32],
        (h, w): (usize, usize),
        channels: usize,
        (out_h, out_w): (usize, usize),
    ) -> Self {
        assert_eq!(src.len(), h * w * channels, "BicubicRows: src is not {h}×{w}×{channels}");
        assert!(!src.is_empty(), "BicubicRows: cannot make {out_h}×{out_w} from {h}×{w}");
        let resampling = Resampling::new(bicubic_taps, (h, w), channels, (out_h, out_w));
        Self { rows: resampling.into_rows(isa, src), out_h }
    }

    /// Row `y`, `(out_w, channels)`.
    ///
    /// # Panics
    /// If there is no such row or `out` has another length.
    #[track_caller]
    pub fn row(&self, isa: Isa, y: usize, out: &mut [f32]) {
        assert!(y < self.out_h && out.len() == self.rows.len(), "BicubicRows: row {y} of {}", self.out_h);
        self.rows.row(isa, y, out);
    }
}

#[track_caller]
fn resize(
    name: &str,
    taps: fn(usize, usize) -> Taps,
    isa: Isa,
    src: &[f32],
    size: (usize, usize),
    channels: usize,
    out_size: (usize, usize),
) -> Vec<f32> {
    resampling(name, taps, src, size, channels, out_size)
        .map_or_else(Vec::new, |resampling| resampling.apply(isa, src))
}

/// The resampling of `src` to `out_size`; `None` for an empty result.
#[track_caller]
fn resampling(
    name: &str,
    taps: fn(usize, usize) -> Taps,
    src: &[f32],
    (h, w): (usize, usize),
    channels: usize,
    (out_h, out_w): (usize, usize),
) -> Option<Resampling> {
    assert_eq!(src.len(), h * w * channels, "{name}: src is not {h}×{w}×{channels}");
    if out_h * out_w * channels == 0 {
        return None;
    }
    assert!(!src.is_empty(), "{name}: cannot make {out_h}×{out_w} from {h}×{w}");
    Some(Resampling::new(taps, (h, w), channels, (out_h, out_w)))
}

/// The centre of output pixel `i` in input pixels, half-pixel convention; fused, as in PyTorch's x86-64
/// builds.
fn source(scale: f32, i: usize) -> f32 {
    scale.mul_add(i as f32 + 0.5, -0.5)
}

fn bilinear_taps(input: usize, output: usize) -> Taps {
    let scale = input as f32 / output as f32;
    let mut taps = Taps::new(output, 2);
    for i in 0..output {
        let x = source(scale, i).max(0.0);
        let i0 = (x.floor() as usize).min(input - 1);
        let i1 = (i0 + 1).min(input - 1);
        let w1 = (x - i0 as f32).clamp(0.0, 1.0);
        taps.push([(i0, 1.0 - w1), (i1, w1)]);
    }
    taps
}

fn bicubic_taps(input: usize, output: usize) -> Taps {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0).mul_add(x, -(A + 3.0)) * x).mul_add(x, 1.0);
    let far = |x: f32| A.mul_add(x, -5.0 * A).mul_add(x, 8.0 * A).mul_add(x, -4.0 * A);
    let scale = input as f32 / output as f32;
    let mut taps = Taps::new(output, 4);
    for i in 0..output {
        let x = source(scale, i);
        let floor = x.floor();
        let t = (x - floor).clamp(0.0, 1.0);
        let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
        let first = floor as i64 - 1;
        let clamp = |j: i64| j.clamp(0, input as i64 - 1) as usize;
        taps.push(weights.into_iter().enumerate().map(|(j, w)| (clamp(first + j as i64), w)));
    }
    taps
}

fn antialias_taps(input: usize, output: usize) -> Taps {
    let scale = input as f32 / output as f32;
    let filter_scale = scale.max(1.0);
    let (support, inverse) = (filter_scale, 1.0 / filter_scale);
    let width = support.ceil() as usize * 2 + 1;
    let mut taps = Taps::new(output, width);
    let mut weights = Vec::with_capacity(width);
    for i in 0..output {
        // The double-precision steps between the single-precision ones are PyTorch's.
        let centre = (f64::from(scale) * (i as f64 + 0.5)) as f32;
        let edge = |x: f32| (f64::from(x) + 0.5) as i64;
        let first = edge(centre - support).max(0) as usize;
        let last = (edge(centre + support).max(0) as usize).min(input).min(first + width);
        weights.clear();
        weights.extend((first..last).map(|j| {
            let x = ((f64::from(j as f32 - centre) + 0.5) * f64::from(inverse)) as f32;
            (1.0 - x.abs()).max(0.0)
        }));
        let total: f32 = weights.iter().sum();
        taps.push((first..last).zip(weights.iter().map(|w| w / total)));
    }
    taps
}
