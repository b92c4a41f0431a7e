//! Results are bit-identical for any number of threads, and equal up to rounding on every instruction set.

use std::sync::Arc;

use kernels::Isa;
use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{Frame, ImagePredictor, ModelOptions, Points, VideoPredictor};
use sam2_tests::{seeded, small};
use tensor::compare::compare;

const FRAMES: usize = 5;

fn frame(f: usize) -> Frame {
    Frame::new(200, 150, seeded::photo("invariance", 200, 150, f)).expect("the photo fills the frame")
}

/// All logits and scores of an image and of a short clip with two objects, by a small model.
fn everything(name: &str, isa: Isa, threads: usize) -> Vec<f32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    pool.install(|| {
        let model = small::model_with(name, &ModelOptions::default().isa(isa));
        let mut out = Vec::new();
        let mut image = ImagePredictor::new(Arc::clone(&model));
        image.set_image(&frame(0));
        let prediction = image.predict(&Points::click(80.0, 70.0).into()).expect("a valid prompt");
        out.extend_from_slice(prediction.low_res());
        out.extend_from_slice(prediction.ious());
        let info = VideoInfo { width: 200, height: 150, num_frames: FRAMES };
        let mut video = VideoPredictor::new(model, info, VideoOptions::default()).expect("a video");
        video.add_points(0, &frame(0), 1, &Points::click(80.0, 70.0)).expect("a valid prompt");
        video.add_points(0, &frame(0), 9, &Points::bbox(20.0, 30.0, 120.0, 140.0)).expect("a valid prompt");
        for f in 0..FRAMES {
            for object in video.track_frame(f, &frame(f)).expect("a valid frame").objects {
                out.extend_from_slice(&object.low_res);
                out.extend([object.object_score, object.predicted_iou]);
            }
        }
        out
    })
}

#[test]
fn results_are_bit_identical_for_any_number_of_threads() {
    for (name, isa) in cases() {
        let one = everything(name, isa, 1);
        assert!(one.iter().all(|x| x.is_finite()), "{name} {}", isa.name());
        for threads in [2, 3, 5] {
            let many = everything(name, isa, threads);
            let same = one.iter().zip(&many).all(|(a, b)| a.to_bits() == b.to_bits());
            let what = format!("{name}: {threads} threads differ from one on {}", isa.name());
            assert!(same && one.len() == many.len(), "{what}");
        }
    }
}

/// Models that average memories on the best instruction set, the others on all of them.
fn cases() -> Vec<(&'static str, Isa)> {
    let all = |name: &&str| !small::is_pooled(name);
    let one = small::NAMES.into_iter().filter(|name| !all(name)).map(|name| (name, Isa::best()));
    let each = small::NAMES.into_iter().filter(all);
    one.chain(each.flat_map(|name| Isa::available().into_iter().map(move |isa| (name, isa)))).collect()
}

#[test]
fn every_instruction_set_gives_the_same_masks() {
    for name in small::NAMES {
        let results: Vec<(Isa, Vec<f32>)> =
            Isa::available().into_iter().map(|isa| (isa, everything(name, isa, 2))).collect();
        let (_, first) = &results[0];
        for (isa, other) in &results[1..] {
            let comparison = compare(other, first);
            assert!(comparison.rel_l2 <= 1e-3, "{name} {}: {comparison:?}", isa.name());
        }
    }
}
