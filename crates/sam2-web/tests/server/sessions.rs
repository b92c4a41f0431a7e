//! What is on the disk, and how the next server continues.

use serde_json::json;

use crate::client::{start, start_in};
use crate::tracking::{masks, prompt, set};

#[test]
fn the_next_server_has_the_same_state() {
    let mut first = start();
    set(&first, 0, 1);
    prompt(&first, 4, 2, r#""op":"set","box":[150,150,220,220]"#);
    first.put(&first.clip("objects/1"), r##"{"name":"ball","color":"#123456"}"##);
    let mut events = first.events(None);
    assert_eq!(first.post(&first.clip("track"), r#"{"start":0,"end":7}"#).status, 202);
    events.until("done");
    drop(events);
    let (kept, prompts) = (masks(&first), first.get(&first.clip("prompts")).json());
    first.server.stop();
    let folder = std::mem::replace(&mut first.folder, tempfile::tempdir().expect("temporary folder"));
    drop(first);
    let second = start_in(folder, |_| {});
    assert_eq!((masks(&second), second.get(&second.clip("prompts")).json()), (kept.clone(), prompts));
    // It goes on from there.
    prompt(&second, 0, 1, r#""op":"more","points":[[120,95]],"labels":[1]"#);
    let mut events = second.events(None);
    assert_eq!(second.post(&second.clip("track"), r#"{"start":4}"#).status, 202);
    events.until("done");
    let after = masks(&second);
    assert_eq!((after.len(), &after[1..4]), (24, &kept[1..4]));
}

#[test]
fn a_session_in_use_is_refused() {
    let first = start();
    let error = sam2_web::Server::start(sam2_micro::model(), crate::client::options(first.folder.path()));
    assert!(error.expect_err("in use").to_string().contains("another server"));
}

#[test]
fn prompts_go_out_and_in_as_the_command_line_reads_them() {
    let server = start();
    set(&server, 0, 1);
    prompt(&server, 4, 2, r#""op":"set","box":[150,150,220,220]"#);
    let path = format!("/api/v1/session?id={}", server.clip);
    let text = String::from_utf8(server.get(&path).body).expect("text");
    let lines = sam2_media::prompts::jsonl::parse(&text, "it", "".as_ref(), Err).expect("a prompts file");
    assert_eq!(lines.iter().map(|line| (line.frame, line.obj_id)).collect::<Vec<_>>(), [(0, 1), (4, 2)]);
    let (kept, prompts) = (masks(&server), server.get(&server.clip("prompts")).json());

    let other = start();
    set(&other, 9, 7);
    let path = format!("/api/v1/session?id={}", other.clip);
    let put = other.put(&path, &text);
    assert_eq!((put.status, put.json()), (200, json!({ "prompts": 2 })));
    assert_eq!(masks(&other), kept);
    assert_eq!(other.get(&other.clip("prompts")).json()["prompts"], prompts["prompts"]);
    for bad in [
        "",
        "x",
        r#"{"frame":99,"obj_id":1,"points":[[1,1]]}"#,
        r#"{"frame":0,"obj_id":300,"points":[[1,1]]}"#,
        r#"{"frame":0,"obj_id":1,"points":[[999,1]]}"#,
        "\u{0}",
    ] {
        assert_eq!(other.put(&path, bad).code(), "bad_prompt", "{bad}");
    }
    assert_eq!(masks(&other), kept, "a file that is refused changes nothing");
}
