//! Linear layers, weights packed beforehand; baselines are `matrixmultiply` and `gemm` on one thread.
#![allow(missing_docs)]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kernels::gemm::int8::{self, PackedB8};
use kernels::gemm::{Epilogue, PackedB, gemm};
use sam2_benches::{GEMMS, noise, runs};

/// `c = a · b` of sizes `(m, k, n)`, all row-major and contiguous.
type Product = fn((usize, usize, usize), &[f32], &[f32], &mut [f32]);

/// Other crates, on one thread. `gemm` is `gemm-f32` with AVX-512; both pack `b` in every call.
const BASELINES: [(&str, Product); 2] = [("matrixmultiply", matrixmultiply_sgemm), ("gemm", gemm_sgemm)];

fn matrixmultiply_sgemm((m, k, n): (usize, usize, usize), a: &[f32], b: &[f32], c: &mut [f32]) {
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
    let ([a_rows, b_rows], columns) = ([k, n].map(|stride| stride as isize), 1);
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    // SAFETY: the three buffers have m·k, k·n and m·n elements, asserted above, row-major with these strides.
    unsafe {
        matrixmultiply::sgemm(m, k, n, 1.0, a, a_rows, columns, b, b_rows, columns, 0.0, c, b_rows, columns);
    }
}

fn gemm_sgemm((m, k, n): (usize, usize, usize), a: &[f32], b: &[f32], c: &mut [f32]) {
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
    let ([a_rows, b_rows], columns) = ([k, n].map(|stride| stride as isize), 1);
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    let product = gemm_f32::gemm::f32::get_gemm_fn();
    // SAFETY: the three buffers have m·k, k·n and m·n elements, asserted above, row-major with these strides;
    // `c` is not read.
    unsafe {
        product(
            m,
            n,
            k,
            c,
            columns,
            b_rows,
            false,
            a,
            columns,
            a_rows,
            b,
            columns,
            b_rows,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm_common::Parallelism::None,
        );
    }
}

fn bench(c: &mut Criterion) {
    let (a, b) = (noise(5 * 7), noise(7 * 3));
    let [x, y] = BASELINES.map(|(_, product)| {
        let mut c = vec![f32::NAN; 5 * 3];
        product((5, 7, 3), &a, &b, &mut c);
        c
    });
    assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() <= 1e-5), "the baselines differ: {x:?}, {y:?}");
    for shape in GEMMS {
        let (m, k, n) = (shape.m, shape.k, shape.n);
        let (a, b, mut out) = (noise(m * k), noise(k * n), noise(m * n));
        let mut group = c.benchmark_group(format!("gemm_f32/{}/{m}x{k}x{n}", shape.name));
        group.throughput(Throughput::Elements(shape.flops()));
        for (isa, pool, label) in runs() {
            let packed = PackedB::from_nk(isa, &b, n, k);
            group.bench_function(label, |bencher| {
                pool.install(|| bencher.iter(|| gemm(isa, &a, m, &packed, &mut out, &Epilogue::default())));
            });
        }
        for (name, product) in BASELINES {
            group.bench_function(format!("{name}/1t"), |bencher| {
                bencher.iter(|| product((m, k, n), &a, &b, &mut out));
            });
        }
        group.finish();
    }
}

/// The same layers in 8 bits: activations are quantised on the way in.
fn int8_layers(c: &mut Criterion) {
    for shape in GEMMS {
        let (m, k, n) = (shape.m, shape.k, shape.n);
        let (a, b, mut out) = (noise(m * k), noise(k * n), noise(m * n));
        let mut group = c.benchmark_group(format!("gemm_int8/{}/{m}x{k}x{n}", shape.name));
        group.throughput(Throughput::Elements(shape.flops()));
        for (isa, pool, label) in runs() {
            let packed = PackedB8::from_nk(isa, &b, n, k);
            group.bench_function(label, |bencher| {
                pool.install(|| {
                    bencher.iter(|| int8::gemm(isa, &a, m, &packed, &mut out, &Epilogue::default()));
                });
            });
        }
        group.finish();
    }
}

/// Packing: once per layer at load for weights, once per head and frame for keys and values.
fn pack(c: &mut Criterion) {
    for (name, n, k) in [("stage3.mlp.0", 1_536, 384), ("memory_attention.cross.keys", 28_736, 256)] {
        let b = noise(n * k);
        let mut group = c.benchmark_group(format!("pack_b/{name}/{k}x{n}"));
        group.throughput(Throughput::Elements((n * k) as u64));
        for (isa, pool, label) in runs() {
            group.bench_function(label, |bencher| {
                pool.install(|| bencher.iter(|| PackedB::from_nk(isa, &b, n, k)));
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = bench, int8_layers, pack
}
criterion_main!(benches);
