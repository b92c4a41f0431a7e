//! Attention with integer products: against the readable twin, and against exact attention within the
//! quantisation error.

#[macro_use]
mod common;

use common::grids::Grids;
use common::{assert_near, assert_thread_invariant, attention_operands, for_all, noise};
use kernels::attention::int8::{self, ValueType};
use kernels::attention::{GridKeys, GridTokens, Shape};
use kernels::gemm::Rows;
use kernels::rope::Rope;
use kernels::{Isa, reference};
use proptest::prelude::*;

on_every_isa! {
    attention_matches_the_twin,
    the_error_is_that_of_quantisation,
    a_vector_common_to_all_keys_costs_nothing,
    equal_keys_average_the_values,
    interleaved_heads_are_read_in_place,
    attention_is_thread_invariant,
    grids_match_the_twin,
    over_grids_the_error_is_small,
    the_size_of_values_costs_nothing,
    grids_are_thread_invariant,
}

fn run(isa: Isa, shape: Shape, scale: f32, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
    let Shape { batch, heads, nq, d, dv, .. } = shape;
    let (qk, vo) = (heads * d, heads * dv);
    let (q, k, v) = (Rows::new(q, qk), Rows::new(k, qk), Rows::new(v, vo));
    // NaN in the output before the call reveals any element that is not written.
    let [mut out, mut again] = std::array::from_fn(|_| vec![f32::NAN; batch * nq * vo]);
    int8::attention(isa, shape, scale, q, k, v, &mut out);
    int8::attention_block(isa, shape, scale, q, k, v, &mut again);
    assert_eq!(out, again, "{shape:?}");
    out
}

fn attention_matches_the_twin(isa: Isa) {
    for_all(300, common::attention_cases(), |(shape, sharpness, seed)| {
        let [q, k, v] = attention_operands(shape, seed);
        let scale = sharpness / (shape.d as f32).sqrt();
        let value_type = ValueType::of(isa);
        let expected = reference::attention_int8(shape, scale, &q, &k, &v, value_type);
        // The scores are equal; the error of the exponentials is a few ε, that of a score's distance from the
        // maximum ε of it. One weight may round to the next number.
        let tolerance =
            2e-6 + 4.0 * f32::EPSILON * sharpness * (shape.d as f32).sqrt().max(2.0) + next(value_type);
        let actual = run(isa, shape, scale, &q, &k, &v);
        assert_near(&format!("{shape:?}"), &actual, &expected, tolerance, 0.0);
    });
}

/// The largest effect on values in [−1, 1] of a weight that is rounded to the number beside the twin's: the
/// weights add up to at least one. In half precision it may also move some of the 64 sums after it, each by
/// a unit in its last place.
fn next(value_type: ValueType) -> f32 {
    match value_type {
        ValueType::I16 => 2.0 / 4096.0,
        ValueType::F16 => 4.0 / 2048.0,
        _ => 0.0,
    }
}

/// Relative L2 error.
fn relative_error(actual: &[f32], exact: &[f32]) -> f32 {
    let (mut sum, mut norm) = (0.0f64, 0.0f64);
    for (a, e) in actual.iter().zip(exact) {
        sum += f64::from(a - e).powi(2);
        norm += f64::from(*e).powi(2);
    }
    (sum / norm).sqrt() as f32
}

/// The widths of the heads of SAM 2's trunk and memory attention, scores between about −3 and 3.
fn the_error_is_that_of_quantisation(isa: Isa) {
    for (d, nk) in [(96, 600), (256, 900)] {
        let shape = Shape { batch: 1, heads: 1, nq: 60, nk, d, dv: 64 };
        let [q, k, v] = attention_operands(shape, 3);
        let scale = 3.0 / (d as f32).sqrt();
        let exact = reference::attention(shape, scale, &q, &k, &v);
        let relative = relative_error(&run(isa, shape, scale, &q, &k, &v), &exact);
        assert!(relative <= 1e-2, "d {d}: relative error {relative}");
    }
}

fn a_vector_common_to_all_keys_costs_nothing(isa: Isa) {
    let (d, nk) = (96, 300);
    let shape = Shape { batch: 2, heads: 2, nq: 20, nk, d, dv: 32 };
    let [q, k, v] = attention_operands(shape, 4);
    let common = noise(5, 2 * d);
    let shifted: Vec<f32> = k.iter().enumerate().map(|(i, k)| k + 100.0 * common[i % (2 * d)]).collect();
    let scale = 3.0 / (d as f32).sqrt();
    let exact = reference::attention(shape, scale, &q, &k, &v);
    let relative = relative_error(&run(isa, shape, scale, &q, &shifted, &v), &exact);
    assert!(relative <= 1e-2, "relative error {relative}");
}

fn equal_keys_average_the_values(isa: Isa) {
    let shape = Shape { batch: 1, heads: 1, nq: 3, nk: 50, d: 20, dv: 4 };
    let [q, _, v] = attention_operands(shape, 6);
    let k = noise(7, 20).repeat(50);
    let expected: Vec<f32> = (0..4).map(|c| v.iter().skip(c).step_by(4).sum::<f32>() / 50.0).collect();
    // The mean may be an ulp off, and all keys with it: their scores are equal all the same. Values are
    // rounded to half an integer.
    let actual = run(isa, shape, 1.0, &q, &k, &v);
    assert_near("average", &actual, &expected.repeat(3), 0.5 / 2047.0, 0.0);
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
    int8::attention(isa, shape, 0.3, rows(0), rows(1), rows(2), &mut out);
    assert_eq!(out, run(isa, shape, 0.3, &q, &k, &v));
}

fn attention_is_thread_invariant(isa: Isa) {
    for shape in common::SHAPES_OF_THREADS {
        let [q, k, v] = attention_operands(shape, 10);
        assert_thread_invariant("attention int8", || run(isa, shape, 0.2, &q, &k, &v));
    }
}

const SCALE: f32 = 0.1;

type Arrange = fn(Isa, (usize, usize), (&[f32], usize), (&[f32], usize)) -> GridTokens;

/// Tokens in words, and of the type that is fastest, with that type.
fn arrangements(isa: Isa) -> [(Arrange, ValueType); 2] {
    [(GridTokens::int16, ValueType::I16), (GridTokens::int8, ValueType::of(isa))]
}

fn over_grids(isa: Isa, g: Grids, [q, z, v, w, b, unplaced]: &[Vec<f32>; 6], arrange: Arrange) -> Vec<f32> {
    let rope = Rope::new(g.side, g.d, common::THETA);
    let keys = GridKeys::new(w, b, SCALE, &rope);
    let tokens = arrange(isa, (g.copies, g.side * g.side), (z, g.m), (v, g.dv));
    let mut out = vec![f32::NAN; g.nq * g.dv];
    keys.attend(isa, q, &tokens, unplaced, &mut out);
    out
}

fn twin(isa: Isa, g: Grids, [q, z, v, w, b, unplaced]: &[Vec<f32>; 6], value_type: ValueType) -> Vec<f32> {
    let strip = isa.tuning().grid_strip.filter(|strip| g.side.is_multiple_of(*strip));
    let strip = if value_type == ValueType::I16 { None } else { strip };
    let grids = reference::Grids {
        side: g.side,
        copies: g.copies,
        max_copies: isa.tile_shape().0.min(8),
        strip: strip.unwrap_or(g.side),
    };
    reference::attention_over_grids_int8(
        grids,
        value_type,
        (SCALE, common::THETA),
        q,
        (z, v),
        (w, b),
        unplaced,
    )
}

fn grids_match_the_twin(isa: Isa) {
    let cases = common::grids::cases().prop_filter("the twin needs copies", |g| g.copies > 0);
    for_all(100, (cases, any::<u64>()), |(g, seed)| {
        let operands = g.operands(seed);
        for (arrange, value_type) in arrangements(isa) {
            let actual = over_grids(isa, g, &operands, arrange);
            let expected = twin(isa, g, &operands, value_type);
            // The parts of a query are sums with slightly different rounding, and now and then become the
            // next integer or half; so do the weights.
            let tolerance = 4e-6 + 2e-5 * (g.d * g.m) as f32 * SCALE + next(value_type);
            assert_near(&format!("{g:?}, {value_type:?}"), &actual, &expected, tolerance, 0.0);
        }
    });
}

/// The widths of SAM 2's memory attention with a smaller grid, scores between about −7 and 7.
fn over_grids_the_error_is_small(isa: Isa) {
    let g = Grids { copies: 7, side: 16, unplaced: 16, nq: 64, d: 256, m: 64, dv: 64 };
    let operands = g.operands(20);
    let exact = over_grids(isa, g, &operands, GridTokens::new);
    for (arrange, value_type) in arrangements(isa) {
        let relative = relative_error(&over_grids(isa, g, &operands, arrange), &exact);
        let bound = if value_type == ValueType::F16 { 4e-3 } else { 2e-3 };
        assert!(relative <= bound, "{value_type:?}: relative error {relative}");
    }
}

/// Values of any size: those of half precision end at 65 504.
fn the_size_of_values_costs_nothing(isa: Isa) {
    let g = Grids { copies: 3, side: 4, unplaced: 0, nq: 20, d: 32, m: 16, dv: 16 };
    let operands = g.operands(21);
    let shape = Shape { batch: 1, heads: 1, nq: 20, nk: 300, d: 32, dv: 16 };
    let [q, k, v] = attention_operands(shape, 22);
    for exponent in [-60, 60] {
        let size = 2f32.powi(exponent);
        let times = |x: &[f32]| -> Vec<f32> { x.iter().map(|x| x * size).collect() };
        let expected = times(&run(isa, shape, 0.2, &q, &k, &v));
        assert_eq!(run(isa, shape, 0.2, &q, &k, &times(&v)), expected, "values of 2^{exponent}");
        let mut large = operands.clone();
        large[2] = times(&large[2]);
        for (arrange, value_type) in arrangements(isa) {
            let expected = times(&over_grids(isa, g, &operands, arrange));
            assert_eq!(over_grids(isa, g, &large, arrange), expected, "{value_type:?} of 2^{exponent}");
        }
    }
}

fn grids_are_thread_invariant(isa: Isa) {
    let g = common::grids::GRIDS_OF_THREADS;
    let operands = g.operands(12);
    for (arrange, _) in arrangements(isa) {
        assert_thread_invariant("attention over grids int8", || over_grids(isa, g, &operands, arrange));
    }
}

#[test]
#[should_panic(expected = "needs keys")]
fn no_keys_are_refused() {
    let shape = Shape { batch: 1, heads: 1, nq: 1, nk: 0, d: 4, dv: 4 };
    let [q, k, v] = attention_operands(shape, 11);
    run(Isa::best(), shape, 1.0, &q, &k, &v);
}
