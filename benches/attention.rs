//! Attention at the sizes of the trunk, the mask decoder and the memory attention.
#![allow(missing_docs)]

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use kernels::Isa;
use kernels::attention::{GridKeys, GridTokens, Shape, attention, int8};
use kernels::gemm::Rows;
use kernels::rope::Rope;
use sam2_benches::{ATTENTIONS, noise, runs};

type Kernel = fn(Isa, Shape, f32, Rows, Rows, Rows, &mut [f32]);
type Arrange = fn(Isa, (usize, usize), (&[f32], usize), (&[f32], usize)) -> GridTokens;

fn single(c: &mut Criterion) {
    bench(c, "f32", attention);
}

fn scores_in_bytes(c: &mut Criterion) {
    bench(c, "int8", int8::attention);
}

fn bench(c: &mut Criterion, precision: &str, attention: Kernel) {
    for case in ATTENTIONS {
        let s = case.shape;
        let (qk, vo) = (s.heads * s.d, s.heads * s.dv);
        let q = noise(s.batch * s.nq * qk);
        let (k, v) = (noise(s.batch * s.nk * qk), noise(s.batch * s.nk * vo));
        let mut out = noise(s.batch * s.nq * vo);
        let scale = 1.0 / (s.d as f32).sqrt();
        let size = format!("{}x{}h_{}x{}_d{}", s.batch, s.heads, s.nq, s.nk, s.d);
        let mut group = c.benchmark_group(format!("attention_{precision}/{}/{size}", case.name));
        group.throughput(Throughput::Elements(case.flops())).sampling_mode(SamplingMode::Flat);
        for (isa, pool, label) in runs() {
            group.bench_function(label, |bencher| {
                pool.install(|| {
                    bencher.iter(|| {
                        let (q, k, v) = (Rows::new(&q, qk), Rows::new(&k, qk), Rows::new(&v, vo));
                        attention(isa, s, scale, q, k, v, &mut out);
                    });
                });
            });
        }
        group.finish();
    }
}

/// The memory cross-attention as the model runs it, over seven memories: an eighth of the queries.
fn over_grids(c: &mut Criterion) {
    let (copies, side, nq, d, m) = (7, 64, 512, 256, 64);
    let tokens = copies * side * side;
    let (q, z) = (noise(nq * d), noise(tokens * m));
    let (weight, bias) = (noise(d * m), noise(d));
    let rope = Rope::new(side, d, 10_000.0);
    let keys = GridKeys::new(&weight, &bias, 0.01, &rope);
    let mut out = noise(nq * m);
    for (precision, arrange) in [("f32", GridTokens::new as Arrange), ("int16", GridTokens::int16)] {
        let name = format!("attention_{precision}/memory_attention.cross.unformed.eighth/{nq}x{tokens}_d{d}");
        let mut group = c.benchmark_group(name);
        // As with keys formed, for comparison.
        group.throughput(Throughput::Elements(2 * (nq * tokens * (d + m)) as u64));
        group.sampling_mode(SamplingMode::Flat);
        for (isa, pool, label) in runs() {
            let tokens = arrange(isa, (copies, side * side), (&z, m), (&z, m));
            group.bench_function(label, |bencher| {
                pool.install(|| bencher.iter(|| keys.attend(isa, &q, &tokens, &[], &mut out)));
            });
        }
        group.finish();
    }
}

fn rope(c: &mut Criterion) {
    let rope = Rope::new(64, 256, 10_000.0);
    let mut x = noise(rope.query_cells() * 256);
    let mut group = c.benchmark_group("rope/4096x256");
    group.throughput(Throughput::Elements(x.len() as u64));
    for (isa, pool, label) in runs() {
        group.bench_function(label, |bencher| {
            pool.install(|| bencher.iter(|| rope.rotate_queries(isa, &mut x)))
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = single, scores_in_bytes, over_grids, rope
}
criterion_main!(benches);
