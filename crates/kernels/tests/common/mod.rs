//! What the suites share: pseudo-random data, edge sizes, and the thread-invariance check.
#![allow(dead_code)]

use kernels::{Isa, rows};
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

/// `n` floats in [−1, 1), a function of `seed` only.
pub fn noise(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(step).collect()
}

/// Sizes around the edges of blocks of `r`: 1, r−1, r, r+1, 2r+1.
pub fn around(r: usize) -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1, (r - 1).max(1), r, r + 1, 2 * r + 1])
}

/// Asserts `|actual − expected| ≤ atol + rtol · |expected|` for every element; NaN fails.
#[track_caller]
pub fn assert_near(name: &str, actual: &[f32], expected: &[f32], atol: f32, rtol: f32) {
    assert_eq!(actual.len(), expected.len(), "{name}: lengths");
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        if a == e {
            continue;
        }
        let allowed = atol + rtol * e.abs();
        assert!(
            (a - e).abs() <= allowed,
            "{name}: element {i} of {}: {a:e}, expected {e:e} ± {allowed:e}",
            actual.len()
        );
    }
}

/// Runs `check` for every instruction set of the host.
pub fn for_each_isa(mut check: impl FnMut(Isa)) {
    for isa in Isa::available() {
        check(isa);
    }
}

/// Asserts that `kernel` gives the same bits in pools of 1, 2 and 5 threads, on every instruction set.
#[track_caller]
pub fn assert_thread_invariant(name: &str, kernel: impl Fn(Isa) -> Vec<f32> + Sync) {
    for isa in Isa::available() {
        let run = |threads: usize| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool can be made");
            pool.install(|| kernel(isa))
        };
        let one = run(1);
        assert!(one.iter().all(|v| v.is_finite()), "{name} on {}: not finite", isa.name());
        for threads in [2, 5] {
            let same = run(threads).iter().zip(&one).position(|(a, b)| a.to_bits() != b.to_bits());
            assert_eq!(
                same,
                None,
                "{name} on {}: {threads} threads differ from one at this index",
                isa.name()
            );
        }
    }
}

/// Softmax in base two of every row of `x`, `(N, cols)`, by [`rows::softmax2_interleaved_block`] with eight rows side by side.
pub fn softmax2_by_eights(isa: Isa, x: &[f32], cols: usize) -> Vec<f32> {
    const SIDE: usize = 8;
    let groups = cols.next_multiple_of(2);
    let mut out = Vec::new();
    for x in x.chunks(SIDE * cols) {
        let mut eight = vec![0.0; groups * SIDE];
        eight[cols * SIDE..].fill(f32::NEG_INFINITY);
        for (i, v) in x.iter().enumerate() {
            eight[i % cols * SIDE + i / cols] = *v;
        }
        rows::softmax2_interleaved_block(isa, &mut eight, groups, SIDE);
        out.extend((0..x.len()).map(|i| eight[i % cols * SIDE + i / cols]));
    }
    out
}
