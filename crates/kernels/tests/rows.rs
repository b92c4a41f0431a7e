//! Row-wise and element-wise operations against their twins.

#[macro_use]
mod common;

use common::{around, assert_near, assert_thread_invariant, for_all, noise, softmax2_by_eights};
use kernels::{Isa, reference, rows};
use proptest::prelude::*;

on_every_isa! {
    softmax_matches_reference,
    layer_norm_matches_reference,
    layer_norm_of_rows_of_four_matches_reference,
    element_wise_functions_match_reference,
    additions_are_exact,
    softmax_survives_extremes,
    nan_stays_nan,
    threads_change_no_bit,
}

fn scaled(seed: u64, n: usize, scale: f32, offset: f32) -> Vec<f32> {
    noise(seed, n).iter().map(|v| v * scale + offset).collect()
}

fn widths() -> impl Strategy<Value = usize> {
    prop_oneof![around(4), around(8), around(16)]
}

fn softmax_matches_reference(isa: Isa) {
    for_all(500, (1usize..20, widths(), 0.1f32..90.0, any::<u64>()), |(n, cols, scale, seed)| {
        let x = scaled(seed, n * cols, scale, 3.0);
        let expected = reference::softmax2(&x, cols);
        assert_near("softmax", &softmax2_by_eights(isa, &x, cols), &expected, 1e-7, 4e-6);
    });
}

fn layer_norm_matches_reference(isa: Isa) {
    for_all(500, (1usize..5, widths(), -50f32..50.0, any::<u64>()), |(n, cols, offset, seed)| {
        let x = scaled(seed, n * cols, 2.0, offset);
        let (gamma, beta) = (scaled(seed ^ 1, cols, 1.0, 1.0), noise(seed ^ 2, cols));
        let expected = reference::layer_norm(&x, &gamma, &beta, 1e-6);
        // A row of few nearly equal values divides the rounding error of its mean by a small deviation.
        let spread = x.chunks(cols).map(deviation).fold(f32::INFINITY, f32::min);
        let tolerance = 2e-6 * (1.0 + offset.abs()) / spread.max(1e-3) + 2e-6;
        let mut y = vec![f32::NAN; x.len()];
        rows::layer_norm(isa, &x, &gamma, &beta, 1e-6, &mut y);
        assert_near("layer_norm", &y, &expected, tolerance, 1e-5);

        let mut block = vec![f32::NAN; x.len()];
        rows::layer_norm_block(isa, &x, &gamma, &beta, 1e-6, &mut block);
        assert_eq!(&block, &y, "layer_norm_block");

        let mut fused = x.clone();
        rows::layer_norm_gelu(isa, &mut fused, &gamma, &beta, 1e-6);
        let gelu: Vec<f32> = expected.iter().map(|&v| reference::gelu(f64::from(v)) as f32).collect();
        assert_near("layer_norm_gelu", &fused, &gelu, 1.2 * tolerance + 1e-6, 1e-5);
    });
}

/// They are normalised a vector of rows at a time, the last ones fewer.
fn layer_norm_of_rows_of_four_matches_reference(isa: Isa) {
    for_all(200, (1usize..70, any::<u64>()), |(n, seed)| {
        let x = scaled(seed, 4 * n, 2.0, 0.5);
        let (gamma, beta) = (scaled(seed ^ 1, 4, 1.0, 1.0), noise(seed ^ 2, 4));
        let expected = reference::layer_norm(&x, &gamma, &beta, 1e-6);
        let expected: Vec<f32> = expected.iter().map(|&v| reference::gelu(f64::from(v)) as f32).collect();
        let spread = x.chunks(4).map(deviation).fold(f32::INFINITY, f32::min);
        let mut y = x.clone();
        rows::layer_norm_gelu(isa, &mut y, &gamma, &beta, 1e-6);
        assert_near("rows of four", &y, &expected, 4e-6 / spread.max(1e-3) + 4e-6, 1e-5);
    });
}

fn deviation(row: &[f32]) -> f32 {
    let mean = row.iter().sum::<f32>() / row.len() as f32;
    (row.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / row.len() as f32 + 1e-6).sqrt()
}

fn element_wise_functions_match_reference(isa: Isa) {
    for_all(500, (widths(), 0.1f32..30.0, any::<u64>()), |(n, scale, seed)| {
        let x = scaled(seed, n, scale, 0.0);
        let map = |f: fn(f64) -> f64| -> Vec<f32> { x.iter().map(|&v| f(f64::from(v)) as f32).collect() };
        let run = |f: fn(Isa, &mut [f32])| {
            let mut y = x.clone();
            f(isa, &mut y);
            y
        };
        // |gelu'| stays below 1.13, and erf is within 4e-7: x/2 of that.
        assert_near("gelu", &run(rows::gelu), &map(reference::gelu), 2e-7 * scale.max(4.0), 2e-6);
        assert_near("sigmoid", &run(rows::sigmoid), &map(reference::sigmoid), 1e-12, 2e-6);
        assert_eq!(run(rows::relu), map(reference::relu));
    });
}

fn additions_are_exact(isa: Isa) {
    for_all(500, (widths(), 1usize..4, any::<u64>()), |(n, repeats, seed)| {
        let (x, y) = (noise(seed, n * repeats), noise(seed ^ 1, n));
        let mut sum = x[..n].to_vec();
        rows::add(isa, &mut sum, &y);
        let expected: Vec<f32> = x.iter().zip(&y).map(|(a, b)| a + b).collect();
        assert_eq!(sum, expected, "add");

        let mut block = x[..n].to_vec();
        rows::add_block(isa, &mut block, &y);
        assert_eq!(block, expected, "add_block");

        let mut sum = vec![f32::NAN; x.len()];
        rows::sum_block(isa, &x, &y, &mut sum);
        let expected: Vec<f32> = x.iter().zip(y.iter().cycle()).map(|(a, b)| a + b).collect();
        assert_eq!(sum, expected, "sum_block");

        let mut sum = x.clone();
        rows::add_scaled(isa, &mut sum, &y, 0.1);
        let exact = |(&a, &b): (&f32, &f32)| (f64::from(a) + f64::from(0.1f32) * f64::from(b)) as f32;
        let expected: Vec<f32> = x.iter().zip(y.iter().cycle()).map(exact).collect();
        assert_near("add_scaled", &sum, &expected, 1.2e-7, 1.2e-7);
    });
}

fn softmax_survives_extremes(isa: Isa) {
    let x = [f32::NEG_INFINITY, 0.0, -1e30, 0.0, 3e38, 3e38, 0.0, -3e38];
    let y = softmax2_by_eights(isa, &x, 4);
    assert_near("softmax", &y, &[0.0, 0.5, 0.0, 0.5, 0.5, 0.5, 0.0, 0.0], 1e-37, 0.0);
}

fn nan_stays_nan(isa: Isa) {
    for n in [1, 5, 16, 33] {
        for at in [0, n - 1] {
            let mut x = noise(1, n);
            x[at] = f32::NAN;
            for (name, f) in
                [("gelu", rows::gelu as fn(_, &mut [f32])), ("relu", rows::relu), ("sigmoid", rows::sigmoid)]
            {
                let mut y = x.clone();
                f(isa, &mut y);
                assert!(y[at].is_nan(), "{name}: {n} elements, NaN at {at}: {}", y[at]);
            }
            let y = softmax2_by_eights(isa, &x, n);
            assert!(y[at].is_nan(), "softmax: {n} elements, NaN at {at}: {}", y[at]);
        }
    }
}

fn threads_change_no_bit(isa: Isa) {
    let cols = 97;
    let x = scaled(11, 1000 * cols, 4.0, 1.0);
    let (gamma, beta) = (noise(12, cols), noise(13, cols));
    assert_thread_invariant("layer_norm", || {
        let mut y = vec![f32::NAN; x.len()];
        rows::layer_norm(isa, &x, &gamma, &beta, 1e-6, &mut y);
        y
    });
    assert_thread_invariant("layer_norm_gelu", || {
        let mut y = x.clone();
        rows::layer_norm_gelu(isa, &mut y, &gamma, &beta, 1e-6);
        y
    });
    for f in [rows::gelu, rows::sigmoid, rows::relu] {
        assert_thread_invariant("element-wise", || {
            let mut y = x.clone();
            f(isa, &mut y);
            y
        });
    }
    assert_thread_invariant("add_scaled", || {
        let mut y = x.clone();
        rows::add_scaled(isa, &mut y, &beta, 0.5);
        y
    });
}
