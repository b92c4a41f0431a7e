//! Shared by the suites: tests per instruction set, pseudo-random data, edge sizes, and the check of thread
//! invariance.
#![allow(dead_code)]

pub mod grids;

use std::fmt::Debug;
use std::io::Write;

use kernels::attention::{KEYS, Shape};
use kernels::{Isa, rows};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rayon::ThreadPoolBuilder;

/// Makes a test of every function `fn(Isa)` for every instruction set of this architecture: `avx2::odd_sizes`
/// and so on.
///
/// Where the host lacks an instruction set, its tests are listed and pass with a note, or fail if
/// `SAM2_REQUIRE_ISA` names it.
#[allow(unused_macros)]
macro_rules! on_every_isa {
    ($($test:ident),+ $(,)?) => {
        mod portable {
            $(#[test] fn $test() { crate::common::on("portable", super::$test); })+
        }
        #[cfg(target_arch = "aarch64")]
        mod neon {
            $(#[test] fn $test() { crate::common::on("neon", super::$test); })+
        }
        #[cfg(target_arch = "aarch64")]
        mod dotprod {
            $(#[test] fn $test() { crate::common::on("dotprod", super::$test); })+
        }
        #[cfg(target_arch = "aarch64")]
        mod i8mm {
            $(#[test] fn $test() { crate::common::on("i8mm", super::$test); })+
        }
        #[cfg(target_arch = "x86_64")]
        mod avx2 {
            $(#[test] fn $test() { crate::common::on("avx2", super::$test); })+
        }
        #[cfg(target_arch = "x86_64")]
        mod avxvnni {
            $(#[test] fn $test() { crate::common::on("avxvnni", super::$test); })+
        }
        #[cfg(target_arch = "x86_64")]
        mod avx512 {
            $(#[test] fn $test() { crate::common::on("avx512", super::$test); })+
        }
    };
}

/// The modules that `on_every_isa` makes.
pub const TESTED: &[&str] = &[
    "portable",
    #[cfg(target_arch = "aarch64")]
    "neon",
    #[cfg(target_arch = "aarch64")]
    "dotprod",
    #[cfg(target_arch = "aarch64")]
    "i8mm",
    #[cfg(target_arch = "x86_64")]
    "avx2",
    #[cfg(target_arch = "x86_64")]
    "avxvnni",
    #[cfg(target_arch = "x86_64")]
    "avx512",
];

/// Runs `test` on the instruction set of that name, if the host has it.
#[track_caller]
pub fn on(name: &str, test: fn(Isa)) {
    let known = Isa::known().into_iter().find(|known| known.name == name);
    match known.unwrap_or_else(|| panic!("{name} is no instruction set of this architecture")).isa {
        Some(isa) => test(isa),
        None if std::env::var("SAM2_REQUIRE_ISA").is_ok_and(|required| required == name) => {
            panic!("SAM2_REQUIRE_ISA={name}, and this machine lacks it")
        }
        None => {
            let thread = std::thread::current();
            // Not `eprintln!`, which the harness captures.
            let _ = writeln!(
                std::io::stderr(),
                "{}: skipped, this machine has no {name}",
                thread.name().unwrap_or("a test")
            );
        }
    }
}

/// Runs `test` on `cases` values of `strategy`; a failure is shrunk first.
#[track_caller]
pub fn for_all<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value))
where
    S::Value: Debug,
{
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases) });
    let result = runner.run(&strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

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
    prop::sample::select(edges(r).to_vec())
}

/// 1, r−1, r, r+1, 2r+1.
pub fn edges(r: usize) -> [usize; 5] {
    [1, (r - 1).max(1), r, r + 1, 2 * r + 1]
}

/// The bits of every element.
pub fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
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

/// Asserts that `kernel` gives the same finite bits in pools of 1, 2 and 5 threads.
#[track_caller]
pub fn assert_thread_invariant(name: &str, kernel: impl Fn() -> Vec<f32> + Sync) {
    let run = |threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool can be made");
        pool.install(&kernel)
    };
    let one = run(1);
    assert!(one.iter().all(|v| v.is_finite()), "{name}: not finite");
    for threads in [2, 5] {
        let differs = run(threads).iter().zip(&one).position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(differs, None, "{name}: {threads} threads differ from one at this index");
    }
}

/// The base of the angles of SAM 2's rotary encoding.
pub const THETA: f64 = 10_000.0;

/// One problem in several tasks of queries, and several small problems.
pub const SHAPES_OF_THREADS: [Shape; 2] = [
    Shape { batch: 1, heads: 2, nq: 230, nk: 270, d: 24, dv: 17 },
    Shape { batch: 9, heads: 1, nq: 16, nk: 16, d: 32, dv: 32 },
];

/// Shapes around the edges of blocks of queries and keys, with a sharpness of the softmax and a seed.
pub fn attention_cases() -> impl Strategy<Value = (Shape, f32, u64)> {
    let keys = vec![KEYS - 1, KEYS, KEYS + 1, 2 * KEYS + 5];
    let shapes = (
        1usize..3,
        1usize..3,
        prop::sample::select(vec![1usize, 3, 4, 5, 7, 15, 29, 111, 112, 113]),
        prop_oneof![2 => 1usize..40, 1 => prop::sample::select(keys)],
        prop::sample::select(vec![1usize, 7, 8, 16, 33, 64]),
        prop::sample::select(vec![1usize, 8, 15, 33, 64]),
    );
    let shapes = shapes.prop_map(|(batch, heads, nq, nk, d, dv)| Shape { batch, heads, nq, nk, d, dv });
    (shapes, 0.1f32..20.0, any::<u64>())
}

/// Queries, keys and values.
pub fn attention_operands(shape: Shape, seed: u64) -> [Vec<f32>; 3] {
    let Shape { batch, heads, nq, nk, d, dv } = shape;
    [
        noise(seed, batch * nq * heads * d),
        noise(seed ^ 1, batch * nk * heads * d),
        noise(seed ^ 2, batch * nk * heads * dv),
    ]
}

/// Softmax in base two of every row of `x`, `(N, cols)`, by [`rows::softmax2_interleaved_block`] with eight
/// rows interleaved.
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
