//! Scalar functions and row-wise operations.

/// The error function; absolute error below 1e-15, relative error below 1e-14.
///
/// `2x/√π · e^(−x²) · Σ (2x²)ⁿ / (2n+1)!!` has positive terms only, so nothing cancels.
pub fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    // 1 − erf(6) is 2e-17.
    if x.abs() >= 6.0 {
        return 1f64.copysign(x);
    }
    let (mut term, mut sum) = (1.0, 1.0);
    let mut n = 1.0;
    while term > sum * 1e-17 {
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    let e = std::f64::consts::FRAC_2_SQRT_PI * x * (-x * x).exp() * sum;
    e.clamp(-1.0, 1.0)
}

/// Exact GELU.
pub fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))
}

/// Logistic function.
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `max(x, 0)`; NaN stays NaN.
pub fn relu(x: f64) -> f64 {
    if x < 0.0 { 0.0 } else { x }
}

/// Softmax of every row of `x`, `(N, cols)`.
pub fn softmax(x: &[f32], cols: usize) -> Vec<f32> {
    softmax_of(f64::exp, x, cols)
}

/// [`softmax`] in base two.
pub fn softmax2(x: &[f32], cols: usize) -> Vec<f32> {
    softmax_of(f64::exp2, x, cols)
}

fn softmax_of(power: fn(f64) -> f64, x: &[f32], cols: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(cols) {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = row.iter().map(|&v| power(f64::from(v) - f64::from(max))).collect();
        let sum: f64 = powers.iter().sum();
        out.extend(powers.iter().map(|e| (e / sum) as f32));
    }
    out
}

/// Layer norm of every row of `x`, `(N, gamma.len())`, biased variance.
pub fn layer_norm(x: &[f32], gamma: &[f32], beta: &[f32], eps: f32) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(gamma.len()) {
        let n = row.len() as f64;
        let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        let scale = 1.0 / (variance + f64::from(eps)).sqrt();
        out.extend(row.iter().zip(gamma).zip(beta).map(|((&v, &gamma), &beta)| {
            ((f64::from(v) - mean) * scale * f64::from(gamma) + f64::from(beta)) as f32
        }));
    }
    out
}

/// Meta's `LayerNorm2d` in its own layout: over the channels of each pixel of `(C, pixels)`.
///
/// `sam2/modeling/sam2_utils.py`.
pub fn layer_norm_2d(x_chw: &[f32], gamma: &[f32], beta: &[f32], eps: f32) -> Vec<f32> {
    let c = gamma.len();
    let pixels = x_chw.len() / c;
    let mut out = vec![0.0; x_chw.len()];
    for p in 0..pixels {
        let column: Vec<f32> = (0..c).map(|i| x_chw[i * pixels + p]).collect();
        for (i, v) in layer_norm(&column, gamma, beta, eps).into_iter().enumerate() {
            out[i * pixels + p] = v;
        }
    }
    out
}
