//! Flash attention against the full score matrix, and rotary encoding against complex multiplication.

mod common;

use common::{assert_near, assert_thread_invariant, for_each_isa, noise};
use kernels::attention::{Shape, attention};
use kernels::gemm::{KC, Rows};
use kernels::rope::Rope;
use kernels::{Isa, reference};
use proptest::prelude::*;

fn run(isa: Isa, shape: Shape, scale: f32, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
    let Shape { batch, heads, nq, d, dv, .. } = shape;
    let mut out = vec![f32::NAN; batch * nq * heads * dv];
    let (qk, vo) = (heads * d, heads * dv);
    attention(isa, shape, scale, Rows::new(q, qk), Rows::new(k, qk), Rows::new(v, vo), &mut out);
    out
}

fn operands(shape: Shape, seed: u64) -> [Vec<f32>; 3] {
    let Shape { batch, heads, nq, nk, d, dv } = shape;
    [
        noise(seed, batch * nq * heads * d),
        noise(seed ^ 1, batch * nk * heads * d),
        noise(seed ^ 2, batch * nk * heads * dv),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn attention_matches_reference(
        batch in 1usize..3,
        heads in 1usize..3,
        nq in prop::sample::select(vec![1usize, 3, 4, 5, 7, 15, 29, 111, 112, 113]),
        nk in prop_oneof![2 => 1usize..40, 1 => prop::sample::select(vec![KC - 1, KC, KC + 1, 2 * KC + 5])],
        d in prop::sample::select(vec![1usize, 7, 8, 16, 33, 64]),
        dv in prop::sample::select(vec![1usize, 8, 15, 33, 64]),
        sharpness in 0.1f32..20.0,
        seed: u64,
    ) {
        let shape = Shape { batch, heads, nq, nk, d, dv };
        let [q, k, v] = operands(shape, seed);
        let scale = sharpness / (d as f32).sqrt();
        let expected = reference::attention(shape, scale, &q, &k, &v);
        for_each_isa(|isa| {
            // Values are in [−1, 1]; a score of size s is off by s·d·ε, which the exponential turns into a factor.
            let tolerance = 2e-6 + 4.0 * f32::EPSILON * sharpness * (d as f32).sqrt().max(2.0) * 4.0;
            assert_near(&format!("{shape:?} on {}", isa.name()), &run(isa, shape, scale, &q, &k, &v), &expected, tolerance, 0.0);
        });
    }

    #[test]
    fn rope_matches_reference(side in 1usize..7, quarter in 1usize..20, grids in 1usize..3, seed: u64) {
        let dim = 4 * quarter;
        let x = noise(seed, grids * side * side * dim);
        let expected = reference::rope(&x, side, dim, 10_000.0);
        for_each_isa(|isa| {
            let mut y = x.clone();
            Rope::new(side, dim, 10_000.0).apply(isa, &mut y);
            assert_near(isa.name(), &y, &expected, 2e-6, 0.0);
        });
    }
}

#[test]
fn widest_head_matches_reference() {
    let shape = Shape { batch: 1, heads: 1, nq: 5, nk: KC + 3, d: KC, dv: KC };
    let [q, k, v] = operands(shape, 7);
    let expected = reference::attention(shape, 1.0 / 16.0, &q, &k, &v);
    for_each_isa(|isa| {
        assert_near(isa.name(), &run(isa, shape, 1.0 / 16.0, &q, &k, &v), &expected, 2e-6, 0.0)
    });
}

#[test]
fn heads_interleaved_in_one_qkv_row_are_read_in_place() {
    let shape = Shape { batch: 2, heads: 2, nq: 6, nk: 6, d: 8, dv: 8 };
    let width = 16;
    let [q, k, v] = operands(shape, 8);
    let mut qkv = Vec::new();
    for i in 0..12 {
        for part in [&q, &k, &v] {
            qkv.extend_from_slice(&part[i * width..(i + 1) * width]);
        }
    }
    for_each_isa(|isa| {
        let rows = |part: usize| Rows::new(&qkv[part * width..], 3 * width);
        let mut out = vec![f32::NAN; q.len()];
        attention(isa, shape, 0.3, rows(0), rows(1), rows(2), &mut out);
        assert_eq!(out, run(isa, shape, 0.3, &q, &k, &v), "{}", isa.name());
    });
}

#[test]
fn rising_scores_rescale_earlier_blocks() {
    // Every block of keys has a larger maximum than the one before, so the online softmax corrects each time.
    let nk = 3 * KC;
    let shape = Shape { batch: 1, heads: 1, nq: 3, nk, d: 1, dv: 4 };
    let k: Vec<f32> = (0..nk).map(|i| i as f32 / 40.0).collect();
    let (q, v) = (vec![1.0, -1.0, 5.0], noise(9, nk * 4));
    let expected = reference::attention(shape, 1.0, &q, &k, &v);
    for_each_isa(|isa| assert_near(isa.name(), &run(isa, shape, 1.0, &q, &k, &v), &expected, 1e-5, 0.0));
}

#[test]
fn attention_is_thread_invariant() {
    for shape in [
        Shape { batch: 1, heads: 2, nq: 230, nk: 270, d: 24, dv: 17 },
        Shape { batch: 9, heads: 1, nq: 16, nk: 16, d: 32, dv: 32 },
    ] {
        let [q, k, v] = operands(shape, 10);
        assert_thread_invariant("attention", |isa| run(isa, shape, 0.2, &q, &k, &v));
    }
}

#[test]
fn rope_is_thread_invariant() {
    let rope = Rope::new(32, 64, 10_000.0);
    let x = noise(11, 2 * rope.cells() * 64);
    assert_thread_invariant("rope", |isa| {
        let mut y = x.clone();
        rope.apply(isa, &mut y);
        y
    });
}
