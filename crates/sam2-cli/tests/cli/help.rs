//! What `--help`, the manual and the completions say, and the note about the embedded model.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{Place, accepted, refused, run, sam2, stderr};

const COMMANDS: [&str; 19] = [
    "",
    "segment",
    "everything",
    "track",
    "stream",
    "serve",
    "vos",
    "export",
    "eval",
    "eval davis",
    "eval sav",
    "eval lasot",
    "demo",
    "convert",
    "info",
    "bench",
    "compare",
    "completions",
    "man",
];

fn words(command: &str) -> Vec<&str> {
    command.split(' ').filter(|word| !word.is_empty()).collect()
}

fn help(command: &str) -> String {
    accepted(&run(&[words(command), vec!["--help"]].concat()))
}

fn snapshot(command: &str) -> PathBuf {
    let name = [vec!["sam2"], words(command)].concat().join("-");
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/help").join(name + ".txt")
}

/// `SAM2_UPDATE_SNAPSHOTS=1` rewrites them.
#[test]
fn help_is_that_of_the_snapshots() {
    let update = std::env::var_os("SAM2_UPDATE_SNAPSHOTS").is_some();
    for command in COMMANDS {
        let (text, path) = (help(command), snapshot(command));
        if update {
            fs::write(&path, &text).expect("write");
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text == kept,
            "`sam2 {command} --help` is not {}; SAM2_UPDATE_SNAPSHOTS=1 rewrites it:\n{text}",
            path.display()
        );
    }
    let files = fs::read_dir(snapshot("").parent().expect("a folder")).expect("list").count();
    assert_eq!(files, COMMANDS.len(), "a snapshot of a command that does not exist");
}

#[test]
fn every_command_has_a_snapshot_and_examples() {
    for parent in ["", "eval"] {
        let text = help(parent);
        let list = text.split("Commands:\n").nth(1).expect("commands").split("\n\n").next().expect("lines");
        for line in list.lines() {
            let name = line.split_whitespace().next().expect("a name");
            let command = words(parent).into_iter().chain([name]).collect::<Vec<_>>().join(" ");
            assert!(name == "help" || COMMANDS.contains(&command.as_str()), "{command}");
        }
    }
    for command in COMMANDS {
        let text = help(command);
        let examples = text.split("Examples:\n").nth(1).unwrap_or_else(|| panic!("{command}: no examples"));
        assert!(examples.lines().any(|line| line.contains(&format!("sam2 {command}"))), "{command}");
    }
}

#[test]
fn options_of_prompts_outputs_model_and_tracking_stand_apart() {
    for (command, headings) in [
        ("segment", &["Prompts:", "Outputs:", "Model:", "Common options:"][..]),
        ("everything", &["Search:", "Outputs:", "Model:"]),
        ("track", &["Prompts:", "Outputs:", "Model:", "Tracking:"]),
        ("stream", &["Prompts:", "Outputs:", "Model:", "Tracking:"]),
    ] {
        let text = help(command);
        for heading in headings {
            assert!(text.lines().any(|line| line == *heading), "{command}: {heading}");
        }
    }
}

#[test]
fn slips_are_answered_with_what_was_meant() {
    refused(&run(&["segmnt", "a.png"]), &["did you mean 'segment'?", "see `sam2 --help`"]);
    refused(&run(&["track", "clip", "--overlai"]), &["did you mean '--overlay'?", "see `sam2 track --help`"]);
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = accepted(&run(&["completions", shell]));
        for command in COMMANDS.iter().filter(|command| !command.contains(' ')) {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert!(script.contains("points-per-side"), "{shell}");
    }
    refused(&run(&["completions", "tcsh"]), &["tcsh", "bash"]);
}

#[test]
fn the_manual_is_one_page_or_one_per_command() {
    let whole = accepted(&run(&["man"]));
    assert!(whole.starts_with(".ie") || whole.contains(".TH sam2 1"), "{}", &whole[..200]);
    for words in [
        "SAM2 SEGMENT",
        "SAM2 EVAL DAVIS",
        ".SH ENVIRONMENT",
        "SAM2_ISA",
        ".SS EXAMPLES",
        "points\\-per\\-side",
    ] {
        assert!(whole.contains(words), "{words}");
    }
    let place = Place::new();
    accepted(&run(&["man", "-o", &place.arg("man1")]));
    let mut names: Vec<String> =
        COMMANDS.iter().map(|command| [vec!["sam2"], words(command)].concat().join("-") + ".1").collect();
    names.sort();
    assert_eq!(crate::common::list(&place.join("man1")), names);
    let page = fs::read_to_string(place.join("man1").join("sam2-segment.1")).expect("a page");
    assert!(page.contains(".TH sam2-segment 1") && page.contains(".SH EXAMPLES"), "{page}");
}

#[test]
fn info_lists_the_environment() {
    let output = sam2().args(["info", "--json"]).env("SAM2_NO_NOTE", "1").output().expect("sam2 starts");
    let info: Value = serde_json::from_str(&accepted(&output)).expect("JSON");
    let environment = info["environment"].as_object().expect("an object");
    let names: Vec<&str> = environment.keys().map(String::as_str).collect();
    let expected = [
        "HF_HOME",
        "HF_HUB_CACHE",
        "RUST_BACKTRACE",
        "SAM2_FFMPEG",
        "SAM2_ISA",
        "SAM2_LOG",
        "SAM2_MODEL",
        "SAM2_MODEL_DIR",
        "SAM2_NO_NOTE",
    ];
    assert_eq!(names, expected);
    assert_eq!(environment["SAM2_NO_NOTE"], "1");
    let text = accepted(&run(&["info"]));
    assert!(names.iter().all(|name| text.contains(name)), "{text}");
}

#[test]
fn the_embedded_model_is_noted_in_two_short_lines() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let command = ["segment", &photo, "-p", "96,64", "--json"];
    let noted = stderr(&run(&command));
    assert_eq!(noted.lines().count(), 2, "{noted}");
    assert!(noted.lines().all(|line| line.starts_with("note: ") && line.len() <= 110), "{noted}");
    assert_eq!(stderr(&run(&[&command[..], &["-q"]].concat())), "");
    for (value, lines) in [("1", 0), ("0", 2), ("", 2)] {
        let output = sam2().args(command).env("SAM2_NO_NOTE", value).output().expect("sam2 starts");
        accepted(&output);
        assert_eq!(stderr(&output).lines().count(), lines, "SAM2_NO_NOTE={value}");
    }
}
