//! How much is taken: connections, time, bytes.

use std::io::{BufReader, Read, Write};
use std::time::{Duration, Instant};

use image::{ImageFormat, RgbImage};

use crate::client::{read, start, start_with};

fn picture(side: u32, seed: u32) -> Vec<u8> {
    let noise =
        |x: u32, y: u32| (x.wrapping_mul(7919) ^ y.wrapping_mul(104_729) ^ seed).wrapping_mul(2_654_435_761);
    let image = RgbImage::from_fn(side, side, |x, y| {
        image::Rgb(noise(x, y).to_le_bytes()[1..].try_into().expect("three"))
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Bmp).expect("encodes");
    bytes.into_inner()
}

#[test]
fn uploads_are_refused_before_they_are_read_and_counted_together() {
    let mut server = start_with(|options| options.max_upload = 100_000);
    let head = |length: &str| {
        format!(
            "POST /api/v1/media?name=a.png HTTP/1.1\r\nHost: {}\r\nX-Sam2-Token: {}\r\n{length}\r\n",
            server.address, server.token
        )
    };
    // Nothing of the body was sent, and the answer is there.
    let answer = server.raw(head("Content-Length: 1000000000000\r\n").as_bytes());
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"));
    let answer = server.raw(head("Transfer-Encoding: chunked\r\n").as_bytes());
    assert_eq!((answer.status, answer.code().as_str()), (411, "no_length"));

    let bytes = picture(140, 1);
    assert!((50_000..100_000).contains(&bytes.len()));
    let first = server.post("/api/v1/media?name=..%2Fa%20b.bmp", &bytes);
    assert_eq!(first.status, 200, "{}", String::from_utf8_lossy(&first.body));
    let entry = first.json();
    assert_eq!(
        (&entry["name"], &entry["kind"], &entry["width"]),
        (&"a b.bmp".into(), &"image".into(), &140.into())
    );
    assert_eq!(server.post("/api/v1/media?name=b.bmp", &bytes).code(), "too_large");
    let id = entry["id"].as_str().expect("an id");
    assert_eq!(server.get(&format!("/api/v1/media/{id}/frames/0")).status, 200);
    assert_eq!(server.delete(&format!("/api/v1/media/{id}")).status, 204);
    assert_eq!(server.delete(&format!("/api/v1/media/{id}")).status, 404);
    assert_eq!(server.get(&format!("/api/v1/media/{id}/frames/0")).status, 404);
    assert_eq!(server.post("/api/v1/media?name=b.bmp", &bytes).status, 200);
    assert_eq!(server.delete(&format!("/api/v1/media/{}", server.clip)).code(), "not_an_upload");

    let answer = server.post("/api/v1/media?name=c.png", "no picture");
    assert_eq!(answer.status, 422);
    let message = answer.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert!(!message.contains("sam2-serve-") && !message.contains("/tmp"), "{message}");
    for name in ["", "?name=", "?name=a/", "?nam=a.png", "?name=a.png&path=b"] {
        assert_eq!(server.post(&format!("/api/v1/media{name}"), "x").status, 400, "{name}");
    }
    #[cfg(unix)]
    for folder in server.upload_folder() {
        use std::os::unix::fs::PermissionsExt;
        // Another test's server may have ended meanwhile.
        let Ok(data) = folder.metadata() else { continue };
        assert_eq!(data.permissions().mode() & 0o777, 0o700, "{}", folder.display());
    }
    server.server.stop();
}

#[test]
fn uploads_are_gone_at_the_end() {
    let mut server = start();
    let answer = server.post("/api/v1/media?name=a.bmp", picture(40, 2));
    assert_eq!(answer.status, 200);
    let of_this_server = |folders: Vec<std::path::PathBuf>| {
        folders.into_iter().filter(|folder| server.server.folder() == folder).count()
    };
    assert_eq!(of_this_server(server.upload_folder()), 1);
    let folder = server.server.folder().to_owned();
    assert_eq!(std::fs::read_dir(&folder).expect("list").count(), 3, "upload, lock and frames");
    server.server.stop();
    assert!(!folder.exists());
}

#[test]
fn the_33rd_connection_is_refused_and_the_others_go_on() {
    let server = start();
    let mut idle: Vec<_> = (0..32).map(|_| server.connect()).collect();
    // Accepted in order, so all 32 are.
    let refused = server.raw(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!((refused.status, refused.code().as_str()), (503, "connections"));
    let head = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    idle[0].write_all(head.as_bytes()).expect("sends");
    assert_eq!(read(&mut BufReader::new(&idle[0])).expect("an answer").status, 401);
    drop(idle);
    let answered = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        server.raw(head.as_bytes()).status == 401
    });
    assert!(answered, "closed connections are not counted");
    let many: Vec<_> = (0..200).map(|_| server.connect()).collect();
    drop(many);
    let answered = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        server.raw(head.as_bytes()).status == 401
    });
    assert!(answered, "200 connections do no harm");
}

#[test]
fn a_head_must_arrive_within_ten_seconds() {
    let server = start();
    for text in ["", "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let (mut stream, start) = (server.connect(), Instant::now());
        stream.write_all(text.as_bytes()).expect("sends");
        let mut rest = Vec::new();
        // Closed, or reset.
        let _ = stream.read_to_end(&mut rest);
        let seconds = start.elapsed().as_secs_f64();
        assert!((9.0..25.0).contains(&seconds), "{seconds} s");
    }
}

#[test]
fn a_body_must_go_on_within_twenty_seconds() {
    let server = start();
    let (path, start) = (server.clip("prompts"), Instant::now());
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nX-Sam2-Token: {}\r\nContent-Length: 99\r\n\r\n{{",
        server.address, server.token
    );
    let answer = server.raw(head.as_bytes());
    assert_eq!((answer.status, answer.code().as_str()), (408, "slow"));
    let seconds = start.elapsed().as_secs_f64();
    assert!((19.0..40.0).contains(&seconds), "{seconds} s");
}

#[test]
fn a_head_has_64_kib_at_most() {
    let server = start();
    let long = "x".repeat(80_000);
    let answer = server.send("GET", "/", &[("X-Long", &long)], b"");
    assert_eq!(answer.status, 431);
    let answer = server.send("GET", &format!("/{long}"), &[], b"");
    assert!(matches!(answer.status, 414 | 431), "{}", answer.status);
    let fits = "x".repeat(30_000);
    assert_eq!(server.send("GET", "/", &[("X-Long", &fits)], b"").status, 401);
}

#[test]
fn a_json_body_has_a_mebibyte_at_most() {
    let server = start();
    let path = server.clip("prompts");
    let large =
        format!("{{\"frame\":0,\"obj_id\":1,\"op\":\"set\",\"points\":[[1,1]{}]}}", ",[1,1]".repeat(200_000));
    let answer = server.post(&path, &large);
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"));
    let deep = "[".repeat(100_000);
    for body in ["", "{", "null", "[]", "{}", "\u{feff}{}", &deep, "{\"frame\":1e99}", "\u{0}"] {
        assert_eq!(server.post(&path, body).code(), "bad_json", "{body:.20}");
    }
}

#[test]
fn what_a_prompt_may_hold_is_bounded() {
    let server = start();
    let (prompts, predict) = (server.clip("prompts"), server.media("predict"));
    let point = |n: usize| (vec!["[9,9]"; n].join(","), vec!["1"; n].join(","));
    let (points, labels) = point(1001);
    let many = format!(r#"{{"frame":0,"obj_id":1,"op":"set","points":[{points}],"labels":[{labels}]}}"#);
    assert_eq!(server.post(&prompts, &many).code(), "bad_prompt");
    let many = format!(r#"{{"frame":0,"objects":[{{"obj_id":1,"points":[{points}],"labels":[{labels}]}}]}}"#);
    assert_eq!(server.post(&predict, &many).code(), "bad_prompt");
    let object = r#"{"obj_id":1,"points":[[9,9]],"labels":[1]}"#;
    let many = format!(r#"{{"frame":0,"objects":[{}]}}"#, vec![object; 256].join(","));
    assert_eq!(server.post(&predict, &many).code(), "bad_prompt");
    for (body, code) in [
        (r#"{"frame":0,"obj_id":0,"op":"set","points":[[9,9]],"labels":[1]}"#, "bad_object"),
        (r#"{"frame":0,"obj_id":256,"op":"set","points":[[9,9]],"labels":[1]}"#, "bad_object"),
        (r#"{"frame":24,"obj_id":1,"op":"set","points":[[9,9]],"labels":[1]}"#, "not_found"),
        (r#"{"frame":0,"obj_id":1,"op":"set","points":[[900,9]],"labels":[1]}"#, "bad_prompt"),
        (r#"{"frame":0,"obj_id":1,"op":"set","points":[[9,9]],"labels":[2]}"#, "bad_prompt"),
        (r#"{"frame":0,"obj_id":1,"op":"set","points":[[9,9]]}"#, "bad_prompt"),
        (r#"{"frame":0,"obj_id":1,"op":"set"}"#, "bad_prompt"),
        (r#"{"frame":0,"obj_id":1,"op":"set","points":[[9,9]],"labels":[1],"candidate":3}"#, "bad_prompt"),
        (r#"{"frame":0,"obj_id":1,"op":"clear","points":[[9,9]],"labels":[1]}"#, "bad_prompt"),
        (r#"{"frame":0,"obj_id":1,"op":"mask"}"#, "bad_prompt"),
        (r#"{"frame":0,"obj_id":1,"op":"mask","rle":{"size":[2,2],"counts":"4"}}"#, "bad_mask"),
        (r#"{"frame":0,"obj_id":1,"op":"mask","rle":{"size":[256,256],"counts":"~"}}"#, "bad_mask"),
        (r#"{"frame":0,"obj_id":1,"op":"more","box":[1,1,9,9]}"#, "bad_prompt"),
        (r#"{"frame":0,"obj_id":1,"op":"set","points":[[9,9]],"labels":[1],"bbox":[1,1,9,9]}"#, "bad_json"),
        (r#"{"frame":-1,"obj_id":1,"op":"set","points":[[9,9]],"labels":[1]}"#, "bad_json"),
    ] {
        let answer = server.post(&prompts, body);
        assert!((400..500).contains(&answer.status));
        assert_eq!(answer.code(), code, "{body}");
    }
    assert_eq!(server.get(&prompts).json()["prompts"], serde_json::json!([]), "nothing was kept");
}
