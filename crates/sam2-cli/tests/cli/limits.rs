//! Limits of the system: memory, size of files, file descriptors, a stdout that takes nothing, signals.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Place, accepted, asset, list, refused, rgb, run, run_with, sam2, stderr, stdout};

/// Runs `sam2` in a shell that has set its limits.
fn limited(limits: &str, args: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_sam2")]).args(args);
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null()).output().expect("sh starts")
}

#[test]
fn too_little_memory_is_said_before_the_work_begins() {
    let place = Place::new();
    let (photo, out) = (place.photo("photo.png"), place.arg("out"));
    let clip = place.write("clip.rgb", rgb(0..2));
    let lines: [&[&str]; 3] = [
        &["segment", &photo, "-p", "96,64", "--json", "-q", "-t", "1"],
        &["track", &clip, "--raw", "192x128", "-p", "80,64", "-o", &out, "-q", "-t", "1", "--overwrite"],
        &["everything", &photo, "--points-per-side", "1", "--json", "-q", "-t", "1"],
    ];
    let mut said = 0;
    for args in lines {
        // Most of what is refused after the checks is refused between 40 and 64 MB.
        for megabytes in (16..40).step_by(8).chain((40..64).step_by(2)).chain((64..=208).step_by(16)) {
            let output = limited(&format!("ulimit -v {}", megabytes * 1024), args);
            let text = stderr(&output);
            let what = format!("{args:?} in {megabytes} MB: {}, {text}", output.status);
            assert!(!text.contains("internal error") && output.status.code() != Some(134), "{what}");
            // Below, the system cannot even load the program, or the C library ends it.
            if output.status.code() == Some(1) {
                assert!(text.starts_with("error: ") && text.lines().count() == 1, "{what}");
                said += usize::from(text.contains("not enough memory") && text.contains("missing"));
            }
            let hidden = fs::read_dir(&out).into_iter().flatten().flatten();
            let hidden = hidden.filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
            assert_eq!(hidden.count(), 0, "{what}");
            // The C library may reserve 64 MB for a thread, so that more is not always better.
            assert!(megabytes < 200 || output.status.success(), "{what}");
        }
    }
    assert!(said >= 3, "the check of memory speaks {said} times");
}

/// What no check foresees: a table that is built before the limit is compared with anything.
#[test]
fn memory_that_is_refused_in_the_middle_ends_in_one_line() {
    let place = Place::new();
    let (a, b) = (place.arg("a.npy"), place.arg("b.npy"));
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (50000000,), }";
    let head = [&b"\x93NUMPY\x01\0"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    for path in [&a, &b] {
        fs::write(path, &head).expect("write");
        let file = fs::OpenOptions::new().write(true).open(path).expect("open");
        file.set_len(head.len() as u64 + 200_000_000).expect("a sparse file");
    }
    for megabytes in [80, 300] {
        let output = limited(&format!("ulimit -v {}", megabytes * 1024), &["compare", &a, &b]);
        let text = stderr(&output);
        // A failure of this command exits with 2: 1 is a difference.
        assert_eq!(output.status.code(), Some(2), "{megabytes}: {text}");
        assert!(text.starts_with("error: ") && text.lines().count() == 1, "{megabytes}: {text}");
        assert!(text.contains("memory"), "{megabytes}: {text}");
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_of_the_write() {
    let place = Place::new();
    let checkpoint = asset("sam2.1_micro.safetensors");
    let checkpoint = checkpoint.to_str().expect("UTF-8");
    let clip = place.write("clip.rgb", rgb(0..2));
    let prompts = place.write("p.jsonl", r#"{"obj_id":1,"points":[[80,64]]}"#);
    let before = place.list();
    for name in ["c.pt", "c.safetensors"] {
        refused(&limited("ulimit -f 100", &["convert", checkpoint, &place.arg(name), "-q"]), &[name]);
        assert_eq!(place.list(), before);
    }
    let session = place.arg("s.safetensors");
    let stream = ["stream", &clip, "--raw", "192x128", "--prompts", &prompts, "--save", &session, "-q"];
    let output = limited("ulimit -f 100", &stream);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: cannot write") && stderr(&output).lines().count() == 1);
    assert_eq!(stdout(&output).lines().count(), 2, "the answers were given");
    assert_eq!(place.list(), before);
}

#[test]
fn too_few_file_descriptors_are_an_error() {
    let place = Place::new();
    let (photo, out) = (place.photo("photo.png"), place.arg("m.png"));
    let args = ["segment", &photo, "-p", "96,64", "-o", &out, "-q"];
    let mut failed = 0;
    for count in 3..16 {
        let output = limited(&format!("ulimit -n {count}"), &args);
        if output.status.success() {
            break;
        }
        // With three the shell cannot start the program.
        failed += usize::from(stderr(&output).contains("Too many open files"));
        assert!(count < 5 || output.status.code() == Some(1), "{count}: {}", stderr(&output));
        assert!(stderr(&output).lines().count() <= 1 && !stderr(&output).contains("internal error"));
        assert_eq!(place.list(), ["photo.png"]);
    }
    assert!(failed > 0);
}

#[test]
fn a_stdout_that_takes_nothing_is_an_error() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        eprintln!("skipped: there is no /dev/full");
        return;
    };
    let place = Place::new();
    let photo = place.photo("photo.png");
    let clip = place.write("clip.rgb", rgb(0..1));
    let checkpoint = asset("sam2.1_micro.safetensors");
    let checkpoint = checkpoint.to_str().expect("UTF-8");
    for args in [
        &["segment", &photo, "-p", "96,64", "--json"][..],
        &["segment", &photo, "-p", "96,64", "-o", "-"],
        &["track", &clip, "--raw", "192x128", "-p", "80,64", "-o", &place.arg("masks")],
        &["stream", &clip, "--raw", "192x128"],
        &["convert", checkpoint, &place.arg("c.safetensors")],
        &["compare", checkpoint, checkpoint],
        &["info"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
        &["--version"],
    ] {
        let mut command = sam2();
        command.args(args).stdout(full.try_clone().expect("a copy")).env("SAM2_NO_NOTE", "1");
        let output = command.output().expect("sam2 starts");
        let text = stderr(&output);
        let last = text.lines().last().unwrap_or_default();
        assert!(!output.status.success() && last.starts_with("error: "), "{args:?}: {text}");
        assert!(last.contains("No space left"), "{args:?}: {text}");
    }
}

#[test]
fn more_threads_than_cores_are_not_started() {
    let output = run(&["info", "--json", "-t", "1024"]);
    accepted(&output);
    assert!(stderr(&output).contains("1024 would not be faster"), "{}", stderr(&output));
    assert_eq!(stderr(&run(&["info", "--json", "-t", "1024", "-q"])), "");
}

#[test]
fn a_signal_ends_the_program_without_temporary_files() {
    let place = Place::new();
    let gif = asset("demo.gif");
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let out = place.join(signal);
        let args = ["track", gif.to_str().expect("UTF-8"), "-p", "60,60", "-q", "-t", "1", "-o"];
        let mut command = sam2();
        command.args(args).arg(&out).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().expect("sam2 starts");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !out.join("00001.png").exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(kill.expect("kill starts").success());
        let output = child.wait_with_output().expect("sam2 ends");
        // A shell without job control may have had the signal ignored.
        if !output.status.success() {
            assert_eq!(output.status.code(), Some(code), "{signal}");
            assert_eq!(stderr(&output).lines().count(), 1);
            assert!(stderr(&output).starts_with(&format!("error: ended by SIG{signal}")));
        }
        let hidden: Vec<_> = list(&out).into_iter().filter(|name| name.starts_with('.')).collect();
        assert!(hidden.is_empty(), "{signal}: {hidden:?}");
    }
}

/// A producer that dies inside a frame.
#[test]
fn a_stream_that_breaks_off_is_saved() {
    let place = Place::new();
    let prompts = place.write("p.jsonl", r#"{"obj_id":1,"points":[[80,64]]}"#);
    let stream = |bytes: &[u8], name: &str| {
        let session = place.arg(name);
        let args = ["stream", "-", "--raw", "192x128", "--prompts", &prompts, "--save", &session];
        let mut command = sam2();
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("sam2 starts");
        child.stdin.take().expect("piped").write_all(bytes).expect("frames are taken");
        child.wait_with_output().expect("sam2 ends")
    };
    let (whole, part) = (rgb(0..3), rgb(3..4));
    accepted(&stream(&whole, "whole.safetensors"));
    let output = stream(&[&whole[..], &part[..part.len() / 2]].concat(), "cut.safetensors");
    assert_eq!(accepted(&output).lines().count(), 3);
    assert!(stderr(&output).contains("cut short"), "{}", stderr(&output));
    let read = |name: &str| fs::read(place.join(name)).expect("a session");
    assert!(read("whole.safetensors") == read("cut.safetensors"));
}

/// A live source that is ended by a signal while it is waited for.
#[test]
fn a_signal_saves_the_session_of_a_stream() {
    let place = Place::new();
    let prompts = place.write("p.jsonl", r#"{"obj_id":1,"points":[[80,64]]}"#);
    let whole = place.arg("whole.safetensors");
    let stream = ["stream", "-", "--raw", "192x128", "--prompts", &prompts, "-q", "--save"];
    accepted(&run_with(rgb(0..3), &[&stream[..], &[&whole]].concat()));
    for (signal, code, frames) in [("INT", 130, 3), ("TERM", 143, 3), ("TERM", 143, 0)] {
        let session = place.arg(&format!("{signal}{frames}.safetensors"));
        let mut command = sam2();
        command.args(stream).arg(&session);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sam2 starts");
        let mut stdin = child.stdin.take().expect("piped");
        let mut answers = BufReader::new(child.stdout.take().expect("piped")).lines();
        for frame in 0..frames {
            stdin.write_all(&rgb(frame..frame + 1)).and_then(|()| stdin.flush()).expect("a frame is taken");
            answers.next().expect("an answer").expect("stdout is readable");
        }
        if frames == 0 {
            // Half a frame: it has started, and answered nothing.
            stdin.write_all(&rgb(0..1)[..1000]).and_then(|()| stdin.flush()).expect("it is taken");
            std::thread::sleep(Duration::from_millis(500));
        }
        let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(kill.expect("kill starts").success());
        let output = child.wait_with_output().expect("sam2 ends");
        drop(stdin);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{signal}: {text}");
        assert!(text.starts_with(&format!("error: ended by SIG{signal}")), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        // Without an answer there is nothing to save, and an earlier session would stay.
        assert_eq!(text.contains("the session is in"), frames > 0, "{text}");
        if frames > 0 {
            let read = |path: &str| fs::read(path).expect("a session");
            assert!(read(&session) == read(&whole), "{signal}");
        }
        assert!(place.list().iter().all(|name| !name.starts_with('.')), "{:?}", place.list());
    }
}

/// A clip, whose frames need not be waited for: the signal is heard after the current one.
#[test]
fn a_signal_saves_the_session_between_two_frames_of_a_clip() {
    // Many more than pass before a busy machine sends the signal.
    const FRAMES: usize = 150;
    let place = Place::new();
    let clip = place.write("clip.rgb", rgb(0..FRAMES));
    let prompts = place.write("p.jsonl", r#"{"obj_id":1,"points":[[80,64]]}"#);
    let stream = ["stream", &clip, "--raw", "192x128", "--prompts", &prompts, "-q", "--save"];
    let session = place.arg("ended.safetensors");
    let mut command = sam2();
    command.args(stream).arg(&session).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("sam2 starts");
    let mut answers = BufReader::new(child.stdout.take().expect("piped")).lines();
    answers.next().expect("an answer").expect("stdout is readable");
    let kill = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status();
    assert!(kill.expect("kill starts").success());
    let answered = 1 + answers.count();
    let output = child.wait_with_output().expect("sam2 ends");
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert!(answered <= FRAMES / 4, "{answered} frames came before the end");
    let whole = place.arg("whole.safetensors");
    let fewer = [&whole, "--max-frames", &answered.to_string()];
    accepted(&sam2().args([&stream[..], &fewer].concat()).output().expect("sam2 starts"));
    let read = |path: &str| fs::read(path).expect("a session");
    assert!(read(&session) == read(&whole), "the session is not that of {answered} frames");
}
