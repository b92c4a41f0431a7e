//! Flash attention against the full score matrix, and rotary encoding against complex multiplication.

#[macro_use]
mod common;

use common::grids::Grids;
use common::{assert_near, assert_thread_invariant, attention_operands, for_all, noise};
use kernels::attention::{
    GridKeys, GridTokens, KEYS, KeysOfOneKind, QUERY_STEP, Repeated, SCORE_SCALE, Shape, attention,
    attention_block, attention_of_two_kinds, attention_repeated, pool,
};
use kernels::gemm::{KC, Rows};
use kernels::rope::Rope;
use kernels::{Isa, reference};
use proptest::prelude::*;

on_every_isa! {
    attention_matches_reference,
    the_last_key_has_a_multiplicity,
    the_first_keys_have_a_multiplicity,
    keys_of_two_kinds_share_a_softmax,
    keys_of_two_kinds_are_thread_invariant,
    the_widest_head_matches_reference,
    interleaved_heads_are_read_in_place,
    rising_scores_rescale_earlier_blocks,
    attention_is_thread_invariant,
    attention_over_grids_matches_formed_keys,
    attention_over_large_grids_matches_formed_keys,
    attention_over_grids_is_thread_invariant,
    pooling_matches_reference,
    pooling_is_thread_invariant,
    rope_matches_reference,
    rope_is_thread_invariant,
}

fn run(isa: Isa, shape: Shape, scale: f32, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
    let Shape { batch, heads, nq, d, dv, .. } = shape;
    let mut out = vec![f32::NAN; batch * nq * heads * dv];
    let (qk, vo) = (heads * d, heads * dv);
    attention(isa, shape, scale, Rows::new(q, qk), Rows::new(k, qk), Rows::new(v, vo), &mut out);
    out
}

fn attention_matches_reference(isa: Isa) {
    for_all(500, common::attention_cases(), |(shape, sharpness, seed)| {
        let [q, k, v] = attention_operands(shape, seed);
        let scale = sharpness / (shape.d as f32).sqrt();
        let expected = reference::attention(shape, scale, &q, &k, &v);
        // Values are in [−1, 1]; the error of a score of size s is s·d·ε, which the exponential makes a
        // factor.
        let tolerance = 2e-6 + 4.0 * f32::EPSILON * sharpness * (shape.d as f32).sqrt().max(2.0) * 4.0;
        let actual = run(isa, shape, scale, &q, &k, &v);
        assert_near(&format!("{shape:?}"), &actual, &expected, tolerance, 0.0);
    });
}

fn the_last_key_has_a_multiplicity(isa: Isa) {
    let cases = (
        1usize..120,
        prop_oneof![2 => 1usize..40, 1 => prop::sample::select(vec![KEYS - 1, KEYS, KEYS + 1])],
        prop::sample::select(vec![1usize, 2, 49, 132]),
        1usize..3,
        any::<u64>(),
    );
    for_all(200, cases, |(nq, nk, times, heads, seed)| {
        let shape = Shape { batch: 1, heads, nq, nk, d: 16, dv: 8 };
        let [q, k, v] = attention_operands(shape, seed);
        let (qk, vo) = (heads * shape.d, heads * shape.dv);
        let repeat = |rows: &[f32], width: usize| {
            let last = &rows[rows.len() - width..];
            [rows, &last.repeat(times - 1)].concat()
        };
        let whole = Shape { nk: nk + times - 1, ..shape };
        let expected = reference::attention(whole, 0.3, &q, &repeat(&k, qk), &repeat(&v, vo));
        let mut actual = vec![f32::NAN; nq * vo];
        let operands = (Rows::new(&q, qk), Rows::new(&k, qk), Rows::new(&v, vo));
        attention_block(isa, shape, 0.3, operands, times, &mut actual);
        assert_near(&format!("{shape:?} {times} times"), &actual, &expected, 4e-6, 0.0);
    });
}

fn the_first_keys_have_a_multiplicity(isa: Isa) {
    let cases =
        (1usize..120, (0usize..2 * KEYS + 3, prop_oneof![Just(0usize), 1usize..70]), 1usize..5, any::<u64>());
    for_all(200, cases, |(nq, (first, rest), times, seed)| {
        let nk = (first + rest).max(1);
        let shape = Shape { batch: 1, heads: 1, nq, nk, d: 16, dv: 8 };
        let [q, k, v] = attention_operands(shape, seed);
        let first = first.min(nk);
        let repeat = |rows: &[f32], width: usize| {
            [&rows[..first * width].repeat(times), &rows[first * width..]].concat()
        };
        let whole = Shape { nk: nk + first * (times - 1), ..shape };
        let expected = reference::attention(whole, 0.3, &q, &repeat(&k, 16), &repeat(&v, 8));
        let mut actual = vec![f32::NAN; nq * 8];
        let operands = (Rows::new(&q, 16), Rows::new(&k, 16), Rows::new(&v, 8));
        let repeated = Repeated { keys: 0..first, times };
        attention_repeated(isa, shape, 0.3, operands, &repeated, &mut actual);
        assert_near(&format!("{shape:?}, {first} keys {times} times"), &actual, &expected, 4e-6, 0.0);
    });
}

/// Keys of two kinds: `nq`, then number and width of either kind.
type TwoKinds = (usize, [(usize, usize); 2]);

const SCALE_OF_TWO: f32 = 0.3;
const VALUES_OF_TWO: usize = 8;

/// The queries, the keys of either kind, the values of all keys.
fn two_kinds((nq, [(n1, d1), (n2, d2)]): TwoKinds, seed: u64) -> [Vec<f32>; 4] {
    let sizes = [nq * (d1 + d2), n1 * d1, n2 * d2, (n1 + n2) * VALUES_OF_TWO];
    std::array::from_fn(|i| noise(seed ^ i as u64, sizes[i]))
}

fn run_two(isa: Isa, (nq, [(n1, d1), (n2, d2)]): TwoKinds, [q, k1, k2, v]: &[Vec<f32>; 4]) -> Vec<f32> {
    let rows = |x, d| Rows::new(x, d);
    let (v1, v2) = v.split_at(n1 * VALUES_OF_TWO);
    let first = KeysOfOneKind { keys: rows(k1, d1), values: rows(v1, VALUES_OF_TWO), n: n1, d: d1 };
    let second = KeysOfOneKind { keys: rows(k2, d2), values: rows(v2, VALUES_OF_TWO), n: n2, d: d2 };
    let mut out = vec![f32::NAN; nq * VALUES_OF_TWO];
    attention_of_two_kinds(isa, SCALE_OF_TWO, rows(q, d1 + d2), [first, second], VALUES_OF_TWO, &mut out);
    out
}

fn keys_of_two_kinds_share_a_softmax(isa: Isa) {
    let count =
        || prop_oneof![2 => 0usize..50, 1 => prop::sample::select(vec![KEYS - 1, KEYS, 2 * KEYS + 1])];
    let cases = (1usize..120, (count(), 1usize..40), (count(), 1usize..40), any::<u64>());
    for_all(200, cases, |(nq, first, (n2, d2), seed)| {
        let (n1, d1) = first;
        let second = (if n1 == 0 { n2.max(1) } else { n2 }, d2);
        let case = (nq, [first, second]);
        let operands = two_kinds(case, seed);
        let [q, k1, k2, v] = &operands;
        // Each kind of key is zero where the other kind's query is.
        let mut keys = Vec::new();
        k1.chunks_exact(d1).for_each(|key| keys.extend([key, &vec![0.0; d2]].concat()));
        k2.chunks_exact(d2).for_each(|key| keys.extend([&vec![0.0; d1], key].concat()));
        let shape = Shape { batch: 1, heads: 1, nq, nk: n1 + second.0, d: d1 + d2, dv: VALUES_OF_TWO };
        let expected = reference::attention(shape, SCALE_OF_TWO, q, &keys, v);
        assert_near(&format!("{case:?}"), &run_two(isa, case, &operands), &expected, 4e-6, 0.0);
    });
}

fn keys_of_two_kinds_are_thread_invariant(isa: Isa) {
    let case = (700, [(KEYS + 16, 32), (2 * KEYS - 5, 9)]);
    let operands = two_kinds(case, 11);
    assert_thread_invariant("attention of two kinds", || run_two(isa, case, &operands));
}

fn the_widest_head_matches_reference(isa: Isa) {
    let shape = Shape { batch: 1, heads: 1, nq: 5, nk: KEYS + 3, d: KC, dv: KC };
    let [q, k, v] = attention_operands(shape, 7);
    let expected = reference::attention(shape, 1.0 / 16.0, &q, &k, &v);
    assert_near("d = KC", &run(isa, shape, 1.0 / 16.0, &q, &k, &v), &expected, 2e-6, 0.0);
}

fn interleaved_heads_are_read_in_place(isa: Isa) {
    let shape = Shape { batch: 2, heads: 2, nq: 6, nk: 6, d: 8, dv: 8 };
    let width = 16;
    let [q, k, v] = attention_operands(shape, 8);
    let mut qkv = Vec::new();
    for i in 0..12 {
        for part in [&q, &k, &v] {
            qkv.extend_from_slice(&part[i * width..(i + 1) * width]);
        }
    }
    let rows = |part: usize| Rows::new(&qkv[part * width..], 3 * width);
    let mut out = vec![f32::NAN; q.len()];
    attention(isa, shape, 0.3, rows(0), rows(1), rows(2), &mut out);
    assert_eq!(out, run(isa, shape, 0.3, &q, &k, &v));
}

fn rising_scores_rescale_earlier_blocks(isa: Isa) {
    // Every block of keys has a larger maximum than the one before, so the online softmax corrects each time.
    let nk = 3 * KEYS;
    let shape = Shape { batch: 1, heads: 1, nq: 3, nk, d: 1, dv: 4 };
    let k: Vec<f32> = (0..nk).map(|i| i as f32 / 40.0).collect();
    let (q, v) = (vec![1.0, -1.0, 5.0], noise(9, nk * 4));
    let expected = reference::attention(shape, 1.0, &q, &k, &v);
    assert_near("rising scores", &run(isa, shape, 1.0, &q, &k, &v), &expected, 1e-5, 0.0);
}

fn attention_is_thread_invariant(isa: Isa) {
    for shape in common::SHAPES_OF_THREADS {
        let [q, k, v] = attention_operands(shape, 10);
        assert_thread_invariant("attention", || run(isa, shape, 0.2, &q, &k, &v));
    }
}

const SCALE: f32 = 0.4;

fn over_grids(isa: Isa, g: Grids, [q, z, v, w, b, unplaced]: &[Vec<f32>; 6]) -> Vec<f32> {
    // The grid of the queries has another side; they come rotated.
    let rope = Rope::with_grids(g.side + 3, g.side, g.d, common::THETA);
    let keys = GridKeys::new(w, b, SCALE, &rope);
    let tokens = GridTokens::new(isa, (g.copies, g.side * g.side), (z, g.m), (v, g.dv));
    let mut out = vec![f32::NAN; g.nq * g.dv];
    keys.attend(isa, q, &tokens, unplaced, &mut out);
    out
}

/// With every key formed.
fn over_grids_directly(g: Grids, [q, z, v, w, b, unplaced]: &[Vec<f32>; 6]) -> Vec<f32> {
    let placed = g.copies * g.side * g.side;
    let mut keys = Vec::new();
    for z in z.chunks_exact(g.m).take(placed) {
        for (w, b) in w.chunks_exact(g.m).zip(b) {
            keys.push(w.iter().zip(z).map(|(w, z)| w * z).sum::<f32>() + b);
        }
    }
    let mut keys = reference::rope(&keys, g.side, g.d, common::THETA);
    keys.extend(unplaced);
    let shape = Shape { batch: 1, heads: 1, nq: g.nq, nk: placed + g.unplaced, d: g.d, dv: g.dv };
    reference::attention(shape, SCALE, q, &keys, v)
}

fn attention_over_grids_matches_formed_keys(isa: Isa) {
    for_all(200, (common::grids::cases(), any::<u64>()), |(g, seed)| {
        let operands = g.operands(seed);
        let expected = over_grids_directly(g, &operands);
        let actual = over_grids(isa, g, &operands);
        // Scores reach d · m · scale / 4; an error of ε of that is a factor of the weights.
        let tolerance = 4e-6 + 2.0 * f32::EPSILON * (g.d * g.m) as f32 * SCALE;
        assert_near(&format!("{g:?}"), &actual, &expected, tolerance, 0.0);
    });
}

/// Large grids, whose angles are products of thin matrices, with the widths of keys and inputs of the models:
/// sides of 64 and 32 cells, an odd one, and one that is not factored.
fn attention_over_large_grids_matches_formed_keys(isa: Isa) {
    for (side, copies, d, m) in [(64, 2, 256, 64), (32, 3, 256, 64), (23, 3, 256, 64), (16, 7, 128, 32)] {
        let g = Grids { copies, side, unplaced: 4, nq: 9, d, m, dv: 8 };
        let mut operands = g.operands(21);
        // Scores between about −4 and 4.
        operands[3..5].iter_mut().flatten().for_each(|x| *x *= 20.0 / (d as f32 * m as f32).sqrt());
        let expected = over_grids_directly(g, &operands);
        let actual = over_grids(isa, g, &operands);
        assert_near(&format!("{g:?}"), &actual, &expected, 5e-7, 0.0);
    }
}

fn attention_over_grids_is_thread_invariant(isa: Isa) {
    let g = common::grids::GRIDS_OF_THREADS;
    let operands = g.operands(12);
    assert_thread_invariant("attention over grids", || over_grids(isa, g, &operands));
}

fn pooling_matches_reference(isa: Isa) {
    let cases = (
        1usize..8,
        1usize..70,
        1usize..40,
        prop::sample::select(vec![1usize, 5, 16, 33]),
        0.1f32..30.0,
        any::<u64>(),
    );
    for_all(200, cases, |(steps, rows, block, dv, sharpness, seed)| {
        let n = steps * QUERY_STEP;
        let (scores, values) = (noise(seed, rows * n), noise(seed ^ 1, rows * dv));
        // As attention of one-hot queries: key i holds the scores of row i.
        let shape = Shape { batch: 1, heads: 1, nq: n, nk: rows, d: n, dv };
        let one_hot: Vec<f32> = (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
        let expected = reference::attention(shape, sharpness, &one_hot, &scores, &values);
        let mut scaled: Vec<f32> = scores.iter().map(|x| x * sharpness * SCORE_SCALE).collect();
        let actual = pool(isa, &mut scaled, n, &values, dv, block);
        let tolerance = 2e-6 + 8.0 * f32::EPSILON * sharpness;
        assert_near(&format!("{shape:?}"), &actual, &expected, tolerance, 0.0);
    });
}

fn pooling_is_thread_invariant(isa: Isa) {
    assert_thread_invariant("pool", || {
        let n = 5 * QUERY_STEP;
        pool(isa, &mut noise(13, 300 * n), n, &noise(14, 300 * 20), 20, 32)
    });
}

fn rope_matches_reference(isa: Isa) {
    for_all(
        200,
        ((1usize..7, 1usize..7), 1usize..20, 1usize..3, any::<u64>()),
        |(sides, quarter, grids, seed)| {
            let (dim, (query_side, key_side)) = (4 * quarter, sides);
            let rope = Rope::with_grids(query_side, key_side, dim, common::THETA);
            let rotations = [
                (query_side, Rope::rotate_queries as fn(&Rope, Isa, &mut [f32])),
                (key_side, Rope::rotate_keys),
            ];
            for (side, rotate) in rotations {
                let x = noise(seed, grids * side * side * dim);
                let mut y = x.clone();
                rotate(&rope, isa, &mut y);
                assert_near("rope", &y, &reference::rope(&x, side, dim, common::THETA), 2e-6, 0.0);
                // The other grid changes no bit.
                let mut alone = x;
                Rope::new(side, dim, common::THETA).rotate_queries(isa, &mut alone);
                assert_eq!(y, alone);
            }
        },
    );
}

fn rope_is_thread_invariant(isa: Isa) {
    let rope = Rope::new(32, 64, common::THETA);
    let x = noise(11, 2 * rope.query_cells() * 64);
    assert_thread_invariant("rope", || {
        let mut y = x.clone();
        rope.rotate_queries(isa, &mut y);
        y
    });
}

#[test]
#[should_panic(expected = "Rope: 12 elements are not whole grids of 2×2×4")]
fn rope_refuses_parts_of_a_grid() {
    Rope::with_grids(3, 2, 4, 10_000.0).rotate_keys(Isa::best(), &mut [0.0; 12]);
}
