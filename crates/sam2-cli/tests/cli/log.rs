//! Lines on stderr as events.

use serde_json::Value;

use crate::common::{Place, asset, sam2, stderr};

/// Runs a command and reads what it says on stderr, an event per line.
fn events(command: &mut std::process::Command) -> (bool, Vec<Value>) {
    let output = command.output().expect("sam2 starts");
    let lines: Vec<Value> = stderr(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    for line in &lines {
        let ts = line["ts"].as_str().expect("ts");
        assert!(ts.len() == "2026-12-01T00:00:00.000Z".len() && ts.ends_with('Z'), "{ts}");
        assert!(["error", "note", "info"].contains(&line["level"].as_str().expect("level")), "{line}");
    }
    (output.status.success(), lines)
}

fn track(place: &Place, more: &[&str]) -> std::process::Command {
    let mut command = sam2();
    command.args(["track", asset("demo.gif").to_str().expect("UTF-8"), "-p", "100,85", "--overwrite"]);
    command.args(["-o", &place.arg("out")]).args(more);
    command
}

#[test]
fn notes_and_progress_are_events() {
    let place = Place::new();
    let (done, lines) = events(&mut track(&place, &["--log", "json"]));
    assert!(done);
    assert!(lines.iter().any(|line| line["level"] == "note"), "the note about the embedded model");
    let last = lines.iter().rfind(|line| line["event"] == "progress").expect("progress");
    assert_eq!(last["done"], last["total"]);
    assert!(last["per_second"].as_f64().expect("a rate") > 0.0 && last["eta_s"] == 0.0, "{last}");

    let (done, quiet) = events(track(&place, &["-q"]).env("SAM2_LOG", "json"));
    assert!(done && quiet.is_empty(), "{quiet:?}");
}

#[test]
fn errors_are_events_whatever_is_wrong() {
    let place = Place::new();
    for (args, word) in [
        (&["segment", "nowhere\u{1b}[31m.png", "-p", "1,1"][..], "nowhere"),
        (&["segmnt"], "unrecognized"),
        (&["track", "--log=json", "--nothing"], "--nothing"),
    ] {
        let (done, lines) = events(sam2().current_dir(place.path()).env("SAM2_LOG", "json").args(args));
        let last = lines.last().expect("an error");
        assert!(!done && last["level"] == "error", "{last}");
        assert!(last["message"].as_str().expect("a message").contains(word), "{last}");
    }
    let output = sam2().arg("info").env("SAM2_LOG", "xml").output().expect("sam2 starts");
    assert!(!output.status.success());
    assert_eq!(stderr(&output), "error: SAM2_LOG is xml, expected text or json\n");
}
