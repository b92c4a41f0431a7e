//! `sam2 track` and `sam2 demo` with the embedded model: inputs, files, JSON.

use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{Place, accepted, asset, list, run, stderr};
use serde_json::Value;

fn read_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("tracks.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Palette indices and palette of an indexed PNG.
fn read_indexed(path: &Path) -> (Vec<u8>, Vec<u8>) {
    let decoder = png::Decoder::new(BufReader::new(std::fs::File::open(path).expect("open")));
    let mut reader = decoder.read_info().expect("header");
    assert_eq!(
        (reader.info().color_type, reader.info().bit_depth),
        (png::ColorType::Indexed, png::BitDepth::Eight)
    );
    let palette = reader.info().palette.as_ref().expect("palette").to_vec();
    let mut indices = vec![0; reader.output_buffer_size().expect("size")];
    reader.next_frame(&mut indices).expect("pixels");
    (indices, palette)
}

#[test]
fn a_folder_in_natural_order_gives_the_documented_files() {
    let place = Place::new();
    let frames = place.frames("frames");
    let out = place.join("out");
    let output = run(&[
        "track",
        &frames,
        "-b",
        "44,28,116,100",
        "--obj-id",
        "7",
        "-o",
        &place.arg("out"),
        "--overlay",
        "--labels",
        "--save-logits",
        &place.arg("logits"),
        "--json",
    ]);
    let printed = accepted(&output);
    assert!(stderr(&output).contains("4 frames in"), "{}", stderr(&output));
    assert_eq!(list(&out), ["00000.png", "00001.png", "00002.png", "00003.png", "overlay", "tracks.jsonl"]);
    assert_eq!(list(&out.join("overlay")), ["00000.png", "00001.png", "00002.png", "00003.png"]);
    let logits: Vec<String> = (0..4).map(|i| format!("0000{i}_obj7.npy")).collect();
    assert_eq!(list(&place.join("logits")), logits);
    for name in &logits {
        assert_eq!(tensor::npy::read_f32(place.join("logits").join(name)).expect("logits").shape(), [64, 64]);
    }

    assert_eq!(std::fs::read_to_string(out.join("tracks.jsonl")).expect("tracks"), printed);
    let lines = read_lines(&out.join("tracks.jsonl"));
    assert_eq!(lines.len(), 4);
    let mut last_left = 0;
    for (index, line) in lines.iter().enumerate() {
        let mut fields: Vec<&String> = line.as_object().expect("object").keys().collect();
        fields.sort();
        assert_eq!(
            fields,
            ["area", "bbox_xyxy", "frame", "obj_id", "object_score", "predicted_iou", "stability_score"]
        );
        assert_eq!((&line["frame"], &line["obj_id"]), (&Value::from(index), &Value::from(7)));
        let (indices, palette) = read_indexed(&out.join(format!("{index:05}.png")));
        assert_eq!(indices.len(), 192 * 128);
        assert_eq!(&palette[3 * 7..3 * 8], [128, 128, 128], "the colour of object 7 in DAVIS");
        assert!(indices.iter().all(|id| matches!(id, 0 | 7)));
        assert_eq!(
            indices.iter().filter(|&&id| id == 7).count() as u64,
            line["area"].as_u64().expect("area")
        );
        // The disc moves right only if the files are read in natural order.
        let columns = indices.iter().enumerate().filter(|(_, id)| **id == 7).map(|(i, _)| i % 192);
        let (sum, count) = columns.fold((0, 0), |(sum, count), x| (sum + x, count + 1));
        assert!(sum / count > last_left, "frame {index}: {} after {last_left}", sum / count);
        last_left = sum / count;
    }
}

#[test]
fn a_gif_with_a_prompts_file_and_fewer_frames() {
    let place = Place::new();
    let gif = asset("balloon.gif");
    let prompts = asset("balloon_prompts.jsonl");
    let tracked = |out: &str, threads: &str| {
        let output = run(&[
            "track",
            gif.to_str().expect("UTF-8"),
            "--prompts",
            prompts.to_str().expect("UTF-8"),
            "--max-frames",
            "5",
            "-o",
            &place.arg(out),
            "-t",
            threads,
            "-q",
        ]);
        assert_eq!(accepted(&output).lines().count(), 1);
        assert_eq!(stderr(&output), "");
        let out = place.join(out);
        list(&out)
            .into_iter()
            .map(|name| (std::fs::read(out.join(&name)).expect("read"), name))
            .collect::<Vec<_>>()
    };
    let one = tracked("one", "1");
    let names: Vec<&str> = one.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["00000.png", "00001.png", "00002.png", "00003.png", "00004.png", "tracks.jsonl"]);
    assert!(one == tracked("two", "2"), "two threads give the same bytes");
}

#[test]
fn prompts_of_several_objects_frames_and_kinds() {
    let place = Place::new();
    let frames = place.frames("frames");
    accepted(&run(&[
        "segment",
        &place.arg("frames/f9.png"),
        "-b",
        "50,28,122,100",
        "-o",
        &place.arg("mask.png"),
    ]));
    let prompts = place.write(
        "prompts.jsonl",
        "{\"frame\":1,\"obj_id\":3,\"mask\":\"mask.png\"}\n\
         {\"frame\":2,\"obj_id\":1,\"points\":[[92,64],[5,5]],\"labels\":[1,0]}\n\
         {\"frame\":2,\"obj_id\":1,\"box\":[56,28,128,100]}\n",
    );
    accepted(&run(&["track", &frames, "--prompts", &prompts, "-o", &place.arg("out")]));
    // Tracking starts at the first frame with a prompt.
    assert_eq!(list(&place.join("out")), ["00001.png", "00002.png", "00003.png", "tracks.jsonl"]);
    let lines = read_lines(&place.join("out/tracks.jsonl"));
    let on_last: Vec<_> =
        lines.iter().filter(|line| line["frame"] == 3).map(|line| line["obj_id"].clone()).collect();
    assert!(on_last.contains(&1.into()) && on_last.contains(&3.into()), "{on_last:?}");
}

#[test]
fn an_earlier_result_is_replaced_completely() {
    let place = Place::new();
    let frames = place.frames("frames");
    let track = |extra: &[&str]| {
        let out = place.arg("out");
        run(&[&["track", &frames, "-p", "80,64", "-o", &out], extra].concat())
    };
    accepted(&track(&[]));
    let before = read_lines(&place.join("out/tracks.jsonl"));
    let absent = ["-m", &place.arg("absent.safetensors"), "--overwrite"];
    crate::common::refused(&track(&absent), &["absent.safetensors"]);
    assert_eq!(
        read_lines(&place.join("out/tracks.jsonl")),
        before,
        "a run that never began replaces nothing"
    );
    accepted(&track(&["--max-frames", "2", "--overwrite"]));
    assert_eq!(list(&place.join("out")), ["00000.png", "00001.png", "tracks.jsonl"]);
    assert_eq!(read_lines(&place.join("out/tracks.jsonl")).len(), 2);
}

/// Peak memory printed by a run, in megabytes.
fn peak_memory(output: &std::process::Output) -> Option<f64> {
    let text = stderr(output);
    let (_, after) = text.split_once("peak memory ")?;
    after.split_once(" MB")?.0.parse().ok()
}

#[test]
fn memory_does_not_grow_with_the_clip() {
    let place = Place::new();
    std::fs::create_dir(place.join("frames")).expect("folder");
    for index in 0..60 {
        crate::common::disc(60.0 + index as f32)
            .save(place.join(&format!("frames/{index}.png")))
            .expect("save");
    }
    let peak = |frames: &str| {
        let (clip, out) = (place.arg("frames"), place.arg("out"));
        let output = run(&[
            "track",
            &clip,
            "-p",
            "60,64",
            "--max-frames",
            frames,
            "-o",
            &out,
            "-t",
            "2",
            "--overwrite",
        ]);
        accepted(&output);
        peak_memory(&output)
    };
    // From frame 16 on the memory bank is full.
    let (Some(short), Some(long)) = (peak("20"), peak("60")) else {
        eprintln!("skipped: this system does not tell the peak memory");
        return;
    };
    assert!(long - short < 5.0, "{short} MB for 20 frames, {long} MB for 60");
}

/// A killed run leaves complete frames and no tracks.jsonl.
#[test]
fn a_killed_run_does_not_look_finished() {
    let place = Place::new();
    let gif = asset("balloon.gif");
    let mut child = crate::common::sam2()
        .args([
            "track",
            gif.to_str().expect("UTF-8"),
            "-p",
            "58,100",
            "-q",
            "-o",
            &place.arg("out"),
            "-t",
            "1",
        ])
        .spawn()
        .expect("sam2 starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !place.join("out/00001.png").exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("kill");
    let finished = child.wait().expect("wait").success();
    assert!(!finished, "30 frames take longer than the two that were waited for");
    let names = list(&place.join("out"));
    assert!(!names.iter().any(|name| name == "tracks.jsonl"), "{names:?}");
    let frames: Vec<_> = names.iter().filter(|name| name.ends_with(".png")).collect();
    assert!(frames.len() >= 2);
    for name in frames {
        assert_eq!(read_indexed(&place.join("out").join(name)).0.len(), 320 * 240);
    }
}

#[test]
fn a_video_is_read_through_ffmpeg() {
    let place = Place::new();
    let frames = place.frames("frames");
    // File names of ffmpeg's image sequence.
    for (index, name) in ["f8.png", "f9.png", "f10.png", "f11.png"].iter().enumerate() {
        std::fs::rename(place.join("frames").join(name), place.join("frames").join(format!("{index}.png")))
            .expect("rename");
    }
    let video = place.arg("clip.mkv");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i", &format!("{frames}/%d.png"), "-c:v", "ffv1", &video])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: ffmpeg is not installed");
        return;
    }
    accepted(&run(&["track", &video, "-p", "92,64", "--frame", "2", "-o", &place.arg("out")]));
    assert_eq!(list(&place.join("out")), ["00002.png", "00003.png", "tracks.jsonl"]);

    // Lossless video and the images give the same masks up to the colour conversion.
    accepted(&run(&["track", &frames, "-p", "92,64", "--frame", "2", "-o", &place.arg("pictures")]));
    let masks = ["out", "pictures"].map(|folder| read_indexed(&place.join(folder).join("00003.png")).0);
    let differing = masks[0].iter().zip(&masks[1]).filter(|(a, b)| a != b).count();
    assert!(differing < 192 * 128 / 50, "{differing} pixels differ");

    // A truncated clip is read up to its end or refused in one line, without a panic.
    let bytes = std::fs::read(&video).expect("read");
    let cut = place.write("cut.mkv", &bytes[..bytes.len() / 2]);
    let output = run(&["track", &cut, "-p", "80,64", "-o", &place.arg("cut")]);
    assert!(!stderr(&output).contains("internal error"));
    let noise = place.write("noise.mp4", [7; 3000]);
    crate::common::refused(
        &run(&["track", &noise, "-p", "1,1", "-o", &place.arg("noise")]),
        &["noise.mp4", "ffmpeg"],
    );
    let past = run(&["track", &video, "-p", "92,64", "--frame", "4", "-o", &place.arg("past")]);
    crate::common::refused(&past, &["no frame 4", "4 frames"]);
}

#[test]
fn the_demo_measures_itself() {
    let place = Place::new();
    let output = run(&["demo", "-o", &place.arg("demo")]);
    let text = accepted(&output);
    for words in
        ["rendered scenes", "mean IoU", "lowest", "dl.fbaipublicfiles.com", "sheet.png", "overlay.gif"]
    {
        assert!(text.contains(words), "{words:?} is missing: {text}");
    }
    for folder in ["demo", "demo/rendered"] {
        let names = list(&place.join(folder));
        for name in
            ["overlay", "overlay.gif", "segment.png", "segment_overlay.png", "sheet.png", "tracks.jsonl"]
        {
            assert!(names.iter().any(|n| n == name), "{folder}/{name} is missing");
        }
    }
    // J of the bundled model on the bundled clips.
    let means = text.split("mean IoU ").skip(1).map(|after| {
        let mean = after.split_whitespace().next().and_then(|word| word.parse().ok());
        mean.unwrap_or_else(|| panic!("{after}"))
    });
    let means: Vec<f64> = means.collect();
    assert!(means.len() == 2 && means[0] > 0.8 && means[1] > 0.6, "{text}");
}

#[test]
fn masks_may_have_the_names_of_the_frames() {
    let place = Place::new();
    let frames = place.frames("frames");
    let track = |more: &[&str]| {
        let (out, logits) = (place.arg("out"), place.arg("logits"));
        let common = ["track", &frames, "-p", "80,64", "-q", "-o", &out, "--save-logits", &logits];
        run(&[&common[..], &["--names-from-input", "--overlay"], more].concat())
    };
    accepted(&track(&[]));
    let names = ["f10.png", "f11.png", "f8.png", "f9.png"];
    assert_eq!(list(&place.join("out")), [&names[..], &["overlay", "tracks.jsonl"]].concat());
    assert_eq!(list(&place.join("out/overlay")), names);
    let logits = ["f10_obj1.npy", "f11_obj1.npy", "f8_obj1.npy", "f9_obj1.npy"];
    assert_eq!(list(&place.join("logits")), logits);
    crate::common::refused(&track(&[]), &["earlier run", "--overwrite"]);
    accepted(&track(&["--overwrite", "--max-frames", "1"]));
    assert_eq!(list(&place.join("out")), ["f8.png", "overlay", "tracks.jsonl"]);
}
