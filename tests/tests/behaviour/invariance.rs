//! Results are bit-identical for any number of threads, and equal up to rounding on every instruction set.

use std::sync::Arc;

use kernels::Isa;
use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{Frame, ImagePredictor, Model, ModelOptions, Points, VideoPredictor};
use sam2_tests::micro::{CHECKPOINT, asset};
use sam2_tests::seeded;
use tensor::compare::compare;

const FRAMES: usize = 5;

fn micro(isa: Isa) -> Arc<Model> {
    Model::from_bytes_with(&asset(CHECKPOINT), "micro", &ModelOptions::default().isa(isa)).expect("it loads")
}

fn frame(f: usize) -> Frame {
    Frame::new(200, 150, seeded::photo("invariance", 200, 150, f)).expect("the photo fills the frame")
}

/// All logits and scores of an image and of a short clip with two objects.
fn everything(isa: Isa, threads: usize) -> Vec<f32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    pool.install(|| {
        let model = micro(isa);
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
    for isa in Isa::available() {
        let one = everything(isa, 1);
        assert!(one.iter().all(|x| x.is_finite()), "{}", isa.name());
        for threads in [2, 5] {
            let many = everything(isa, threads);
            let same = one.iter().zip(&many).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same && one.len() == many.len(), "{} threads differ from one on {}", threads, isa.name());
        }
    }
}

#[test]
fn every_instruction_set_gives_the_same_masks() {
    let results: Vec<(Isa, Vec<f32>)> =
        Isa::available().into_iter().map(|isa| (isa, everything(isa, 2))).collect();
    let (_, first) = &results[0];
    for (isa, other) in &results[1..] {
        let comparison = compare(other, first);
        assert!(comparison.rel_l2 <= 1e-3, "{}: {comparison:?}", isa.name());
    }
}
