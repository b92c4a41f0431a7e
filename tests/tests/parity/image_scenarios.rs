//! The image predictor against Meta's: every kind of prompt, alone and in batches, on images of several
//! shapes (`tools/golden_image_scenarios.py`).

use std::sync::Arc;

use sam2_model::image::{ImagePrompt, Multimask};
use sam2_model::{Frame, ImagePredictor, Model, Points};
use sam2_tests::probe::{Probes, rel_l2, samples};
use sam2_tests::{clips, micro, seeded};
use serde_json::Value;

fn picture(name: &str, width: usize, height: usize) -> Frame {
    if !name.starts_with("demo.") {
        return Frame::new(width, height, seeded::photo(name, width, height, 0)).expect("it fills the frame");
    }
    // Frame 0 of the clip, stretched by nearest neighbour.
    let frame = &clips::gif(&micro::asset("balloon.gif"))[0];
    let (w, h) = (frame.width(), frame.height());
    let rows = (0..height).map(|y| y * h / height);
    let pixel = |row: usize, x: usize| &frame.rgb()[(row * w + x * w / width) * 3..][..3];
    let rgb = rows.flat_map(|row| (0..width).flat_map(move |x| pixel(row, x))).copied().collect();
    Frame::new(width, height, rgb).expect("it fills the frame")
}

/// The prompts of one call of Meta's predictor, which accepts lists of boxes and lists of point lists.
fn prompts(script: &Value, mask: &[f32], multimask: Multimask) -> Vec<ImagePrompt> {
    let number = |value: &Value| value.as_f64().expect("a number") as f32;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (boxes, points, labels) = (list(&script["box"]), list(&script["points"]), list(&script["labels"]));
    let prompt = |i: usize| {
        let coords = points.get(i).map_or(Vec::new(), list);
        let coords: Vec<[f32; 2]> = coords.iter().map(|p| [number(&p[0]), number(&p[1])]).collect();
        let labels = labels.get(i).map_or(Vec::new(), list);
        let labels: Vec<i32> = labels.iter().map(|l| l.as_i64().expect("a label") as i32).collect();
        let corners = boxes.get(i).map(|b| std::array::from_fn(|k| number(&b[k])));
        let points = Points::labelled(&coords, &labels).expect("known labels").within(corners);
        ImagePrompt::from(points)
            .mask_logits((script["mask"] == true).then(|| mask.to_vec()))
            .multimask(multimask)
    };
    (0..boxes.len().max(points.len()).max(1)).map(prompt).collect()
}

fn check(file: &str, model: Arc<Model>, budget: f64) {
    let probes = Probes::open(file);
    let script: Value = serde_json::from_slice(&probes.u8s("images#script")).expect("a script is JSON");
    let side = model.low_res_size();
    let mask = seeded::smooth("input.mask_logits", side, side, side / 16, 0.0, 5.0);
    let mut predictor = ImagePredictor::new(model);
    let (mut worst, mut compared) = (0.0_f64, 0);
    for (name, size) in script["pictures"].as_object().expect("pictures") {
        let pixels = |i: usize| size[i].as_u64().expect("a size") as usize;
        predictor.set_image(&picture(name, pixels(0), pixels(1)));
        for (key, prompt) in script["prompts"].as_object().expect("prompts") {
            if !key.starts_with(&format!("{name}/")) {
                continue;
            }
            for (multimask, kind) in [(Multimask::Three, "multi"), (Multimask::One, "single")] {
                let key = format!("{key}/{kind}");
                let batch =
                    predictor.predict_batch(&prompts(prompt, &mask, multimask)).expect("valid prompts");
                let (low, full) = (probes.f32s(&format!("{key}#low")), probes.f32s(&format!("{key}#full")));
                let (ious, reference) =
                    (probes.f32s(&format!("{key}#iou")), probes.f32s(&format!("{key}#f64")));
                let (areas, near) =
                    (probes.i32s(&format!("{key}#area")), probes.i32s(&format!("{key}#near")));
                let norms = probes.f64s(&format!("{key}#norm"));
                let (low_count, full_count) = (low.len() / ious.len(), full.len() / ious.len());
                let masks =
                    batch.iter().flat_map(|prediction| (0..prediction.len()).map(move |i| (prediction, i)));
                let mut row = 0;
                for (prediction, i) in masks {
                    let here = format!("{key}/{row}");
                    let logits = prediction.low_res_mask(i);
                    let large = prediction.mask_logits(i);
                    let norm = logits.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
                    let errors = [
                        rel_l2(&samples(&here, low_count, logits), &low[row * low_count..][..low_count]),
                        rel_l2(&samples(&here, full_count, &large), &full[row * full_count..][..full_count]),
                        (norm / norms[row] - 1.0).abs(),
                    ];
                    let budget = budget.max(4.0 * f64::from(reference[row]));
                    assert!(errors.iter().all(|&e| e <= budget), "{here}: {errors:?}, budget {budget:.1e}");
                    let iou = (prediction.ious()[i] - ious[row]).abs();
                    assert!(iou <= 1e-5, "{here}: IoU {} for {}", prediction.ious()[i], ious[row]);
                    let area = large.iter().filter(|&&x| x > 0.0).count() as i64;
                    let off = (area - i64::from(areas[row])).abs();
                    assert!(off <= i64::from(near[row]), "{here}: area {area} for {}", areas[row]);
                    worst = errors.into_iter().fold(worst, f64::max);
                    row += 1;
                }
                assert_eq!(row, ious.len(), "{key}: number of masks");
                compared += row;
            }
        }
    }
    println!("{file}: {compared} masks, largest relative L2 error {worst:.1e}");
}

#[test]
fn every_prompt_on_every_shape_matches_meta_with_the_embedded_model() {
    let model = Model::from_bytes(&micro::earlier(), "micro").expect("it loads");
    check("image_scenarios_demo.safetensors", model, 1e-4);
}

#[test]
fn odd_shapes_match_meta_with_tiny() {
    let name = "sam2.1_hiera_tiny";
    let model = Model::from_bytes(&seeded::checkpoint(name), name).expect("the seeded checkpoint loads");
    check("image_scenarios_tiny.safetensors", model, 1e-4);
}
