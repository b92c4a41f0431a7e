//! The slow twins against results by hand and from tables.

use kernels::attention::Shape;
use kernels::gemm::{Activation, Epilogue};
use kernels::reference::*;

#[test]
fn both_layouts_match_hand_computation() {
    let bias = [10.0, 20.0];
    let epilogue = Epilogue::bias(&bias);
    let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let b = [1.0, -1.0, 0.0, 2.0, 1.0, 0.0];
    let expected = [14.0, 23.0, 20.0, 26.0];
    assert_eq!(gemm(&a, &b, (2, 3, 2), &epilogue), expected);
    assert_eq!(linear(&a, &[1.0, 0.0, 1.0, -1.0, 2.0, 0.0], (2, 3, 2), &epilogue), expected);
}

#[test]
fn residual_comes_after_the_activation() {
    let epilogue = Epilogue::default().activation(Activation::Relu).residual(&[-7.0]);
    assert_eq!(gemm(&[-1.0], &[1.0], (1, 1, 1), &epilogue), [-7.0]);
}

#[test]
fn box_filter_counts_the_pixels_inside() {
    let ones = [1.0; 9];
    let corners = [4.0, 6.0, 4.0, 6.0, 9.0, 6.0, 4.0, 6.0, 4.0];
    assert_eq!(conv2d(&ones, (3, 3), &ones, &[0.0], 3, 1, 1), corners);
    assert_eq!(depthwise(&ones, (3, 3), &ones, &[0.0], (3, 1)), corners);
    assert_eq!(depthwise(&ones, (3, 3), &ones, &[0.0], (3, 2)), [4.0, 4.0, 4.0, 4.0]);
    assert_eq!(conv2d(&ones, (3, 3), &ones, &[0.5], 3, 2, 1), [4.5, 4.5, 4.5, 4.5]);
}

#[test]
fn transposed_convolution_scatters_its_taps() {
    let out = conv_transpose_2x2(&[1.0, 10.0], (1, 2), &[1.0, 2.0, 3.0, 4.0], &[0.0]);
    assert_eq!(out, [1.0, 2.0, 10.0, 20.0, 3.0, 4.0, 30.0, 40.0]);
}

#[test]
fn equal_keys_average_the_values() {
    let shape = Shape { batch: 1, heads: 1, nq: 1, nk: 2, d: 1, dv: 2 };
    assert_eq!(attention(shape, 1.0, &[3.0], &[1.0, 1.0], &[1.0, 2.0, 3.0, 6.0]), [2.0, 4.0]);
}

#[test]
fn the_first_cell_is_not_rotated_and_the_second_by_one_radian() {
    let row = [1.0, 0.0, 1.0, 0.0];
    let out = rope(&row.repeat(4), 2, 4, 10_000.0);
    assert_eq!(&out[..4], row);
    // Cell 1 is column 1, row 0: only the first half is rotated.
    assert_eq!(&out[4..8], [1f64.cos() as f32, 1f64.sin() as f32, 1.0, 0.0]);
    assert_eq!(&out[8..12], [1.0, 0.0, 1f64.cos() as f32, 1f64.sin() as f32]);
}

#[test]
fn doubling_two_pixels_is_known() {
    assert_eq!(bilinear(&[0.0, 1.0], (1, 2), 1, (1, 4)), [0.0, 0.25, 0.75, 1.0]);
    assert_eq!(bilinear_antialias(&[0.0, 1.0], (1, 2), 1, (1, 4)), [0.0, 0.25, 0.75, 1.0]);
    assert_eq!(nearest_2x(&[0.0, 1.0], (1, 2), 1), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
}

#[test]
fn halving_with_antialias_uses_the_wide_triangle() {
    // Taps of output 1 of 3: input 1..5 at distances 1.5, 0.5, 0.5, 1.5 of a triangle of half-width 2.
    let out = bilinear_antialias(&[0.0, 8.0, 0.0, 0.0, 0.0, 0.0], (1, 6), 1, (1, 3));
    assert_eq!(out[1], 1.0);
}

#[test]
fn pooling_drops_odd_edges() {
    let src: Vec<f32> = (0..9).map(|i| i as f32).collect();
    assert_eq!(max_pool_2x2(&src, (3, 3), 1), [4.0]);
}

#[test]
fn erf_matches_published_values() {
    // Abramowitz and Stegun table 7.1 and the DLMF, to 15 digits.
    for (x, expected) in [
        (0.0, 0.0),
        (1e-10, 1.1283791670955126e-10),
        (0.1, 0.1124629160182849),
        (0.5, 0.5204998778130465),
        (1.0, 0.8427007929497149),
        (1.5, 0.9661051464753108),
        (2.0, 0.9953222650189527),
        (3.0, 0.9999779095030014),
        (4.0, 0.9999999845827421),
        (6.5, 1.0),
    ] {
        for (x, expected) in [(x, expected), (-x, -expected)] {
            let error = (erf(x) - expected).abs();
            assert!(error <= 1e-15, "erf({x}) is off by {error:e}");
        }
    }
    assert!(erf(f64::NAN).is_nan());
    assert_eq!((erf(f64::INFINITY), erf(f64::NEG_INFINITY)), (1.0, -1.0));
}

#[test]
fn softmax_rows_sum_to_one() {
    let y = softmax(&[1.0, 2.0, 3.0, 1000.0, 1000.0, f32::NEG_INFINITY], 3);
    assert!((y[..3].iter().sum::<f32>() - 1.0).abs() <= 1e-6);
    assert_eq!(&y[3..], [0.5, 0.5, 0.0]);
}

#[test]
fn both_layer_norms_agree() {
    let (gamma, beta) = ([1.0, 2.0, 0.5], [0.0, 1.0, -1.0]);
    let hwc = [1.0, 2.0, 4.0, -3.0, 0.0, 9.0];
    let chw = [1.0, -3.0, 2.0, 0.0, 4.0, 9.0];
    let (a, b) = (layer_norm(&hwc, &gamma, &beta, 1e-6), layer_norm_2d(&chw, &gamma, &beta, 1e-6));
    assert_eq!([a[0], a[3], a[1], a[4], a[2], a[5]], b[..]);
}
