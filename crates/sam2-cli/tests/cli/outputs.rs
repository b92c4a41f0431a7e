//! No output is an input, and a folder of results belongs to one run.

use std::fs;
use std::path::Path;

use crate::common::{Place, accepted, asset, contents, list, refused, rgb, run, stderr};

/// Names of a file that is in a folder of its own: through `..`, through links to the file and to its folder.
fn aliases(place: &Place, path: &str) -> Vec<String> {
    let path = Path::new(path);
    let (folder, name) = (path.parent().expect("a folder"), path.file_name().expect("a name"));
    let up = folder.join("..").join(folder.file_name().expect("a name"));
    let mut found = vec![path.to_owned(), up.join(name)];
    #[cfg(unix)]
    {
        let at = tempfile::tempdir_in(place.path()).expect("folder").keep();
        std::os::unix::fs::symlink(path, at.join(name)).expect("a link");
        std::os::unix::fs::symlink(folder, at.join("folder")).expect("a link");
        fs::create_dir(at.join("hard")).expect("folder");
        fs::hard_link(path, at.join("hard").join(name)).expect("a link");
        found.extend([at.join(name), at.join("folder").join(name), at.join("hard").join(name)]);
    }
    found.into_iter().map(|path| path.to_str().expect("UTF-8").to_owned()).collect()
}

/// The words of a command line; `{}` is replaced by a name.
fn words(line: &str, name: &str) -> Vec<String> {
    line.split(' ').map(|word| word.replace("{}", name)).collect()
}

#[test]
fn no_file_that_is_read_is_replaced_whatever_its_name() {
    let place = Place::new();
    fs::create_dir(place.join("in")).expect("folder");
    let photo = place.photo("in/photo.png");
    place.photo("in/m_overlay.png");
    place.photo("in/m_cutout.png");
    place.photo("in/m_1.png");
    let clip = place.write("in/clip.rgb", rgb(0..2));
    let (checkpoint, config) = (place.arg("in/c.safetensors"), asset("sam2.1_micro.yaml"));
    fs::copy(asset("sam2.1_micro.safetensors"), &checkpoint).expect("copy");
    let config = config.to_str().expect("UTF-8");
    let prompts = place.write("in/p.safetensors", r#"{"obj_id":1,"points":[[80,64]]}"#);
    let sequences = place.write("in/l.csv", "s\n");
    let folders = [place.join("gt/s"), place.join("pred")];
    folders.iter().for_each(|folder| fs::create_dir_all(folder).expect("folder"));
    for file in ["gt/s/groundtruth.txt", "pred/s.txt"] {
        place.write(file, "1,2,30,40\n");
    }
    let index = place.write("in/c.safetensors.index.json", r#"{"weight_map":{"x":"c.safetensors"}}"#);
    let before = contents(&place.join("in"));
    let (gt, pred) = (place.arg("gt"), place.arg("pred"));
    let cases: [(&str, String); 12] = [
        (&photo, format!("segment {photo} -p 96,64 -o {{}}")),
        (&photo, format!("segment {clip} -p 96,64 --mask-prompt {photo} -o {{}}")),
        (&checkpoint, format!("segment {photo} -p 96,64 -m {checkpoint} --embeddings {{}} --json")),
        (&checkpoint, format!("convert {checkpoint} {{}}")),
        (&checkpoint, format!("convert {{}} {checkpoint}")),
        (&checkpoint, format!("convert {index} {{}}")),
        (&checkpoint, format!("stream {clip} --raw 192x128 -m {checkpoint} --config {config} --save {{}}")),
        (&checkpoint, format!("stream {clip} --raw 192x128 -m {{}} --save {checkpoint}")),
        (&prompts, format!("stream {clip} --raw 192x128 --prompts {prompts} --save {{}}")),
        (&prompts, format!("stream {clip} --raw 192x128 --resume {prompts} --save {{}}")),
        (&sequences, format!("eval lasot --gt {gt} --pred {pred} --list {sequences} --csv {{}}")),
        (&sequences, format!("eval lasot --gt {gt} --pred {pred} --list {{}} --csv {sequences}")),
    ];
    for (file, line) in &cases {
        for alias in aliases(&place, file) {
            refused(&run(&words(line, &alias)), &["choose another name"]);
            assert!(contents(&place.join("in")) == before, "{line} with {alias}");
        }
    }
    // Files beside the one of -o.
    let out = place.arg("in/m.png");
    for (input, flag) in [("m_overlay", "--overlay"), ("m_cutout", "--cutout"), ("m_1", "--multimask")] {
        let input = place.arg(&format!("in/{input}.png"));
        refused(&run(&["segment", &input, "-p", "96,64", "-o", &out, flag]), &[&input, "overwrite an input"]);
    }
    let boxes = ["-b", "1,1,90,90", "-b", "5,5,95,95"];
    let input = place.arg("in/m_1.png");
    refused(&run(&[&["segment", &input, "-o", &out][..], &boxes].concat()), &["m_1.png", "overwrite"]);
    // A name inside the truth or the predictions.
    #[cfg(unix)]
    for target in ["gt/s/groundtruth.txt", "pred/s.txt"] {
        let table = place.arg("table.csv");
        let _ = fs::remove_file(&table);
        std::os::unix::fs::symlink(place.join(target), &table).expect("a link");
        refused(
            &run(&["eval", "lasot", "--gt", &gt, "--pred", &pred, "--csv", &table]),
            &["table.csv", target],
        );
    }
    assert!(contents(&place.join("in")) == before);
}

/// What stdin comes from and what stdout goes to are files too.
#[cfg(unix)]
#[test]
fn redirected_streams_are_inputs_and_outputs() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let before = fs::read(&photo).expect("read");
    let mut command = crate::common::sam2();
    command.args(["segment", "-", "-p", "96,64", "-o", &photo]).stdin(fs::File::open(&photo).expect("open"));
    refused(&command.output().expect("sam2 starts"), &["photo.png", "stdin", "choose another name"]);
    let mut command = crate::common::sam2();
    let file = fs::OpenOptions::new().append(true).open(&photo).expect("open");
    command.args(["segment", &photo, "-p", "96,64", "--json"]).stdout(file);
    refused(&command.output().expect("sam2 starts"), &["photo.png", "stdout", "choose another name"]);
    assert!(fs::read(&photo).expect("read") == before);
}

#[test]
fn no_file_of_a_series_replaces_an_input() {
    let place = Place::new();
    let frames = place.frames("frames");
    let photo = place.photo("photo.png");
    let prompt = r#"{"frame":0,"obj_id":1,"points":[[80,64]]}"#;
    let prompts = place.write("p.jsonl", prompt);
    let mask = |name: &str| format!(r#"{{"frame":0,"obj_id":1,"mask":"{name}"}}"#);
    for folder in ["a", "a/overlay", "b", "c"] {
        fs::create_dir(place.join(folder)).expect("folder");
    }
    place.photo("a/overlay/x.png");
    place.write("b/tracks.jsonl", prompt);
    place.photo("b/00001.png");
    place.photo("b/000.png");
    place.photo("b/overlay.png");
    place.write("b/masks.json", "[[[0.5, 0.5]]]");
    let by_mask = place.write("by_mask.jsonl", mask("b/00001.png"));
    let save = format!(r#"{{"op":"save","path":"{}"}}"#, place.arg("b/x.safetensors"));
    let by_name = place.write("by_name.jsonl", save);
    fs::copy(asset("sam2.1_micro.safetensors"), place.join("b/x.safetensors")).expect("copy");
    let arg = |name: &str| place.arg(name);
    let (a, b) = (arg("a"), arg("b"));
    let before = contents(place.path());
    for overwrite in [false, true] {
        let more: &[&str] = if overwrite { &["--overwrite"] } else { &[] };
        let refuse = |args: &[&str], words: &[&str]| {
            refused(&run(&[args, more].concat()), words);
            assert!(contents(place.path()) == before, "{args:?}");
        };
        refuse(&["track", &frames, "-p", "80,64", "-o", &frames], &["is the input"]);
        refuse(&["track", &frames, "-p", "80,64", "-o", &arg("frames/../frames")], &["is the input"]);
        refuse(&["track", &arg("a/overlay"), "-p", "80,64", "-o", &a], &["is the input"]);
        refuse(
            &["track", &frames, "-p", "80,64", "-o", &arg("c"), "--save-logits", &frames],
            &["is the input"],
        );
        refuse(
            &["track", &frames, "--prompts", &arg("b/tracks.jsonl"), "-o", &b],
            &["tracks.jsonl", "input"],
        );
        refuse(&["track", &frames, "--prompts", &by_mask, "-o", &b], &["00001.png", "input"]);
        refuse(&["everything", &arg("b/000.png"), "-o", &b], &["000.png", "input"]);
        refuse(&["everything", &arg("b/overlay.png"), "-o", &b], &["overlay.png", "input"]);
        refuse(
            &["everything", &photo, "--point-grids", &arg("b/masks.json"), "-o", &b],
            &["masks.json", "input"],
        );
        refuse(&["stream", &frames, "--prompts", &prompts, "-o", &frames, "-q"], &["is the input"]);
        refuse(&["stream", &frames, "--prompts", &by_mask, "-o", &b, "-q"], &["00001.png", "input"]);
    }
    // The line that saves names its file while the stream runs.
    let checkpoint = arg("b/x.safetensors");
    let saved = ["stream", &frames, "-m", &checkpoint, "--prompts", &by_name, "--max-frames", "1", "-q"];
    assert!(accepted(&run(&saved)).contains("would overwrite"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.join("frames"), place.join("link")).expect("a link");
        refused(&run(&["track", &frames, "-p", "80,64", "-o", &arg("link")]), &["link", "is the input"]);
        refused(&run(&["track", &arg("link"), "-p", "80,64", "-o", &frames]), &["link", "is the input"]);
        fs::remove_file(place.join("link")).expect("remove");
        // A link with the name of a mask, whose target is a frame.
        std::os::unix::fs::symlink(place.join("frames/f8.png"), place.join("c/00000.png")).expect("a link");
        refused(
            &run(&["track", &frames, "-p", "80,64", "-o", &arg("c"), "--overwrite"]),
            &["00000.png", "f8.png"],
        );
        fs::remove_file(place.join("c/00000.png")).expect("remove");
    }
    assert!(contents(place.path()) == before);
}

#[test]
fn names_of_videos_stay_inside_the_output_folder() {
    let place = Place::new();
    for folder in ["videos", "outside", "masks"] {
        fs::create_dir(place.join(folder)).expect("folder");
    }
    place.frames("videos/a");
    place.frames("outside/a");
    fs::create_dir(place.join("masks/a")).expect("folder");
    place.mask("masks/a/f8.png");
    let before = contents(place.path());
    let vos = |out: &str, list: &str, more: &[&str]| {
        let names = place.write("list.txt", list);
        let args = ["vos", "--base_video_dir", &place.arg("videos"), "--input_mask_dir", &place.arg("masks")];
        let out = place.arg(out);
        let more = [&["--output_mask_dir", &out, "--video_list_file", &names, "-q"], more].concat();
        let output = run(&[&args[..], &more].concat());
        fs::remove_file(place.join("list.txt")).expect("remove");
        output
    };
    for name in ["../outside/a", "a/../../outside/a", &place.arg("outside/a"), ".."] {
        for more in [&[][..], &["--overwrite"], &["--per_obj_png_file"]] {
            refused(&vos("out", name, more), &["leads out of the folder"]);
        }
    }
    refused(&vos("videos", "a", &[]), &["is the input"]);
    refused(&vos("masks", "a", &["--overwrite"]), &["is the input"]);
    #[cfg(unix)]
    {
        fs::create_dir(place.join("out")).expect("folder");
        std::os::unix::fs::symlink(place.join("outside/a"), place.join("out/a")).expect("a link");
        refused(&vos("out", "a", &["--overwrite"]), &["leads out of the folder"]);
        fs::remove_file(place.join("out/a")).expect("remove");
        fs::remove_dir(place.join("out")).expect("remove");
    }
    assert!(contents(place.path()) == before);
}

const SEARCH: [&str; 8] = [
    "--points-per-side",
    "3",
    "--pred-iou-thresh",
    "0.1",
    "--stability-score-thresh",
    "0.3",
    "--stability-score-offset",
    "0.1",
];

#[test]
fn results_of_an_earlier_run_are_refused_or_replaced_as_a_whole() {
    let place = Place::new();
    let (photo, frames) = (place.photo("photo.png"), place.frames("frames"));
    let out = place.arg("out");
    let everything =
        |more: &[&str]| run(&[&["everything", &photo, "-o", &out, "-q"], &SEARCH[..], more].concat());
    accepted(&everything(&[]));
    let whole = contents(&place.join("out"));
    place.write("out/notes.txt", "mine");
    place.photo("out/photo.png");
    place.photo("out/900.png");
    let before = contents(&place.join("out"));
    refused(&everything(&[]), &["masks.json", "earlier run", "--overwrite"]);
    assert!(contents(&place.join("out")) == before);
    accepted(&everything(&["--overwrite"]));
    for other in ["notes.txt", "photo.png"] {
        fs::remove_file(place.join("out").join(other)).expect("files of others stay");
    }
    assert!(contents(&place.join("out")) == whole, "900.png is gone, the rest is the same");

    // A folder in the place of a mask: the list is not that of a finished run.
    fs::remove_file(place.join("out/000.png")).expect("remove");
    fs::create_dir(place.join("out/000.png")).expect("folder");
    refused(&everything(&["--overwrite"]), &["000.png", "folder"]);
    assert!(!place.join("out/masks.json").exists());

    let masks = place.arg("masks");
    let track = |more: &[&str]| run(&[&["track", &frames, "-p", "80,64", "-o", &masks, "-q"], more].concat());
    accepted(&track(&["--overlay", "--save-logits", &place.arg("logits")]));
    let before = [contents(&place.join("masks")), contents(&place.join("logits"))];
    refused(&track(&[]), &["tracks.jsonl", "8 more of an earlier run", "--overwrite"]);
    let elsewhere = place.arg("elsewhere");
    let logits = ["track", &frames, "-p", "80,64", "-o", &elsewhere, "--save-logits", &place.arg("logits")];
    refused(&run(&logits), &["00000_obj1.npy", "earlier run"]);
    assert!(!place.join("elsewhere").exists());
    assert!([contents(&place.join("masks")), contents(&place.join("logits"))] == before);
    accepted(&track(&["--overwrite", "--max-frames", "2"]));
    assert_eq!(list(&place.join("masks")), ["00000.png", "00001.png", "overlay", "tracks.jsonl"]);
    assert!(list(&place.join("masks/overlay")).is_empty(), "no overlay of other masks");
}

#[test]
fn a_stream_refuses_or_replaces_the_masks_of_another() {
    let place = Place::new();
    let clip = place.write("clip.rgb", rgb(0..4));
    let prompts = place.write("p.jsonl", r#"{"frame":0,"obj_id":1,"points":[[80,64]]}"#);
    let (out, session) = (place.arg("out"), place.arg("s.safetensors"));
    let common = ["--raw", "192x128", "-q", "-o", &out];
    let stream =
        |more: &[&str]| run(&[&["stream", &clip, "--prompts", &prompts], &common[..], more].concat());
    accepted(&stream(&["--save", &session]));
    assert_eq!(list(&place.join("out")).len(), 4);
    refused(&stream(&[]), &["00000.png", "3 more", "--overwrite"]);
    accepted(&stream(&["--max-frames", "2", "--overwrite"]));
    assert_eq!(list(&place.join("out")), ["00000.png", "00001.png"]);
    // A session that goes on writes the frames after its last one beside the earlier ones.
    let more = place.write("more.rgb", rgb(4..6));
    accepted(&run(&[&["stream", &more, "--resume", &session, "--start", "0"], &common[..]].concat()));
    assert_eq!(list(&place.join("out")), ["00000.png", "00001.png", "00004.png", "00005.png"]);
    refused(
        &run(&[&["stream", &more, "--resume", &session, "--start", "0"], &common[..]].concat()),
        &["00004.png", "1 more"],
    );
}

#[test]
fn the_demo_replaces_its_files_only_on_request() {
    let place = Place::new();
    fs::create_dir(place.join("out")).expect("folder");
    place.photo("out/00000.png");
    let before = contents(&place.join("out"));
    refused(&run(&["demo", "-o", &place.arg("out")]), &["00000.png", "--overwrite"]);
    assert!(contents(&place.join("out")) == before);
}

#[test]
fn a_mask_counts_as_done_if_it_is_whole() {
    let place = Place::new();
    for folder in ["videos", "masks"] {
        fs::create_dir(place.join(folder)).expect("folder");
    }
    place.frames("videos/a");
    fs::create_dir(place.join("masks/a")).expect("folder");
    place.mask("masks/a/f8.png");
    let vos = |more: &[&str]| {
        let args = ["vos", "--base_video_dir", &place.arg("videos"), "--input_mask_dir", &place.arg("masks")];
        run(&[&args[..], &["--output_mask_dir", &place.arg("out")], more].concat())
    };
    accepted(&vos(&["-q"]));
    let whole = contents(&place.join("out"));
    assert_eq!(whole.len(), 4);
    let mask = place.join("out/a/f10.png");
    let bytes = fs::read(&mask).expect("read");
    let small = {
        image::GrayImage::new(3, 2).save(place.join("small.png")).expect("save");
        fs::read(place.join("small.png")).expect("read")
    };
    for damage in [&[][..], &bytes[..bytes.len() / 2], b"no picture", &small] {
        fs::write(&mask, damage).expect("write");
        let output = vos(&[]);
        accepted(&output);
        assert!(!stderr(&output).contains("has all its masks already"));
        assert!(contents(&place.join("out")) == whole, "{} bytes", damage.len());
    }
    let again = vos(&[]);
    accepted(&again);
    assert!(stderr(&again).contains("has all its masks already"));

    // Masks that this run does not write.
    fs::write(&mask, "").expect("write");
    place.photo("out/a/f99.png");
    place.write("out/a/notes.txt", "mine");
    refused(&vos(&["-q"]), &["f99.png", "earlier run"]);
    accepted(&vos(&["-q", "--overwrite"]));
    assert_eq!(list(&place.join("out/a")), ["f10.png", "f11.png", "f8.png", "f9.png", "notes.txt"]);
    fs::remove_file(place.join("out/a/notes.txt")).expect("files of others stay");
    assert!(contents(&place.join("out")) == whole);
}
