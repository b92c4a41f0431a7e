//! Every step of writing fails once, as on a full disk: one line, and nothing is lost or half-written. The
//! program fails on request in builds with debug assertions only. A command of a thousand steps is tried at
//! some of them, and at all with `SAM2_EVERY_STEP=1`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Place, asset, contents, readable, rgb, sam2, stderr};

/// More steps than any of the commands has.
const MANY: usize = 2000;

/// Runs a command whose step `fail` fails (`7`, or `7+` for the later ones too).
fn run_failing(args: &[String], fail: &str) -> std::process::Output {
    sam2().args(args).arg("-q").env("SAM2_FAIL_WRITE", fail).output().expect("sam2 starts")
}

/// Files of an earlier run and what a run makes of them.
struct Case<'a> {
    /// Arguments; everything is written into the folder `out` of the place.
    args: Vec<String>,
    /// Puts files into `out` that are there before the run.
    earlier: &'a dyn Fn(&Path),
    /// Files that tell that a run is complete.
    lists: &'a [&'static str],
    /// Every how many steps are tried.
    stride: usize,
}

/// Fails every step in turn and checks what is left.
fn fail_at_every_step(place: &Place, case: &Case<'_>) {
    let out = place.join("out");
    let begin = || {
        let _ = fs::remove_dir_all(&out);
        fs::create_dir(&out).expect("folder");
        (case.earlier)(&out);
        contents(&out)
    };
    let earlier = begin();
    let output = run_failing(&case.args, "0");
    assert!(output.status.success(), "{:?}: {}", case.args, stderr(&output));
    let (whole, others) = (contents(&out), inputs(place));
    let of = |files: &[(PathBuf, Vec<u8>)], path: &Path| {
        files.iter().find(|(name, _)| name == path).map(|(_, bytes)| bytes.clone())
    };
    let mut steps = 0;
    let stride = if std::env::var_os("SAM2_EVERY_STEP").is_some() { 1 } else { case.stride };
    for step in (1..MANY).step_by(stride) {
        // A disk that was full may be so from then on.
        let fail = if step % 2 == 0 { format!("{step}+") } else { step.to_string() };
        begin();
        let output = run_failing(&case.args, &fail);
        let place_of_failure = format!("{:?}, step {fail}: {}", case.args, stderr(&output));
        if output.status.success() {
            assert!(contents(&out) == whole, "{place_of_failure}");
            break;
        }
        steps = step;
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{place_of_failure}");
        assert!(text.starts_with("error: ") && text.trim_end().lines().count() == 1, "{place_of_failure}");
        assert!(!text.contains("internal error") && text.contains("no storage space"), "{place_of_failure}");
        let left = contents(&out);
        assert!(inputs(place) == others, "an input changed: {place_of_failure}");
        readable(&out);
        for (path, bytes) in &left {
            let known = [of(&earlier, path), of(&whole, path)];
            assert!(known.contains(&Some(bytes.clone())), "{}: {place_of_failure}", path.display());
        }
        for list in case.lists.iter().map(|list| out.join(list)) {
            // A list lies beside the files of its own run, or is not there.
            let complete = [&earlier, &whole].into_iter().any(|files| left == *files);
            assert!(!list.exists() || complete, "{place_of_failure}");
        }
    }
    assert!((5..MANY - 1).contains(&steps), "{:?}: {steps} steps", case.args);
}

/// Everything but the outputs.
fn inputs(place: &Place) -> Vec<(PathBuf, Vec<u8>)> {
    contents(place.path()).into_iter().filter(|(path, _)| !path.starts_with(place.join("out"))).collect()
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn files_of_a_photo() {
    let place = Place::new();
    let (photo, out) = (place.photo("photo.png"), place.arg("out"));
    let old = fs::read(&photo).expect("read");
    let line = format!(
        "segment {photo} -p 96,64 -o {out}/m.png --overlay --cutout --save-logits {out}/l.npy --embeddings \
         {out}/e.safetensors"
    );
    let earlier = |out: &Path| fs::write(out.join("m.png"), &old).expect("write");
    fail_at_every_step(&place, &Case { args: words(&line), earlier: &earlier, lists: &[], stride: 1 });
}

#[test]
fn masks_of_everything() {
    let place = Place::new();
    let (photo, out) = (place.photo("photo.png"), place.arg("out"));
    let mask = fs::read(&photo).expect("read");
    let line = format!(
        "everything {photo} -o {out} --overwrite --points-per-side 2 --pred-iou-thresh 0.1 \
         --stability-score-thresh 0.3 --stability-score-offset 0.1"
    );
    let earlier = |out: &Path| {
        for name in ["000.png", "001.png", "002.png", "003.png", "004.png", "overlay.png"] {
            fs::write(out.join(name), &mask).expect("write");
        }
        fs::write(out.join("masks.json"), "[1,2,3,4,5]").expect("write");
    };
    fail_at_every_step(
        &place,
        &Case { args: words(&line), earlier: &earlier, lists: &["masks.json"], stride: 1 },
    );
}

#[test]
fn files_of_a_tracked_clip() {
    let place = Place::new();
    let (clip, out) = (place.write("clip.rgb", rgb(0..2)), place.arg("out"));
    let mask = fs::read(place.photo("mask.png")).expect("read");
    let line = format!(
        "track {clip} --raw 192x128 -p 80,64 -o {out} --overwrite --overlay --save-logits {out}/logits"
    );
    let earlier = |out: &Path| {
        for index in 0..3 {
            fs::write(out.join(format!("{index:05}.png")), &mask).expect("write");
        }
        fs::write(out.join("tracks.jsonl"), "{}\n").expect("write");
    };
    fail_at_every_step(
        &place,
        &Case { args: words(&line), earlier: &earlier, lists: &["tracks.jsonl"], stride: 1 },
    );
}

#[test]
fn masks_and_session_of_a_stream() {
    let place = Place::new();
    let (clip, out) = (place.write("clip.rgb", rgb(0..2)), place.arg("out"));
    let prompts = place.write("p.jsonl", r#"{"obj_id":1,"points":[[80,64]]}"#);
    let line = format!("stream {clip} --raw 192x128 --prompts {prompts} -o {out} --save {out}/s.safetensors");
    fail_at_every_step(&place, &Case { args: words(&line), earlier: &|_| (), lists: &[], stride: 1 });
}

#[test]
fn masks_of_videos() {
    let place = Place::new();
    let out = place.arg("out");
    for folder in ["videos/a", "masks/a"] {
        fs::create_dir_all(place.join(folder)).expect("folder");
    }
    place.photo("videos/a/0.png");
    place.photo("videos/a/1.png");
    place.mask("masks/a/0.png");
    let (videos, masks) = (place.arg("videos"), place.arg("masks"));
    let line = format!("vos --base_video_dir {videos} --input_mask_dir {masks} --output_mask_dir {out}");
    fail_at_every_step(&place, &Case { args: words(&line), earlier: &|_| (), lists: &[], stride: 1 });
}

#[test]
fn checkpoints_and_tables() {
    let place = Place::new();
    let out = place.arg("out");
    let checkpoint = asset("sam2.1_micro.safetensors");
    for (name, stride) in [("c.safetensors", 1), ("c.pt", 37)] {
        let line = format!("convert {} {out}/{name} --bf16", checkpoint.display());
        let earlier = |out: &Path| {
            fs::copy(&checkpoint, out.join("c.safetensors")).expect("copy");
        };
        fail_at_every_step(&place, &Case { args: words(&line), earlier: &earlier, lists: &[], stride });
    }
    for (path, text) in [("gt/s/groundtruth.txt", "1,2,30,40\n"), ("pred/s.txt", "1,2,30,40\n")] {
        fs::create_dir_all(place.join(path).parent().expect("a folder")).expect("folder");
        place.write(path, text);
    }
    let line = format!("eval lasot --gt {} --pred {} --csv {out}/t.csv", place.arg("gt"), place.arg("pred"));
    let earlier = |out: &Path| fs::write(out.join("t.csv"), "old\n").expect("write");
    fail_at_every_step(&place, &Case { args: words(&line), earlier: &earlier, lists: &[], stride: 1 });
}
