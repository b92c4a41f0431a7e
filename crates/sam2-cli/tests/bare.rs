//! The program without its embedded model: `cargo test -p sam2-cli --no-default-features`.
#![cfg(not(feature = "embedded"))]

use std::process::Command;

/// Runs it; returns whether it succeeded, stdout and stderr.
fn sam2(args: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sam2")).args(args).output().expect("sam2 starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn commands_that_need_a_model_ask_for_a_checkpoint_in_one_line() {
    for args in [&["segment", "a.png", "-p", "1,1", "--json"][..], &["track", "a", "-p", "1,1", "-o", "b"]] {
        let (succeeded, _, error) = sam2(args);
        assert!(!succeeded && error.contains("--model") && error.lines().count() == 1, "{error}");
    }
    let (succeeded, _, error) = sam2(&["demo"]);
    assert!(!succeeded && error.contains("no embedded model") && error.lines().count() == 1, "{error}");
}

#[test]
fn info_tells_that_there_is_no_model() {
    let (succeeded, text, error) = sam2(&["info"]);
    assert!(succeeded && text.contains("none in this build"), "{text}{error}");
    assert!(sam2(&["info", "--json"]).1.contains("\"embedded\":null"));
    assert!(!sam2(&["segment", "--help"]).1.contains("embedded"));
}
