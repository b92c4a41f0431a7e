//! The parts of SAM 2.1 tiny, with generated weights: encoding an image, answering a click, memory attention
//! over a full bank, tracking a frame.
#![allow(missing_docs)]

use std::time::Duration;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use sam2_benches::noise;
use sam2_model::advanced::{NoTap, Workspace};
use sam2_model::image::{ImagePrompt, Multimask};
use sam2_model::inspect::{self, Stored};
use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{Frame, ImagePredictor, Model, Points, VideoPredictor};
use sam2_tests::seeded;

const TINY: &str = "sam2.1_hiera_tiny";
/// Frames until the memory bank is full.
const FULL: usize = 16;

fn frame(index: usize) -> Frame {
    Frame::new(480, 270, seeded::photo("clip.a", 480, 270, index)).expect("the photo fills the frame")
}

fn bench(c: &mut Criterion) {
    let model = Model::from_bytes(&seeded::checkpoint(TINY), TINY).expect("the seeded checkpoint loads");
    let threads = rayon::current_num_threads();
    let mut group = c.benchmark_group(format!("tiny/{threads}t"));
    group.sampling_mode(SamplingMode::Flat);

    let mut predictor = ImagePredictor::new(model.clone());
    let image = frame(0);
    group.bench_function("encode", |bencher| bencher.iter(|| predictor.set_image(&image)));
    predictor.set_image(&image);
    let prompt = ImagePrompt::from(Points::click(140.0, 90.0)).multimask(Multimask::Three);
    group.bench_function("click", |bencher| bencher.iter(|| predictor.predict(&prompt).expect("valid")));
    drop(predictor);

    let bank: Vec<Stored> = (0..FULL)
        .map(|frame| Stored { frame, cond: frame == 0, memory: noise(4096 * 64), obj_ptr: noise(256) })
        .collect();
    let level2 = noise(4096 * 256);
    let mut workspace = Workspace::default();
    group.bench_function("memory_attention", |bencher| {
        bencher.iter(|| {
            inspect::memory_attention(
                &model,
                &mut workspace,
                &mut NoTap,
                &level2,
                &bank,
                (FULL, FULL + 1, false),
            )
        });
    });
    drop((bank, workspace));

    let info = VideoInfo { width: 480, height: 270, num_frames: usize::MAX };
    let mut tracker = VideoPredictor::new(model, info, VideoOptions::default()).expect("a video");
    tracker.add_points(0, &image, 1, &Points::click(140.0, 90.0)).expect("a valid prompt");
    let mut next = 0;
    let mut step = |tracker: &mut VideoPredictor| {
        tracker.track_frame(next, &frame(next % 64)).expect("a valid frame");
        next += 1;
    };
    // The bank is full after sixteen frames; a single pass in a test does not need that. `cargo bench` passes
    // `--bench`, as criterion itself distinguishes the two.
    let measuring = std::env::args().any(|arg| arg == "--bench");
    (0..if measuring { FULL } else { 1 }).for_each(|_| step(&mut tracker));
    group.bench_function("track_frame", |bencher| bencher.iter(|| step(&mut tracker)));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(10));
    targets = bench
}
criterion_main!(benches);
