//! The SAMURAI memory policy against its published code: every decision over 40 frames, and its Kalman filter
//! alone.

use sam2_model::video::{MemoryPolicyKind, VideoInfo, VideoOptions};
use sam2_model::{Model, VideoPredictor, inspect};
use sam2_tests::clips;
use sam2_tests::micro::{self, Variant};
use sam2_tests::probe::{Probes, rel_l2, samples};
use serde_json::Value;

/// Largest difference, relative to the largest golden value if that exceeds 1.
fn off(actual: &[f64], golden: &[f64]) -> f64 {
    assert_eq!(actual.len(), golden.len());
    let scale = golden.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
    // NaN is the worst error.
    let worst = |m: f64, e: f64| if e > m || e.is_nan() { e } else { m };
    actual.iter().zip(golden).map(|(a, b)| (a - b).abs() / scale).fold(0.0, worst)
}

fn check(case: &str, logits_budget: f64) {
    let probes = Probes::open("samurai.safetensors");
    let script: Value =
        serde_json::from_slice(&probes.u8s(&format!("{case}#script"))).expect("a script is JSON");
    let frames = clips::clip(&script["clip"]);
    let mut options = script["options"].as_object().expect("options").clone();
    let shift = options.remove("object_score_shift").and_then(|v| v.as_f64()).unwrap_or(0.0) as f32;
    let seeded = script["model"].as_str().filter(|name| *name != "embedded");
    let config = options.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let file = micro::checkpoint(&Variant { seeded, config, object_score_shift: shift });
    let model = Model::from_bytes(&file, case).expect("it loads");
    let side = model.low_res_size();
    let info = VideoInfo { width: frames[0].width(), height: frames[0].height(), num_frames: frames.len() };
    let options = VideoOptions::default().memory(MemoryPolicyKind::Samurai);
    let mut predictor = VideoPredictor::new(model, info, options).expect("a video");
    predictor.add_points(0, &frames[0], 1, &clips::points(&script["prompt"])).expect("a valid prompt");

    let floats = |column: &str| probes.f32s(&format!("{case}#{column}"));
    let doubles = |column: &str| probes.f64s(&format!("{case}#{column}"));
    let ints = |column: &str| probes.i32s(&format!("{case}#{column}"));
    let (best, scores, low, reference) = (floats("best"), floats("score"), floats("low"), floats("f64"));
    let (means, covariances, norms) = (doubles("mean"), doubles("covariance"), doubles("norm"));
    let (stable, memory, boxes) = (ints("stable"), ints("memory"), ints("box"));
    let count = low.len() / frames.len();
    let (mut worst_logits, mut worst_state) = (0.0_f64, 0.0_f64);
    for (f, frame) in frames.iter().enumerate() {
        let (_, looked_at) = inspect::memory_policy(&predictor, 1, f).expect("the object");
        let golden: Vec<usize> =
            memory[6 * f..][..6].iter().filter_map(|&g| usize::try_from(g).ok()).collect();
        assert_eq!(looked_at, golden, "{case}, frame {f}: memories");
        let output = predictor.track_frame(f, frame).expect("a frame");
        let object = &output.objects[0];
        // Identifies the selected candidate: the predicted IoUs of the candidates differ.
        assert!(
            (object.predicted_iou - best[f]).abs() <= 1e-3,
            "{case}, frame {f}: {}",
            object.predicted_iou
        );
        assert!(
            (object.object_score - scores[f]).abs() <= 1e-2,
            "{case}, frame {f}: {}",
            object.object_score
        );
        assert_eq!(object.low_res.len(), side * side);
        let name = format!("{case}/{f}");
        let error = rel_l2(&samples(&name, count, &object.low_res), &low[f * count..][..count]);
        let norm = object.low_res.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt() / norms[f] - 1.0;
        let budget = logits_budget.max(4.0 * f64::from(reference[f]));
        assert!(error <= budget && norm.abs() <= budget, "{case}, frame {f}: logits {error:.1e}, {norm:.1e}");
        let bbox = output.mask(0).bbox_xyxy().unwrap_or_default().map(|x| x as i32);
        assert_eq!(bbox, boxes[4 * f..][..4], "{case}, frame {f}: box");

        let (state, _) = inspect::memory_policy(&predictor, 1, f).expect("the object");
        assert_eq!(state["stable_frames"], stable[f], "{case}, frame {f}: stable frames");
        let numbers = |value: &Value| -> Vec<f64> {
            let flat = |v: &Value| v.as_array().cloned().unwrap_or_else(|| vec![v.clone()]);
            let rows = value.as_array().expect("a list").iter().flat_map(flat);
            rows.map(|v| v.as_f64().expect("a number")).collect()
        };
        if means[8 * f].is_nan() {
            assert!(state["filter"].is_null(), "{case}, frame {f}: no filter yet");
        } else {
            let mean = off(&numbers(&state["filter"]["mean"]), &means[8 * f..][..8]);
            let covariance = off(&numbers(&state["filter"]["covariance"]), &covariances[64 * f..][..64]);
            assert!(mean <= 1e-9 && covariance <= 1e-9, "{case}, frame {f}: {mean:.1e}, {covariance:.1e}");
            worst_state = worst_state.max(mean).max(covariance);
        }
        worst_logits = worst_logits.max(error);
    }
    println!("{case}: logits {worst_logits:.1e}, state of the filter {worst_state:.1e}");
}

#[test]
fn decisions_with_the_embedded_model_match_the_published_code() {
    for case in ["demo_box", "demo_click", "demo_reset", "demo_motion", "demo_shy"] {
        check(case, 1e-4);
    }
}

#[test]
fn decisions_with_seeded_weights_match_the_published_code() {
    check("seeded", 1e-2);
}

#[test]
fn the_filter_alone_matches_the_published_code() {
    let probes = Probes::open("samurai.safetensors");
    let missed = probes.i32s("kalman#missed");
    let boxes: Vec<[f64; 4]> =
        probes.f64s("kalman#boxes").chunks_exact(4).map(|b| b.try_into().expect("four")).collect();
    let steps: Vec<_> = boxes
        .iter()
        .enumerate()
        .map(|(t, &bbox)| {
            let shifted = [bbox[0] + 10.0, bbox[1], bbox[2] + 10.0, bbox[3]];
            (bbox, !missed.contains(&(t as i32)), [bbox, shifted])
        })
        .collect();
    let (means, covariances, ious) =
        (probes.f64s("kalman#mean"), probes.f64s("kalman#covariance"), probes.f64s("kalman#ious"));
    let mut worst = 0.0_f64;
    for (t, (mean, covariance, iou)) in inspect::kalman(&steps).into_iter().enumerate() {
        let mut errors = vec![
            off(&mean, &means[8 * t..][..8]),
            off(covariance.as_flattened(), &covariances[64 * t..][..64]),
        ];
        if t > 0 {
            errors.push(off(&iou, &ious[2 * t..][..2]));
        }
        assert!(errors.iter().all(|&e| e <= 1e-12), "step {t}: {errors:?}");
        worst = errors.into_iter().fold(worst, f64::max);
    }
    println!("filter alone: {worst:.1e}");
}
