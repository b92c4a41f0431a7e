//! Matrix products.

use half::bf16;

use super::rows;
use crate::gemm::{Activation, Epilogue};

/// `activation(A · B + bias) + residual`: `a` is `(m, k)`, `b` is `(k, n)`, the result `(m, n)`.
///
/// # Panics
/// If the lengths do not agree.
pub fn gemm(a: &[f32], b: &[f32], (m, k, n): (usize, usize, usize), epilogue: &Epilogue) -> Vec<f32> {
    assert_eq!((a.len(), b.len()), (m * k, k * n), "gemm: {m}×{k}×{n}");
    product((m, k, n), epilogue, |i, p| a[i * k + p], |p, j| b[p * n + j])
}

/// [`gemm`] with the weight of a linear layer: `x` is `(m, k)`, `weight` is `(n, k)`, the result `(m, n)`.
///
/// # Panics
/// If the lengths do not agree.
pub fn linear(x: &[f32], weight: &[f32], (m, k, n): (usize, usize, usize), epilogue: &Epilogue) -> Vec<f32> {
    assert_eq!((x.len(), weight.len()), (m * k, k * n), "linear: {m}×{k}×{n}");
    product((m, k, n), epilogue, |i, p| x[i * k + p], |p, j| weight[j * k + p])
}

/// [`linear`] of bf16 numbers: the twin of [`crate::gemm::bf16`], to the last bit.
///
/// Of every two products the second is added first, each with one rounding; sums of `pairs_per_block` pairs
/// are added up.
///
/// # Panics
/// If the lengths do not agree.
pub fn linear_bf16(
    x: &[f32],
    weight: &[f32],
    (m, k, n): (usize, usize, usize),
    pairs_per_block: usize,
) -> Vec<f32> {
    assert_eq!((x.len(), weight.len()), (m * k, k * n), "linear_bf16: {m}×{k}×{n}");
    let round = |x: &[f32]| -> Vec<f32> { x.iter().map(|&x| bf16::from_f32(x).to_f32()).collect() };
    let (x, weight) = (round(x), round(weight));
    let mut c = Vec::with_capacity(m * n);
    for x in x.chunks(k) {
        for w in weight.chunks(k) {
            let sum_of_block = |(x, w): (&[f32], &[f32])| {
                x.chunks(2)
                    .zip(w.chunks(2))
                    .fold(0.0, |sum: f32, (x, w)| x.iter().zip(w).rev().fold(sum, |sum, (x, w)| sum + x * w))
            };
            let len = 2 * pairs_per_block;
            let sums = x.chunks(len).zip(w.chunks(len)).map(sum_of_block);
            c.push(sums.reduce(|sum, block| block + sum).unwrap_or(0.0));
        }
    }
    c
}

/// [`linear_bf16`] on sets that multiply matrices of bf16 numbers ([`crate::Isa::bf16_by_matrices`]): the two
/// products of a pair are added to each other, and that to the sum. Both additions round to odd, and a result
/// below the smallest normal number is zero.
///
/// # Panics
/// If the lengths do not agree.
pub fn linear_bf16_by_matrices(
    x: &[f32],
    weight: &[f32],
    (m, k, n): (usize, usize, usize),
    pairs_per_block: usize,
) -> Vec<f32> {
    assert_eq!((x.len(), weight.len()), (m * k, k * n), "linear_bf16_by_matrices: {m}×{k}×{n}");
    let round = |x: &f32| match bf16::from_f32(*x).to_f32() {
        x if x.is_subnormal() => 0.0,
        x => x,
    };
    let (x, weight): (Vec<_>, Vec<_>) = (x.iter().map(round).collect(), weight.iter().map(round).collect());
    let product = |x: &[f32], w: &[f32], i: usize| match (x.get(i), w.get(i)) {
        // Exact, but for what is flushed.
        (Some(x), Some(w)) => to_odd(f64::from(*x) * f64::from(*w), 0.0),
        _ => 0.0,
    };
    let mut c = Vec::with_capacity(m * n);
    for x in x.chunks(k) {
        for w in weight.chunks(k) {
            let len = 2 * pairs_per_block;
            let sum_of_block = |(x, w): (&[f32], &[f32])| {
                let pairs = x.chunks(2).zip(w.chunks(2));
                pairs.fold(0.0, |sum, (x, w)| add_to_odd(sum, add_to_odd(product(x, w, 0), product(x, w, 1))))
            };
            let sums = x.chunks(len).zip(w.chunks(len)).map(sum_of_block);
            c.push(sums.reduce(|sum, block| block + sum).unwrap_or(0.0));
        }
    }
    c
}

/// The sum, rounded to odd.
fn add_to_odd(a: f32, b: f32) -> f32 {
    let (a, b) = (f64::from(a), f64::from(b));
    let sum = a + b;
    // What the sum lacks, exactly.
    let of_b = sum - a;
    let rest = (a - (sum - of_b)) + (b - of_b);
    to_odd(sum, rest)
}

/// `x + rest`, of which `rest` is less than a unit in the last place of `x`, rounded to odd: the number
/// itself if it is one, else the neighbour whose last bit is set. Zero below the smallest normal number.
fn to_odd(x: f64, rest: f64) -> f32 {
    if !x.is_finite() {
        return x as f32;
    }
    // Towards zero in double precision.
    let truncated = if rest != 0.0 && (rest < 0.0) != (x < 0.0) { x.to_bits() - 1 } else { x.to_bits() };
    let lower = (1u64 << 29) - 1;
    let inexact = rest != 0.0 || truncated & lower != 0;
    let result = f64::from_bits(truncated & !lower);
    if result.abs() < f64::from(f32::MIN_POSITIVE) {
        return 0f32.copysign(x as f32);
    }
    let result = result as f32;
    f32::from_bits(result.to_bits() | u32::from(inexact && result.is_finite()))
}

/// [`linear`] in 8 bits: the twin of [`crate::gemm::int8`], to the last bit where there is no GELU.
///
/// Weights become `round(w · 127 / max |w|)` over their row, activations `round(x · 255 / (high − low)) +
/// zero` over theirs, with `low <= 0 <= high`; the sums are integers.
///
/// # Panics
/// If the lengths do not agree.
pub fn linear_int8(
    x: &[f32],
    weight: &[f32],
    (m, k, n): (usize, usize, usize),
    epilogue: &Epilogue,
) -> Vec<f32> {
    linear_int8_scaled(x, 1.0, weight, (m, k, n), epilogue)
}

/// [`linear_int8`], the scale of each row times `scale`.
pub(super) fn linear_int8_scaled(
    x: &[f32],
    scale_of_rows: f32,
    weight: &[f32],
    (m, k, n): (usize, usize, usize),
    epilogue: &Epilogue,
) -> Vec<f32> {
    assert_eq!((x.len(), weight.len()), (m * k, k * n), "linear_int8: {m}×{k}×{n}");
    let scale_of = |extent: f32, max: f32| {
        if extent / max >= f32::MIN_POSITIVE { (extent / max, max / extent) } else { (1.0, 1.0) }
    };
    let columns: Vec<(f32, Vec<i64>)> = weight
        .chunks(k)
        .map(|w| {
            let (scale, inverse) = scale_of(w.iter().fold(0.0, |extent, w| w.abs().max(extent)), 127.0);
            (scale, w.iter().map(|w| (w * inverse).round_ties_even() as i64).collect())
        })
        .collect();
    let mut c = Vec::with_capacity(m * n);
    for (i, x) in x.chunks(k).enumerate() {
        let (low, high) = x.iter().fold((0.0_f32, 0.0_f32), |(low, high), &x| (low.min(x), high.max(x)));
        let (scale, inverse) = scale_of(high - low, 255.0);
        let zero = (-low * inverse).round_ties_even().clamp(0.0, 255.0);
        let bytes: Vec<i64> =
            x.iter().map(|x| ((x * inverse).round_ties_even() + zero).clamp(0.0, 255.0) as i64).collect();
        for (j, (column_scale, column)) in columns.iter().enumerate() {
            let sum: i64 = bytes.iter().zip(column).map(|(u, w)| (u - zero as i64) * w).sum();
            let mut x = sum as f32 * (scale * scale_of_rows * column_scale);
            x += epilogue.bias.map_or(0.0, |bias| bias[j]);
            x = match epilogue.activation {
                Activation::None => x,
                Activation::Relu => rows::relu(f64::from(x)) as f32,
                Activation::Gelu | Activation::GeluCoarse => rows::gelu(f64::from(x)) as f32,
            };
            x += epilogue.residual.map_or(0.0, |residual| residual[i * n + j]);
            c.push(x);
        }
    }
    c
}

fn product(
    (m, k, n): (usize, usize, usize),
    epilogue: &Epilogue,
    a: impl Fn(usize, usize) -> f32,
    b: impl Fn(usize, usize) -> f32,
) -> Vec<f32> {
    let mut c = Vec::with_capacity(m * n);
    for i in 0..m {
        for j in 0..n {
            let mut x: f64 = (0..k).map(|p| f64::from(a(i, p)) * f64::from(b(p, j))).sum();
            x += epilogue.bias.map_or(0.0, |bias| f64::from(bias[j]));
            x = match epilogue.activation {
                Activation::None => x,
                Activation::Relu => rows::relu(x),
                Activation::Gelu | Activation::GeluCoarse => rows::gelu(x),
            };
            x += epilogue.residual.map_or(0.0, |residual| f64::from(residual[i * n + j]));
            c.push(x as f32);
        }
    }
    c
}
