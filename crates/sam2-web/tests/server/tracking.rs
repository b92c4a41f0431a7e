//! Prompts that are kept, and tracking.

use serde_json::{Value, json};

use crate::client::{Running, start};
use crate::wire::{CLICK, rle};

pub fn prompt(server: &Running, frame: usize, obj_id: u32, rest: &str) -> Value {
    let body = format!(r#"{{"frame":{frame},"obj_id":{obj_id},{rest}}}"#);
    let answer = server.post(&server.clip("prompts"), &body);
    assert_eq!(answer.status, 200, "{body}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

pub fn set(server: &Running, frame: usize, obj_id: u32) -> Value {
    prompt(server, frame, obj_id, &format!(r#""op":"set",{CLICK}"#))
}

pub fn masks(server: &Running) -> Vec<Value> {
    server.get(&server.clip("masks")).json()["frames"].as_array().expect("a list").clone()
}

/// The pass as `sam2 track` runs it.
fn reference() -> Vec<sam2_model::Rle> {
    use sam2_model::video::{Direction, VideoInfo, VideoOptions};
    let clip = sam2_media::frames::Clip::embedded(sam2_micro::DEMO_CLIP).expect("the clip");
    let frames: Vec<_> = clip.frames_from(0).expect("frames").map(|item| item.expect("a frame").1).collect();
    let info = VideoInfo::new(256, 256, frames.len());
    let model = sam2_micro::model();
    let options = VideoOptions::of(model.config());
    let mut predictor = sam2_model::VideoPredictor::new(model, info, options).expect("a predictor");
    let click = sam2_model::Points::click(109.5, 90.5).allow_outside(true);
    predictor.add_points(0, &frames[0], 1, &click).expect("a prompt");
    let pass: Vec<usize> = predictor.begin(None, None, Direction::Forward).expect("a pass").collect();
    pass.into_iter().map(|i| predictor.track_frame(i, &frames[i]).expect("a frame").mask(0).rle()).collect()
}

#[test]
fn a_tracked_clip_has_the_masks_of_the_command_line() {
    let server = start();
    let mut events = server.events(None);
    let answer = set(&server, 0, 1);
    assert_eq!((&answer["frame"], &answer["preview"]), (&json!(0), &json!(false)));
    assert_eq!(answer["objects"][0]["state"], "prompted");
    assert_eq!(events.until("saved")["clip"], server.clip);
    let job =
        server.post(&server.clip("track"), r#"{"start":0,"end":null,"direction":"forward","memory":null}"#);
    assert_eq!(job.status, 202);
    let job = job.json()["job"].clone();
    let (mut seen, mut last) = (Vec::new(), Value::Null);
    loop {
        let (_, name, data) = events.next();
        match name.as_str() {
            "mask" => seen.push(data),
            "progress" => last = data,
            "done" => {
                assert_eq!(data, json!({ "job": job, "clip": server.clip, "stopped": false }));
                break;
            }
            "saved" => {}
            other => panic!("{other}: {data}"),
        }
    }
    assert_eq!((&last["done"], &last["total"], &last["job"]), (&json!(24), &json!(24), &job));
    assert!(last["fps"].as_f64() > Some(0.0) && last["eta_s"].as_f64() == Some(0.0));
    let (kept, expected) = (masks(&server), reference());
    assert_eq!((seen.len(), kept.len()), (24, 24));
    for (i, frame) in kept.iter().enumerate() {
        assert_eq!(frame["frame"], i);
        assert_eq!(rle(&frame["objects"][0]["rle"]), expected[i], "frame {i}");
        assert_eq!(frame["objects"][0]["state"], if i == 0 { "prompted" } else { "tracked" });
        assert_eq!(seen[i]["objects"], frame["objects"]);
    }
    let part = server.get(&server.clip("masks?from=3&to=5")).json();
    assert_eq!(part["frames"].as_array().expect("a list"), &kept[3..=5]);
}

#[test]
fn undo_and_redo_give_the_same_bytes() {
    let server = start();
    let object = |answer: Value| answer["objects"][0].clone();
    let one = object(set(&server, 0, 1));
    let two = object(prompt(&server, 0, 1, r#""op":"more","points":[[120,95]],"labels":[1]"#));
    assert_ne!(one["rle"], two["rle"]);
    assert_eq!(object(set(&server, 0, 1)), one, "undo");
    let both = r#""op":"set","points":[[109.5,90.5],[120,95]],"labels":[1,1]"#;
    assert_eq!(object(prompt(&server, 0, 1, both)), two, "redo");
    let cleared = prompt(&server, 0, 1, r#""op":"clear""#);
    assert_eq!(cleared["objects"], json!([]));
    assert_eq!(object(set(&server, 0, 1)), one, "after clearing");
    // Also after tracking has used it.
    let mut events = server.events(None);
    assert_eq!(server.post(&server.clip("track"), r#"{"start":0,"end":4}"#).status, 202);
    events.until("done");
    assert_eq!(object(prompt(&server, 0, 1, both)), two, "after tracking");
    assert_eq!(object(set(&server, 0, 1)), one, "after tracking, undone");
}

#[test]
fn a_chosen_candidate_is_what_was_shown() {
    let server = start();
    let body = format!(r#"{{"frame":2,"objects":[{{"obj_id":1,{CLICK}}}],"multimask":true}}"#);
    let shown = server.post(&server.media("predict"), &body).json();
    for k in 0..3 {
        let answer = prompt(&server, 2, 1, &format!(r#""op":"set",{CLICK},"candidate":{k}"#));
        assert_eq!(answer["objects"][0]["rle"], shown["objects"][0]["candidates"][k]["rle"]);
        let kept = server.get(&server.clip("prompts")).json();
        assert_eq!(kept["prompts"][0]["candidate"], k);
    }
    // A given mask is that mask.
    let given = shown["objects"][0]["candidates"][0]["rle"].clone();
    let answer = prompt(&server, 3, 2, &format!(r#""op":"mask","rle":{given}"#));
    assert_eq!(answer["objects"][0]["rle"], given);
}

#[test]
fn objects_have_names_and_go_with_their_masks() {
    let server = start();
    set(&server, 0, 1);
    prompt(&server, 0, 2, r#""op":"set","box":[150,150,220,220]"#);
    let named = server.put(&server.clip("objects/2"), r##"{"name":"Käfer \"2\"","color":"#00ff7f"}"##);
    assert_eq!(named.status, 200);
    let kept = server.get(&server.clip("prompts")).json();
    assert_eq!(kept["objects"][1], json!({ "obj_id": 2, "name": "Käfer \"2\"", "color": "#00ff7f" }));
    assert_eq!(kept["prompts"][1]["box"], json!([150.0, 150.0, 220.0, 220.0]));
    for body in [r##"{"name":"a","color":"red"}"##, r##"{"name":"a\n","color":"#000000"}"##, "{}"] {
        assert_eq!(server.put(&server.clip("objects/2"), body).status, 400, "{body}");
    }
    let mut events = server.events(None);
    assert_eq!(server.post(&server.clip("track"), r#"{"start":0,"end":3}"#).status, 202);
    events.until("done");
    let gone = server.delete(&server.clip("objects/2")).json();
    assert_eq!(gone, json!({ "frames": [0, 1, 2, 3] }));
    assert!(masks(&server).iter().all(|frame| frame["objects"].as_array().expect("a list").len() == 1));
    assert_eq!(server.delete(&server.clip("objects/2")).status, 404);
    // What is left is tracked on.
    assert_eq!(server.post(&server.clip("track"), r#"{"start":0,"end":5}"#).status, 202);
    events.until("done");
    assert_eq!(masks(&server).len(), 6);
}

#[test]
fn a_pass_stops_after_its_frame_and_there_is_one_at_a_time() {
    let server = start();
    let path = server.clip("track");
    assert_eq!(server.post(&path, "{}").code(), "no_prompt");
    set(&server, 0, 1);
    for (body, code) in [
        (r#"{"start":24}"#, "not_found"),
        (r#"{"start":5,"end":3}"#, "bad_range"),
        (r#"{"start":5,"end":7,"direction":"reverse"}"#, "bad_range"),
        (r#"{"direction":"reverse"}"#, "bad_range"),
        (r#"{"direction":"sideways"}"#, "bad_json"),
        (r#"{"memory":"none"}"#, "bad_memory"),
        (r#"{"frames":3}"#, "bad_json"),
    ] {
        assert_eq!(server.post(&path, body).code(), code, "{body}");
    }
    let mut events = server.events(None);
    let job = server.post(&path, "{}").json()["job"].as_u64().expect("a job");
    let second = server.post(&path, "{}");
    assert_eq!((second.status, second.code().as_str()), (409, "tracking"));
    events.until("progress");
    assert_eq!(server.delete(&format!("/api/v1/jobs/{job}")).status, 204);
    let done = events.until("done");
    assert_eq!(done["stopped"], true);
    assert!(masks(&server).len() < 24);
    assert_eq!(server.delete(&format!("/api/v1/jobs/{job}")).status, 404);
    // And the next begins.
    assert_eq!(server.post(&path, r#"{"memory":"samurai","end":2}"#).status, 202);
    assert_eq!(events.until("done")["stopped"], false);
}

#[test]
fn a_click_while_tracking_is_answered_at_once_and_corrected_between_two_frames() {
    let server = start();
    set(&server, 0, 1);
    let mut events = server.events(None);
    assert_eq!(server.post(&server.clip("track"), "{}").status, 202);
    events.until("progress");
    let answer = prompt(&server, 20, 2, r#""op":"set","box":[150,150,220,220]"#);
    let preview = answer["preview"] == json!(true);
    if preview {
        loop {
            let mask = events.until("mask");
            let objects = mask["objects"].as_array().expect("a list");
            if mask["frame"] == 20 && objects.iter().any(|object| object["obj_id"] == 2) {
                break;
            }
        }
    }
    events.until("done");
    assert!(preview, "the pass was over before the click: the test has shown nothing");
    let kept = masks(&server);
    let second =
        |frame: usize| kept[frame]["objects"].as_array().expect("a list").iter().any(|o| o["obj_id"] == 2);
    assert!(second(20) && second(23), "the new object is tracked from its frame on");
}

#[test]
fn frames_before_a_correction_stay_as_they_are() {
    let server = start();
    set(&server, 0, 1);
    let mut events = server.events(None);
    assert_eq!(server.post(&server.clip("track"), "{}").status, 202);
    events.until("done");
    let before = masks(&server);
    prompt(&server, 15, 1, r#""op":"set","box":[60,60,200,200]"#);
    assert_eq!(server.post(&server.clip("track"), r#"{"start":15}"#).status, 202);
    events.until("done");
    let after = masks(&server);
    assert_eq!(before[..15], after[..15]);
    assert_ne!(before[15]["objects"], after[15]["objects"]);
    // The correction taken back shows what was tracked.
    let cleared = prompt(&server, 15, 1, r#""op":"clear""#);
    assert_eq!(cleared["objects"][0]["rle"], before[15]["objects"][0]["rle"]);
}

#[test]
fn one_thread_is_enough() {
    let server = crate::client::start_with(|options| options.threads = 1);
    set(&server, 0, 1);
    let mut events = server.events(None);
    assert_eq!(server.post(&server.clip("track"), "{}").status, 202);
    let body = format!(r#"{{"frame":9,"objects":[{{"obj_id":1,{CLICK}}}]}}"#);
    assert_eq!(server.post(&server.media("predict"), &body).status, 200);
    events.until("done");
    assert_eq!(server.post(&server.media("predict"), &body).status, 200);
    let expected = reference();
    assert!(
        masks(&server).iter().zip(expected).all(|(frame, mask)| rle(&frame["objects"][0]["rle"]) == mask)
    );
}

#[test]
fn both_directions_cover_the_clip() {
    let server = start();
    set(&server, 6, 1);
    let mut events = server.events(None);
    assert_eq!(server.post(&server.clip("track"), r#"{"direction":"both","end":9}"#).status, 202);
    let mut last = Value::Null;
    loop {
        let (_, name, data) = events.next();
        match name.as_str() {
            "progress" => last = data,
            "done" => break,
            "failed" => panic!("{data}"),
            _ => {}
        }
    }
    assert_eq!((&last["done"], &last["total"]), (&json!(10), &json!(10)));
    assert_eq!(masks(&server).len(), 10);
}
