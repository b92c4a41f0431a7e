//! Attention with scores from integers: against the readable twin, and against exact attention within their rounding.

mod common;

use common::{assert_near, assert_thread_invariant, for_each_isa, noise};
use kernels::attention::{GridKeys, GridTokens, KEYS, Shape, int8};
use kernels::gemm::Rows;
use kernels::rope::Rope;
use kernels::{Isa, reference};
use proptest::prelude::*;

fn run(isa: Isa, shape: Shape, scale: f32, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
    let Shape { batch, heads, nq, d, dv, .. } = shape;
    let (qk, vo) = (heads * d, heads * dv);
    let (q, k, v) = (Rows::new(q, qk), Rows::new(k, qk), Rows::new(v, vo));
    // NaN in the output before the call shows any element that is left unwritten.
    let [mut out, mut again] = std::array::from_fn(|_| vec![f32::NAN; batch * nq * vo]);
    int8::attention(isa, shape, scale, q, k, v, &mut out);
    int8::attention_block(isa, shape, scale, q, k, v, &mut again);
    assert_eq!(out, again, "{shape:?} on {}", isa.name());
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
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_instruction_set_matches_the_twin(
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
        let expected = reference::attention_int8(shape, scale, &q, &k, &v);
        for_each_isa(|isa| {
            // The scores are the same; the exponentials are good to a few ε, the scores' distance from the maximum to ε of it. One
            // weight may become the next word.
            let tolerance = 2e-6 + 4.0 * f32::EPSILON * sharpness * (d as f32).sqrt().max(2.0) + NEXT_WORD;
            assert_near(&format!("{shape:?} on {}", isa.name()), &run(isa, shape, scale, &q, &k, &v), &expected, tolerance, 0.0);
        });
    }
}

/// What one weight more or less than the twin's does to values between −1 and 1, at most: the weights add up to one and more.
const NEXT_WORD: f32 = 2.0 / 4096.0;

/// `max |actual − exact|` and relative L2.
fn errors(actual: &[f32], exact: &[f32]) -> (f32, f32) {
    let (mut most, mut sum, mut norm) = (0.0f32, 0.0f64, 0.0f64);
    for (a, e) in actual.iter().zip(exact) {
        most = most.max((a - e).abs());
        sum += f64::from(a - e).powi(2);
        norm += f64::from(*e).powi(2);
    }
    (most, (sum / norm).sqrt() as f32)
}

/// The sizes of the trunk's and the memory attention's heads, scores between about −3 and 3.
#[test]
fn rounding_to_bytes_is_all_that_is_lost() {
    for (d, nk) in [(96, 600), (256, 900)] {
        let shape = Shape { batch: 1, heads: 1, nq: 60, nk, d, dv: 64 };
        let [q, k, v] = operands(shape, 3);
        let scale = 3.0 / (d as f32).sqrt();
        let exact = reference::attention(shape, scale, &q, &k, &v);
        for_each_isa(|isa| {
            let (most, relative) = errors(&run(isa, shape, scale, &q, &k, &v), &exact);
            println!("d {d} on {}: at most {most}, relative {relative}", isa.name());
            assert!(relative <= 1e-2, "d {d} on {}: relative error {relative}", isa.name());
        });
    }
}

#[test]
fn what_all_keys_have_in_common_costs_nothing() {
    let (d, nk) = (96, 300);
    let shape = Shape { batch: 2, heads: 2, nq: 20, nk, d, dv: 32 };
    let [q, k, v] = operands(shape, 4);
    let common = noise(5, 2 * d);
    let shifted: Vec<f32> = k.iter().enumerate().map(|(i, k)| k + 100.0 * common[i % (2 * d)]).collect();
    let scale = 3.0 / (d as f32).sqrt();
    let exact = reference::attention(shape, scale, &q, &k, &v);
    for_each_isa(|isa| {
        let (_, relative) = errors(&run(isa, shape, scale, &q, &shifted, &v), &exact);
        println!("{relative}");
        assert!(relative <= 1e-2, "{}: relative error {relative}", isa.name());
    });
}

#[test]
fn equal_keys_average_the_values() {
    let shape = Shape { batch: 1, heads: 1, nq: 3, nk: 50, d: 20, dv: 4 };
    let [q, _, v] = operands(shape, 6);
    let k = noise(7, 20).repeat(50);
    let expected: Vec<f32> = (0..4).map(|c| v.iter().skip(c).step_by(4).sum::<f32>() / 50.0).collect();
    for_each_isa(|isa| {
        // The mean may be an ulp off, and all keys with it: their scores are equal all the same. Values are rounded to half a word.
        assert_near(isa.name(), &run(isa, shape, 1.0, &q, &k, &v), &expected.repeat(3), 0.5 / 2047.0, 0.0);
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
        int8::attention(isa, shape, 0.3, rows(0), rows(1), rows(2), &mut out);
        assert_eq!(out, run(isa, shape, 0.3, &q, &k, &v), "{}", isa.name());
    });
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

const SCALE: f32 = 0.1;
const THETA: f64 = 10_000.0;

impl Grids {
    /// Queries, inputs, values, weight, bias, keys of the placeless.
    fn operands(self, seed: u64) -> [Vec<f32>; 6] {
        let Self { copies, side, placeless, nq, d, m, dv } = self;
        let tokens = copies * side * side + placeless;
        let mut i = 0;
        [nq * d, tokens * m, tokens * dv, d * m, d, placeless * d].map(|size| {
            i += 1;
            noise(seed ^ i, size)
        })
    }

    fn run(self, isa: Isa, [q, z, v, w, b, placeless]: &[Vec<f32>; 6], words: bool) -> Vec<f32> {
        let rope = Rope::new(self.side, self.d, THETA);
        let keys = if words { GridKeys::int16 } else { GridKeys::new }(w, b, SCALE, &rope);
        let arrange = if words { GridTokens::int16 } else { GridTokens::new };
        let tokens = arrange(isa, (self.copies, self.side * self.side), (z, self.m), (v, self.dv));
        let mut out = vec![f32::NAN; self.nq * self.dv];
        keys.attend(isa, q, &tokens, placeless, &mut out);
        out
    }

    fn twin(self, isa: Isa, [q, z, v, w, b, placeless]: &[Vec<f32>; 6]) -> Vec<f32> {
        let grids = (self.side, self.copies, isa.tile_shape().0.min(8));
        reference::attention_over_grids_int16(grids, (SCALE, THETA), q, z, v, (w, b), placeless)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn grids_match_the_twin_on_every_instruction_set(
        copies in 1usize..20,
        side in 1usize..9,
        placeless in prop::sample::select(vec![0usize, 1, 5, 64, KEYS + 1]),
        nq in prop::sample::select(vec![1usize, 7, 31, 32, 33, 64, 65, 100]),
        quarter in prop::sample::select(vec![1usize, 2, 5, 8]),
        m in prop::sample::select(vec![1usize, 3, 16, 20]),
        dv in prop::sample::select(vec![1usize, 5, 16, 30]),
        seed: u64,
    ) {
        let g = Grids { copies, side, placeless, nq, d: 4 * quarter, m, dv };
        let operands = g.operands(seed);
        for_each_isa(|isa| {
            let name = format!("{g:?} on {}", isa.name());
            let actual = g.run(isa, &operands, true);
            let expected = g.twin(isa, &operands);
            // The parts of a query are sums that round a little differently, and now and then become the next word; so do the weights.
            let tolerance = 4e-6 + 2e-5 * (g.d * g.m) as f32 * SCALE + NEXT_WORD;
            assert_near(&name, &actual, &expected, tolerance, 0.0);
        });
    }
}

/// Sizes of the model with a smaller grid, scores between about −7 and 7.
#[test]
fn over_grids_little_is_lost() {
    let g = Grids { copies: 7, side: 16, placeless: 16, nq: 64, d: 256, m: 64, dv: 64 };
    let operands = g.operands(20);
    for_each_isa(|isa| {
        let exact = g.run(isa, &operands, false);
        let (most, relative) = errors(&g.run(isa, &operands, true), &exact);
        println!("{}: at most {most}, relative {relative}", isa.name());
        assert!(relative <= 2e-3, "{}: relative error {relative}", isa.name());
    });
}

#[test]
fn grids_are_thread_invariant() {
    let g = Grids { copies: 7, side: 9, placeless: 12, nq: 200, d: 32, m: 16, dv: 16 };
    let operands = g.operands(12);
    assert_thread_invariant("attention over grids int16", |isa| g.run(isa, &operands, true));
}

#[test]
fn attention_is_thread_invariant() {
    for shape in [
        Shape { batch: 1, heads: 2, nq: 230, nk: 270, d: 24, dv: 17 },
        Shape { batch: 9, heads: 1, nq: 16, nk: 16, d: 32, dv: 32 },
    ] {
        let [q, k, v] = operands(shape, 10);
        assert_thread_invariant("attention int8", |isa| run(isa, shape, 0.2, &q, &k, &v));
    }
}

#[test]
#[should_panic(expected = "needs keys")]
fn no_keys_are_refused() {
    let shape = Shape { batch: 1, heads: 1, nq: 1, nk: 0, d: 4, dv: 4 };
    let [q, k, v] = operands(shape, 11);
    run(Isa::best(), shape, 1.0, &q, &k, &v);
}
