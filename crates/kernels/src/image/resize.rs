//! The float resamplers: tables of taps for the engine of [`super::separable`].
//!
//! The tables are computed as PyTorch computes them (`aten/src/ATen/native/cpu/UpSampleKernel.cpp`), single
//! precision included, so that weights agree to the last bit wherever possible.

use super::separable::{Resampling, Rows, Taps};
use crate::simd::Isa;

/// Bilinear resampling without antialiasing, half-pixel centres: `(h, w, channels)` → `(out_h, out_w, channels)`.
///
/// An axis whose length does not change is copied.
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

/// Where [`resize_bilinear`] of one channel is above `threshold`: `(h, w)` → `(out_h, out_w)`.
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

/// Bilinear resampling with antialiasing, as torchvision resizes float images: the triangle filter widens with
/// the scale when the image shrinks. `(h, w, channels)` → `(out_h, out_w, channels)`, width first.
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
/// Hiera's background position embedding is enlarged with it.
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

/// [`resize_bicubic`] with its rows formed when they are asked for, from a map resized along its rows only. The same bits.
#[derive(Clone, Debug)]
pub struct BicubicRows {
    rows: Rows,
    out_h: usize,
}

impl BicubicRows {
    /// Of `src`, `(h, w, channels)`, as `(out_h, out_w, channels)`.
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

/// What makes `out_size` of `src`; nothing if nothing is wanted.
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

/// The centre of output pixel `i` in input pixels, half-pixel convention; fused, as in PyTorch's x86-64 builds.
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

#[cfg(test)]
mod tests {
    use super::*;

    type Resize = fn(Isa, &[f32], (usize, usize), usize, (usize, usize)) -> Vec<f32>;
    const ALL: [Resize; 3] = [resize_bilinear, resize_bilinear_antialias, resize_bicubic];

    #[test]
    fn same_size_is_a_copy() {
        let x: Vec<f32> = (0..5 * 3 * 2).map(|i| (i as f32).sin()).collect();
        for resize in ALL {
            assert_eq!(resize(Isa::best(), &x, (5, 3), 2, (5, 3)), x);
        }
    }

    #[test]
    fn constants_stay_constant() {
        for resize in ALL {
            for out in [(1, 1), (3, 19), (40, 2), (7, 7)] {
                let y = resize(Isa::best(), &[2.5; 7 * 7 * 3], (7, 7), 3, out);
                assert_eq!(y.len(), out.0 * out.1 * 3);
                assert!(y.iter().all(|v| (v - 2.5).abs() <= 2e-6), "{out:?}");
            }
        }
    }

    #[test]
    fn doubling_two_pixels_is_known() {
        let y = resize_bilinear(Isa::best(), &[0.0, 1.0], (1, 2), 1, (1, 4));
        assert_eq!(y, [0.0, 0.25, 0.75, 1.0]);
    }

    #[test]
    fn empty_outputs_are_empty() {
        for resize in ALL {
            assert!(resize(Isa::best(), &[1.0; 4], (2, 2), 1, (0, 3)).is_empty());
        }
    }

    #[test]
    #[should_panic(expected = "resize_bicubic: cannot make 2×2 from 0×2")]
    fn empty_inputs_are_refused() {
        resize_bicubic(Isa::best(), &[], (0, 2), 1, (2, 2));
    }

    #[test]
    #[should_panic(expected = "resize_bilinear: src is not 2×2×3")]
    fn wrong_lengths_are_refused() {
        resize_bilinear(Isa::best(), &[0.0; 4], (2, 2), 3, (2, 2));
    }
}
