//! Every input and option of the image predictor against Meta's, with the embedded model on the bundled clip.

use sam2_model::image::{ImageBatch, ImageOptions, ImagePrompt, Multimask, Prediction};
use sam2_model::{Frame, ImagePredictor, Points};
use sam2_tests::clips;
use sam2_tests::golden::Golden;
use sam2_tests::micro::{asset, model};
use sam2_tests::probe::{Budget, Probes};

pub fn frame(index: usize) -> Frame {
    clips::gif(&asset("balloon.gif")).swap_remove(index)
}

fn cut(frame: &Frame, width: usize, height: usize) -> Frame {
    let rows = frame.rgb().chunks_exact(frame.width() * 3).take(height);
    Frame::new(width, height, rows.flat_map(|row| &row[..width * 3]).copied().collect()).expect("a frame")
}

pub fn budget(name: &str) -> Budget {
    if name.ends_with("/iou") { Budget::absolute(1e-5) } else { Budget::relative(1e-4, 1e-2) }
}

/// Compares the predictions of a batch; `batched` tells whether Meta's arrays have a batch axis.
pub fn compare(golden: &mut Golden, case: &str, predictions: &[Prediction], batched: bool) {
    let k = predictions[0].len();
    let shape = |rest: &[usize]| {
        let batch = if batched { vec![predictions.len(), k] } else { vec![k] };
        [batch, rest.to_vec()].concat()
    };
    let mask = predictions[0].mask(0);
    let side = predictions[0].low_res_shape()[1];
    let all =
        |part: &dyn Fn(&Prediction) -> Vec<f32>| predictions.iter().flat_map(part).collect::<Vec<f32>>();
    let logits = all(&|p| (0..k).flat_map(|i| p.mask_logits(i)).collect());
    golden.compare(&format!("{case}/logits"), &shape(&[mask.height(), mask.width()]), &logits);
    golden.compare(&format!("{case}/iou"), &shape(&[]), &all(&|p| p.ious().to_vec()));
    let low_res = all(&|p| p.low_res().to_vec());
    golden.compare(&format!("{case}/low_res"), &shape(&[side, side]), &low_res);
}

/// The prompts with a number of masks.
fn all(prompts: &[ImagePrompt], multimask: Multimask) -> Vec<ImagePrompt> {
    prompts.iter().map(|prompt| prompt.clone().multimask(multimask)).collect()
}

#[test]
fn every_kind_of_prompt_and_clean_up_matches_meta() {
    let probes = Probes::open("micro_predictor.safetensors");
    let rows = |key: &str, n: usize| -> Vec<Vec<f32>> {
        probes.f32s(&format!("prompt#{key}")).chunks_exact(n).map(<[f32]>::to_vec).collect()
    };
    let boxes: Vec<[f32; 4]> =
        rows("boxes", 4).into_iter().map(|b| b.try_into().expect("four numbers")).collect();
    let boxed = ImagePrompt::boxes(&boxes);
    let with_points: Vec<ImagePrompt> = rows("points", 2)
        .iter()
        .zip(probes.i32s("prompt#labels"))
        .zip(&boxes)
        .map(|((p, label), b)| {
            Points::labelled(&[[p[0], p[1]]], &[label]).expect("a known label").within(*b).into()
        })
        .collect();
    let clicks: Vec<ImagePrompt> =
        rows("clicks", 2).iter().map(|p| Points::click(p[0], p[1]).into()).collect();

    let mut golden = Golden::new(&probes, "", budget);
    let first = frame(0);
    let mut predictor = ImagePredictor::new(model());
    predictor.set_image(&first);
    for (multimask, kind) in [(Multimask::Three, "multi"), (Multimask::One, "single")] {
        for (case, prompts) in [("boxes", &boxed), ("boxes_points", &with_points), ("clicks", &clicks)] {
            let found = predictor.predict_batch(&all(prompts, multimask)).expect("valid prompts");
            compare(&mut golden, &format!("{case}/{kind}"), &found, true);
        }
    }
    let again = |prompt: &ImagePrompt, before: &Prediction| {
        prompt.clone().mask_logits(before.low_res_mask(before.best()).to_vec()).multimask(Multimask::One)
    };
    let before = predictor.predict(&clicks[0]).expect("a click");
    let refined = predictor.predict(&again(&clicks[0], &before)).expect("a click and a mask");
    compare(&mut golden, "refined", &[refined], false);
    let before = predictor.predict_batch(&all(&boxed, Multimask::One)).expect("boxes");
    let prompts: Vec<ImagePrompt> = boxed.iter().zip(&before).map(|(p, b)| again(p, b)).collect();
    let refined = predictor.predict_batch(&prompts).expect("boxes and masks");
    compare(&mut golden, "boxes_refined", &refined, true);

    let second = cut(&frame(probes.i64s("prompt#second_frame")[0] as usize), 180, 200);
    let batch =
        ImageBatch::new(model(), ImageOptions::default(), [&first, &second]).expect("default options");
    let mut both = clicks[0].clone();
    both.points = both.points.within(boxes[0]);
    let prompts = [vec![clicks[0].clone()], vec![both.multimask(Multimask::Three)]];
    let found = batch.predict_all(&prompts).expect("valid prompts");
    compare(&mut golden, "image0", &found[0], false);
    compare(&mut golden, "image1", &found[1], false);

    let option = |name: &str| probes.f32s(&format!("cleaned#{name}"))[0];
    let options = ImageOptions::default()
        .mask_threshold(option("mask_threshold"))
        .max_hole_area(option("max_hole_area") as usize)
        .max_sprinkle_area(option("max_sprinkle_area") as usize);
    let mut cleaned = ImagePredictor::with_options(model(), options).expect("valid options");
    cleaned.set_embedding(predictor.embedding().expect("an image is set").clone()).expect("the same model");
    let found = cleaned.predict_batch(&all(&boxed, Multimask::Three)).expect("boxes");
    compare(&mut golden, "cleaned", &found, true);
    let plain = predictor.predict_batch(&all(&boxed, Multimask::Three)).expect("boxes");
    let pairs = || found.iter().zip(&plain).flat_map(|(a, b)| (0..3).map(move |k| (a, b, k)));
    let changed = |(a, b, k): (&Prediction, &Prediction, usize)| {
        a.mask_logits(k).iter().zip(b.mask_logits(k)).filter(|(x, y)| **x != *y).count() as i64
    };
    // Interpolation spreads every change; rounding may decide whether a pixel changes.
    for (found, expected) in pairs().map(changed).zip(probes.i64s("cleaned#changed")) {
        assert!(expected > 0 && 100 * (found - expected).abs() <= expected, "{found} pixels for {expected}");
    }
    let areas: Vec<i64> = pairs().map(|(a, _, k)| a.mask(k).area() as i64).collect();
    for (found, expected) in areas.iter().zip(probes.i64s("cleaned#area")) {
        assert!((found - expected).abs() <= 1, "{found} pixels for {expected}");
    }
    golden.finish(|_| false);
}
