//! Convolutions, channels-last maps and checkpoint-layout weights.

/// `(h, w, in)` → `(h', w', out)`: `weight` is `(out, in, kernel, kernel)`, zero padding on all sides.
pub fn conv2d(
    x_hwc: &[f32],
    (h, w): (usize, usize),
    weight: &[f32],
    bias: &[f32],
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Vec<f32> {
    let taps = kernel * kernel;
    let channels = x_hwc.len() / (h * w);
    let size = |n: usize| (n + 2 * padding - kernel) / stride + 1;
    let mut out = Vec::new();
    for y in 0..size(h) {
        for x in 0..size(w) {
            for (o, &bias) in bias.iter().enumerate() {
                let mut sum = f64::from(bias);
                for_each_tap((h, w), (y * stride, x * stride), kernel, padding, |pixel, tap| {
                    for i in 0..channels {
                        let weight = weight[(o * channels + i) * taps + tap];
                        sum += f64::from(x_hwc[pixel * channels + i]) * f64::from(weight);
                    }
                });
                out.push(sum as f32);
            }
        }
    }
    out
}

/// `(h, w, C)` → `(⌈h/stride⌉, ⌈w/stride⌉, C)`: `weight` is `(C, 1, k, k)` with odd `k`, zero padding `k/2`.
pub fn depthwise(
    x_hwc: &[f32],
    (h, w): (usize, usize),
    weight: &[f32],
    bias: &[f32],
    (k, stride): (usize, usize),
) -> Vec<f32> {
    let channels = bias.len();
    let mut out = Vec::with_capacity(x_hwc.len());
    for y in (0..h).step_by(stride) {
        for x in (0..w).step_by(stride) {
            for (c, &bias) in bias.iter().enumerate() {
                let mut sum = f64::from(bias);
                for_each_tap((h, w), (y, x), k, k / 2, |pixel, tap| {
                    sum += f64::from(x_hwc[pixel * channels + c]) * f64::from(weight[c * k * k + tap]);
                });
                out.push(sum as f32);
            }
        }
    }
    out
}

/// Calls `f(pixel, tap)` for the taps inside the image of the filter at `(top, left)`, in padded coordinates.
fn for_each_tap(
    (h, w): (usize, usize),
    (top, left): (usize, usize),
    kernel: usize,
    padding: usize,
    mut f: impl FnMut(usize, usize),
) {
    for ky in 0..kernel {
        for kx in 0..kernel {
            let (y, x) = ((top + ky).wrapping_sub(padding), (left + kx).wrapping_sub(padding));
            if y < h && x < w {
                f(y * w + x, ky * kernel + kx);
            }
        }
    }
}

/// `(h, w, in)` → `(2h, 2w, out)`: `weight` is `(in, out, 2, 2)`, stride 2.
pub fn conv_transpose_2x2(x_hwc: &[f32], (h, w): (usize, usize), weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let channels = x_hwc.len() / (h * w);
    let outputs = bias.len();
    let mut out = Vec::with_capacity(4 * h * w * outputs);
    for y in 0..2 * h {
        for x in 0..2 * w {
            let pixel = &x_hwc[(y / 2 * w + x / 2) * channels..][..channels];
            for (o, &bias) in bias.iter().enumerate() {
                let tap = |i: usize| f64::from(weight[(i * outputs + o) * 4 + y % 2 * 2 + x % 2]);
                let sum: f64 = pixel.iter().enumerate().map(|(i, &v)| f64::from(v) * tap(i)).sum();
                out.push((sum + f64::from(bias)) as f32);
            }
        }
    }
    out
}
