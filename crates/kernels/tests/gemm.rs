//! Matrix products against their f64 twin.
//!
//! The tolerance is derived: a sum of k products differs from the exact one by at most about k·ε·Σ|a||b|.

#[macro_use]
mod common;

use common::{around, assert_near, assert_thread_invariant, edges, for_all, noise};
use half::f16;
use kernels::gemm::{Activation, Blocking, Epilogue, KC, PackedB, Rows, gemm, gemm_block, gemm_from};
use kernels::{Isa, reference};
use proptest::prelude::*;

on_every_isa! {
    tile_edges_match_reference,
    row_block_edges_match_reference,
    tiny_blocks_match_reference,
    an_empty_output_stays_empty,
    only_exact_halves_are_stored_as_halves,
    nan_in_an_operand_affects_exactly_its_row,
    threads_change_no_bit,
    a_row_does_not_depend_on_the_number_of_rows,
    a_prefetched_output_has_the_bits_of_others,
}

/// `4·k·ε·(|A|·|B|)` for operands in [−1, 1], plus the epilogue's own rounding.
fn tolerance(k: usize) -> f32 {
    4.0 * (k as f32) * f32::EPSILON + 1e-6
}

/// Activation, with bias, with residual, seed.
fn epilogues() -> impl Strategy<Value = (Activation, bool, bool, u64)> {
    let activations = prop::sample::select(vec![Activation::None, Activation::Relu, Activation::Gelu]);
    (activations, any::<bool>(), any::<bool>(), any::<u64>())
}

/// Depths around the edge of k-blocks, but mostly small.
fn depth() -> impl Strategy<Value = usize> {
    prop_oneof![3 => around(8), 1 => prop::sample::select(vec![KC - 1, KC, KC + 1, 2 * KC + 3])]
}

fn tile_edges_match_reference(isa: Isa) {
    let (mr, nr) = isa.tile_shape();
    for_all(500, (around(mr), depth(), around(nr), epilogues()), |(m, k, n, epilogue)| {
        check(isa, (m, k, n), epilogue, PackedB::from_nk);
    });
}

fn row_block_edges_match_reference(isa: Isa) {
    for_all(300, (around(112), epilogues()), |(m, epilogue)| {
        check(isa, (m, 9, 5), epilogue, PackedB::from_nk);
    });
}

/// With blocks of a few elements, small products cross the edges of all of them.
fn tiny_blocks_match_reference(isa: Isa) {
    let pack =
        |isa: Isa, w: &[f32], n: usize, k: usize| PackedB::from_nk_blocked(isa, &Blocking::TINY, w, n, k);
    let Blocking { mc, kc, .. } = Blocking::TINY;
    let rows = edges(mc).into_iter().chain([3 * mc + 2]).collect::<Vec<_>>();
    let depths = edges(kc).into_iter().chain([4 * kc + 3]).collect::<Vec<_>>();
    let sizes = (prop::sample::select(rows), prop::sample::select(depths), around(isa.tile_shape().1));
    for_all(500, (sizes, epilogues()), |(sizes, epilogue)| check(isa, sizes, epilogue, pack));
}

fn check(
    isa: Isa,
    (m, k, n): (usize, usize, usize),
    (activation, with_bias, with_residual, seed): (Activation, bool, bool, u64),
    pack: fn(Isa, &[f32], usize, usize) -> PackedB,
) {
    let (a, b_nk) = (noise(seed, m * k), noise(seed ^ 1, n * k));
    let (bias, residual) = (noise(seed ^ 2, n), noise(seed ^ 3, m * n));
    let epilogue = Epilogue {
        bias: with_bias.then_some(&bias[..]),
        activation,
        residual: with_residual.then_some(&residual[..]),
    };
    let expected = reference::linear(&a, &b_nk, (m, k, n), &epilogue);
    let packed = pack(isa, &b_nk, n, k);
    let name = format!("gemm {m}×{k}×{n} {activation:?}");

    // NaN in the output before the call reveals any element that is read or not written.
    let mut c = vec![f32::NAN; m * n];
    gemm(isa, &a, m, &packed, &mut c, &epilogue);
    assert_near(&name, &c, &expected, tolerance(k), 1e-6);

    let mut again = vec![f32::NAN; m * n];
    gemm_block(isa, &a, m, &packed, &mut again, &epilogue);
    assert_eq!(c, again, "{name}: gemm_block");

    let b_kn = tensor::relayout::transpose(&b_nk, n, k);
    let [nk, kn] = [PackedB::from_nk(isa, &b_nk, n, k), PackedB::from_kn(isa, &b_kn, k, n)].map(|packed| {
        let mut c = vec![f32::NAN; m * n];
        gemm(isa, &a, m, &packed, &mut c, &epilogue);
        c
    });
    assert_eq!(nk, kn, "{name}: from_kn");

    // Weights that half precision represents exactly give the same bits, stored in half precision or not.
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

fn an_empty_output_stays_empty(isa: Isa) {
    let packed = PackedB::from_nk(isa, &noise(1, 15), 3, 5);
    gemm(isa, &[], 0, &packed, &mut [], &Epilogue::default());
}

fn only_exact_halves_are_stored_as_halves(isa: Isa) {
    let (n, k) = (96, 384);
    let mut w: Vec<f32> = noise(5, n * k).iter().map(|&x| f16::from_f32(x).to_f32()).collect();
    let single = PackedB::from_nk(isa, &w, n, k).bytes();
    // `matrixmultiply` takes single precision.
    let expected = if isa.tuning().own_micro_kernel { single / 2 } else { single };
    assert!(PackedB::compact_from_nk(isa, &w, n, k).bytes().abs_diff(expected) <= 64);
    w[n * k - 1] += 1e-6;
    assert_eq!(PackedB::compact_from_nk(isa, &w, n, k).bytes(), single);
}

fn nan_in_an_operand_affects_exactly_its_row(isa: Isa) {
    let (m, k, n) = (7, 20, 37);
    let mut a = noise(3, m * k);
    a[4 * k + 5] = f32::NAN;
    let packed = PackedB::from_nk(isa, &noise(4, n * k), n, k);
    let mut c = vec![0.0; m * n];
    gemm(isa, &a, m, &packed, &mut c, &Epilogue::default());
    for (i, row) in c.chunks_exact(n).enumerate() {
        assert!(row.iter().all(|v| v.is_nan() == (i == 4)), "row {i}");
    }
}

fn threads_change_no_bit(isa: Isa) {
    let (m, k, n) = (301, 300, 45);
    let (a, b, bias, residual) = (noise(5, m * k), noise(6, n * k), noise(7, n), noise(8, m * n));
    let packed = PackedB::from_nk(isa, &b, n, k);
    assert_thread_invariant("gemm", || {
        let mut c = vec![f32::NAN; m * n];
        let epilogue = Epilogue::bias(&bias).activation(Activation::Gelu).residual(&residual);
        gemm(isa, &a, m, &packed, &mut c, &epilogue);
        c
    });
}

fn a_row_does_not_depend_on_the_number_of_rows(isa: Isa) {
    let (k, n) = (270, 33);
    let a = noise(9, 40 * k);
    let packed = PackedB::from_nk(isa, &noise(10, n * k), n, k);
    for activation in [Activation::None, Activation::Gelu] {
        let run = |m: usize| {
            let mut c = vec![f32::NAN; m * n];
            gemm(isa, &a[..m * k], m, &packed, &mut c, &Epilogue::default().activation(activation));
            c
        };
        let all = run(40);
        for m in [1, 2, 5, 13, 31] {
            assert_eq!(run(m), all[..m * n], "{m} rows, {activation:?}");
        }
    }
}

/// Outputs of more than a million elements are prefetched.
fn a_prefetched_output_has_the_bits_of_others(isa: Isa) {
    let (m, k, n) = (523, 5, 2_011);
    let (a, weight) = (noise(11, m * k), noise(12, n * k));
    let (bias, residual) = (noise(13, n), noise(14, m * n));
    let packed = PackedB::from_nk(isa, &weight, n, k);
    let epilogue = Epilogue::bias(&bias).residual(&residual);
    let (mut large, mut small) = (vec![f32::NAN; m * n], vec![f32::NAN; m * n]);
    gemm(isa, &a, m, &packed, &mut large, &epilogue);
    gemm_block(isa, &a, m, &packed, &mut small, &epilogue);
    assert!(large.iter().all(|x| x.is_finite()) && large == small);
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
