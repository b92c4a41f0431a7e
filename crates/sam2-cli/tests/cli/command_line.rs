//! Names of models, inputs that are no files, outputs that are not asked for.

use std::fs;

use serde_json::Value;

use crate::common::{Place, accepted, asset, list, refused, run, sam2, stderr};

fn json(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).expect("JSON");
    value.as_object_mut().expect("an object").remove("timing_ms");
    value
}

#[test]
fn a_model_has_a_name_in_a_folder_or_in_the_hugging_face_cache() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let micro = asset("sam2.1_micro.safetensors");
    let copy = |to: &str| {
        fs::create_dir_all(place.join(to).parent().expect("a folder")).expect("folders");
        fs::copy(&micro, place.join(to)).expect("copy");
    };
    let segment = |more: &[&str], variables: &[(&str, &str)]| {
        let mut command = sam2();
        command.args(["segment", &photo, "-p", "96,64", "--json"]).args(more);
        command.env("HOME", place.path()).envs(variables.iter().copied()).output().expect("sam2 starts")
    };
    let expected = json(&accepted(&segment(&["-q"], &[])));
    let same = |more: &[&str], variables: &[(&str, &str)]| {
        let output = segment(more, variables);
        assert_eq!(json(&accepted(&output)), expected, "{more:?}");
        assert_eq!(stderr(&output), "", "no note about the embedded model");
    };
    copy("models/mine.safetensors");
    let models = place.arg("models");
    let folder = [("SAM2_MODEL_DIR", models.as_str())];
    same(&["-m", "mine"], &folder);
    same(&["-m", "mine.safetensors"], &folder);
    same(&[], &[folder[0], ("SAM2_MODEL", "mine")]);
    same(&[], &[("SAM2_MODEL", micro.to_str().expect("UTF-8"))]);
    copy(".cache/huggingface/hub/models--lab--micro/snapshots/abc/model.safetensors");
    same(&["-m", "lab/micro"], &[]);
    let (cache, home) = (place.arg(".cache/huggingface/hub"), place.arg(".cache/huggingface"));
    same(&["-m", "lab/micro"], &[("HOME", "/nowhere"), ("HF_HUB_CACHE", &cache)]);
    same(&["-m", "lab/micro"], &[("HOME", "/nowhere"), ("HF_HOME", &home)]);
    // The file has the name of a published model; what it is, its tensors tell.
    copy(".cache/huggingface/hub/models--facebook--sam2.1-hiera-tiny/snapshots/abc/sam2.1_hiera_tiny.pt");
    for name in ["tiny", "facebook/sam2.1-hiera-tiny", "sam2.1_hiera_tiny"] {
        same(&["-m", name], &[]);
    }
    let info = sam2().args(["info", "tiny"]).env("HOME", place.path()).output().expect("sam2 starts");
    assert!(accepted(&info).contains("sam2.1_hiera_tiny.pt"));

    let missing = |name: &str, words: &[&str]| {
        let output = segment(&["-m", name], &folder);
        refused(&output, &[&[name, "https://dl.fbaipublicfiles.com/", "SAM2_MODEL_DIR"], words].concat());
        assert_eq!(stderr(&output).matches("there is no checkpoint").count(), 1, "{}", stderr(&output));
    };
    missing("nope.pt", &[]);
    missing("large", &["sam2.1_hiera_large.pt", "Hugging Face cache"]);
    missing("lab/absent", &["Hugging Face cache"]);
    refused(&segment(&[], &[("SAM2_MODEL", "nope.pt")]), &["nope.pt"]);
    refused(&run(&["info", &place.arg("absent.pt")]), &["absent.pt"]);
    refused(&run(&["convert", "nope.pt", &place.arg("x.safetensors")]), &["nope.pt"]);
    refused(&segment(&["--config", "x.yaml"], &[]), &["--config", "--model"]);
}

#[test]
fn addresses_are_named_as_such() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let address = "https://example.org/x";
    for args in [
        vec!["segment", address, "-p", "1,1"],
        vec!["segment", &photo, "-p", "1,1", "-m", address],
        vec!["track", address, "-p", "1,1", "-o", "out"],
        vec!["track", &photo, "--prompts=https://example.org/x", "-o", "out"],
        vec!["convert", address, "x.pt"],
    ] {
        refused(&run(&args), &["https://example.org/x is an address", "download the file first"]);
    }
}

#[test]
fn a_video_is_not_a_photo_but_has_frames() {
    let place = Place::new();
    let frames = place.frames("frames");
    let segment = |image: &str, more: &[&str]| {
        run(&[&["segment", image, "-p", "92,64", "--json", "-q"], more].concat())
    };
    let photo = place.arg("frames/f10.png");
    let expected = json(&accepted(&segment(&photo, &[])));
    assert_eq!(json(&accepted(&segment(&frames, &["--frame", "2"]))), expected);
    let video = place.write("clip.mp4", b"\0\0\0\x18ftypmp42");
    for clip in [&video, &frames] {
        refused(&segment(clip, &[]), &[clip, "--frame N", "sam2 track"]);
    }
    refused(&segment(&frames, &["--frame", "4"]), &["no frame 4", "0 to 3"]);
    refused(&run(&["everything", &video, "--json"]), &["clip.mp4", "--frame N"]);
    let gif = asset("balloon.gif").to_str().expect("UTF-8").to_owned();
    accepted(&segment(&gif, &["--frame", "7"]));
}

#[test]
fn outputs_are_written_only_where_they_are_asked_for() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let output = run(&["segment", &photo, "-p", "96,64"]);
    assert!(accepted(&output).contains("predicted IoU"));
    assert_eq!(place.list(), ["photo.png"]);
    let output = run(&["segment", &photo, "-p", "96,64", "--overlay", "--cutout"]);
    accepted(&output);
    assert!(stderr(&output).contains("photo_overlay.png"), "{}", stderr(&output));
    assert_eq!(place.list(), ["photo.png", "photo_cutout.png", "photo_overlay.png"]);
    accepted(&run(&["segment", &photo, "-p", "96,64", "-o", &place.arg("new/sub/mask.png"), "--overlay"]));
    assert_eq!(list(&place.join("new/sub")), ["mask.png", "mask_overlay.png"]);
    let logits = place.arg("logits/all.npy");
    accepted(&run(&["segment", &photo, "-p", "96,64", "--save-logits", &logits]));
    let mut stdin = sam2();
    stdin.args(["segment", "-", "-p", "96,64", "--overlay"]).stdin(fs::File::open(&photo).expect("open"));
    refused(&stdin.output().expect("sam2 starts"), &["stdin", "-o", "--overlay"]);
}

#[test]
fn a_folder_is_not_called_like_a_video() {
    let place = Place::new();
    let clip = place.frames("frames");
    let track = |out: &str| run(&["track", &clip, "-p", "80,64", "-q", "-o", &place.arg(out)]);
    refused(&track("out.mkv"), &["out.mkv", ".mp4", "folder", "ffmpeg"]);
    refused(&track("out.jpg"), &["out.jpg", "folder"]);
    let photo = place.photo("photo.png");
    refused(&run(&["everything", &photo, "-o", &place.arg("all.png")]), &["all.png", "folder"]);
    refused(&run(&["stream", &clip, "-o", &place.arg("all.webm")]), &["all.webm", "folder"]);
    assert_eq!(place.list(), ["frames", "photo.png"]);
    accepted(&track("out.mp4/"));
    accepted(&run(&["track", &clip, "-p", "80,64", "-q", "--max-frames", "1", "-o", &place.arg("run.v2")]));
}

#[test]
fn saved_logits_are_mask_prompts() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let frames = place.frames("frames");
    let refine = |mask: &str, more: &[&str]| {
        run(&[&["segment", &photo, "-p", "96,64", "--json", "--mask-prompt", mask], more].concat())
    };
    let three = place.arg("three.npy");
    accepted(&run(&["segment", &photo, "-p", "96,64", "--json", "-q", "--save-logits", &three]));
    let output = refine(&three, &["-m", asset("sam2.1_micro.safetensors").to_str().expect("UTF-8")]);
    let best = json(&accepted(&output));
    assert!(stderr(&output).contains("three.npy holds several masks"), "{}", stderr(&output));
    let each: Vec<Value> =
        (0..3).map(|k| json(&accepted(&refine(&format!("{three}:{k}"), &["-q"])))).collect();
    assert!(each.contains(&best) && each[0] != each[1]);
    refused(&refine(&format!("{three}:3"), &["-q"]), &["three.npy:3", "no mask 3"]);
    refused(&refine(&three, &["-q", "--image-size", "320"]), &["three.npy", "64x64", "80x80"]);

    let one = place.arg("one.npy");
    let click = ["-p", "80,64", "--single-mask", "--save-logits", &one];
    accepted(&run(&[&["segment", &place.arg("frames/f8.png"), "--json", "-q"], &click[..]].concat()));
    let prompts = place.write("p.jsonl", r#"{"frame":0,"obj_id":1,"mask":"one.npy"}"#);
    accepted(&run(&["track", &frames, "--prompts", &prompts, "-q", "-o", &place.arg("out")]));
    let tracks = fs::read_to_string(place.join("out/tracks.jsonl")).expect("tracks");
    let first: Value = serde_json::from_str(tracks.lines().next().expect("a line")).expect("JSON");
    assert!(first["area"].as_u64().is_some_and(|area| area > 2000), "{first}");
    let prompts = place.write("p.jsonl", r#"{"frame":0,"obj_id":1,"mask":"three.npy:1"}"#);
    accepted(&run(&["track", &frames, "--prompts", &prompts, "-q", "-o", &place.arg("out2")]));
}

/// A file that has no end is read up to the limit of texts.
#[cfg(unix)]
#[test]
fn texts_without_an_end_are_refused() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let clip = place.frames("frames");
    fs::create_dir_all(place.join("truth/a")).expect("folders");
    place.write("truth/a/groundtruth.txt", "1,2,3,4\n");
    let truth = place.arg("truth");
    for args in [
        vec!["everything", &photo, "--json", "--point-grids", "/dev/zero"],
        vec!["track", &clip, "-o", "out", "--prompts", "/dev/zero"],
        vec!["bench", "-q", "--repeat", "1", "--parts", "click", "--compare", "/dev/zero"],
        vec!["bench", "-q", "--parts", "gemm", "--shapes", "/dev/zero"],
        vec!["eval", "lasot", "--gt", &truth, "--pred", &truth, "--list", "/dev/zero"],
        vec![
            "vos",
            "--base_video_dir",
            &truth,
            "--input_mask_dir",
            &truth,
            "--output_mask_dir",
            "out",
            "--video_list_file",
            "/dev/zero",
        ],
    ] {
        refused(&run(&args), &["/dev/zero", "64 MB"]);
    }
}
