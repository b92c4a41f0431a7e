//! Resampling and pooling, straight from the definitions: every output pixel evaluates its own filter.

/// A filter on one axis: `(taps of output i) = f(input length, output length, i)`.
type Axis = fn(usize, usize, usize) -> Vec<(usize, f64)>;

/// `F.interpolate(mode="bilinear", align_corners=False)`: `(h, w, c)` → `(out_h, out_w, c)`.
pub fn bilinear(src: &[f32], size: (usize, usize), c: usize, out: (usize, usize)) -> Vec<f32> {
    resize(bilinear_axis, src, size, c, out)
}

/// The same with `antialias=True`.
pub fn bilinear_antialias(src: &[f32], size: (usize, usize), c: usize, out: (usize, usize)) -> Vec<f32> {
    resize(|input, output, i| filter_axis(1.0, triangle, input, output, i), src, size, c, out)
}

/// `F.interpolate(mode="bicubic", align_corners=False)`, a = −0.75.
pub fn bicubic(src: &[f32], size: (usize, usize), c: usize, out: (usize, usize)) -> Vec<f32> {
    resize(bicubic_axis, src, size, c, out)
}

/// `PIL.Image.resize(…, BICUBIC)` of 8-bit data.
pub fn pil_bicubic_u8(
    src: &[u8],
    (h, w): (usize, usize),
    c: usize,
    (out_h, out_w): (usize, usize),
) -> Vec<u8> {
    let wide = pil_axis(src, (h, w, c), w, out_w);
    // Rows are resampled as the columns of an image whose pixels are whole rows.
    pil_axis(&wide, (1, h, out_w * c), h, out_h)
}

/// One pass of [`pil_bicubic_u8`] along the middle axis of `(outer, length, inner)`.
fn pil_axis(
    src: &[u8],
    (outer, length, inner): (usize, usize, usize),
    input: usize,
    output: usize,
) -> Vec<u8> {
    if input == output {
        return src.to_vec();
    }
    let mut out = Vec::with_capacity(outer * output * inner);
    for o in 0..outer {
        for i in 0..output {
            let taps = filter_axis(2.0, |x| cubic(x, -0.5), input, output, i);
            let fixed: Vec<(usize, i64)> =
                taps.into_iter().map(|(j, w)| (j, (w * f64::from(1 << 22)).round() as i64)).collect();
            for k in 0..inner {
                let value = |j: usize| i64::from(src[(o * length + j) * inner + k]);
                let sum: i64 = fixed.iter().map(|&(j, w)| w * value(j)).sum();
                out.push(((sum + (1 << 21)) >> 22).clamp(0, 255) as u8);
            }
        }
    }
    out
}

/// Nearest neighbour, twice the size: `(h, w, c)` → `(2h, 2w, c)`.
pub fn nearest_2x(src: &[f32], (h, w): (usize, usize), c: usize) -> Vec<f32> {
    let pixels = (0..2 * h).flat_map(|y| (0..2 * w).map(move |x| (y / 2, x / 2)));
    pixels.flat_map(|(y, x)| &src[(y * w + x) * c..][..c]).copied().collect()
}

/// 2×2 max pooling with stride 2; odd last rows and columns are dropped.
pub fn max_pool_2x2(src: &[f32], (h, w): (usize, usize), c: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for y in 0..h / 2 {
        for x in 0..w / 2 {
            for k in 0..c {
                let at = |dy: usize, dx: usize| src[((2 * y + dy) * w + 2 * x + dx) * c + k];
                out.push(at(0, 0).max(at(0, 1)).max(at(1, 0)).max(at(1, 1)));
            }
        }
    }
    out
}

/// Average of 2×2 pixels, columns first; an odd last row or column is dropped.
pub fn average_pool_2x2(src: &[f32], (h, w): (usize, usize), c: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for y in 0..h / 2 {
        for x in 0..w / 2 {
            for k in 0..c {
                let at = |dy: usize, dx: usize| src[((2 * y + dy) * w + 2 * x + dx) * c + k];
                out.push(0.25 * ((at(0, 0) + at(1, 0)) + (at(0, 1) + at(1, 1))));
            }
        }
    }
    out
}

fn resize(
    axis: Axis,
    src: &[f32],
    (h, w): (usize, usize),
    c: usize,
    (out_h, out_w): (usize, usize),
) -> Vec<f32> {
    let mut out = Vec::with_capacity(out_h * out_w * c);
    for y in 0..out_h {
        let rows = axis(h, out_h, y);
        for x in 0..out_w {
            let columns = axis(w, out_w, x);
            for k in 0..c {
                let row = |i: usize| -> f64 {
                    columns.iter().map(|&(j, weight)| weight * f64::from(src[(i * w + j) * c + k])).sum()
                };
                out.push(rows.iter().map(|&(i, weight)| weight * row(i)).sum::<f64>() as f32);
            }
        }
    }
    out
}

/// The centre of output pixel `i` in input pixels.
fn source(input: usize, output: usize, i: usize) -> f64 {
    input as f64 / output as f64 * (i as f64 + 0.5) - 0.5
}

fn bilinear_axis(input: usize, output: usize, i: usize) -> Vec<(usize, f64)> {
    let x = source(input, output, i).clamp(0.0, (input - 1) as f64);
    let first = x.floor();
    let next = (first as usize + 1).min(input - 1);
    vec![(first as usize, 1.0 - (x - first)), (next, x - first)]
}

fn bicubic_axis(input: usize, output: usize, i: usize) -> Vec<(usize, f64)> {
    let x = source(input, output, i);
    let taps = (-1..=2).map(|offset| {
        let j = x.floor() + f64::from(offset);
        (j.clamp(0.0, (input - 1) as f64) as usize, cubic(x - j, -0.75))
    });
    taps.collect()
}

/// Taps of a filter of half-width `radius` that widens when the axis shrinks, normalised.
fn filter_axis(
    radius: f64,
    filter: impl Fn(f64) -> f64,
    input: usize,
    output: usize,
    i: usize,
) -> Vec<(usize, f64)> {
    let scale = input as f64 / output as f64;
    let widen = scale.max(1.0);
    let centre = (i as f64 + 0.5) * scale;
    let first = (centre - radius * widen + 0.5).trunc().max(0.0) as usize;
    let last = ((centre + radius * widen + 0.5).trunc() as usize).min(input);
    let weights: Vec<f64> = (first..last).map(|j| filter((j as f64 - centre + 0.5) / widen)).collect();
    let total: f64 = weights.iter().sum();
    (first..last).zip(weights).map(|(j, w)| (j, w / total)).collect()
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0
    } else if x < 2.0 {
        a * (x.powi(3) - 5.0 * x.powi(2) + 8.0 * x - 4.0)
    } else {
        0.0
    }
}
