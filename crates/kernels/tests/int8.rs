//! 8-bit matrix products: bit for bit against the readable twin, and within the rounding of bytes of the exact product.

mod common;

use common::{around, assert_near, assert_thread_invariant, for_each_isa, noise};
use kernels::gemm::int8::{MAX_K, PackedB8, gemm, gemm_block};
use kernels::gemm::{Activation, Epilogue};
use kernels::{Isa, reference};
use proptest::prelude::*;

fn run(
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    (m, k, n): (usize, usize, usize),
    epilogue: &Epilogue,
) -> Vec<f32> {
    let packed = PackedB8::from_nk(isa, weight, n, k);
    // NaN in the output before the call shows any element that is left unwritten.
    let mut c = vec![f32::NAN; m * n];
    gemm(isa, x, m, &packed, &mut c, epilogue);
    let mut again = vec![f32::NAN; m * n];
    gemm_block(isa, x, m, &packed, &mut again, epilogue);
    assert_eq!(bits(&c), bits(&again), "gemm_block on {}", isa.name());
    c
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_instruction_set_has_the_bits_of_the_twin(
        (m_edge, n_edge) in (0usize..5, 0usize..5),
        k in prop_oneof![3 => around(4), 2 => around(16), 1 => around(64), 1 => around(128)],
        (scale, shift) in (-6i32..6, -1f32..1.0),
        relu: bool, with_bias: bool, with_residual: bool, seed: u64,
    ) {
        for_each_isa(|isa| {
            let (mr, nr) = isa.dot_tile_shape();
            let edge = |r: usize, i: usize| [1, (r - 1).max(1), r, r + 1, 2 * r + 1][i];
            let (m, n) = (edge(mr, m_edge), edge(nr, n_edge));
            let x: Vec<f32> = noise(seed, m * k).iter().map(|x| (x + shift) * 10f32.powi(scale)).collect();
            let (weight, bias, residual) = (noise(seed ^ 1, n * k), noise(seed ^ 2, n), noise(seed ^ 3, m * n));
            let epilogue = Epilogue {
                bias: with_bias.then_some(&bias[..]),
                activation: if relu { Activation::Relu } else { Activation::None },
                residual: with_residual.then_some(&residual[..]),
            };
            let expected = reference::linear_int8(&x, &weight, (m, k, n), &epilogue);
            let c = run(isa, &x, &weight, (m, k, n), &epilogue);
            assert_eq!(bits(&c), bits(&expected), "{m}×{k}×{n} on {}", isa.name());
        });
    }

    #[test]
    fn rounding_to_bytes_is_all_that_is_lost(k in 1usize..200, seed: u64) {
        let (m, n) = (3, 5);
        let (x, weight) = (noise(seed, m * k), noise(seed ^ 1, n * k));
        let exact = reference::linear(&x, &weight, (m, k, n), &Epilogue::default());
        for_each_isa(|isa| {
            let c = run(isa, &x, &weight, (m, k, n), &Epilogue::default());
            // One step of x: half for itself, half for the zero. Half a step of w.
            let (dx, dw) = (2.0 / 255.0, 0.5 / 127.0);
            for (i, (c, exact)) in c.iter().zip(&exact).enumerate() {
                let (x, w) = (&x[i / n * k..][..k], &weight[i % n * k..][..k]);
                let allowed: f32 = x.iter().zip(w).map(|(x, w)| dx * w.abs() + dw * x.abs() + dx * dw).sum();
                assert!((c - exact).abs() <= allowed * 1.001 + 1e-6, "{c}, exactly {exact} ± {allowed}");
            }
        });
    }
}

#[test]
fn gelu_follows_the_sums() {
    let (m, k, n) = (33, 96, 70);
    let (x, weight, bias) = (noise(1, m * k), noise(2, n * k), noise(3, n));
    for (activation, tolerance) in [(Activation::Gelu, 1e-6), (Activation::GeluCoarse, 2e-4)] {
        let epilogue = Epilogue::bias(&bias).activation(activation);
        let expected = reference::linear_int8(&x, &weight, (m, k, n), &epilogue);
        for_each_isa(|isa| {
            let c = run(isa, &x, &weight, (m, k, n), &epilogue);
            assert_near(isa.name(), &c, &expected, tolerance, 1e-6);
        });
    }
}

/// The largest products everywhere: sums of 255 · 127 over a long row, which saturate 16 bits, and in the longest row sums of
/// columns whose 128ths would, were it twice as long.
#[test]
fn no_sum_saturates() {
    let (m, n) = (2, 3);
    for k in [1000, MAX_K] {
        for (x, w) in [(2.0, 0.5), (2.0, -0.5), (-2.0, 0.5), (-2.0, -0.5)] {
            for_each_isa(|isa| {
                let c = run(isa, &vec![x; m * k], &vec![w; n * k], (m, k, n), &Epilogue::default());
                assert_near(isa.name(), &c, &vec![x * w * k as f32; m * n], 0.0, 1e-6);
            });
        }
    }
}

#[test]
fn rows_of_zeros_tiny_and_infinite_values() {
    let k = 20;
    let mut x = vec![0.0; 4 * k];
    x[k..2 * k].fill(1e-42);
    x[2 * k] = f32::INFINITY;
    x[3 * k..].fill(3.0);
    let weight = [vec![0.0; k], vec![1.0; k]].concat();
    for_each_isa(|isa| {
        let c = run(isa, &x, &weight, (4, k, 2), &Epilogue::default());
        assert_eq!(c[..4], [0.0; 4], "{}", isa.name());
        assert!(!c[5].is_finite(), "{}: an infinite input stays visible, not {}", isa.name(), c[5]);
        assert_near(isa.name(), &c[6..], &[0.0, 60.0], 0.0, 1e-6);
    });
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (m, k, n) = (300, 130, 70);
    let (x, weight) = (noise(4, m * k), noise(5, n * k));
    assert_thread_invariant("int8 gemm", |isa| {
        run(isa, &x, &weight, (m, k, n), &Epilogue::default().activation(Activation::Gelu))
    });
}

/// Outputs of more than a million elements have a way of their own.
#[test]
fn a_large_output_has_the_bits_of_a_small_one() {
    let (m, k, n) = (523, 5, 2_011);
    let (x, weight, residual) = (noise(6, m * k), noise(7, n * k), noise(8, m * n));
    for_each_isa(|isa| {
        run(isa, &x, &weight, (m, k, n), &Epilogue::default().residual(&residual));
    });
}

#[test]
#[should_panic(expected = "lengths of a and c")]
fn a_wrong_length_is_refused() {
    let isa = Isa::best();
    gemm(isa, &[0.0; 7], 2, &PackedB8::from_nk(isa, &[0.0; 12], 3, 4), &mut [0.0; 6], &Epilogue::default());
}
