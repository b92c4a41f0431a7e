//! `sam2 track` on uncompressed frames: raw RGB and Y4M, from files, stdin and named pipes.

use std::path::Path;

use crate::common::{Place, accepted, disc, list, refused, rgb, run, run_with, stderr};

/// The same frames as Y4M, 4:4:4, full range.
fn y4m(frames: usize) -> Vec<u8> {
    let mut bytes = b"YUV4MPEG2 W192 H128 F25:1 Ip A1:1 C444 XCOLORRANGE=FULL\n".to_vec();
    for frame in rgb(0..frames).chunks_exact(192 * 128 * 3) {
        bytes.extend(b"FRAME\n");
        for [r, g, b] in [[0.299, 0.587, 0.114], [-0.168_736, -0.331_264, 0.5], [0.5, -0.418_688, -0.081_312]]
        {
            let offset = if r == 0.299 { 0.0 } else { 128.0 };
            bytes.extend(frame.chunks_exact(3).map(|p| {
                (r * f32::from(p[0]) + g * f32::from(p[1]) + b * f32::from(p[2]) + offset).round() as u8
            }));
        }
    }
    bytes
}

/// Names and bytes of all files in a folder.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    list(folder)
        .into_iter()
        .map(|name| (name.clone(), std::fs::read(folder.join(&name)).expect("read")))
        .collect()
}

#[test]
fn a_stream_gives_the_same_files_as_a_folder() {
    let place = Place::new();
    // Clips of fewer than 16 frames use fewer object pointers; a stream does not have the length in advance.
    for frames in [4, 19] {
        let name = |name: &str| format!("{name}{frames}");
        std::fs::create_dir(place.join(&name("frames"))).expect("folder");
        for i in 0..frames {
            let frame = disc(80.0 + 2.0 * i as f32);
            frame.save(place.join(&name("frames")).join(format!("{i}.png"))).expect("save");
        }
        let (folder, raw) = (place.arg(&name("frames")), place.write(&name("raw"), rgb(0..frames)));
        let prompt = ["-b", "44,28,116,100", "--frame", "1", "-q"];
        let track = |input: &str, out: &str, extra: &[&str]| {
            [&["track", input, "-o", &place.arg(&name(out))], &prompt[..], extra]
                .concat()
                .iter()
                .map(|s| s.to_string())
                .collect::<Vec<_>>()
        };
        accepted(&run(&track(&folder, "folder", &[])));
        accepted(&run(&track(&raw, "file", &["--raw", "192x128"])));
        let args = track("-", "stdin", &["--raw", "192x128"]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = run_with(rgb(0..frames), &args);
        accepted(&output);
        assert_eq!(stderr(&output), "");
        let expected = contents(&place.join(&name("folder")));
        assert_eq!(expected.len(), frames, "one mask for every frame from 1 on, and tracks.jsonl");
        assert!(contents(&place.join(&name("file"))) == expected, "{frames} frames from a file");
        assert!(contents(&place.join(&name("stdin"))) == expected, "{frames} frames from stdin");
    }
}

#[test]
fn y4m_from_a_file_stdin_and_a_named_pipe_is_the_same() {
    let place = Place::new();
    let file = place.write("clip.y4m", y4m(5));
    let args = |input: &str, out: &str| {
        ["track", input, "-b", "44,28,116,100", "--max-frames", "4", "-o", &place.arg(out)].map(str::to_owned)
    };
    accepted(&run(&args(&file, "file")));
    let expected = contents(&place.join("file"));
    assert_eq!(expected.len(), 5, "four masks and tracks.jsonl");
    let stdin = args("-", "stdin");
    accepted(&run_with(y4m(5), &stdin.each_ref().map(String::as_str)));
    assert!(contents(&place.join("stdin")) == expected);

    let pipe = place.arg("pipe");
    if !std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no mkfifo");
        return;
    }
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::write(pipe, y4m(4))
    });
    accepted(&run(&args(&pipe, "piped")));
    writer.join().expect("writer").expect("the pipe was read");
    assert!(contents(&place.join("piped")) == expected);
}

#[test]
fn prompts_on_later_frames_of_a_stream_apply_from_their_frame_on() {
    let place = Place::new();
    let prompts = place.write(
        "prompts.jsonl",
        "{\"frame\":0,\"obj_id\":1,\"box\":[44,28,116,100]}\n\
         {\"frame\":2,\"obj_id\":4,\"points\":[[84,64]]}\n",
    );
    let output = run_with(y4m(4), &["track", "-", "--prompts", &prompts, "-o", &place.arg("out"), "--json"]);
    let text = accepted(&output);
    assert!(stderr(&output).contains("take effect from their own frame on"), "{}", stderr(&output));
    let objects: Vec<(i64, i64)> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|line| (line["frame"].as_i64().expect("frame"), line["obj_id"].as_i64().expect("object")))
        .collect();
    assert_eq!(objects, [(0, 1), (1, 1), (2, 1), (2, 4), (3, 1), (3, 4)]);
}

#[test]
fn prompts_come_from_stdin_too() {
    let place = Place::new();
    let frames = place.frames("frames");
    let line = b"{\"frame\":0,\"obj_id\":1,\"box\":[44,28,116,100]}\n".to_vec();
    accepted(&run_with(line.clone(), &["track", &frames, "--prompts", "-", "-o", &place.arg("a")]));
    accepted(&run(&["track", &frames, "-b", "44,28,116,100", "-o", &place.arg("b")]));
    assert!(contents(&place.join("a")) == contents(&place.join("b")));
    let both = run_with(line, &["track", "-", "--prompts", "-", "-o", &place.arg("c")]);
    refused(&both, &["both", "stdin"]);
    let bad = run_with(b"nonsense\n".to_vec(), &["track", &frames, "--prompts", "-", "-o", &place.arg("c")]);
    refused(&bad, &["stdin line 1"]);
}

#[test]
fn malformed_streams_are_refused() {
    let place = Place::new();
    let track = |bytes: Vec<u8>, extra: &[&str]| {
        let out = place.arg("out");
        run_with(bytes, &[&["track", "-", "-p", "80,64", "-q", "--overwrite", "-o", &out], extra].concat())
    };
    refused(&track(b"GIF89a".repeat(9), &[]), &["stdin", "Y4M", "--raw"]);
    refused(&track(Vec::new(), &[]), &["stdin", "empty"]);
    refused(&track(Vec::new(), &["--raw", "192x128"]), &["stdin", "no frames"]);
    let none = ["stream", "-", "--raw", "192x128", "-p", "80,64", "-q"];
    refused(&run_with(Vec::new(), &none), &["stdin", "before its first frame"]);
    refused(&track(b"YUV4MPEG2 W64 H64 C420p10\n".to_vec(), &[]), &["420p10"]);
    refused(&track(y4m(2), &["--frame", "5"]), &["no frame 5", "2 frames"]);
    refused(&track(y4m(2), &["--raw", "192by128"]), &["192by128", "WIDTHxHEIGHT"]);
    refused(&track(rgb(0..18), &["--raw", "192x128", "--frame", "20"]), &["no frame 20", "18 frames"]);
    let file = place.write("cut.rgb", vec![0; 1000]);
    refused(
        &run(&["track", &file, "--raw", "192x128", "-p", "1,1", "-o", &place.arg("out")]),
        &["cut.rgb", "cut short", "frame 0"],
    );
}
