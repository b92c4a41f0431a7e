//! `sam2 export`, `--export` and `--rle`.

use std::fs;
use std::path::Path;
use std::process::Command;

use sam2_media::export::{Images, Set, results};
use sam2_media::frames::Clip;
use sam2_model::Rle;
use serde_json::{Value, json};

use crate::common::{Place, accepted, contents, list, readable, refused, rgb, run, run_with, sam2, stderr};

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// Every mask of a set: frame, object, run lengths.
fn masks(set: &Set) -> Vec<(usize, u32, String)> {
    let on = |frame: &sam2_media::export::Picture| {
        let index = frame.index;
        let objects = frame.objects.iter();
        objects.map(move |object| (index, object.id, object.rle.to_coco_string())).collect::<Vec<_>>()
    };
    set.frames.iter().flat_map(on).collect()
}

fn read(path: &str) -> Set {
    results::read(path.as_ref(), None).expect("results").0
}

/// A tracked clip with two overlapping objects.
fn tracked(place: &Place, more: &[&str]) -> String {
    let frames = place.frames("frames");
    let out = place.arg("out");
    let boxes = ["track", &frames, "-b", "44,28,116,100", "-b", "60,40,100,90", "-q", "-o", &out];
    accepted(&run(&[&boxes[..], more].concat()));
    out
}

#[test]
fn run_lengths_keep_what_palettes_lose() {
    let place = Place::new();
    let exact = tracked(&place, &["--rle"]);
    let set = read(&exact);
    assert_eq!((set.size, set.frames.len()), ((192, 128), 4));
    let lines = fs::read_to_string(place.join("out/tracks.jsonl")).expect("lines");
    for (line, (frame, id, rle)) in lines.lines().zip(masks(&set)) {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!((&line["frame"], &line["obj_id"]), (&json!(frame), &json!(id)));
        assert_eq!(line["rle"], json!({"size": [128, 192], "counts": rle}));
    }
    // The same folder without run lengths.
    let plain: Vec<String> = lines
        .lines()
        .map(|line| {
            let mut line: Value = serde_json::from_str(line).expect("JSON");
            line.as_object_mut().expect("an object").remove("rle");
            line.to_string() + "\n"
        })
        .collect();
    fs::write(place.join("out/tracks.jsonl"), plain.concat()).expect("write");
    let (palette, remarks) = results::read(exact.as_ref(), None).expect("results");
    assert!(remarks.len() == 1 && remarks[0].contains("--rle"), "{remarks:?}");
    for (frame, other) in set.frames.iter().zip(&palette.frames) {
        for object in &frame.objects {
            let lower = frame.objects.iter().filter(|lower| lower.id < object.id);
            let lower: Vec<_> = lower.map(|lower| lower.rle.mask()).collect();
            let mask = object.rle.mask();
            let kept = (0..192 * 128).filter(|&i| mask.data()[i] && !lower.iter().any(|mask| mask.data()[i]));
            let area = other.objects.iter().find(|o| o.id == object.id).map_or(0, |o| o.rle.area());
            assert_eq!(kept.count() as u64, area);
            assert!(other.objects.iter().all(|o| o.score.is_some()));
        }
    }
    // A stream answers with the same masks.
    let frames = place.arg("frames");
    let boxes = ["stream", &frames, "-b", "44,28,116,100", "-b", "60,40,100,90", "-q", "--rle"];
    let answers = place.write("answers.jsonl", accepted(&run(&boxes)));
    assert_eq!(masks(&read(&answers)).len(), masks(&set).len());
}

#[test]
fn a_clip_is_exported_at_once_or_afterwards() {
    let place = Place::new();
    let coco = format!("coco={}", place.arg("at_once.json"));
    let names = place.write("names.txt", "Größe \"3\", rot\nobject\n");
    let more = ["--rle", "--export", &coco, "--export", "yolo", "--export", "davis", "--names", &names];
    let out = tracked(&place, &more);
    let frames = place.arg("frames");
    let exports =
        ["coco", "ytvis", "sav", "yolo", "labelme", "mot", "mots", "davis", "sav-png", "alpha", "overlay"];
    for format in exports {
        let to = place.arg(&format!("to/{format}"));
        let command = ["export", &out, "--to", format, "-o", &to, "--images", &frames, "--names", &names];
        let printed = accepted(&run(&command));
        assert!(printed.contains("of 4 frames in"), "{printed}");
        readable(&place.join(&format!("to/{format}")));
        // A second run is refused, or replaces exactly its own files.
        let before = contents(&place.join(&format!("to/{format}")));
        fs::write(place.join(&format!("to/{format}/mine.png")), "mine").expect("write");
        refused(&run(&command), &["earlier run", "--overwrite"]);
        accepted(&run(&[&command[..], &["--overwrite"]].concat()));
        fs::remove_file(place.join(&format!("to/{format}/mine.png"))).expect("it is still there");
        assert_eq!(contents(&place.join(&format!("to/{format}"))), before, "{format}");
    }
    let list_of = |folder: &str| list(&place.join(folder));
    assert_eq!(list_of("to/yolo/labels"), ["f10.txt", "f11.txt", "f8.txt", "f9.txt"]);
    assert_eq!(list_of("to/yolo/images"), list_of("frames"));
    assert_eq!(list_of("to/alpha"), list_of("frames"));
    assert_eq!(list_of("to/sav-png/frames"), ["001", "002"]);
    assert_eq!(list_of("to/mot"), ["gt", "seqinfo.ini"]);
    assert_eq!(json_of(&place.join("at_once.json")), json_of(&place.join("to/coco/instances.json")));
    assert_eq!(contents(&place.join("out/yolo/labels")).len(), 4);
    let at_once = contents(&place.join("out/davis")).into_iter().map(|(_, bytes)| bytes);
    assert!(at_once.eq(contents(&place.join("to/davis")).into_iter().map(|(_, bytes)| bytes)));
    let coco = json_of(&place.join("at_once.json"));
    assert_eq!(coco["images"][0]["file_name"], "f8.png");
    assert_eq!(coco["categories"][0]["name"], "Größe \"3\", rot");
    // Every second frame, and none of the small masks.
    let few = ["export", &out, "--to", "coco", "-o", &place.arg("few.json"), "--every", "2"];
    assert!(accepted(&run(&few)).contains("of 2 frames"));
    let large = ["--min-area", "1000000"];
    assert!(accepted(&run(&[&few[..], &large].concat())).starts_with("0 masks"));
}

#[test]
fn photos_are_exported() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let command = ["segment", &photo, "-p", "96,64", "-q"];
    let report = accepted(&run(&[&command[..], &["--json", "--rle", "--single-mask"]].concat()));
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let mask = &report["masks"][0];
    let results = place.write("masks.json", report.to_string());
    let set = read(&results);
    assert_eq!(masks(&set), [(0, 1, mask["rle"]["counts"].as_str().expect("a string").to_owned())]);
    assert_eq!(mask["area"], set.frames[0].objects[0].rle.area());
    let export = ["--export", "labelme", "--classes", "1=cat", "--single-mask"];
    accepted(&run(&[&command[..], &export].concat()));
    assert_eq!(list(&place.join("photo_labelme")), ["photo.json", "photo.png"]);
    let labels = json_of(&place.join("photo_labelme/photo.json"));
    assert_eq!((&labels["shapes"][0]["label"], &labels["imagePath"]), (&json!("cat"), &json!("photo.png")));

    let search = ["--points-per-side", "3", "--pred-iou-thresh", "0.1", "--stability-score-thresh", "0.3"];
    let rest = ["--stability-score-offset", "0.1", "-q", "-o", &place.arg("all"), "--export", "coco"];
    accepted(&run(&[&["everything", photo.as_str()][..], &search, &rest].concat()));
    let count = json_of(&place.join("all/masks.json")).as_array().map(Vec::len);
    let coco = json_of(&place.join("all/coco/instances.json"));
    assert_eq!(coco["annotations"].as_array().map(Vec::len), count);
    assert_eq!(masks(&read(&place.arg("all"))).len(), count.expect("a list"));
    // Beside the photo itself: no copy.
    let beside = ["export", &results, "--to", "labelme", "-o", &place.arg("."), "--images", &photo];
    accepted(&run(&beside));
    assert!(place.join("photo.json").is_file());
    refused(&run(&beside), &["photo.json", "earlier run"]);
}

/// The size of the first frame, the number of frames and the rate, by ffprobe; `None` if there is none.
fn probe(path: &Path) -> Option<String> {
    let fields = "stream=codec_name,width,height,pix_fmt,r_frame_rate,nb_read_frames:stream_tags=alpha_mode";
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-count_frames", "-show_entries", fields, "-of", "csv=p=0"]).arg(path);
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).expect("text").trim().to_owned())
}

#[test]
fn videos_are_written_by_their_extension() {
    let place = Place::new();
    let frames = place.frames("frames");
    let track = ["track", &frames, "-p", "80,64", "--labels"];
    let gif = place.arg("overlay.gif");
    accepted(&run(&[&track[..], &["-o", &gif]].concat()));
    assert_eq!(place.list(), ["frames", "overlay.gif"]);
    assert_eq!(Clip::open(gif.as_ref(), None).expect("a clip").len(), 4);
    if Command::new("ffprobe").arg("-version").output().is_err() {
        eprintln!("skipped: ffmpeg is not installed");
        return;
    }
    let mp4 = place.arg("overlay.mp4");
    accepted(&run(
        &[&track[..], &["-o", &mp4, "--export", &format!("alpha={}", place.arg("cut.webm"))]].concat()
    ));
    assert_eq!(probe(mp4.as_ref()).as_deref(), Some("h264,192,128,yuv420p,24/1,4"));
    assert_eq!(probe(&place.join("cut.webm")).as_deref(), Some("vp9,192,128,yuv420p,24/1,4,1"));
    // The colours come back.
    let film = Clip::open(mp4.as_ref(), None).expect("a clip");
    assert_eq!(film.fps(), Some(24.0));
    let (_, first) = film.frames_from(0).expect("frames").next().expect("a frame").expect("a frame");
    let original = Images::open(frames.as_ref()).expect("frames");
    assert_eq!(original.size(), (192, 128));
    for (at, colour) in [((5, 5), [40, 60, 91]), ((180, 120), [40, 60, 135])] {
        let pixel = &first.rgb()[3 * (at.1 * 192 + at.0)..][..3];
        let far = pixel.iter().zip(colour).map(|(a, b)| a.abs_diff(b)).max();
        assert!(far <= Some(6), "{pixel:?} {colour:?}");
    }
    accepted(&run(&[&track[..3], &["80,64", "-q", "-o", &place.arg("masks")]].concat()));
    for (name, format, told) in [
        ("o.mov", "overlay", "h264,192,128,yuv420p,12/1,4"),
        ("o.webm", "overlay", "vp9,192,128,yuv420p,12/1,4"),
        ("a.mov", "alpha", "prores,192,128,yuva444p12le,12/1,4"),
    ] {
        let out = place.arg(name);
        let images = ["--images", frames.as_str(), "--fps", "12", "--alpha", "0.5"];
        let export = ["export", &place.arg("masks"), "--to", format, "-o", &out];
        accepted(&run(&[&export[..], &images].concat()));
        let found = probe(out.as_ref()).expect("a video");
        // Versions of ffmpeg name the depth of ProRes differently.
        assert_eq!(found.replace("p10le", "p12le"), told);
    }
    let beside: Vec<String> = place.list().into_iter().filter(|name| name.starts_with('.')).collect();
    assert!(beside.is_empty(), "{beside:?}");
}

#[test]
fn what_cannot_be_exported_is_refused_in_words() {
    let place = Place::new();
    let out = tracked(&place, &[]);
    let frames = place.arg("frames");
    let export = |rest: &[&str]| run(&[&["export", out.as_str()][..], rest].concat());
    let file = |name: &str| place.arg(name);
    for (rest, words) in [
        (vec!["--to", "cocoa", "-o", "x"], &["cocoa", "coco, ytvis"][..]),
        (vec!["--to", "overlay", "-o", "o.mkv", "--images", &frames], &["o.mkv", ".mp4"]),
        (vec!["--to", "yolo", "-o", "y.txt"], &["y.txt", "folder"]),
        (vec!["--to", "coco", "-o", "c.xml"], &["c.xml", ".json"]),
        (vec!["--to", "overlay", "-o", "o.gif"], &["overlay", "--images"]),
        (vec!["--to", "labelme", "-o", "l"], &["labelme", "--images"]),
        (vec!["--to", "davis", "-o", &frames, "--images", &frames], &["frames", "input"]),
        (vec!["--to", "davis", "-o", &out], &["would overwrite"]),
        (vec!["--to", "coco", "-o", &file("out/tracks.jsonl")], &["tracks.jsonl", ".json"]),
        (vec!["--to", "coco", "-o", "c.json", "--classes", "car"], &["1=car"]),
        (vec!["--to", "overlay", "-o", "o.gif", "--images", &frames, "--fps", "0"], &["--fps"]),
        (vec!["--to", "mot", "-o", &file("out/none/t.csv")], &["t.csv", ".txt"]),
    ] {
        refused(&export(&rest), words);
    }
    // The list alone has no masks, whatever the pictures are.
    let list = ["export", &file("out/tracks.jsonl"), "--to", "coco", "-o", "c.json", "--images", &frames];
    refused(&run(&list), &["tracks.jsonl", "holds no masks"]);
    let photo = place.photo("photo.png");
    let other = place
        .write("other.jsonl", "{\"frame\":9,\"obj_id\":1,\"rle\":{\"size\":[128,192],\"counts\":\"PPP\"}}\n");
    refused(&run(&["export", &other, "--to", "coco", "-o", "c.json"]), &["other.jsonl", "line 1"]);
    for (text, words) in [
        ("{}", "holds no masks"),
        ("[]", "holds no masks"),
        ("{\"masks\":[{\"area\":1}],\"best\":0}", "--rle"),
        ("[{\"segmentation\":{\"size\":[99999,99999],\"counts\":\"0\"}}]", "99999x99999"),
        ("[{\"segmentation\":5}]", "neither"),
    ] {
        let file = place.write("bad.json", text);
        refused(&run(&["export", &file, "--to", "coco", "-o", &place.arg("c.json")]), &["bad.json", words]);
    }
    let small =
        place.write("small.jsonl", "{\"frame\":9,\"obj_id\":1,\"rle\":{\"size\":[1,2],\"counts\":\"02\"}}\n");
    let with = ["export", &small, "--to", "coco", "-o", &place.arg("c.json"), "--images"];
    refused(&run(&[&with[..], &[frames.as_str()]].concat()), &["2x1", "192x128"]);
    let nothing = Rle::from_counts(192, 128, vec![192 * 128]).expect("a mask").to_coco_string();
    let size = "\"size\":[128,192]";
    let line = format!("{{\"frame\":9,\"obj_id\":1,\"rle\":{{{size},\"counts\":\"{nothing}\"}}}}\n");
    let long = place.write("long.jsonl", line);
    let with = ["export", &long, "--to", "coco", "-o", &place.arg("c.json"), "--images", &frames];
    refused(&run(&with), &["frame 9", "4 pictures"]);
    let track = |rest: &[&str]| run(&[&["track", frames.as_str(), "-p", "80,64", "-q"][..], rest].concat());
    refused(&track(&["--export", "overlay", "-o", &file("t")]), &["overlay=OUT"]);
    refused(&track(&["-o", &file("o.gif"), "--names-from-input"]), &["-o DIR"]);
    refused(&track(&["-o", &file("t"), "--labels"]), &["--overlay"]);
    refused(&track(&["--labels"]), &["--output"]);
    refused(&run(&["segment", &photo, "-p", "9,9", "--rle"]), &["--json"]);
    assert!(!place.join("t").exists() && !place.join("c.json").exists());
    let note = stderr(&export(&["--to", "coco", "-o", &file("coco.json")]));
    assert!(note.contains("--rle"), "{note}");
}

#[cfg(unix)]
#[test]
fn a_video_that_cannot_be_written_leaves_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let frames = place.frames("frames");
    let video = place.arg("o.mp4");
    let args = ["track", &frames, "-p", "80,64", "-q", "-o", &video];
    let with = |program: &str| sam2().args(args).env("SAM2_FFMPEG", program).output().expect("sam2 starts");
    // Refused before the clip is tracked.
    refused(&with(&place.arg("absent")), &["SAM2_FFMPEG", "absent"]);
    let version = "[ \"$1\" = -version ] && { echo 'ffmpeg version 6.0'; exit 0; }";
    for script in ["echo 'no encoder' >&2; exit 1", "cat > /dev/null; echo 'no encoder' >&2; exit 1"] {
        let program = place.write("fake", format!("#!/bin/sh\n{version}\n{script}\n"));
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("permissions");
        refused(&with(&program), &["ffmpeg cannot write", "o.mp4", "ffmpeg says: no encoder"]);
        assert_eq!(place.list(), ["fake", "frames"]);
    }
    let raw = ["track", "-", "--raw", "192x128", "-p", "80,64", "-q", "-o", &place.arg("o.gif")];
    refused(&run_with(rgb(0..2), &raw), &["read only once", "overlay"]);
}
