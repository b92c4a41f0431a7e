//! Points with every label of Meta's prompt encoder, padding included, against Meta's two predictors.

use sam2_model::image::{ImagePrompt, Multimask};
use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{ImagePredictor, Points, VideoPredictor};
use sam2_tests::golden::Golden;
use sam2_tests::micro::model;
use sam2_tests::probe::{Budget, Probes};

use super::predictor::{budget, compare, frame};

const PROMPTS: [&str; 6] =
    ["padded", "padded_first", "padded_twice", "corners", "padded_corners", "only_padding"];

/// The prompts of `case`, `count` of them, with as many points each.
fn prompts(probes: &Probes, case: &str, count: usize) -> Vec<Points> {
    let coordinates = probes.f32s(&format!("{case}#points"));
    let points: Vec<[f32; 2]> = coordinates.as_chunks().0.to_vec();
    let labels = probes.i32s(&format!("{case}#labels"));
    let each = labels.len() / count;
    let pairs = points.chunks_exact(each).zip(labels.chunks_exact(each));
    pairs.map(|(points, labels)| Points::labelled(points, labels).expect("known labels")).collect()
}

#[test]
fn padding_and_corners_match_meta_in_images() {
    let probes = Probes::open("micro_labels.safetensors");
    let mut golden = Golden::new(&probes, "", budget);
    let mut predictor = ImagePredictor::new(model());
    predictor.set_image(&frame(0));
    for (multimask, kind) in [(Multimask::Three, "multi"), (Multimask::One, "single")] {
        let mut check = |case: &str, prompts: Vec<Points>| {
            let prompts: Vec<ImagePrompt> =
                prompts.into_iter().map(|points| ImagePrompt::from(points).multimask(multimask)).collect();
            let found = predictor.predict_batch(&prompts).expect("valid prompts");
            compare(&mut golden, &format!("{case}/{kind}"), &found, found.len() > 1);
        };
        for case in PROMPTS {
            check(case, prompts(&probes, case, 1));
        }
        let corners: [f32; 4] = probes.f32s("padded_box#box").try_into().expect("four numbers");
        let padded = prompts(&probes, "padded", 1);
        check("padded_box", padded.into_iter().map(|points| points.within(corners)).collect());
        check("ragged", prompts(&probes, "ragged", 2));
    }
    golden.finish(|name| name.starts_with("video_"));
}

#[test]
fn padding_matches_meta_in_videos() {
    let probes = Probes::open("micro_labels.safetensors");
    let clip = [frame(0), frame(1)];
    let (width, height) = (clip[0].width(), clip[0].height());
    let budget = |name: &str| match name {
        "object_score" => Budget::absolute(1e-4),
        _ => Budget::relative(1e-4, 1e-2),
    };
    for case in ["padded", "padded_first", "padded_corners"] {
        let info = VideoInfo::new(width, height, clip.len());
        let mut predictor = VideoPredictor::new(model(), info, VideoOptions::reference()).expect("a video");
        let points = prompts(&probes, case, 1).remove(0);
        predictor.add_points(0, &clip[0], 1, &points).expect("a valid prompt");
        for (f, frame) in clip.iter().enumerate() {
            let output = predictor.track_frame(f, frame).expect("the next frame");
            let object = &output.objects[0];
            let mut golden = Golden::new(&probes, format!("video_{case}/{f}/"), budget);
            golden.compare("low_res", &[64, 64], &object.low_res);
            golden.compare("object_score", &[1], &[object.object_score]);
            golden.compare("logits", &[height, width], &output.mask_logits(0));
            golden.finish(|_| false);
        }
    }
}
