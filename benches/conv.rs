//! Convolutions: patch embedding, mask downsampler and upscaling, and the depthwise layer of the fuser.
#![allow(missing_docs)]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kernels::conv::{Conv2d, ConvTranspose2x2, Depthwise};
use kernels::gemm::Activation;
use sam2_benches::{CONV_TRANSPOSES, CONVS, noise, runs};

fn dense(c: &mut Criterion) {
    for s in CONVS {
        let weight = noise(s.outputs * s.inputs * s.kernel * s.kernel);
        let (x, bias) = (noise(s.side * s.side * s.inputs), noise(s.outputs));
        let out_side = (s.side + 2 * s.padding - s.kernel) / s.stride + 1;
        let mut out = noise(out_side * out_side * s.outputs);
        let mut group = c.benchmark_group(format!("conv2d_f32/{}", s.name));
        group.throughput(Throughput::Elements((2 * out.len() * s.inputs * s.kernel * s.kernel) as u64));
        for (isa, pool, label) in runs() {
            let conv = Conv2d::new(isa, &weight, &bias, s.inputs, s.kernel, s.stride, s.padding);
            group.bench_function(label, |bencher| {
                pool.install(|| {
                    bencher.iter(|| conv.forward(isa, &x, (s.side, s.side), Activation::None, &mut out));
                });
            });
        }
        group.finish();
    }
}

fn transposed(c: &mut Criterion) {
    for s in CONV_TRANSPOSES {
        let weight = noise(s.inputs * s.outputs * 4);
        let (x, bias) = (noise(s.side * s.side * s.inputs), noise(s.outputs));
        let mut out = noise(4 * s.side * s.side * s.outputs);
        let mut group = c.benchmark_group(format!("conv_transpose_f32/{}", s.name));
        group.throughput(Throughput::Elements((2 * out.len() * s.inputs) as u64));
        for (isa, pool, label) in runs() {
            let conv = ConvTranspose2x2::new(isa, &weight, &bias, s.inputs);
            group.bench_function(label, |bencher| {
                pool.install(|| bencher.iter(|| conv.forward(isa, &x, (s.side, s.side), &mut out)));
            });
        }
        group.finish();
    }
}

fn depthwise(c: &mut Criterion) {
    let (side, channels, k) = (64, 256, 7);
    let x = noise(side * side * channels);
    let conv = Depthwise::new(&noise(channels * k * k), &noise(channels), k);
    let mut group = c.benchmark_group("depthwise_f32/memory_encoder.fuser");
    group.throughput(Throughput::Elements((2 * x.len() * k * k) as u64));
    for (isa, pool, label) in runs() {
        group.bench_function(label, |bencher| {
            pool.install(|| bencher.iter(|| conv.forward(isa, &x, (side, side))));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = dense, transposed, depthwise
}
criterion_main!(benches);
