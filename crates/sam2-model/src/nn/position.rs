//! Position encodings that depend on sizes only. Meta: `sam2/modeling/position_encoding.py` and
//! `get_1d_sine_pe` in `sam2/modeling/sam2_utils.py`.
//!
//! Arithmetic is in f32 in the reference's order, because large angles amplify any other rounding.

use std::f32::consts::PI;

use kernels::parallel;

const TEMPERATURE: f64 = 10_000.0;

/// `T^(2·⌊i/2⌋ / n)` for `i < n`, rounded to single precision.
fn divisors(n: usize) -> Vec<f32> {
    (0..n).map(|i| TEMPERATURE.powf(f64::from((2 * (i / 2)) as f32 / n as f32)) as f32).collect()
}

/// Sine encoding of the rows or of the columns of a grid, `[side, channels]`; sines and cosines interleaved.
pub(crate) fn sine_axis(side: usize, channels: usize) -> Vec<f32> {
    let divisors = divisors(channels);
    let encode = |p: usize| {
        let p = p as f32 / (side as f32 + 1e-6) * (2.0 * PI);
        let wave = move |(i, d): (usize, &f32)| {
            let angle = f64::from(p / d);
            if i % 2 == 0 { angle.sin() as f32 } else { angle.cos() as f32 }
        };
        divisors.iter().enumerate().map(wave)
    };
    (1..=side).flat_map(encode).collect()
}

/// Sine encoding of a `side × side` grid, `[side, side, channels]`: `channels / 2` for the row, then as many
/// for the column.
pub(crate) fn sine_2d(side: usize, channels: usize) -> Vec<f32> {
    let axis = sine_axis(side, channels / 2);
    let mut out = Vec::with_capacity(side * side * channels);
    for y in axis.chunks_exact(channels / 2) {
        for x in axis.chunks_exact(channels / 2) {
            out.extend_from_slice(y);
            out.extend_from_slice(x);
        }
    }
    out
}

/// Sine encoding of one number: all sines, then all cosines.
pub(crate) fn sine_1d(position: f32, channels: usize) -> Vec<f32> {
    let angles: Vec<f64> = divisors(channels / 2).iter().map(|d| f64::from(position / d)).collect();
    let sines = angles.iter().map(|a| a.sin() as f32);
    sines.chain(angles.iter().map(|a| a.cos() as f32)).collect()
}

/// Random Fourier features of points in the unit square.
#[derive(Clone, Debug)]
pub(crate) struct FourierFeatures {
    /// `[2, features]`: row 0 multiplies x, row 1 multiplies y.
    pub gaussian_matrix: Vec<f32>,
}

impl FourierFeatures {
    /// All sines, then all cosines, for `(x, y)` in 0 ..= 1.
    pub fn encode(&self, x: f32, y: f32) -> Vec<f32> {
        let (for_x, for_y) = self.gaussian_matrix.split_at(self.gaussian_matrix.len() / 2);
        let (x, y) = (2.0 * x - 1.0, 2.0 * y - 1.0);
        let angles: Vec<f64> =
            for_x.iter().zip(for_y).map(|(gx, gy)| f64::from((x * gx + y * gy) * (2.0 * PI))).collect();
        let sines = angles.iter().map(|a| a.sin() as f32);
        sines.chain(angles.iter().map(|a| a.cos() as f32)).collect()
    }

    /// The centres of a `side × side` grid, `[side, side, C]`.
    pub fn grid(&self, side: usize) -> Vec<f32> {
        let centre = |i: usize| (i as f32 + 0.5) / side as f32;
        let row = |y: usize| (0..side).flat_map(|x| self.encode(centre(x), centre(y))).collect::<Vec<_>>();
        parallel::map(side, row).concat()
    }
}
