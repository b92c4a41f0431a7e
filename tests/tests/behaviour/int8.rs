//! Int8 against f32: relative errors of the modules, and IoU of the masks.

use std::collections::BTreeMap;
use std::sync::Arc;

use sam2_model::advanced::{NoTap, Tap, Workspace};
use sam2_model::config::{Config, Family};
use sam2_model::models::Precision;
use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{Frame, Model, ModelOptions, Points, VideoPredictor, inspect};
use sam2_tests::{clips, micro, seeded, small};

pub fn model(name: &str, precision: Precision) -> Arc<Model> {
    let options = ModelOptions::default().precision(precision);
    Model::from_bytes_with(&seeded::checkpoint(name), name, &options).expect("the seeded checkpoint loads")
}

/// All recorded tensors by name.
#[derive(Default)]
pub struct Everything(pub BTreeMap<String, Vec<f32>>);

impl Tap for Everything {
    fn enabled(&self) -> bool {
        true
    }
    fn record(&mut self, name: &str, _: &[usize], data: &[f32]) {
        self.0.insert(name.to_owned(), data.to_vec());
    }
}

/// Relative L2 error `|a − b| / |b|`.
pub fn relative(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let distance: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
    (distance / b.iter().map(|&b| square(b)).sum::<f64>()).sqrt()
}

/// Runs `f` with each precision: f32, then int8.
fn both<R>(name: &str, f: impl Fn(&Model, &mut Everything) -> R) -> [(Everything, R); 2] {
    in_precisions(name, [Precision::F32, Precision::Int8], f)
}

/// Runs `f` with each precision.
pub fn in_precisions<R>(
    name: &str,
    precisions: [Precision; 2],
    f: impl Fn(&Model, &mut Everything) -> R,
) -> [(Everything, R); 2] {
    precisions.map(|precision| {
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
    let [single, int8] = both(NAME, |model, _| memory_parts(model)).map(|(_, parts)| parts);
    for (part, single) in &single {
        let error = relative(&int8[part], single);
        println!("{part}: {error:.4}");
        assert!(error > 0.0 && error <= 3e-2, "{part}: {error}");
    }
}

/// The memory encoder, EdgeTAM's perceiver, and the memory attention over a full bank, on generated inputs.
pub fn memory_parts(model: &Model) -> BTreeMap<&'static str, Vec<f32>> {
    let config = model.config();
    let (cells, size, tokens) = (config.grid().pow(2), config.image_size, config.memory_tokens());
    let pix_feat = seeded::draw("input.pix_feat", cells * 256, 0.0, 1.0);
    let mask = seeded::smooth("input.mask_high_res", size, size, 32, 0.0, 5.0);
    let stored: Vec<_> = (0..7)
        .map(|frame| inspect::Stored {
            frame,
            cond: frame == 0,
            memory: seeded::draw(&format!("int8.memory{frame}"), tokens * 64, 0.0, 1.0),
            obj_ptr: seeded::draw(&format!("int8.pointer{frame}"), 256, 0.0, 1.0),
        })
        .collect();
    let memory = inspect::memory_encoder(model, &mut NoTap, &pix_feat, mask, false);
    let mut parts = BTreeMap::new();
    if config.family == Family::EdgeTam {
        parts.insert("memory encoder and perceiver", inspect::perceiver(model, &mut NoTap, &memory));
    }
    parts.insert("memory encoder", memory);
    let (workspace, at) = (&mut Workspace::default(), (7, 8, false));
    let attended = inspect::memory_attention(model, workspace, &mut NoTap, &pix_feat, &stored, at);
    parts.insert("memory attention", attended);
    parts
}

/// Distances of EdgeTAM and EfficientTAM by part: what was measured, rounded up.
#[test]
fn parts_of_small_models_keep_their_distances() {
    for (name, limits) in SMALL_MODELS {
        let image_size = Config::named(name).expect("a published model").image_size;
        let image = seeded::draw("input.image", image_size * image_size * 3, 0.0, 1.0);
        let [(single, single_parts), (int8, int8_parts)] = both(name, |model, taps| {
            model.encode(&mut Workspace::default(), taps, &image);
            memory_parts(model)
        });
        for (tap, label) in [("conv_s0", "conv_s0"), ("conv_s1", "conv_s1"), ("neck.level2", "level 2")] {
            if let Some(values) = single.0.get(&format!("image_encoder.{tap}")) {
                let error = relative(&int8.0[&format!("image_encoder.{tap}")], values);
                check(name, label, error, limits);
            }
        }
        for (part, values) in &single_parts {
            check(name, part, relative(&int8_parts[part], values), limits);
        }
    }
}

fn check(name: &str, part: &str, error: f64, limits: &[(&str, f64)]) {
    println!("{name} {part}: {error:.4}");
    let limit = limits.iter().find(|(of, _)| *of == part).unwrap_or_else(|| panic!("{part}: no limit")).1;
    assert!(error <= limit, "{name} {part}: {error}");
    assert!(error > 0.0, "{name} {part}: nothing ran in 8 bits");
}

/// (model, (part, largest distance)).
const SMALL_MODELS: [(&str, &[(&str, f64)]); 3] = [
    (
        "edgetam",
        &[
            ("conv_s0", 0.004),
            ("conv_s1", 0.01),
            ("level 2", 0.022),
            ("memory encoder", 0.012),
            ("memory encoder and perceiver", 0.01),
            ("memory attention", 0.035),
        ],
    ),
    (
        "efficienttam_ti_512x512",
        &[("level 2", 0.013), ("memory encoder", 0.012), ("memory attention", 0.038)],
    ),
    ("efficienttam_s_512x512", &[("level 2", 0.016), ("memory encoder", 0.012), ("memory attention", 0.038)]),
];

/// The masks of a seeded clip with one click.
#[test]
fn masks_of_small_models_are_nearly_the_same() {
    for name in ["edgetam", "efficienttam_ti_512x512"] {
        let frames: Vec<Frame> = (0..8).map(|f| photo(480, 270, f)).collect();
        let ious = clip_ious(&frames, &Points::click(140.0, 90.0), Precision::Int8, |p| model(name, p));
        let mean = ious.iter().sum::<f64>() / ious.len() as f64;
        println!("{name}: mean IoU {mean:.4}, least {:.4}", ious.iter().copied().fold(1.0, f64::min));
        assert!(mean >= 0.99, "{name}: {ious:?}");
    }
}

pub fn photo(width: usize, height: usize, f: usize) -> Frame {
    Frame::new(width, height, seeded::photo("clip.a", width, height, f)).expect("the photo fills the frame")
}

#[test]
fn masks_of_the_bundled_clip_are_nearly_the_same() {
    let ious = bundled_clip_ious(Precision::Int8);
    let mean = ious.iter().sum::<f64>() / ious.len() as f64;
    println!("mean IoU {mean:.4}, least {:.4}", ious.iter().copied().fold(1.0, f64::min));
    assert!(mean >= 0.99, "{ious:?}");
}

/// IoU of the masks of the embedded model on its clip in single precision and in another.
pub fn bundled_clip_ious(precision: Precision) -> Vec<f64> {
    let frames = clips::gif(&micro::asset("demo.gif"));
    let prompt: serde_json::Value =
        serde_json::from_slice(&micro::asset("demo_prompts.jsonl")).expect("one line of JSON");
    let coordinate = |i: usize| prompt["points"][0][i].as_f64().expect("a number") as f32;
    let click = Points::click(coordinate(0), coordinate(1));
    clip_ious(&frames, &click, precision, |precision| {
        let options = ModelOptions::default().precision(precision);
        Model::from_bytes_with(&micro::asset(micro::CHECKPOINT), "micro", &options).expect("it loads")
    })
}

/// IoU of the masks in single precision and in another, of an object prompted on the first frame.
pub fn clip_ious(
    frames: &[Frame],
    prompt: &Points,
    precision: Precision,
    model: impl Fn(Precision) -> Arc<Model>,
) -> Vec<f64> {
    let info = VideoInfo { width: frames[0].width(), height: frames[0].height(), num_frames: frames.len() };
    let [single, other] = [Precision::F32, precision].map(|precision| {
        let mut predictor =
            VideoPredictor::new(model(precision), info, VideoOptions::default()).expect("a video");
        predictor.add_points(0, &frames[0], 1, prompt).expect("a valid prompt");
        let frames = frames.iter().enumerate();
        let masks = frames.map(|(f, frame)| predictor.track_frame(f, frame).expect("a valid frame").mask(0));
        masks.collect::<Vec<_>>()
    });
    single.iter().zip(&other).map(|(a, b)| iou(a.data(), b.data())).collect()
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
pub fn tracked(model: &Arc<Model>, frames: usize) -> Vec<Vec<f32>> {
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
