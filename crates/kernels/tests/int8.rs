//! 8-bit matrix products: bit for bit against the readable twin, and within the quantisation error of the
//! exact product.

#[macro_use]
mod common;

use common::{around, assert_near, assert_thread_invariant, bits, for_all, noise};
use kernels::gemm::int8::{MAX_K, PackedB8, gemm, gemm_block};
use kernels::gemm::{Activation, Epilogue};
use kernels::{Isa, reference};
use proptest::prelude::*;

on_every_isa! {
    products_have_the_bits_of_the_twin,
    the_error_is_that_of_quantisation,
    gelu_follows_the_sums,
    no_sum_saturates,
    rows_of_zeros_tiny_and_infinite_values,
    rows_with_nan_have_the_bits_of_the_twin,
    threads_change_no_bit,
    weights_packed_for_another_set_are_refused,
    a_prefetched_output_has_the_bits_of_others,
}

/// Sets with one tile differ in groups and column sums, so the shape would not tell them apart.
fn weights_packed_for_another_set_are_refused(isa: Isa) {
    let packed = PackedB8::from_nk(isa, &noise(1, 6), 2, 3);
    for other in Isa::available() {
        let product = || gemm(other, &[0.0; 6], 2, &packed, &mut [0.0; 4], &Epilogue::default());
        let refused = std::panic::catch_unwind(product).is_err();
        assert_eq!(refused, other.name() != isa.name(), "{} for {}", other.name(), isa.name());
    }
}

fn run(
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    (m, k, n): (usize, usize, usize),
    epilogue: &Epilogue,
) -> Vec<f32> {
    let packed = PackedB8::from_nk(isa, weight, n, k);
    // NaN in the output before the call reveals any element that is not written.
    let mut c = vec![f32::NAN; m * n];
    gemm(isa, x, m, &packed, &mut c, epilogue);
    let mut again = vec![f32::NAN; m * n];
    gemm_block(isa, x, m, &packed, &mut again, epilogue);
    assert_eq!(bits(&c), bits(&again), "gemm_block");
    c
}

fn products_have_the_bits_of_the_twin(isa: Isa) {
    let (mr, nr) = isa.dot_tile_shape();
    let k = prop_oneof![3 => around(4), 2 => around(16), 1 => around(64), 1 => around(128)];
    let values = (-6i32..6, -1f32..1.0, any::<u64>());
    let epilogues = any::<(bool, bool, bool)>();
    for_all(300, (around(mr), k, around(nr), values, epilogues), |(m, k, n, values, epilogue)| {
        let ((scale, shift, seed), (relu, with_bias, with_residual)) = (values, epilogue);
        let x: Vec<f32> = noise(seed, m * k).iter().map(|x| (x + shift) * 10f32.powi(scale)).collect();
        let (weight, bias, residual) = (noise(seed ^ 1, n * k), noise(seed ^ 2, n), noise(seed ^ 3, m * n));
        let epilogue = Epilogue {
            bias: with_bias.then_some(&bias[..]),
            activation: if relu { Activation::Relu } else { Activation::None },
            residual: with_residual.then_some(&residual[..]),
        };
        let expected = reference::linear_int8(&x, &weight, (m, k, n), &epilogue);
        let c = run(isa, &x, &weight, (m, k, n), &epilogue);
        assert_eq!(bits(&c), bits(&expected), "{m}×{k}×{n}");
    });
}

fn the_error_is_that_of_quantisation(isa: Isa) {
    for_all(300, (1usize..200, any::<u64>()), |(k, seed)| {
        let (m, n) = (3, 5);
        let (x, weight) = (noise(seed, m * k), noise(seed ^ 1, n * k));
        let exact = reference::linear(&x, &weight, (m, k, n), &Epilogue::default());
        let c = run(isa, &x, &weight, (m, k, n), &Epilogue::default());
        // One step of x: half for the element, half for the zero point. Half a step of w.
        let (dx, dw) = (2.0 / 255.0, 0.5 / 127.0);
        for (i, (c, exact)) in c.iter().zip(&exact).enumerate() {
            let (x, w) = (&x[i / n * k..][..k], &weight[i % n * k..][..k]);
            let allowed: f32 = x.iter().zip(w).map(|(x, w)| dx * w.abs() + dw * x.abs() + dx * dw).sum();
            assert!((c - exact).abs() <= allowed * 1.001 + 1e-6, "{c}, exactly {exact} ± {allowed}");
        }
    });
}

fn gelu_follows_the_sums(isa: Isa) {
    let (m, k, n) = (33, 96, 70);
    let (x, weight, bias) = (noise(1, m * k), noise(2, n * k), noise(3, n));
    for (activation, tolerance) in [(Activation::Gelu, 1e-6), (Activation::GeluCoarse, 2e-4)] {
        let epilogue = Epilogue::bias(&bias).activation(activation);
        let expected = reference::linear_int8(&x, &weight, (m, k, n), &epilogue);
        let c = run(isa, &x, &weight, (m, k, n), &epilogue);
        assert_near("gelu", &c, &expected, tolerance, 1e-6);
    }
}

/// The largest products everywhere: sums of 255 · 127 over a long row, which exceed 16 bits; in the longest
/// row, the 128th of the sum of a column would exceed 16 bits if the row were twice as long.
fn no_sum_saturates(isa: Isa) {
    let (m, n) = (2, 3);
    for k in [1000, MAX_K] {
        for (x, w) in [(2.0, 0.5), (2.0, -0.5), (-2.0, 0.5), (-2.0, -0.5)] {
            let c = run(isa, &vec![x; m * k], &vec![w; n * k], (m, k, n), &Epilogue::default());
            assert_near("sums", &c, &vec![x * w * k as f32; m * n], 0.0, 1e-6);
        }
    }
}

fn rows_of_zeros_tiny_and_infinite_values(isa: Isa) {
    let k = 20;
    let mut x = vec![0.0; 4 * k];
    x[k..2 * k].fill(1e-42);
    x[2 * k] = f32::INFINITY;
    x[3 * k..].fill(3.0);
    let weight = [vec![0.0; k], vec![1.0; k]].concat();
    let c = run(isa, &x, &weight, (4, k, 2), &Epilogue::default());
    assert_eq!(c[..4], [0.0; 4]);
    assert!(!c[5].is_finite(), "an infinite input stays visible, not {}", c[5]);
    assert_near("threes", &c[6..], &[0.0, 60.0], 0.0, 1e-6);
}

/// Wherever it is in a vector, NaN takes part in no extreme and becomes the least byte.
fn rows_with_nan_have_the_bits_of_the_twin(isa: Isa) {
    let (m, k, n) = (100, 100, 3);
    let (mut x, weight) = (noise(6, m * k), noise(7, n * k));
    for (i, row) in x.chunks_exact_mut(k).enumerate() {
        row[i] = f32::NAN;
    }
    let none = Epilogue::default();
    let expected = reference::linear_int8(&x, &weight, (m, k, n), &none);
    assert_eq!(bits(&run(isa, &x, &weight, (m, k, n), &none)), bits(&expected));
}

fn threads_change_no_bit(isa: Isa) {
    let (m, k, n) = (300, 130, 70);
    let (x, weight) = (noise(4, m * k), noise(5, n * k));
    assert_thread_invariant("int8 gemm", || {
        run(isa, &x, &weight, (m, k, n), &Epilogue::default().activation(Activation::Gelu))
    });
}

/// Outputs of more than a million elements are prefetched; `run` compares both.
fn a_prefetched_output_has_the_bits_of_others(isa: Isa) {
    let (m, k, n) = (523, 5, 2_011);
    let (x, weight, residual) = (noise(6, m * k), noise(7, n * k), noise(8, m * n));
    run(isa, &x, &weight, (m, k, n), &Epilogue::default().residual(&residual));
}

#[test]
#[should_panic(expected = "lengths of a and c")]
fn a_wrong_length_is_refused() {
    let isa = Isa::best();
    gemm(isa, &[0.0; 7], 2, &PackedB8::from_nk(isa, &[0.0; 12], 3, 4), &mut [0.0; 6], &Epilogue::default());
}
