//! Matrix products of bf16 numbers: bit for bit against the readable twin, and within the rounding error of
//! the exact product.

#[macro_use]
mod common;

use common::{around, assert_thread_invariant, bits, for_all, noise};
use half::bf16;
use kernels::gemm::bf16::{PackedB16, gemm, gemm_block};
use kernels::gemm::{Activation, Epilogue, KC};
use kernels::{Isa, reference};
use proptest::prelude::*;

on_every_isa! {
    products_have_the_bits_of_the_twin,
    sums_are_within_the_bound_of_their_roundings,
    the_error_is_that_of_rounding,
    an_epilogue_follows_the_sums,
    values_that_are_not_finite_stay_so,
    threads_change_no_bit,
}

fn run(
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    (m, k, n): (usize, usize, usize),
    epilogue: &Epilogue,
) -> Vec<f32> {
    let packed = PackedB16::from_nk(isa, weight, n, k);
    assert_eq!((packed.k(), packed.n()), (k, n));
    // NaN in the output before the call reveals any element that is not written.
    let mut c = vec![f32::NAN; m * n];
    gemm(isa, x, m, &packed, &mut c, epilogue);
    let mut again = vec![f32::NAN; m * n];
    gemm_block(isa, x, m, &packed, &mut again, epilogue);
    assert_eq!(bits(&c), bits(&again), "gemm_block");
    c
}

fn products_have_the_bits_of_the_twin(isa: Isa) {
    let (mr, nr) = isa.tile_shape();
    let k = prop_oneof![4 => around(2), 4 => around(64), 1 => around(2 * KC)];
    for_all(200, (around(mr), k, around(nr), -6i32..6, any::<u64>()), |(m, k, n, scale, seed)| {
        let x: Vec<f32> = noise(seed, m * k).iter().map(|x| x * 10f32.powi(scale)).collect();
        let weight = noise(seed ^ 1, n * k);
        // All blocks of pairs are about equal.
        let pairs = k.div_ceil(2);
        let per_block = pairs.div_ceil(pairs.div_ceil(KC / 2));
        let twin =
            if isa.bf16_by_matrices() { reference::linear_bf16_by_matrices } else { reference::linear_bf16 };
        let expected = twin(&x, &weight, (m, k, n), per_block);
        let c = run(isa, &x, &weight, (m, k, n), &Epilogue::default());
        assert_eq!(bits(&c), bits(&expected), "{m}×{k}×{n}");
    });
}

/// A chain of `k` sums to nearest, or of `k / 2 + 1` sums to odd, which err by twice as much, and the sums of
/// blocks: to nearest.
fn sums_are_within_the_bound_of_their_roundings(isa: Isa) {
    let round = |x: &[f32]| -> Vec<f32> { x.iter().map(|&x| bf16::from_f32(x).to_f32()).collect() };
    for (m, k, n) in [(1, 1, 1), (9, 31, 17), (40, 384, 64), (17, 2 * KC + 3, 9)] {
        let (x, weight) = (round(&noise(7, m * k)), round(&noise(8, n * k)));
        let c = run(isa, &x, &weight, (m, k, n), &Epilogue::default());
        let roundings = (k + 2 + 2 * k.div_ceil(KC)) as f64 * 2f64.powi(-24);
        for (i, &c) in c.iter().enumerate() {
            let products = x[i / n * k..][..k].iter().zip(&weight[i % n * k..][..k]);
            let products = products.map(|(&x, &w)| f64::from(x) * f64::from(w));
            let (sum, size) = products.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + f64::abs(x)));
            let (error, bound) = ((f64::from(c) - sum).abs(), roundings / (1.0 - roundings) * size);
            assert!(error <= bound, "{m}×{k}×{n}, element {i}: {error:e}, allowed {bound:e}");
        }
    }
}

fn the_error_is_that_of_rounding(isa: Isa) {
    let (m, k, n) = (40, 384, 64);
    let (x, weight) = (noise(5, m * k), noise(6, n * k));
    let exact = reference::linear(&x, &weight, (m, k, n), &Epilogue::default());
    let c = run(isa, &x, &weight, (m, k, n), &Epilogue::default());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let distance: f64 = c.iter().zip(&exact).map(|(c, e)| square(c - e)).sum();
    let relative = (distance / exact.iter().map(|&e| square(e)).sum::<f64>()).sqrt();
    // Two roundings of a uniform number to 8 bits each.
    assert!(relative > 1e-4 && relative <= 3e-3, "{relative}");
}

fn an_epilogue_follows_the_sums(isa: Isa) {
    let (m, k, n) = (33, 97, 70);
    let (x, weight) = (noise(1, m * k), noise(2, n * k));
    let (bias, residual) = (noise(3, n), noise(4, m * n));
    let sums = run(isa, &x, &weight, (m, k, n), &Epilogue::default());
    let epilogue = Epilogue::bias(&bias).activation(Activation::Relu).residual(&residual);
    let expected: Vec<f32> =
        sums.iter().enumerate().map(|(i, x)| (x + bias[i % n]).max(0.0) + residual[i]).collect();
    assert_eq!(bits(&run(isa, &x, &weight, (m, k, n), &epilogue)), bits(&expected));
}

fn values_that_are_not_finite_stay_so(isa: Isa) {
    let mut x = vec![1.0; 3 * 5];
    (x[1], x[7]) = (f32::INFINITY, f32::NAN);
    let c = run(isa, &x, &[1.0; 2 * 5], (3, 5, 2), &Epilogue::default());
    assert!(c[..2] == [f32::INFINITY; 2] && c[2].is_nan() && c[3].is_nan() && c[4..] == [5.0; 2], "{c:?}");
}

fn threads_change_no_bit(isa: Isa) {
    let (m, k, n) = (500, 700, 100);
    let (x, weight) = (noise(8, m * k), noise(9, n * k));
    assert_thread_invariant("bf16 gemm", || run(isa, &x, &weight, (m, k, n), &Epilogue::default()));
}

/// Where a core has matrices of bf16 numbers, none of the shapes may fall back to a chain.
#[cfg(target_arch = "aarch64")]
#[test]
fn the_set_with_i8mm_multiplies_matrices_if_the_host_does() {
    let has = std::arch::is_aarch64_feature_detected!("bf16");
    for isa in Isa::available() {
        assert_eq!(isa.bf16_by_matrices(), has && isa.name() == "i8mm", "{}", isa.name());
    }
}
