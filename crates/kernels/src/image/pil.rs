//! Pillow's 8-bit bicubic resize, bit for bit (`src/libImaging/Resample.c`).
//!
//! Weights are computed in f64, rounded to 22 fractional bits, and each pass rounds and clips to u8. Pillow
//! antialiases: the filter widens with the scale when the image shrinks. All sums are of integers, so every
//! instruction set gives the same bytes.

use crate::parallel;
use crate::simd::{Isa, Simd, SimdOp};

/// Fractional bits of a weight: 32 − 8 − 2, as Pillow leaves two bits for overshoot and sign.
const FRACTION: u32 = 22;
/// Half a unit, so that the final shift rounds.
const HALF: i32 = 1 << (FRACTION - 1);
/// Largest number of output rows per task.
const MAX_ROWS: usize = 64;

/// Resizes `(h, w, channels)` to `(out_h, out_w, channels)` as `PIL.Image.resize((out_w, out_h), BICUBIC)` of
/// Pillow 12 and earlier: columns first, then rows. An axis whose length does not change is copied.
///
/// ```
/// # use kernels::{Isa, image::resize_pil_bicubic_u8};
/// let gray = resize_pil_bicubic_u8(Isa::best(), &[90; 4 * 4 * 3], (4, 4), 3, (2, 6));
/// assert_eq!(gray, [90; 2 * 6 * 3]);
/// ```
///
/// # Panics
/// If `src` does not have `h·w·channels` elements, or if the output is not empty but the input is.
#[track_caller]
pub fn resize_pil_bicubic_u8(
    isa: Isa,
    src: &[u8],
    (h, w): (usize, usize),
    channels: usize,
    (out_h, out_w): (usize, usize),
) -> Vec<u8> {
    assert_eq!(src.len(), h * w * channels, "resize_pil_bicubic_u8: src is not {h}×{w}×{channels}");
    if out_h * out_w * channels == 0 {
        return Vec::new();
    }
    assert!(!src.is_empty(), "resize_pil_bicubic_u8: cannot make {out_h}×{out_w} from {h}×{w}");
    match (h != out_h, w != out_w) {
        (false, false) => src.to_vec(),
        (false, true) => horizontal(src, (h, w), channels, out_w),
        (true, false) => vertical(isa, src, h, w * channels, out_h),
        (true, true) => {
            let wide = horizontal(src, (h, w), channels, out_w);
            vertical(isa, &wide, h, out_w * channels, out_h)
        }
    }
}

/// For each output position, the first input position and the fixed-point weights from there on.
struct Weights {
    taps: Vec<(usize, Vec<i32>)>,
}

impl Weights {
    fn new(input: usize, output: usize) -> Self {
        let scale = input as f64 / output as f64;
        let filter_scale = scale.max(1.0);
        let support = 2.0 * filter_scale;
        let inverse = 1.0 / filter_scale;
        let taps = (0..output).map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            // Casts truncate toward zero and saturate at zero, which is Pillow's max(0, …).
            let first = (centre - support + 0.5) as usize;
            let last = ((centre + support + 0.5) as usize).min(input);
            let weights: Vec<f64> =
                (first..last).map(|j| bicubic((j as f64 - centre + 0.5) * inverse)).collect();
            let total: f64 = weights.iter().sum();
            let normalised = weights.iter().map(|w| if total == 0.0 { *w } else { w / total });
            (first, normalised.map(fixed_point).collect())
        });
        Self { taps: taps.collect() }
    }
}

/// Rounds half away from zero.
fn fixed_point(w: f64) -> i32 {
    (w * f64::from(1 << FRACTION) + 0.5f64.copysign(w)) as i32
}

/// The cubic kernel with a = −0.5, in Pillow's order of operations.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

#[inline(always)]
fn clip(sum: i32) -> u8 {
    (sum >> FRACTION).clamp(0, 255) as u8
}

fn horizontal(src: &[u8], (h, w): (usize, usize), channels: usize, out_w: usize) -> Vec<u8> {
    let weights = Weights::new(w, out_w);
    let mut out = vec![0; h * out_w * channels];
    let rows = parallel::rows_per_task(h, 1, MAX_ROWS);
    parallel::for_each_chunk_mut(&mut out, rows * out_w * channels, |task, out| {
        let src = src[task * rows * w * channels..].chunks_exact(w * channels);
        for (src, out) in src.zip(out.chunks_exact_mut(out_w * channels)) {
            match channels {
                1 => pixels::<1>(&weights, src, out),
                3 => pixels::<3>(&weights, src, out),
                4 => pixels::<4>(&weights, src, out),
                _ => channel_by_channel(&weights, channels, src, out),
            }
        }
    });
    out
}

fn pixels<const C: usize>(weights: &Weights, src: &[u8], out: &mut [u8]) {
    for ((first, taps), out) in weights.taps.iter().zip(out.chunks_exact_mut(C)) {
        let mut sum = [HALF; C];
        for (pixel, &tap) in src[first * C..].chunks_exact(C).zip(taps) {
            for (sum, &v) in sum.iter_mut().zip(pixel) {
                *sum += i32::from(v) * tap;
            }
        }
        for (out, sum) in out.iter_mut().zip(sum) {
            *out = clip(sum);
        }
    }
}

fn channel_by_channel(weights: &Weights, channels: usize, src: &[u8], out: &mut [u8]) {
    for ((first, taps), out) in weights.taps.iter().zip(out.chunks_exact_mut(channels)) {
        for (c, out) in out.iter_mut().enumerate() {
            let values = src[first * channels + c..].iter().step_by(channels);
            *out = clip(values.zip(taps).fold(HALF, |sum, (&v, &tap)| sum + i32::from(v) * tap));
        }
    }
}

fn vertical(isa: Isa, src: &[u8], h: usize, row: usize, out_h: usize) -> Vec<u8> {
    let weights = Weights::new(h, out_h);
    let mut out = vec![0; out_h * row];
    let rows = parallel::rows_per_task(out_h, 1, MAX_ROWS);
    parallel::for_each_chunk_mut(&mut out, rows * row, |task, out| {
        for (y, out) in out.chunks_exact_mut(row).enumerate() {
            let (first, taps) = &weights.taps[task * rows + y];
            isa.dispatch(WeightedRows { taps, src: &src[first * row..], out });
        }
    });
    out
}

/// `out = clip(Σ taps[j] · row j of src)`. Plain loops, which the compiler vectorises with the features of
/// the gateway.
struct WeightedRows<'a> {
    taps: &'a [i32],
    src: &'a [u8],
    out: &'a mut [u8],
}

impl SimdOp for WeightedRows<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, _: S) {
        const BLOCK: usize = 64;
        let row = self.out.len();
        for (block, out) in self.out.chunks_mut(BLOCK).enumerate() {
            let mut sum = [HALF; BLOCK];
            for (j, &tap) in self.taps.iter().enumerate() {
                let values = &self.src[j * row + block * BLOCK..][..out.len()];
                for (sum, &v) in sum.iter_mut().zip(values) {
                    *sum += i32::from(v) * tap;
                }
            }
            for (out, sum) in out.iter_mut().zip(sum) {
                *out = clip(sum);
            }
        }
    }
}
