//! `sam2 stream` on a camera; a script stands in for ffmpeg.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::Value;

use crate::common::{Place, accepted, refused, sam2};

/// A script that notes its arguments and then acts.
fn stream(place: &Place, act: &str, more: &[&str]) -> Output {
    let program = place.write("fake", format!("#!/bin/sh\necho \"$@\" > arguments\n{act}\n"));
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let args = ["stream", "/dev/video7", "-p", "20,20", "-q"];
    let mut command = sam2();
    command.current_dir(place.path()).env("SAM2_FFMPEG", program).args(args).args(more);
    command.output().expect("sam2 starts")
}

/// Frames of 64×48 as a camera sends them.
const FRAMES: &str = "printf 'YUV4MPEG2 W64 H48 F15:1 Ip A1:1 C420jpeg\\n'
for i in 1 2 3 4 5 6; do printf 'FRAME\\n'; head -c 4608 /dev/zero | tr '\\0' '\\177'; done";

#[test]
fn every_frame_is_tracked_or_counted_as_dropped() {
    let place = Place::new();
    let text = accepted(&stream(&place, FRAMES, &["--camera-size", "64x48", "--camera-fps", "15"]));
    let args = std::fs::read_to_string(place.join("arguments")).expect("it ran");
    assert!(args.contains("-f v4l2 -framerate 15 -video_size 64x48 -i /dev/video7 "), "{args}");
    let answers: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an answer")).collect();
    let last = answers.last().expect("an answer");
    assert_eq!(last["frame"], answers.len() - 1);
    let dropped = last["dropped"].as_u64().expect("a count") as usize;
    assert_eq!(answers.len() + dropped, 6, "{text}");
}

#[test]
fn a_camera_that_ends_within_a_frame_keeps_what_came_before() {
    let place = Place::new();
    let cut = format!("{FRAMES}; printf 'FRAME\\n12345'");
    assert!(!accepted(&stream(&place, &cut, &[])).is_empty());
}

#[test]
fn a_camera_that_is_not_there_is_named() {
    let place = Place::new();
    let absent = "echo '/dev/video7: No such file or directory' >&2; exit 1";
    refused(&stream(&place, absent, &[]), &["/dev/video7", "No such file"]);
    refused(&stream(&place, FRAMES, &["--raw", "64x48"]), &["/dev/video7", "--raw"]);
    let photo = sam2().args(["stream", "a.png", "--camera-fps", "15"]).output().expect("sam2 starts");
    refused(&photo, &["a.png", "no camera"]);
}
