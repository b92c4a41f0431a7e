//! The embedded model on the bundled clip, in which a distractor passes in front of the object, against
//! Meta's code: from the bytes of the GIF to the mask of every frame.

use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{Points, VideoPredictor, inspect};
use sam2_tests::golden::Golden;
use sam2_tests::micro::{self, asset};
use sam2_tests::probe::{Budget, Probes};
use sam2_tests::{clips, seeded};

const FRAMES: usize = 24;

fn iou(a: &[bool], b: &[bool]) -> f64 {
    let both = a.iter().zip(b).filter(|&(&x, &y)| x && y).count();
    let either = a.iter().zip(b).filter(|&(&x, &y)| x || y).count();
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

/// Decodes row-major run lengths, background first, to a mask.
fn from_runs(runs: &[i32]) -> Vec<bool> {
    runs.iter().enumerate().flat_map(|(i, &n)| std::iter::repeat_n(i % 2 == 1, n as usize)).collect()
}

#[test]
fn masks_of_the_embedded_model_match_meta_on_every_frame() {
    let probes = Probes::open("micro_demo.safetensors");
    let frames = clips::gif(&asset("demo.gif"));
    let truth = clips::gif(&asset("demo_truth.gif"));
    assert_eq!((frames.len(), truth.len()), (FRAMES, FRAMES));
    let decoded: Vec<u64> = frames.iter().map(|frame| seeded::fnv1a64(frame.rgb())).collect();
    assert_eq!(decoded, probes.u64s("clip#frame_fnv"), "frames decode as they did for Meta's code");

    let prompt: serde_json::Value =
        serde_json::from_slice(&asset("demo_prompts.jsonl")).expect("one line of JSON");
    let coordinate = |i: usize| prompt["points"][0][i].as_f64().expect("a number") as f32;
    let (width, height) = (frames[0].width(), frames[0].height());
    let model = micro::model();
    let info = VideoInfo { width, height, num_frames: FRAMES };
    let mut predictor = VideoPredictor::new(model, info, VideoOptions::default()).expect("a video");
    predictor
        .add_points(0, &frames[0], 1, &Points::click(coordinate(0), coordinate(1)))
        .expect("a valid prompt");

    // Rounding errors accumulate over the clip, bf16 memories included.
    let budget = |name: &str| match name {
        "object_score" => Budget::absolute(1e-2),
        _ => Budget::relative(1e-2, 1e-1),
    };
    let golden_j = probes.f64s("clip#jaccard");
    let mut smallest: f64 = 1.0;
    for (f, frame) in frames.iter().enumerate() {
        let output = predictor.track_frame(f, frame).expect("a valid frame");
        let object = &output.objects[0];
        let mut golden = Golden::new(&probes, format!("{f}/"), budget);
        golden.compare("low_res", &[64, 64], &object.low_res);
        golden.compare("object_score", &[1], &[object.object_score]);
        let (memory, pointer) = inspect::remembered(&predictor, 1, f).expect("just tracked");
        golden.compare("memory", &[16, 16, 32], &memory);
        golden.compare("obj_ptr", &[128], &pointer);
        golden.compare("video_res", &[height, width], &output.mask_logits(0));
        golden.finish(|name| name == "iou");
        let best = probes.f32s(&format!("{f}/iou")).into_iter().fold(f32::MIN, f32::max);
        assert!(
            (object.predicted_iou - best).abs() <= 1e-3,
            "frame {f}: IoU {} for {best}",
            object.predicted_iou
        );

        let mask = output.mask(0);
        let agreement = iou(mask.data(), &from_runs(&probes.i32s(&format!("{f}#mask_runs"))));
        assert!(agreement >= 0.999, "frame {f}: IoU {agreement} with Meta's mask");
        smallest = smallest.min(agreement);
        let object: Vec<bool> = truth[f].rgb().chunks_exact(3).map(|p| p != [0, 0, 0]).collect();
        let j = iou(mask.data(), &object);
        assert!((j - golden_j[f]).abs() <= 2e-3, "frame {f}: J {j}, Meta's {}", golden_j[f]);
    }
    println!("smallest IoU with Meta's masks {smallest}");
}
