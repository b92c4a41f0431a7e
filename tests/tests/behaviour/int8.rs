//! Int8 against f32: relative errors of the modules, and IoU of the masks.

use std::collections::BTreeMap;
use std::sync::Arc;

use sam2_model::advanced::{NoTap, Tap, Workspace};
use sam2_model::models::Precision;
use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{Frame, Model, ModelOptions, Points, VideoPredictor, inspect};
use sam2_tests::{clips, micro, seeded, small};

fn model(name: &str, precision: Precision) -> Arc<Model> {
    let options = ModelOptions::default().precision(precision);
    Model::from_bytes_with(&seeded::checkpoint(name), name, &options).expect("the seeded checkpoint loads")
}

/// All recorded tensors by name.
#[derive(Default)]
struct Everything(BTreeMap<String, Vec<f32>>);

impl Tap for Everything {
    fn enabled(&self) -> bool {
        true
    }
    fn record(&mut self, name: &str, _: &[usize], data: &[f32]) {
        self.0.insert(name.to_owned(), data.to_vec());
    }
}

/// Relative L2 error `|a − b| / |b|`.
fn relative(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let distance: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
    (distance / b.iter().map(|&b| square(b)).sum::<f64>()).sqrt()
}

/// Runs `f` with each precision: f32, then int8.
fn both<R>(name: &str, f: impl Fn(&Model, &mut Everything) -> R) -> [(Everything, R); 2] {
    [Precision::F32, Precision::Int8].map(|precision| {
        let mut taps = Everything::default();
        let result = f(&model(name, precision), &mut taps);
        (taps, result)
    })
}

#[test]
fn encoder_outputs_stay_within_two_percent() {
    for name in ["sam2.1_hiera_tiny", "sam2.1_hiera_base_plus"] {
        let image = seeded::draw("input.image", 1024 * 1024 * 3, 0.0, 1.0);
        let [(single, _), (int8, _)] =
            both(name, |model, taps| model.encode(&mut Workspace::default(), taps, &image));
        for part in ["conv_s0", "conv_s1", "neck.level2"] {
            let part = format!("image_encoder.{part}");
            let error = relative(&int8.0[&part], &single.0[&part]);
            println!("{name} {part}: {error:.4}");
            assert!(error <= 2e-2, "{name} {part}: {error}");
            assert!(error > 0.0, "{name} {part}: nothing ran in 8 bits");
        }
    }
}

#[test]
fn memory_parts_stay_within_three_percent() {
    const NAME: &str = "sam2.1_hiera_tiny";
    let pix_feat = seeded::draw("input.pix_feat", 64 * 64 * 256, 0.0, 1.0);
    let mask = seeded::smooth("input.mask_high_res", 1024, 1024, 32, 0.0, 5.0);
    let stored: Vec<_> = (0..7)
        .map(|frame| inspect::Stored {
            frame,
            cond: frame == 0,
            memory: seeded::draw(&format!("int8.memory{frame}"), 4096 * 64, 0.0, 1.0),
            obj_ptr: seeded::draw(&format!("int8.pointer{frame}"), 256, 0.0, 1.0),
        })
        .collect();
    let [(_, single), (_, int8)] = both(NAME, |model, taps| {
        let memory = inspect::memory_encoder(model, &mut NoTap, &pix_feat, mask.clone(), false);
        let workspace = &mut Workspace::default();
        [memory, inspect::memory_attention(model, workspace, taps, &pix_feat, &stored, (7, 8, false))]
    });
    for (part, (int8, single)) in ["memory encoder", "memory attention"].iter().zip(int8.iter().zip(&single))
    {
        let error = relative(int8, single);
        println!("{part}: {error:.4}");
        assert!(error > 0.0 && error <= 3e-2, "{part}: {error}");
    }
}

#[test]
fn masks_of_the_bundled_clip_are_nearly_the_same() {
    let frames = clips::gif(&micro::asset("demo.gif"));
    let prompt: serde_json::Value =
        serde_json::from_slice(&micro::asset("demo_prompts.jsonl")).expect("one line of JSON");
    let coordinate = |i: usize| prompt["points"][0][i].as_f64().expect("a number") as f32;
    let click = Points::click(coordinate(0), coordinate(1));
    let info = VideoInfo { width: frames[0].width(), height: frames[0].height(), num_frames: frames.len() };
    let [single, int8] = [Precision::F32, Precision::Int8].map(|precision| {
        let options = ModelOptions::default().precision(precision);
        let model =
            Model::from_bytes_with(&micro::asset(micro::CHECKPOINT), "micro", &options).expect("it loads");
        let mut predictor = VideoPredictor::new(model, info, VideoOptions::default()).expect("a video");
        predictor.add_points(0, &frames[0], 1, &click).expect("a valid prompt");
        let mut masks = Vec::new();
        for (f, frame) in frames.iter().enumerate() {
            masks.push(predictor.track_frame(f, frame).expect("a valid frame").mask(0));
        }
        masks
    });
    let ious: Vec<f64> = single.iter().zip(&int8).map(|(a, b)| iou(a.data(), b.data())).collect();
    let mean = ious.iter().sum::<f64>() / ious.len() as f64;
    println!("mean IoU {mean:.4}, least {:.4}", ious.iter().copied().fold(1.0, f64::min));
    assert!(mean >= 0.99, "{ious:?}");
}

fn iou(a: &[bool], b: &[bool]) -> f64 {
    let both = a.iter().zip(b).filter(|&(&x, &y)| x && y).count();
    let either = a.iter().zip(b).filter(|&(&x, &y)| x || y).count();
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for name in small::NAMES {
        let model = small::model_with(name, &ModelOptions::default().precision(Precision::Int8));
        let [one, three] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| tracked(&model, 4))
        });
        assert!(one == three, "{name}");
    }
}

/// Logits of an object on the first frames of a seeded clip.
fn tracked(model: &Arc<Model>, frames: usize) -> Vec<Vec<f32>> {
    let frame =
        |f| Frame::new(200, 150, seeded::photo("int8", 200, 150, f)).expect("the photo fills the frame");
    let info = VideoInfo { width: 200, height: 150, num_frames: frames };
    let mut video = VideoPredictor::new(model.clone(), info, VideoOptions::default()).expect("a video");
    video.add_points(0, &frame(0), 1, &Points::click(80.0, 70.0)).expect("a valid prompt");
    let frames = 0..frames;
    frames.map(|f| video.track_frame(f, &frame(f)).expect("a frame").objects[0].low_res.clone()).collect()
}

#[test]
fn another_precision_has_another_fingerprint() {
    let options = ModelOptions::default().precision(Precision::Int8);
    let file = micro::asset(micro::CHECKPOINT);
    let int8 = Model::from_bytes_with(&file, "micro", &options).expect("it loads");
    assert_ne!(int8.fingerprint(), micro::model().fingerprint());
    assert_eq!(int8.precision(), Precision::Int8);
}
