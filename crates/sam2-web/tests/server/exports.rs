//! Exports over the wire; their contents are tested with the exporters.

use std::io::{Cursor, Read};

use serde_json::{Value, json};

use crate::client::{Running, start, start_with};
use crate::tracking::set;

fn tracked() -> Running {
    let server = start_with(|_| {});
    set(&server, 0, 1);
    server.put(&server.clip("objects/1"), r##"{"name":"a, 2=ball","color":"#123456"}"##);
    let mut events = server.events(None);
    assert_eq!(server.post(&server.clip("track"), r#"{"end":3}"#).status, 202);
    events.until("done");
    server
}

fn request(server: &Running, format: &str, options: &Value) -> String {
    json!({ "ids": [server.clip], "format": format, "options": options }).to_string()
}

#[test]
fn one_file_comes_as_it_is_and_several_as_a_zip() {
    let server = tracked();
    let coco = server.post("/api/v1/export", request(&server, "coco", &json!({ "always_rle": true })));
    assert_eq!((coco.status, coco.header("content-type")), (200, Some("application/json")));
    let named = "attachment; filename*=UTF-8''demo_coco.json";
    assert_eq!(coco.header("content-disposition"), Some(named));
    let coco = coco.json();
    assert_eq!(coco["annotations"].as_array().expect("a list").len(), 4);
    assert_eq!(coco["categories"][0]["name"], "a, 2=ball");
    for format in ["yolo", "labelme", "davis", "sav-png", "overlay", "alpha", "mot"] {
        let answer = server.post("/api/v1/export", request(&server, format, &json!({})));
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/zip")),
            "{format}"
        );
        let mut archive = zip::ZipArchive::new(Cursor::new(answer.body)).expect("a zip");
        assert!(archive.len() > 1, "{format}");
        for i in 0..archive.len() {
            let mut file = archive.by_index(i).expect("a file");
            let name = file.name().expect("a name").into_owned();
            assert!(!name.starts_with('/') && !name.contains("..") && !name.contains('\\'), "{name}");
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).expect("it is whole");
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("sam2-serve-"), "{format} {name} names a folder of the server");
        }
    }
    for format in ["ytvis", "sav", "mots"] {
        let answer = server.post("/api/v1/export", request(&server, format, &json!({})));
        assert_eq!(answer.status, 200, "{format}");
    }
    let gif = server.post("/api/v1/export", request(&server, "overlay", &json!({ "extension": "gif" })));
    assert_eq!(
        (gif.status, gif.header("content-type"), &gif.body[..4]),
        (200, Some("image/gif"), &b"GIF8"[..])
    );
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let server = start();
    let post = |body: &str| server.post("/api/v1/export", body).code();
    assert_eq!(post(&request(&server, "coco", &json!({}))), "no_mask");
    assert_eq!(post(&request(&server, "word", &json!({}))), "bad_format");
    assert_eq!(post(&request(&server, "coco", &json!({ "simplify": -1 }))), "bad_option");
    assert_eq!(post(&request(&server, "coco", &json!({ "extension": "exe" }))), "bad_option");
    assert_eq!(post(&request(&server, "coco", &json!({ "write": true }))), "bad_option");
    assert_eq!(post(&request(&server, "coco", &json!({ "path": "/tmp" }))), "bad_json");
    assert_eq!(post(r#"{"ids":[],"format":"coco"}"#), "bad_export");
    assert_eq!(post(r#"{"ids":["../a"],"format":"coco"}"#), "not_found");
}

#[test]
fn exports_are_written_into_the_allowed_folder_and_replace_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let allowed = folder.path().to_owned();
    let server = start_with(|options| options.allow_write = Some(allowed));
    set(&server, 0, 1);
    assert_eq!(server.get("/api/v1/info").json()["allow_write"], true);
    #[cfg(unix)]
    std::os::unix::fs::symlink("/tmp", folder.path().join("demo_coco")).expect("a link");
    #[cfg(not(unix))]
    std::fs::create_dir(folder.path().join("demo_coco")).expect("a folder");
    for n in [2, 3] {
        let answer = server.post("/api/v1/export", request(&server, "coco", &json!({ "write": true })));
        assert_eq!(answer.status, 200);
        let name = format!("demo_coco_{n}/instances.json");
        assert_eq!(answer.json()["files"], json!([name]));
        assert!(folder.path().join(name).is_file());
    }
}
