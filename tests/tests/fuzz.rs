//! Damaged copies of every file that the library reads: each is read, or refused in one line, without a panic
//! and with bounded memory. (`.pt` and `.npy` have such tests next to their readers.)

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use safetensors::tensor::{SafeTensors, serialize};
use sam2_model::config::Config;
use sam2_model::video::{Direction, VideoInfo, VideoOptions};
use sam2_model::{ImagePredictor, Model, Points, VideoPredictor};
use sam2_tests::mutate::mutated;
use sam2_tests::probe::Probes;
use sam2_tests::{clips, micro};
use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// Serialises the attacks, so that each counts only its own allocations.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `read` on `cases` damaged copies of `file`, edited within its first `reach` bytes. The memory limit
/// is far above any valid use.
fn attack(file: &[u8], reach: usize, cases: u64, read: impl Fn(&[u8]) -> Result<(), String>) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut accepted, mut refused) = (0, 0);
    for case in 0..cases {
        let bytes = mutated(file, reach, case);
        let region = Region::new(ALLOCATOR);
        let outcome =
            catch_unwind(AssertUnwindSafe(|| read(&bytes))).unwrap_or_else(|_| panic!("case {case} panics"));
        let allocated = region.change().bytes_allocated;
        assert!(allocated < 2 << 30, "case {case} allocates {allocated} bytes");
        match outcome {
            Ok(()) => accepted += 1,
            Err(error) => {
                assert!(!error.contains('\n') && error.len() < 1000, "case {case}: {error}");
                refused += 1;
            }
        }
    }
    println!("{cases} damaged copies: {accepted} read, {refused} refused");
}

/// Runs `read` on copies of a safetensors file with damaged metadata values only, which the safetensors crate
/// accepts and the library parses.
fn attack_metadata(file: &[u8], cases: u64, read: impl Fn(&[u8]) -> Result<(), String>) {
    let (_, header) = SafeTensors::read_metadata(file).expect("a header");
    let metadata = header.metadata().clone().expect("it has metadata");
    let parsed = SafeTensors::deserialize(file).expect("a safetensors file");
    for (key, text) in &metadata {
        let rebuilt = |bytes: &[u8]| {
            let mut metadata = metadata.clone();
            metadata.insert(key.clone(), String::from_utf8_lossy(bytes).into_owned());
            read(&serialize(parsed.tensors(), Some(metadata)).expect("it can be written"))
        };
        attack(text.as_bytes(), text.len(), cases, rebuilt);
    }
}

fn header_len(safetensors: &[u8]) -> usize {
    8 + u64::from_le_bytes(safetensors[..8].try_into().expect("eight bytes")) as usize
}

#[test]
fn checkpoints() {
    let file = micro::asset("sam2.1_micro.safetensors");
    let read = |bytes: &[u8]| Model::from_bytes(bytes, "x").map(|_| ()).map_err(|e| e.to_string());
    attack(&file, header_len(&file), 150, read);
    attack_metadata(&file, 300, read);
}

/// `value` as YAML; lists and scalars in JSON syntax.
fn yaml(value: &Value, indent: usize) -> String {
    let section = value.as_object().expect("a section");
    let lines = section.iter().map(|(key, value)| match value {
        Value::Object(_) => format!("{:indent$}{key}:\n{}", "", yaml(value, indent + 2)),
        other => format!("{:indent$}{key}: {other}\n", ""),
    });
    lines.collect()
}

#[test]
fn configurations() {
    let json = Probes::open("scenarios_tiny_256.safetensors").u8s("model#config");
    let read = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let json = Config::from_json(&text, "x").map(|_| ()).map_err(|e| e.to_string());
        let yaml = Config::from_yaml(&text, "x").map(|_| ()).map_err(|e| e.to_string());
        json.or(yaml)
    };
    read(&json).expect("the whole one is read");
    attack(&json, json.len(), 1500, read);
    let text = yaml(&serde_json::from_slice(&json).expect("JSON"), 0).into_bytes();
    read(&text).expect("the whole one is read");
    attack(&text, text.len(), 1500, read);
}

#[test]
fn sessions() {
    let model = Model::from_bytes(&micro::asset("sam2.1_micro.safetensors"), "micro").expect("it loads");
    let frames = clips::clip(&json!({"gif": "balloon.gif", "frames": [0, 1, 2, 3]}));
    let info = VideoInfo { width: frames[0].width(), height: frames[0].height(), num_frames: frames.len() };
    let mut predictor =
        VideoPredictor::new(model.clone(), info, VideoOptions::default()).expect("valid options");
    predictor.add_points(0, &frames[0], 1, &Points::click(58.0, 100.0)).expect("a valid prompt");
    predictor.track_frame(0, &frames[0]).expect("a frame");
    predictor.track_frame(1, &frames[1]).expect("a frame");
    predictor.add_points(1, &frames[1], 2, &Points::click(58.0, 100.0)).expect("a valid prompt");
    let file = predictor.save_session();
    let read = |bytes: &[u8]| {
        let mut predictor =
            VideoPredictor::resume_session(model.clone(), bytes, "x").map_err(|e| e.to_string())?;
        // An accepted session must not fail later.
        let pass = predictor.begin(Some(2), Some(0), Direction::Forward).map_err(|e| e.to_string())?;
        pass.into_iter()
            .try_for_each(|f| predictor.track_frame(f, &frames[f]).map(|_| ()).map_err(|e| e.to_string()))
    };
    read(&file).expect("the whole one is read");
    attack(&file, header_len(&file), 150, read);
    attack_metadata(&file, 1000, read);
}

#[test]
fn embeddings() {
    let model = Model::from_bytes(&micro::asset("sam2.1_micro.safetensors"), "micro").expect("it loads");
    let frame = &clips::clip(&json!({"gif": "balloon.gif", "frames": [0]}))[0];
    let mut predictor = ImagePredictor::new(model.clone());
    predictor.set_image(frame);
    let folder = std::env::temp_dir().join(format!("sam2-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the files");
    let path = folder.join("x.safetensors");
    predictor.save_embeddings(&path).expect("it is written");
    let file = std::fs::read(&path).expect("it is there");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("it is written");
        let mut predictor = ImagePredictor::new(model.clone());
        predictor.load_embeddings(&path).map_err(|e| e.to_string())?;
        let prompt = Points::click(1.0, 1.0).into();
        predictor.predict(&prompt).map(|_| ()).map_err(|e| e.to_string())
    };
    read(&file).expect("the whole one is read");
    attack(&file, header_len(&file), 150, read);
    attack_metadata(&file, 150, read);
    std::fs::remove_dir_all(&folder).expect("the folder can go");
}
