//! Flash attention against the full score matrix, and rotary encoding against complex multiplication.

mod common;

use common::{assert_near, assert_thread_invariant, for_each_isa, noise};
use kernels::attention::{
    GridKeys, GridTokens, KEYS, QUERY_STEP, SCORE_SCALE, Shape, attention, attention_block, pool,
};
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
        nk in prop_oneof![2 => 1usize..40, 1 => prop::sample::select(vec![KEYS - 1, KEYS, KEYS + 1, 2 * KEYS + 5])],
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

/// Copies of a grid, its side, placeless tokens, queries, and the widths of keys, inputs and values.
#[derive(Clone, Copy, Debug)]
struct Grids {
    copies: usize,
    side: usize,
    placeless: usize,
    nq: usize,
    d: usize,
    m: usize,
    dv: usize,
}

const SCALE: f32 = 0.4;

/// Queries, inputs, values, weight, bias, keys of the placeless.
fn grid_operands(g: Grids, seed: u64) -> [Vec<f32>; 6] {
    let tokens = g.copies * g.side * g.side + g.placeless;
    let sizes = [g.nq * g.d, tokens * g.m, tokens * g.dv, g.d * g.m, g.d, g.placeless * g.d];
    let mut i = 0;
    sizes.map(|size| {
        i += 1;
        noise(seed ^ i, size)
    })
}

fn over_grids(isa: Isa, g: Grids, [q, z, v, w, b, placeless]: &[Vec<f32>; 6]) -> Vec<f32> {
    let rope = Rope::new(g.side, g.d, 10_000.0);
    let keys = GridKeys::new(w, b, SCALE, &rope);
    let tokens = GridTokens::new(isa, (g.copies, g.side * g.side), (z, g.m), (v, g.dv));
    let mut out = vec![f32::NAN; g.nq * g.dv];
    keys.attend(isa, q, &tokens, placeless, &mut out);
    out
}

/// With every key formed.
fn over_grids_directly(g: Grids, [q, z, v, w, b, placeless]: &[Vec<f32>; 6]) -> Vec<f32> {
    let placed = g.copies * g.side * g.side;
    let mut keys = Vec::new();
    for z in z.chunks_exact(g.m).take(placed) {
        for (w, b) in w.chunks_exact(g.m).zip(b) {
            keys.push(w.iter().zip(z).map(|(w, z)| w * z).sum::<f32>() + b);
        }
    }
    let mut keys = reference::rope(&keys, g.side, g.d, 10_000.0);
    keys.extend(placeless);
    let shape = Shape { batch: 1, heads: 1, nq: g.nq, nk: placed + g.placeless, d: g.d, dv: g.dv };
    reference::attention(shape, SCALE, q, &keys, v)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_last_key_may_count_several_times(
        nq in 1usize..120,
        nk in prop_oneof![2 => 1usize..40, 1 => prop::sample::select(vec![KEYS - 1, KEYS, KEYS + 1])],
        times in prop::sample::select(vec![1usize, 2, 49, 132]),
        heads in 1usize..3,
        seed: u64,
    ) {
        let shape = Shape { batch: 1, heads, nq, nk, d: 16, dv: 8 };
        let [q, k, v] = operands(shape, seed);
        let (qk, vo) = (heads * shape.d, heads * shape.dv);
        let repeat = |rows: &[f32], width: usize| {
            let last = &rows[rows.len() - width..];
            [rows, &last.repeat(times - 1)].concat()
        };
        let whole = Shape { nk: nk + times - 1, ..shape };
        let expected = reference::attention(whole, 0.3, &q, &repeat(&k, qk), &repeat(&v, vo));
        for_each_isa(|isa| {
            let mut actual = vec![f32::NAN; nq * vo];
            let operands = (Rows::new(&q, qk), Rows::new(&k, qk), Rows::new(&v, vo));
            attention_block(isa, shape, 0.3, operands, times, &mut actual);
            assert_near(&format!("{shape:?} {times} times on {}", isa.name()), &actual, &expected, 4e-6, 0.0);
        });
    }

    #[test]
    fn attention_over_grids_matches_formed_keys(
        copies in 0usize..20,
        side in 1usize..9,
        placeless in prop::sample::select(vec![0usize, 1, 5, 64, KEYS + 1]),
        nq in prop::sample::select(vec![1usize, 7, 31, 32, 33, 64, 65, 150]),
        quarter in prop::sample::select(vec![1usize, 2, 5, 8]),
        m in prop::sample::select(vec![1usize, 3, 16, 20]),
        dv in prop::sample::select(vec![1usize, 5, 16, 30]),
        seed: u64,
    ) {
        prop_assume!(copies + placeless > 0);
        let g = Grids { copies, side, placeless, nq, d: 4 * quarter, m, dv };
        let operands = grid_operands(g, seed);
        let expected = over_grids_directly(g, &operands);
        for_each_isa(|isa| {
            let actual = over_grids(isa, g, &operands);
            // Scores reach d · m · scale / 4; an error of ε of that is a factor of the weights.
            let tolerance = 4e-6 + 2.0 * f32::EPSILON * (g.d * g.m) as f32 * SCALE;
            assert_near(&format!("{g:?} on {}", isa.name()), &actual, &expected, tolerance, 0.0);
        });
    }
}

#[test]
fn attention_over_grids_is_thread_invariant() {
    let g = Grids { copies: 7, side: 9, placeless: 12, nq: 200, d: 32, m: 16, dv: 16 };
    let operands = grid_operands(g, 12);
    assert_thread_invariant("attention over grids", |isa| over_grids(isa, g, &operands));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn pooling_matches_reference(
        steps in 1usize..8,
        rows in 1usize..70,
        block in 1usize..40,
        dv in prop::sample::select(vec![1usize, 5, 16, 33]),
        sharpness in 0.1f32..30.0,
        seed: u64,
    ) {
        for_each_isa(|isa| {
            let n = steps * QUERY_STEP;
            let (scores, values) = (noise(seed, rows * n), noise(seed ^ 1, rows * dv));
            // As attention of one-hot queries: key i holds the scores of row i.
            let shape = Shape { batch: 1, heads: 1, nq: n, nk: rows, d: n, dv };
            let one_hot: Vec<f32> = (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
            let expected = reference::attention(shape, sharpness, &one_hot, &scores, &values);
            let mut scaled: Vec<f32> = scores.iter().map(|x| x * sharpness * SCORE_SCALE).collect();
            let actual = pool(isa, &mut scaled, n, &values, dv, block);
            let tolerance = 2e-6 + 8.0 * f32::EPSILON * sharpness;
            assert_near(&format!("{shape:?} on {}", isa.name()), &actual, &expected, tolerance, 0.0);
        });
    }
}

#[test]
fn pooling_is_thread_invariant() {
    assert_thread_invariant("pool", |isa| {
        let n = 5 * QUERY_STEP;
        pool(isa, &mut noise(13, 300 * n), n, &noise(14, 300 * 20), 20, 32)
    });
}

#[test]
fn widest_head_matches_reference() {
    let shape = Shape { batch: 1, heads: 1, nq: 5, nk: KEYS + 3, d: KC, dv: KC };
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
    let nk = 3 * KEYS;
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
