//! Linear layers, weights packed beforehand, with `matrixmultiply` (one thread) as the baseline.
#![allow(missing_docs)]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kernels::gemm::int8::{self, PackedB8};
use kernels::gemm::{Epilogue, PackedB, gemm};
use sam2_benches::{GEMMS, noise, runs};

fn bench(c: &mut Criterion) {
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
        group.bench_function("matrixmultiply/1t", |bencher| {
            bencher.iter(|| {
                let (k_stride, n_stride) = (k as isize, n as isize);
                // SAFETY: the three buffers hold m·k, k·n and m·n elements, row-major with these strides.
                unsafe {
                    matrixmultiply::sgemm(
                        m,
                        k,
                        n,
                        1.0,
                        a.as_ptr(),
                        k_stride,
                        1,
                        b.as_ptr(),
                        n_stride,
                        1,
                        0.0,
                        out.as_mut_ptr(),
                        n_stride,
                        1,
                    );
                }
            });
        });
        group.finish();
    }
}

/// The same layers in 8 bits: activations are made bytes on the way in.
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

/// Packing the weights: paid once per layer at load, and once per head and frame for keys and values.
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
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = bench, int8_layers, pack
}
criterion_main!(benches);
