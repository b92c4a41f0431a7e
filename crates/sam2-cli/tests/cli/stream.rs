//! `sam2 stream`: masks of `sam2 track`, one line per frame, prompts while it runs, sessions.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::common::{Place, accepted, refused, rgb, run, sam2, stderr};
use serde_json::{Value, json};

const RAW: [&str; 3] = ["--raw", "192x128", "-q"];

/// The lines of a run without their times.
fn lines(text: &str) -> Vec<Value> {
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).expect("a line of JSON");
        value.as_object_mut().expect("an object").remove("ms");
        value
    };
    text.lines().map(line).collect()
}

fn ids(line: &Value) -> Vec<u64> {
    let objects = line["objects"].as_array().expect("objects");
    objects.iter().map(|object| object["obj_id"].as_u64().expect("a number")).collect()
}

#[test]
fn a_stream_gives_the_masks_of_track() {
    let place = Place::new();
    let clip = place.write("clip.rgb", rgb(0..18));
    let prompts = place.write("p.jsonl", r#"{"frame":1,"obj_id":1,"points":[[82,64]]}"#);
    let (streamed, tracked) = (place.arg("streamed"), place.arg("tracked"));
    let common = [&RAW[..], &["--prompts", &prompts]].concat();
    let text = accepted(&run(&[&["stream", &clip, "-o", &streamed, "--rle"], &common[..]].concat()));
    accepted(&run(&[&["track", &clip, "-o", &tracked], &common[..]].concat()));
    let lines = lines(&text);
    assert_eq!(lines.len(), 18);
    assert!(ids(&lines[0]).is_empty());
    for (f, line) in lines.iter().enumerate().skip(1) {
        assert_eq!((line["frame"].as_u64(), ids(line)), (Some(f as u64), vec![1]));
        assert_eq!(line["objects"][0]["rle"]["size"], json!([128, 192]));
        let read =
            |folder: &str| std::fs::read(place.join(folder).join(format!("{f:05}.png"))).expect("a mask");
        assert!(read("streamed") == read("tracked"), "frame {f}");
    }
}

#[test]
fn a_stream_continues_from_a_session_with_the_same_results() {
    let place = Place::new();
    let prompts = place.write("p.jsonl", r#"{"obj_id":1,"frame":0,"points":[[80,64]]}"#);
    let session = place.arg("s.safetensors");
    let parts = [(0..12), (0..5), (5..12)].map(|range| place.write(&format!("{range:?}.rgb"), rgb(range)));
    let stream =
        |clip: &str, more: &[&str]| lines(&accepted(&run(&[&["stream", clip], &RAW[..], more].concat())));
    for policy in ["sam2", "samurai", "dam4sam", "sam2long"] {
        let prompted = ["--prompts", &prompts, "--memory", policy];
        let whole = stream(&parts[0], &prompted);
        let first = stream(&parts[1], &[&prompted[..], &["--save", &session]].concat());
        let rest = stream(&parts[2], &["--resume", &session, "--start", "0"]);
        assert_eq!([first.clone(), rest].concat(), whole, "{policy}");
        // The whole clip continues after the frames that the session has seen.
        let rest = stream(&parts[0], &["--resume", &session]);
        assert_eq!([first, rest].concat(), whole, "{policy}");
    }
    let resumed = |clip: &str, more: &[&str]| {
        run(&[&["stream", clip, "--raw", "192x128", "--resume", &session], more].concat())
    };
    let part = resumed(&parts[0], &["--max-frames", "2"]);
    assert_eq!(lines(&accepted(&part)).len(), 2);
    assert!(stderr(&part).contains("has seen 5 frames; it continues with frame 5"), "{}", stderr(&part));
    assert!(!stderr(&part).contains("no effect"), "{}", stderr(&part));
    let part = resumed(&parts[0], &["--max-frames", "1", "--memory", "samurai"]);
    accepted(&part);
    assert!(stderr(&part).contains("options for them have no effect"), "{}", stderr(&part));
    let part = resumed(&parts[0], &["--start", "9"]);
    let numbers: Vec<Value> = lines(&accepted(&part)).iter().map(|line| line["frame"].clone()).collect();
    assert_eq!(numbers, [5, 6, 7], "three frames are left from frame 9 on");
    refused(&resumed(&parts[1], &["-q"]), &["0..5.rgb", "5 frames", "--start"]);
    refused(&run(&["stream", &parts[0], "--raw", "192x128", "--start", "3"]), &["--resume"]);
    let damaged = place.write("d.safetensors", b"damaged");
    let clip = parts[2].as_str();
    refused(
        &run(&[&["stream", clip, "--resume", &damaged], &RAW[..]].concat()),
        &["d.safetensors", "session"],
    );
}

#[test]
fn invalid_lines_give_an_error_and_do_not_end_the_stream() {
    let place = Place::new();
    let clip = place.write("clip.rgb", rgb(0..6));
    let prompts = place.write(
        "p.jsonl",
        [
            r#"{"frame":0,"obj_id":1,"points":[[80,64]]}"#,
            "nonsense",
            r#"{"frame":1,"obj_id":2,"box":[500,10,520,30]}"#,
            r#"{"frame":1,"op":"remove","obj_id":7}"#,
            r#"{"frame":2,"obj_id":2,"box":[40,20,120,110]}"#,
            r#"{"frame":3,"op":"remove","obj_id":1}"#,
            r#"{"frame":4,"op":"quit"}"#,
        ]
        .join("\n"),
    );
    let lines = lines(&accepted(&run(&[&["stream", &clip, "--prompts", &prompts], &RAW[..]].concat())));
    let (errors, frames): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.get("error").is_some());
    assert_eq!(
        frames.iter().map(|line| ids(line)).collect::<Vec<_>>(),
        [vec![1], vec![1], vec![1, 2], vec![2], vec![2]]
    );
    let reasons: Vec<&str> = errors.iter().map(|line| line["error"].as_str().expect("text")).collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(
        reasons[0].contains("line 2") && reasons[1].contains("500") && reasons[2].contains("no object 7")
    );
    for (args, words) in [
        (vec!["stream", "-", "--prompts", "-"], vec!["stdin is for frames"]),
        (vec!["stream", &clip, "--prompts", "missing.jsonl"], vec!["missing.jsonl"]),
        (vec!["stream", &clip, "--memory", "elephant"], vec!["elephant", "samurai"]),
    ] {
        refused(&run(&[&args[..], &RAW[..]].concat()), &words);
    }
}

#[test]
fn prompts_may_be_added_while_the_stream_runs() {
    let place = Place::new();
    let prompts = place.write("p.jsonl", "");
    let mut child = sam2()
        .args(["stream", "-", "--raw", "192x128", "-q", "--prompts", &prompts])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sam2 starts");
    let mut stdin = child.stdin.take().expect("piped");
    let mut answers = BufReader::new(child.stdout.take().expect("piped")).lines();
    // One line per frame, before the next frame is written.
    let mut next = |f: usize| {
        stdin.write_all(&rgb(f..f + 1)).and_then(|()| stdin.flush()).expect("a frame is taken");
        let line = answers.next().expect("an answer").expect("stdout is readable");
        ids(&lines(&line)[0])
    };
    assert!(next(0).is_empty());
    let say = |line: &str| {
        let mut file = OpenOptions::new().append(true).open(&prompts).expect("the prompts file");
        writeln!(file, "{line}").expect("append");
    };
    say(r#"{"obj_id":3,"points":[[90,64]]}"#);
    // The system decides when the appended line becomes readable.
    let seen = (1..2000).find(|&f| next(f.min(8)) == [3]).expect("the prompt is seen");
    say(r#"{"op":"reset"}"#);
    assert!((seen + 1..seen + 2000).any(|f| next(f.min(8)).is_empty()), "the reset is seen");
    drop(stdin);
    assert!(child.wait().expect("sam2 ends").success());
}

#[test]
fn the_first_frame_takes_clicks_and_boxes_of_the_command_line() {
    let place = Place::new();
    let clip = place.write("clip.rgb", rgb(0..3));
    let stream = |more: &[&str]| {
        lines(&accepted(&run(&[&["stream", &clip, "--max-frames", "3"], &RAW[..], more].concat())))
    };
    let prompts = place.write("p.jsonl", r#"{"frame":0,"obj_id":7,"points":[[80,64]]}"#);
    let expected = stream(&["--prompts", &prompts]);
    assert_eq!(stream(&["-p", "80,64", "--obj-id", "7"]), expected);
    let shares = stream(&["-p", "0.4166666667,0.5", "--normalized", "--obj-id", "7"]);
    assert_eq!(ids(&shares[2]), [7]);
    let both =
        stream(&["-b", "40,20,80,80", "-b", "120,60,40,44", "--box-format", "xywh", "--obj-id", "300"]);
    assert_eq!(ids(&both[2]), [300, 301], "numbers beyond the palette, where none is written");
    let refuse = |more: &[&str], words: &[&str]| {
        refused(&run(&[&["stream", &clip], &RAW[..], more].concat()), words);
    };
    refuse(&["-p", "80,64", "--obj-id", "300", "-o", &place.arg("out")], &["300", "1 to 255"]);
    refuse(&["-p", "500,64"], &["500,64", "192x128"]);
    let numbers = place.write("n.jsonl", r#"{"obj_id":300,"points":[[80,64]]}"#);
    let refused = stream(&["--prompts", &numbers, "-o", &place.arg("out")]);
    assert!(refused[0]["error"].as_str().is_some_and(|error| error.contains("1 to 255")), "{refused:?}");
}
