//! Image and mask resampling, pooling and the pyramid's sum. Throughput counts output elements.
#![allow(missing_docs)]

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kernels::Isa;
use kernels::image::{
    max_pool_2x2, resize_bicubic, resize_bilinear, resize_bilinear_antialias, resize_pil_bicubic_u8,
    upsample_nearest_2x_add,
};
use sam2_benches::{noise, runs};

type Resize = fn(Isa, &[f32], (usize, usize), usize, (usize, usize)) -> Vec<f32>;

/// Name, function, input size, channels, output size.
type Case = (&'static str, Resize, (usize, usize), usize, (usize, usize));

const RESIZES: [Case; 5] = [
    ("bilinear/mask_256_to_1024", resize_bilinear, (256, 256), 1, (1_024, 1_024)),
    ("bilinear/mask_256_to_1080p", resize_bilinear, (256, 256), 1, (1_080, 1_920)),
    ("antialias/image_1080p_to_1024", resize_bilinear_antialias, (1_080, 1_920), 3, (1_024, 1_024)),
    ("antialias/mask_1024_to_256", resize_bilinear_antialias, (1_024, 1_024), 1, (256, 256)),
    ("bicubic/pos_embed_7_to_256", resize_bicubic, (7, 7), 96, (256, 256)),
];

fn float(c: &mut Criterion) {
    for (name, resize, (h, w), channels, (out_h, out_w)) in RESIZES {
        let src = noise(h * w * channels);
        let mut group = c.benchmark_group(format!("resize_{name}"));
        group.throughput(Throughput::Elements((out_h * out_w * channels) as u64));
        for (isa, pool, label) in runs() {
            group.bench_function(label, |bencher| {
                pool.install(|| bencher.iter(|| resize(isa, &src, (h, w), channels, (out_h, out_w))));
            });
        }
        group.finish();
    }
}

fn pil(c: &mut Criterion) {
    let src: Vec<u8> = noise(1_080 * 1_920 * 3).iter().map(|v| (v * 127.0 + 128.0) as u8).collect();
    let mut group = c.benchmark_group("resize_pil/frame_1080p_to_1024");
    group.throughput(Throughput::Elements(1_024 * 1_024 * 3));
    for (isa, pool, label) in runs() {
        group.bench_function(label, |bencher| {
            pool.install(|| {
                bencher.iter(|| resize_pil_bicubic_u8(isa, &src, (1_080, 1_920), 3, (1_024, 1_024)));
            });
        });
    }
    group.finish();
}

fn maps(c: &mut Criterion) {
    let (x, coarse) = (noise(256 * 256 * 192), noise(32 * 32 * 256));
    let fine = noise(4 * coarse.len());
    let mut group = c.benchmark_group("max_pool_2x2/256x256x192");
    group.throughput(Throughput::Elements(x.len() as u64 / 4));
    for (isa, pool, label) in runs() {
        group.bench_function(label, |bencher| {
            let mut out = vec![0.0; 128 * 128 * 192];
            pool.install(|| bencher.iter(|| max_pool_2x2(isa, &x, (256, 256), 192, &mut out)));
        });
    }
    group.finish();
    let mut group = c.benchmark_group("upsample_nearest_2x_add/32x32x256");
    group.throughput(Throughput::Elements(fine.len() as u64));
    for (isa, pool, label) in runs() {
        group.bench_function(label, |bencher| {
            pool.install(|| {
                bencher.iter_batched_ref(
                    || fine.clone(),
                    |fine| upsample_nearest_2x_add(isa, &coarse, (32, 32), 256, fine),
                    BatchSize::LargeInput,
                );
            });
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
    targets = float, pil, maps
}
criterion_main!(benches);
