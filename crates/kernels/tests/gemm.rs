//! Matrix products against their f64 twin.
//!
//! The tolerance is derived: a sum of k products differs from the exact one by at most about k·ε·Σ|a||b|.

mod common;

use common::{around, assert_near, assert_thread_invariant, for_each_isa, noise};
use half::f16;
use kernels::gemm::{Activation, Epilogue, KC, PackedB, Rows, gemm, gemm_block, gemm_from};
use kernels::{Isa, reference};
use proptest::prelude::*;

/// `4·k·ε·(|A|·|B|)` for operands in [−1, 1], plus the epilogue's own rounding.
fn tolerance(k: usize) -> f32 {
    4.0 * (k as f32) * f32::EPSILON + 1e-6
}

fn activations() -> impl Strategy<Value = Activation> {
    prop::sample::select(vec![Activation::None, Activation::Relu, Activation::Gelu])
}

/// Depths around the block edge, but mostly small.
fn depth() -> impl Strategy<Value = usize> {
    prop_oneof![3 => around(8), 1 => prop::sample::select(vec![KC - 1, KC, KC + 1, 2 * KC + 3])]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn gemm_matches_reference_around_tile_edges(
        (m_edge, n_edge) in (0usize..5, 0usize..5), k in depth(), activation in activations(),
        with_bias: bool, with_residual: bool, seed: u64,
    ) {
        for_each_isa(|isa| {
            let (mr, nr) = isa.tile_shape();
            let edge = |r: usize, i: usize| [1, (r - 1).max(1), r, r + 1, 2 * r + 1][i];
            check(isa, (edge(mr, m_edge), k, edge(nr, n_edge)), activation, with_bias, with_residual, seed);
        });
    }

    #[test]
    fn gemm_matches_reference_around_row_blocks(m in around(112), activation in activations(), seed: u64) {
        for_each_isa(|isa| check(isa, (m, 9, 5), activation, true, true, seed));
    }
}

fn check(
    isa: Isa,
    (m, k, n): (usize, usize, usize),
    activation: Activation,
    with_bias: bool,
    with_residual: bool,
    seed: u64,
) {
    let (a, b_nk) = (noise(seed, m * k), noise(seed ^ 1, n * k));
    let (bias, residual) = (noise(seed ^ 2, n), noise(seed ^ 3, m * n));
    let epilogue = Epilogue {
        bias: with_bias.then_some(&bias[..]),
        activation,
        residual: with_residual.then_some(&residual[..]),
    };
    let expected = reference::linear(&a, &b_nk, (m, k, n), &epilogue);
    let packed = PackedB::from_nk(isa, &b_nk, n, k);
    let name = format!("gemm {m}×{k}×{n} {activation:?} on {}", isa.name());

    // NaN in the output before the call shows any element that is read or left unwritten.
    let mut c = vec![f32::NAN; m * n];
    gemm(isa, &a, m, &packed, &mut c, &epilogue);
    assert_near(&name, &c, &expected, tolerance(k), 1e-6);

    let mut again = vec![f32::NAN; m * n];
    gemm_block(isa, &a, m, &packed, &mut again, &epilogue);
    assert_eq!(c, again, "{name}: gemm_block");

    let b_kn = tensor::relayout::transpose(&b_nk, n, k);
    let mut again = vec![f32::NAN; m * n];
    gemm(isa, &a, m, &PackedB::from_kn(isa, &b_kn, k, n), &mut again, &epilogue);
    assert_eq!(c, again, "{name}: from_kn");

    // What half precision holds gives the bits of single precision, whether it is kept so or not.
    let halves: Vec<f32> = b_nk.iter().map(|&x| f16::from_f32(x).to_f32()).collect();
    let [single, compact] = [PackedB::from_nk, PackedB::compact_from_nk].map(|pack| {
        let mut c = vec![f32::NAN; m * n];
        gemm(isa, &a, m, &pack(isa, &halves, n, k), &mut c, &epilogue);
        c
    });
    assert_eq!(single, compact, "{name}: compact_from_nk");

    // Rows apart from each other, with NaN between them.
    let stride = k + 3;
    let mut strided = vec![f32::NAN; m * stride];
    for (row, a) in strided.chunks_exact_mut(stride).zip(a.chunks_exact(k)) {
        row[..k].copy_from_slice(a);
    }
    let mut again = vec![f32::NAN; m * n];
    gemm_from(isa, &Rows::new(&strided, stride), m, &packed, &mut again, &epilogue);
    assert_eq!(c, again, "{name}: strided rows");
}

#[test]
fn twins_of_both_weight_layouts_agree() {
    let (a, b) = (noise(1, 6), noise(2, 12));
    let epilogue = Epilogue::default();
    let b_nk = tensor::relayout::transpose(&b, 3, 4);
    assert_eq!(
        reference::gemm(&a, &b, (2, 3, 4), &epilogue),
        reference::linear(&a, &b_nk, (2, 3, 4), &epilogue)
    );
}

#[test]
fn empty_output_is_left_alone() {
    for_each_isa(|isa| {
        let packed = PackedB::from_nk(isa, &noise(1, 15), 3, 5);
        gemm(isa, &[], 0, &packed, &mut [], &Epilogue::default());
    });
}

#[test]
fn only_what_half_precision_holds_is_kept_so() {
    for_each_isa(|isa| {
        let (n, k) = (96, 384);
        let mut w: Vec<f32> = noise(5, n * k).iter().map(|&x| f16::from_f32(x).to_f32()).collect();
        let single = PackedB::from_nk(isa, &w, n, k).bytes();
        // `matrixmultiply`, where its kernels are used, takes single precision.
        let expected = if ["portable", "dotprod"].contains(&isa.name()) { single } else { single / 2 };
        assert!(PackedB::compact_from_nk(isa, &w, n, k).bytes().abs_diff(expected) <= 64, "{}", isa.name());
        w[n * k - 1] += 1e-6;
        assert_eq!(PackedB::compact_from_nk(isa, &w, n, k).bytes(), single, "{}", isa.name());
    });
}

#[test]
fn nan_in_an_operand_reaches_exactly_its_row() {
    for_each_isa(|isa| {
        let (m, k, n) = (7, 20, 37);
        let mut a = noise(3, m * k);
        a[4 * k + 5] = f32::NAN;
        let packed = PackedB::from_nk(isa, &noise(4, n * k), n, k);
        let mut c = vec![0.0; m * n];
        gemm(isa, &a, m, &packed, &mut c, &Epilogue::default());
        for (i, row) in c.chunks_exact(n).enumerate() {
            assert!(row.iter().all(|v| v.is_nan() == (i == 4)), "row {i} on {}", isa.name());
        }
    });
}

#[test]
fn gemm_is_thread_invariant() {
    let (m, k, n) = (301, 300, 45);
    let (a, b, bias, residual) = (noise(5, m * k), noise(6, n * k), noise(7, n), noise(8, m * n));
    assert_thread_invariant("gemm", |isa| {
        let packed = PackedB::from_nk(isa, &b, n, k);
        let mut c = vec![f32::NAN; m * n];
        let epilogue = Epilogue::bias(&bias).activation(Activation::Gelu).residual(&residual);
        gemm(isa, &a, m, &packed, &mut c, &epilogue);
        c
    });
}

#[test]
fn a_row_does_not_depend_on_the_number_of_rows() {
    for_each_isa(|isa| {
        let (k, n) = (270, 33);
        let a = noise(9, 40 * k);
        let packed = PackedB::from_nk(isa, &noise(10, n * k), n, k);
        let run = |m: usize| {
            let mut c = vec![f32::NAN; m * n];
            gemm(isa, &a[..m * k], m, &packed, &mut c, &Epilogue::default());
            c
        };
        let all = run(40);
        for m in [1, 2, 5, 13, 31] {
            assert_eq!(run(m), all[..m * n], "{m} rows on {}", isa.name());
        }
    });
}

/// Outputs of more than a million elements have a way of their own.
#[test]
fn a_large_output_has_the_bits_of_a_small_one() {
    let (m, k, n) = (523, 5, 2_011);
    let (a, weight) = (noise(11, m * k), noise(12, n * k));
    let (bias, residual) = (noise(13, n), noise(14, m * n));
    for_each_isa(|isa| {
        let packed = PackedB::from_nk(isa, &weight, n, k);
        let epilogue = Epilogue::bias(&bias).residual(&residual);
        let (mut large, mut small) = (vec![f32::NAN; m * n], vec![f32::NAN; m * n]);
        gemm(isa, &a, m, &packed, &mut large, &epilogue);
        gemm_block(isa, &a, m, &packed, &mut small, &epilogue);
        assert!(large.iter().all(|x| x.is_finite()) && large == small, "{}", isa.name());
    });
}

#[test]
#[should_panic(expected = "gemm: a has 5 elements, expected 2×3")]
fn wrong_lengths_are_refused() {
    let isa = Isa::best();
    let packed = PackedB::from_nk(isa, &noise(1, 6), 2, 3);
    gemm(isa, &[0.0; 5], 2, &packed, &mut [0.0; 4], &Epilogue::default());
}

#[test]
#[should_panic(expected = "packed for another instruction set")]
fn weights_packed_for_another_isa_are_refused() {
    let all = Isa::available();
    let other = all.iter().find(|isa| isa.tile_shape() != all[0].tile_shape());
    let Some(&other) = other else {
        panic!("only one instruction set, so none is packed for another instruction set")
    };
    let packed = PackedB::from_nk(other, &noise(1, 6), 2, 3);
    gemm(all[0], &[0.0; 6], 2, &packed, &mut [0.0; 4], &Epilogue::default());
}
