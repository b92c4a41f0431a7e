//! Runs that are killed at random moments: every file with its name is whole, a list belongs to a finished
//! run, and a second run gives the whole result. `SAM2_KILLS` is how often each command is killed, 10 if
//! absent.
#![cfg(unix)]

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Place, accepted, asset, contents, list, readable, rgb, sam2};

/// A number in 0 .. 1.
fn random() -> f64 {
    (RandomState::new().build_hasher().finish() >> 11) as f64 / (1u64 << 53) as f64
}

/// Starts a command and sends it a signal after `delay`.
fn kill_after(args: &[String], signal: &str, delay: Duration) -> Output {
    let mut command = sam2();
    command.args(args).arg("-q").stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().expect("sam2 starts");
    std::thread::sleep(delay);
    // It fails if the run is finished.
    let kill =
        Command::new("kill").args(["-s", signal, &child.id().to_string()]).stderr(Stdio::null()).status();
    kill.expect("kill starts");
    child.wait_with_output().expect("sam2 ends")
}

/// Hidden files of a folder and those below it.
fn hidden(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in list(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            found.extend(hidden(&path));
        } else if name.starts_with('.') {
            found.push(path);
        }
    }
    found
}

/// Kills `line` again and again; `{out}` is its folder of results. `again` are the arguments with which it
/// goes on, `lists` the files that a finished run has. `also` are contents that a signal may leave.
fn kill_at_random(
    place: &Place,
    line: &str,
    again: &[&str],
    lists: &[&str],
    earlier: &dyn Fn(&Path),
    also: &[Vec<u8>],
) {
    let out = place.join("out");
    let args: Vec<String> = line.split(' ').map(|word| word.replace("{out}", &place.arg("out"))).collect();
    let begin = || {
        let _ = fs::remove_dir_all(&out);
        fs::create_dir(&out).expect("folder");
        earlier(&out);
    };
    begin();
    let start = Instant::now();
    accepted(&sam2().args(&args).arg("-q").output().expect("sam2 starts"));
    let (whole, took) = (contents(&out), start.elapsed());
    begin();
    let old = contents(&out);
    let count = std::env::var("SAM2_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(10);
    for round in 0..count {
        begin();
        let (signal, code) = [("KILL", None), ("TERM", Some(143)), ("INT", Some(130))][round % 3];
        let delay = took.mul_f64(random());
        let output = kill_after(&args, signal, delay);
        let what = format!("{line}: {signal} after {delay:?} of {took:?}, {:?}", output.status);
        let finished = output.status.success();
        // A signal that arrives before the program handles it ends it too.
        assert!(finished || output.status.code() == code || output.status.signal().is_some(), "{what}");
        let left = hidden(&out);
        // Only a process that could do nothing leaves its temporary files: a list and a picture.
        assert!(left.is_empty() || signal == "KILL" && left.len() <= 2, "{what}: {left:?}");
        let visible: Vec<_> = contents(&out).into_iter().filter(|(path, _)| !left.contains(path)).collect();
        for file in &visible {
            let known = whole.contains(file) || old.contains(file) || also.contains(&file.1);
            assert!(known, "{what}: {} is not whole", file.0.display());
        }
        for name in lists.iter().filter(|name| out.join(name).exists()) {
            assert!(visible == whole || visible == old, "{what}: {name} beside other files");
        }
        let output = sam2().args(&args).args(again).arg("-q").output().expect("sam2 starts");
        assert!(output.status.success(), "{what}, then {}", crate::common::stderr(&output));
        assert_eq!(hidden(&out), Vec::<PathBuf>::new(), "{what}");
        assert!(contents(&out) == whole, "{what}: the second run gives another result");
        readable(&out);
    }
}

#[test]
fn track() {
    let place = Place::new();
    let clip = place.write("clip.rgb", rgb(0..6));
    let line = format!("track {clip} --raw 192x128 -p 80,64 -o {{out}} --overlay");
    kill_at_random(&place, &line, &["--overwrite"], &["tracks.jsonl"], &|_| (), &[]);
}

#[test]
fn everything() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let line = format!(
        "everything {photo} -o {{out}} --points-per-side 3 --pred-iou-thresh 0.1 \
         --stability-score-thresh 0.3 --stability-score-offset 0.1"
    );
    kill_at_random(&place, &line, &["--overwrite"], &["masks.json"], &|_| (), &[]);
}

#[test]
fn vos() {
    let place = Place::new();
    for video in ["a", "b"] {
        fs::create_dir_all(place.join(&format!("masks/{video}"))).expect("folder");
        fs::create_dir_all(place.join("videos")).expect("folder");
        place.frames(&format!("videos/{video}"));
        place.mask(&format!("masks/{video}/f8.png"));
    }
    let (videos, masks) = (place.arg("videos"), place.arg("masks"));
    let line = format!("vos --base_video_dir {videos} --input_mask_dir {masks} --output_mask_dir {{out}}");
    kill_at_random(&place, &line, &[], &[], &|_| (), &[]);
}

#[test]
fn convert() {
    let place = Place::new();
    let checkpoint = asset("sam2.1_micro.safetensors");
    let line = format!("convert {} {{out}}/c.pt --f32", checkpoint.display());
    let earlier = |out: &Path| {
        fs::copy(&checkpoint, out.join("c.pt")).expect("copy");
    };
    kill_at_random(&place, &line, &[], &[], &earlier, &[]);
}

#[test]
fn session_of_a_stream() {
    let place = Place::new();
    let clip = place.write("clip.rgb", rgb(0..4));
    let prompts = place.write("p.jsonl", r#"{"obj_id":1,"points":[[80,64]]}"#);
    let stream = format!("stream {clip} --raw 192x128 --prompts {prompts} --save");
    let args: Vec<&str> = stream.split(' ').collect();
    // A signal saves the session of the frames that were answered.
    let after: Vec<Vec<u8>> = ["1", "2", "3"]
        .into_iter()
        .map(|frames| {
            let session = place.arg("s.safetensors");
            let options = [&session, "--max-frames", frames, "-q"];
            accepted(&sam2().args([&args[..], &options].concat()).output().expect("sam2 starts"));
            fs::read(session).expect("a session")
        })
        .collect();
    let earlier = |out: &Path| fs::write(out.join("s.safetensors"), &after[1]).expect("write");
    kill_at_random(&place, &format!("{stream} {{out}}/s.safetensors"), &[], &[], &earlier, &after);
}
