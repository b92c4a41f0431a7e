//! Sessions with impossible contents are refused, at a cost that follows their size.

use std::sync::Arc;
use std::time::Instant;

use safetensors::tensor::{SafeTensors, TensorView, serialize};
use sam2_model::video::{MemoryPolicyKind, VideoOptions};
use sam2_model::{Frame, Model, Points, Tracker};
use sam2_tests::{micro, seeded};
use serde_json::{Value, json};

const KEY: &str = "sam2.session";

/// A change to the header of a session.
type Edit<'a> = &'a dyn Fn(&mut Value);

fn frame(index: usize) -> Frame {
    Frame::new(96, 64, seeded::photo("session", 96, 64, index)).expect("the photo fills the frame")
}

/// A session of a stream of five frames, with a prompt on the first and a correction on the last.
fn session(model: &Arc<Model>, policy: MemoryPolicyKind) -> Vec<u8> {
    let options = VideoOptions::default().memory(policy);
    let mut tracker = Tracker::new(model.clone(), 96, 64, options).expect("a size");
    for index in 0..5 {
        tracker.push(&frame(index)).expect("a frame");
        match index {
            0 => drop(tracker.add_points(1, &Points::click(40.0, 30.0)).expect("a click")),
            4 => drop(tracker.add_points(1, &Points::bbox(20.0, 10.0, 70.0, 50.0)).expect("a box")),
            _ => {}
        }
    }
    tracker.save_session()
}

/// The session with its header changed.
fn edited(session: &[u8], edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(session).expect("a header");
    let mut metadata = header.metadata().clone().expect("metadata");
    let mut value: Value = serde_json::from_str(&metadata[KEY]).expect("JSON");
    edit(&mut value);
    metadata.insert(KEY.to_owned(), value.to_string());
    let tensors = SafeTensors::deserialize(session).expect("a safetensors file");
    serialize(tensors.tensors(), Some(metadata)).expect("it can be written")
}

#[test]
fn impossible_sessions_are_refused() {
    let model = micro::model();
    let whole = session(&model, MemoryPolicyKind::Sam2);
    let resume = |bytes: &[u8]| {
        let start = Instant::now();
        let resumed = Tracker::resume_session(model.clone(), bytes, "x").map_err(|e| e.to_string());
        assert!(start.elapsed().as_secs() < 5);
        resumed
    };
    let mut tracker = resume(&edited(&whole, |_| ())).expect("the whole one is resumed");
    assert!(tracker.push(&frame(5)).is_ok());
    let cases: [(&str, Edit); 22] = [
        ("spans", &|x| x["objects"][0]["forward"] = (0..200_000).map(|i| json!([2 * i, 2 * i])).collect()),
        ("a span of the future", &|x| x["objects"][0]["lost"] = json!([[0, u64::MAX]])),
        ("a span that ends before it begins", &|x| x["objects"][0]["reverse"] = json!([[3, 2]])),
        ("an output twice", &|x| x["objects"][0]["hypotheses"][0]["non_cond"] = json!(vec![2; 100_000])),
        ("a prompt twice", &|x| x["objects"][0]["hypotheses"][0]["cond"] = json!([0, 0])),
        ("an absent output", &|x| x["objects"][0]["hypotheses"][0]["cond"] = json!([1])),
        ("an output too few", &|x| x["objects"][0]["hypotheses"][0]["non_cond"] = json!([])),
        ("no hypothesis", &|x| x["objects"][0]["hypotheses"] = json!([])),
        ("hypotheses", &|x| {
            let empty = json!({"score": 0.0, "cond": [], "non_cond": []});
            x["objects"][0]["hypotheses"].as_array_mut().expect("a list").extend(vec![empty; 1000]);
        }),
        ("a hypothesis twice", &|x| {
            let first = x["objects"][0]["hypotheses"][0].clone();
            x["objects"][0]["hypotheses"].as_array_mut().expect("a list").push(first);
        }),
        ("an object twice", &|x| {
            let first = x["objects"][0].clone();
            x["objects"].as_array_mut().expect("a list").push(first);
        }),
        ("a label", &|x| x["objects"][0]["points"] = json!({"3": [[1.0, 1.0, 7]]})),
        ("clicks", &|x| {
            x["objects"][0]["points"] = json!({"3": vec![json!([1.0, 1.0, 1]); Points::MAX + 1]})
        }),
        ("clicks on a frame of the future", &|x| x["objects"][0]["points"] = json!({"77": [[1.0, 1.0, 1]]})),
        ("a prompt without features", &|x| x["pending"] = json!([])),
        ("a large video", &|x| x["info"]["width"] = json!(4_000_000_000_u64)),
        ("another size", &|x| x["info"]["width"] = json!(97)),
        ("no frame", &|x| x["frames"] = json!(0)),
        ("fewer frames", &|x| x["frames"] = json!(3)),
        ("too many frames", &|x| x["frames"] = json!(u64::MAX)),
        ("another next frame", &|x| x["next"] = json!(9)),
        ("a limit of one frame", &|x| x["options"]["max_cond_frames_in_attn"] = json!(1)),
    ];
    for (what, edit) in cases {
        let error = resume(&edited(&whole, edit)).err().unwrap_or_else(|| panic!("{what} is accepted"));
        assert!(error.starts_with("x: not a usable session") && !error.contains('\n'), "{what}: {error}");
    }
    // Numbers that are none, in every tensor.
    let parsed = SafeTensors::deserialize(&whole).expect("a safetensors file");
    let (_, header) = SafeTensors::read_metadata(&whole).expect("a header");
    for name in parsed.names().into_iter().filter(|name| *name != "last_frame") {
        let views = parsed.tensors().into_iter().map(|(other, view)| {
            let mut bytes = view.data().to_vec();
            if other == name {
                let end = bytes.len();
                bytes[end - 2..].copy_from_slice(&[0xff, 0x7f]);
            }
            (other, view.dtype(), view.shape().to_vec(), bytes)
        });
        let views: Vec<_> = views.collect();
        let views = views.iter().map(|(name, dtype, shape, bytes)| {
            (name, TensorView::new(*dtype, shape.clone(), bytes).expect("the bytes fill the shape"))
        });
        let bytes = serialize(views, header.metadata().clone()).expect("it can be written");
        let error = resume(&bytes).err().unwrap_or_else(|| panic!("{name} is accepted"));
        assert!(error.contains("not numbers"), "{name}: {error}");
    }
}

#[test]
fn impossible_states_of_memory_policies_are_refused() {
    let model = micro::model();
    let whole = session(&model, MemoryPolicyKind::Dam4sam);
    for (key, value) in [
        ("recent", json!((0..100_000).collect::<Vec<_>>())),
        ("resolving", json!([u64::MAX])),
        ("areas", json!(vec![1; 100_000])),
    ] {
        let bytes = edited(&whole, |x| x["objects"][0]["policy"][key] = value);
        let error = Tracker::resume_session(model.clone(), &bytes, "x").expect_err("refused").to_string();
        assert!(error.contains("memory policy"), "{error}");
    }
    // The longest run of stable frames goes on.
    let whole = session(&model, MemoryPolicyKind::Samurai);
    let bytes = edited(&whole, |x| x["objects"][0]["policy"]["stable_frames"] = json!(u32::MAX));
    let mut tracker = Tracker::resume_session(model, &bytes, "x").expect("it is possible");
    assert!(tracker.push(&frame(5)).is_ok());
}

/// A stream keeps a number of prompted frames, the first one among them, and resumes with them.
#[test]
fn a_stream_keeps_the_first_and_the_last_prompted_frames() {
    let model = micro::model();
    let options = VideoOptions::default().kept_prompted_frames(3);
    let mut tracker = Tracker::new(model.clone(), 96, 64, options).expect("a size");
    for index in 0..12 {
        tracker.push(&frame(index)).expect("a frame");
        if index % 2 == 0 {
            tracker.add_points(1, &Points::click(40.0 + index as f32, 30.0)).expect("a click");
        }
    }
    let session = tracker.save_session();
    let (_, header) = SafeTensors::read_metadata(&session).expect("a header");
    let metadata = header.metadata().as_ref().expect("metadata");
    let value: Value = serde_json::from_str(&metadata[KEY]).expect("JSON");
    assert_eq!(value["objects"][0]["hypotheses"][0]["cond"], json!([0, 8, 10]));
    assert_eq!(value["objects"][0]["points"], json!({}));
    let mut resumed = Tracker::resume_session(model, &session, "x").expect("it is resumed");
    let (a, b) = (tracker.push(&frame(12)).expect("a frame"), resumed.push(&frame(12)).expect("a frame"));
    assert_eq!(a.objects, b.objects);
}
