//! Media, frames, predictions and events.

use std::io::{BufReader, Write};

use sam2_model::Rle;
use serde_json::{Value, json};

use crate::client::{read, start, start_with};

/// The click of `sam2 demo`.
pub const CLICK: &str = r#""points":[[109.5,90.5]],"labels":[1]"#;

pub fn rle(value: &Value) -> Rle {
    let side = |i: usize| value["size"][i].as_u64().expect("a size") as usize;
    Rle::from_coco_string(side(1), side(0), value["counts"].as_str().expect("counts")).expect("run lengths")
}

#[test]
fn the_server_describes_itself_and_its_media() {
    let server = start();
    let info = server.get("/api/v1/info").json();
    assert_eq!(info["model"], "embedded");
    assert_eq!(
        (&info["input_size"], &info["threads"], &info["embedded"]),
        (&json!(256), &json!(2), &json!(true))
    );
    assert_eq!(info["limits"], json!({ "max_upload": 1_000_000, "objects": 255, "points": 1000 }));
    assert_eq!(info["allow_write"], false);
    assert!(info["formats"].as_array().expect("a list").iter().any(|format| format["id"] == "coco"));
    let media = server.get("/api/v1/media").json();
    let entry = &media[0];
    assert_eq!(
        (&entry["name"], &entry["kind"], &entry["frames"]),
        (&json!("demo.gif"), &json!("clip"), &json!(24))
    );
    assert_eq!((&entry["width"], &entry["height"]), (&json!(256), &json!(256)));
    assert!(entry["fps"].is_number(), "the GIF says how fast it is");
}

#[test]
fn frames_are_jpegs_that_a_browser_keeps() {
    let server = start();
    let demo = sam2_media::frames::Clip::embedded(sam2_micro::DEMO_CLIP).expect("the clip");
    let truth: Vec<_> = demo.frames_from(0).expect("frames").map(|item| item.expect("a frame").1).collect();
    // Forwards, backwards, and far apart.
    for n in [0, 1, 2, 9, 3, 23, 22, 0, 23] {
        let answer = server.get(&server.media(&format!("frames/{n}")));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/jpeg")));
        assert!(answer.header("cache-control").expect("a header").contains("immutable"));
        let picture = image::load_from_memory(&answer.body).expect("a picture").into_rgb8();
        let error: u64 =
            picture.as_raw().iter().zip(truth[n].rgb()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let mean = error as f64 / picture.as_raw().len() as f64;
        // The clip has 256 colours with dithering, which JPEG blurs; another frame is farther off.
        assert!(mean < 6.0, "frame {n}: {mean}");
    }
    for n in ["24", "-1", "x", "99999999999999999999999"] {
        assert_eq!(server.get(&server.media(&format!("frames/{n}"))).status, 404, "{n}");
    }
}

#[test]
fn a_folder_of_pictures_of_different_sizes_is_a_list_of_pictures() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (name, size) in [("a.png", (8, 4)), ("b.png", (6, 6))] {
        image::RgbImage::new(size.0, size.1).save(folder.path().join(name)).expect("save");
    }
    let path = folder.path().to_owned();
    let server = start_with(|options| options.paths = vec![path]);
    let media = server.get("/api/v1/media").json();
    let names: Vec<_> =
        media.as_array().expect("a list").iter().map(|entry| (&entry["name"], &entry["kind"])).collect();
    assert_eq!(names, [(&json!("a.png"), &json!("image")), (&json!("b.png"), &json!("image"))]);
}

#[test]
fn a_click_has_three_candidates_and_the_best_is_the_object() {
    let server = start();
    let mut events = server.events(None);
    let body = format!(
        r#"{{"frame":0,"objects":[{{"obj_id":1,{CLICK}}}],"multimask":true,"seq":7,"preview":false}}"#
    );
    let answer = server.post(&server.media("predict"), &body);
    assert!(answer.header("server-timing").expect("a time").contains("engine;dur="));
    let answer = answer.json();
    let encoded = events.until("encoded");
    assert_eq!((&encoded["id"], &encoded["frame"]), (&json!(server.clip), &json!(0)));
    assert_eq!(answer["seq"], 7);
    let object = &answer["objects"][0];
    let candidates = object["candidates"].as_array().expect("a list");
    assert_eq!(candidates.len(), 3);
    let best = object["best"].as_u64().expect("an index") as usize;
    let truth = sam2_media::frames::Clip::embedded(sam2_micro::DEMO_TRUTH).expect("the truth");
    let (_, first) = truth.frames_from(0).expect("frames").next().expect("one").expect("a frame");
    let inside = first.rgb().chunks(3).map(|pixel| pixel[0] > 127).collect();
    let truth = sam2_model::Mask::new(256, 256, inside).expect("a mask").rle();
    let iou = rle(&candidates[best]["rle"]).iou(&truth).expect("of one size");
    assert!(iou > 0.9, "{iou}");
    // Several points, or a box, have one.
    let body = r#"{"frame":0,"objects":[{"obj_id":1,"box":[70,50,150,130]},
        {"obj_id":2,"points":[[109.5,90.5],[20,20]],"labels":[1,0],"box":null}]}"#;
    let answer = server.post(&server.media("predict"), body).json();
    for object in answer["objects"].as_array().expect("a list") {
        assert_eq!(object["candidates"].as_array().expect("a list").len(), 1);
    }
}

#[test]
fn an_older_preview_is_dropped_unread() {
    let server = start();
    // Each is about a frame of its own, which takes long to encode.
    let mut streams = Vec::new();
    for seq in 1..=12 {
        let body =
            format!(r#"{{"frame":{seq},"objects":[{{"obj_id":1,{CLICK}}}],"seq":{seq},"preview":true}}"#);
        let mut stream = server.connect();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nX-Sam2-Token: {}\r\nContent-Length: {}\r\n\r\n{body}",
            server.media("predict"),
            server.address,
            server.token,
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("sends");
        streams.push(stream);
    }
    let answers: Vec<_> =
        streams.into_iter().map(|stream| read(&mut BufReader::new(stream)).expect("an answer")).collect();
    assert_eq!(answers[11].status, 200, "the newest is answered");
    let stale: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(!stale.is_empty(), "nobody waits for all of them");
    for answer in stale {
        assert_eq!((answer.status, answer.code().as_str()), (409, "stale"));
    }
}

#[test]
fn events_go_on_where_a_page_left_off() {
    let server = start();
    let mut events = server.events(None);
    for frame in 0..3 {
        assert_eq!(server.post(&server.media("encode"), format!(r#"{{"frame":{frame}}}"#)).status, 202);
        assert_eq!(events.until("encoded")["frame"], frame);
    }
    let mut again = server.events(Some(1));
    assert_eq!(again.next().0, 2);
    assert_eq!(again.next().0, 3);
    // The number of an earlier server is not one of ours.
    let mut other = server.events(Some(999));
    assert_eq!(server.post(&server.media("encode"), r#"{"frame":0}"#).status, 202);
    assert_eq!(other.next().0, 4);
}

#[test]
fn osam_clients_get_the_inside_of_the_box() {
    let server = start_with(|options| options.osam = true);
    let mut png = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(64, 64, |x, y| {
        image::Rgb(if (20..40).contains(&x) && (20..40).contains(&y) { [220, 40, 40] } else { [30, 60, 90] })
    });
    picture.write_to(&mut png, image::ImageFormat::Png).expect("encodes");
    let image = base64(png.get_ref());
    let prompt = json!({ "points": [[30, 30]], "point_labels": [1] });
    let body = json!({ "model": "sam2:tiny", "image": image, "prompt": prompt });
    // They send no token.
    let answer = server.send("POST", "/api/generate", &[], body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let answer = answer.json();
    assert_eq!(answer["model"], "sam2:tiny");
    let annotation = &answer["annotations"][0];
    let side = |a: &str, b: &str| {
        annotation["bounding_box"][b].as_u64().expect("b")
            - annotation["bounding_box"][a].as_u64().expect("a")
            + 1
    };
    let mask = annotation["mask"].as_str().expect("a mask");
    // The header of a PNG: signature, length, IHDR, width, height.
    assert!(mask.starts_with("iVBORw0KGgo"), "{mask:.20}");
    assert!(side("xmin", "xmax") > 5 && side("ymin", "ymax") > 5);
    for bad in [
        json!({ "model": "a" }),
        json!({ "model": "a", "image": "%%", "prompt": { "points": [[1, 1]] } }),
        json!({ "model": "a", "image": "AAAA", "prompt": { "points": [[1, 1]] } }),
        json!({ "model": "a", "image": image, "prompt": { "texts": ["car"] } }),
        json!({ "model": "a", "image": image, "prompt": { "points": [[1, 1]], "point_labels": [7] } }),
    ] {
        let answer = server.send("POST", "/api/generate", &[], bad.to_string().as_bytes());
        assert!((400..500).contains(&answer.status), "{bad}: {}", answer.status);
    }
    let headers = [("Origin", "http://evil.example")];
    assert_eq!(server.send("POST", "/api/generate", &headers, body.to_string().as_bytes()).status, 403);
    let plain = start();
    assert_eq!(plain.send("POST", "/api/generate", &[], b"{}").status, 401);
    assert_eq!(plain.post("/api/generate", "{}").status, 404);
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1)).peekable();
    let mut text = String::new();
    while bits.peek().is_some() {
        let digit = (0..6).fold(0, |digit, _| digit << 1 | bits.next().unwrap_or(0));
        text.push(char::from(DIGITS[usize::from(digit)]));
    }
    text
}
