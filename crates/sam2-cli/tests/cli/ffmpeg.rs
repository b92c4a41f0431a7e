//! Videos through ffmpeg, the real one and scripts in its place.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::common::{Place, accepted, list, refused, sam2, stderr};

/// Runs ffmpeg on files of the place; `false`, with a line, if it is not installed.
fn make(place: &Place, args: &[&str]) -> bool {
    let mut command = Command::new("ffmpeg");
    command.current_dir(place.path()).args(["-v", "error", "-nostdin", "-y"]).args(args);
    let made = command.status().is_ok_and(|status| status.success());
    if !made {
        eprintln!("skipped: ffmpeg is not installed, or lacks an encoder");
    }
    made
}

/// The frames as a lossless video.
fn video(place: &Place, name: &str) -> bool {
    place.frames("frames");
    for (index, name) in ["f8.png", "f9.png", "f10.png", "f11.png"].iter().enumerate() {
        let to = place.join(&format!("frames/{index}.png"));
        std::fs::rename(place.join("frames").join(name), to).expect("rename");
    }
    make(place, &["-i", "frames/%d.png", "-c:v", "ffv1", name])
}

fn track(place: &Place, input: &str, out: &str) -> Output {
    let args = ["track", "-p", "80,64", "-o", out, "--", input];
    sam2().current_dir(place.path()).args(args).output().expect("sam2 starts")
}

fn masks(place: &Place, out: &str) -> usize {
    list(&place.join(out)).iter().filter(|name| name.ends_with(".png")).count()
}

#[test]
fn the_picture_of_a_cover_is_no_video() {
    let place = Place::new();
    if !video(&place, "clip.mkv") {
        return;
    }
    let mp4 = ["-i", "frames/0.png", "-i", "clip.mkv", "-map", "0", "-map", "1", "-c:v:0", "png"];
    let cover = ["-c:v:1", "mpeg4", "-disposition:v:0", "attached_pic", "first.mp4"];
    let sound = ["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", "sound.m4a"];
    let album = ["-i", "sound.m4a", "-i", "frames/0.png", "-map", "0", "-map", "1", "-c:a", "copy"];
    let song = ["-c:v", "png", "-disposition:v", "attached_pic", "song.m4a"];
    if !make(&place, &[&mp4[..], &cover].concat())
        || !make(&place, &sound)
        || !make(&place, &[&album[..], &song].concat())
    {
        return;
    }
    accepted(&track(&place, "first.mp4", "out"));
    assert_eq!(masks(&place, "out"), 4);
    for name in ["song.m4a", "sound.m4a"] {
        refused(&track(&place, name, "none"), &[name, "no video"]);
    }
}

#[test]
fn names_are_only_names() {
    let place = Place::new();
    if !video(&place, "clip.mkv") {
        return;
    }
    for (i, name) in
        ["-i.mkv", "a:b.mkv", "concat:clip.mkv|clip.mkv", "50%d.mkv", "pipe:0", "e\u{e9} '\"$x.mkv"]
            .into_iter()
            .enumerate()
    {
        std::fs::copy(place.join("clip.mkv"), place.join(name)).expect("copy");
        let out = format!("out{i}");
        accepted(&track(&place, name, &out));
        assert_eq!(masks(&place, &out), 4, "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf8_is_read() {
    use std::os::unix::ffi::OsStringExt;
    let place = Place::new();
    if !video(&place, "clip.mkv") {
        return;
    }
    let name = std::ffi::OsString::from_vec(b"\xe9t\xe9.mkv".to_vec());
    if std::fs::rename(place.join("clip.mkv"), place.path().join(&name)).is_err() {
        eprintln!("skipped: this file system wants UTF-8");
        return;
    }
    let out = place.arg("out");
    let mut command = sam2();
    command.current_dir(place.path()).arg("track").arg(name).args(["-p", "80,64", "-o", &out]);
    accepted(&command.output().expect("sam2 starts"));
    assert_eq!(masks(&place, "out"), 4);
}

#[test]
fn playlists_are_refused() {
    let place = Place::new();
    if !video(&place, "clip.mkv") {
        return;
    }
    let hls = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nclip.mkv\n#EXT-X-ENDLIST\n";
    for (name, text) in [("a.mp4", hls), ("b.m3u8", hls), ("c.mkv", "ffconcat version 1.0\nfile clip.mkv\n")]
    {
        place.write(name, text);
        refused(&track(&place, name, "out"), &[name, "playlist"]);
    }
}

#[test]
fn a_video_that_is_cut_is_read_up_to_there() {
    let place = Place::new();
    if !video(&place, "clip.mkv") {
        return;
    }
    let bytes = std::fs::read(place.join("clip.mkv")).expect("read");
    place.write("cut.mkv", &bytes[..bytes.len() * 2 / 3]);
    let output = track(&place, "cut.mkv", "out");
    accepted(&output);
    assert!((1..4).contains(&masks(&place, "out")), "{} frames", masks(&place, "out"));
    assert!(stderr(&output).contains("cut.mkv"), "{}", stderr(&output));
}

/// Formats whose end ffmpeg does not miss, or without which it reads nothing.
#[test]
fn a_missing_end_is_said_in_words() {
    let place = Place::new();
    if !video(&place, "clip.mkv") {
        return;
    }
    let cut = |name: &str| {
        let bytes = std::fs::read(place.join(name)).expect("read");
        place.write(name, &bytes[..bytes.len() * 4 / 5]);
    };
    if make(&place, &["-i", "clip.mkv", "-c:v", "mpeg4", "clip.mp4"]) {
        cut("clip.mp4");
        refused(&track(&place, "clip.mp4", "none"), &["clip.mp4", "cut short", "index"]);
    }
    // Four frames would fill one page.
    let again =
        ["-stream_loop", "40", "-i", "clip.mkv", "-c:v", "libtheora", "-page_duration", "1", "clip.ogv"];
    if make(&place, &again) {
        let whole = track(&place, "clip.ogv", "whole");
        accepted(&whole);
        assert!(!stderr(&whole).contains("missing"), "{}", stderr(&whole));
        cut("clip.ogv");
        let output = track(&place, "clip.ogv", "part");
        accepted(&output);
        assert!(masks(&place, "part") < masks(&place, "whole"));
        assert!(stderr(&output).contains("the end of the Ogg file is missing"), "{}", stderr(&output));
    }
}

/// A script in place of ffmpeg, and a file that only ffmpeg would read.
#[cfg(unix)]
fn fake(place: &Place, script: &str) -> (String, String) {
    use std::os::unix::fs::PermissionsExt;
    let version = "[ \"$1\" = -version ] && { echo 'ffmpeg version 6.0'; exit 0; }";
    let program = place.write("fake", format!("#!/bin/sh\n{version}\n{script}\n"));
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    (program, place.write("clip.mp4", [b"\0\0\0\x18ftypmp42".as_slice(), &[0; 4000]].concat()))
}

#[cfg(unix)]
const FRAME: &str = "printf 'P6\\n640 480\\n255\\n'; head -c 921600 /dev/zero";

#[cfg(unix)]
#[test]
fn a_wrapper_that_starts_another_program_works() {
    let place = Place::new();
    let (program, clip) = fake(&place, &format!("sh -c \"for i in 1 2 3 4 5; do {FRAME}; done\"\nexit $?"));
    let args = ["track", &clip, "-p", "30,30", "-o", &place.arg("out"), "--max-frames", "2"];
    accepted(&sam2().args(args).env("SAM2_FFMPEG", &program).output().expect("sam2 starts"));
    assert_eq!(masks(&place, "out"), 2);
    let absent = place.arg("absent");
    let args = ["track", &clip, "-p", "30,30", "-o", &place.arg("none")];
    let output = sam2().args(args).env("SAM2_FFMPEG", &absent).output().expect("sam2 starts");
    refused(&output, &["SAM2_FFMPEG", &absent]);
}

#[cfg(unix)]
#[test]
fn an_end_with_an_error_after_frames_is_a_note() {
    let place = Place::new();
    let (program, clip) = fake(&place, &format!("{FRAME}; {FRAME}; echo 'the rest is missing' >&2; exit 1"));
    let args = ["track", &clip, "-p", "30,30", "-o", &place.arg("out")];
    let output = sam2().args(args).env("SAM2_FFMPEG", &program).output().expect("sam2 starts");
    accepted(&output);
    assert!(
        stderr(&output).contains("2 frames read (ffmpeg says: the rest is missing)"),
        "{}",
        stderr(&output)
    );
    assert_eq!(masks(&place, "out"), 2);
    let (program, clip) = fake(&place, "echo nonsense >&2; exit 1");
    let args = ["track", &clip, "-p", "30,30", "-o", &place.arg("none")];
    let output = sam2().args(args).env("SAM2_FFMPEG", &program).output().expect("sam2 starts");
    refused(&output, &["clip.mp4", "nonsense"]);
}

/// Whether a process is there and no zombie.
#[cfg(target_os = "linux")]
fn runs(process: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    state.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

#[cfg(target_os = "linux")]
fn wait_until(what: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !what() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    what()
}

#[cfg(target_os = "linux")]
#[test]
fn a_hung_child_ends_with_the_program() {
    for signal in ["TERM", "INT", "KILL"] {
        let place = Place::new();
        let pids = place.arg("pids");
        let (program, clip) =
            fake(&place, &format!("sh -c 'echo $$ $PPID >>{pids}; exec sleep 600'; exit 0"));
        let args = ["track", &clip, "-p", "30,30", "-o", &place.arg("out"), "-q"];
        let mut child = sam2().args(args).env("SAM2_FFMPEG", &program).spawn().expect("sam2 starts");
        let started = || std::fs::read_to_string(Path::new(&pids)).is_ok_and(|text| text.ends_with('\n'));
        assert!(wait_until(started), "the script starts");
        let process = child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &process]).status();
        assert!(sent.is_ok_and(|status| status.success()));
        assert!(!child.wait().expect("wait").success());
        for process in std::fs::read_to_string(&pids).expect("read").split_whitespace() {
            assert!(wait_until(|| !runs(process)), "{signal}: process {process} is left behind");
        }
    }
}

#[test]
fn pictures_one_after_the_other_are_a_clip() {
    let place = Place::new();
    if !video(&place, "clip.mkv") {
        return;
    }
    for (name, codec) in [("clip.ppm", "ppm"), ("clip.png", "png"), ("clip.bmp", "bmp")] {
        if make(&place, &["-i", "clip.mkv", "-c:v", codec, "-f", "image2pipe", name]) {
            let out = format!("{codec}_out");
            accepted(&track(&place, name, &out));
            assert_eq!(masks(&place, &out), 4, "{name}");
        }
    }
    refused(&track(&place, "frames/0.png", "none"), &["0.png", "single picture"]);
}
