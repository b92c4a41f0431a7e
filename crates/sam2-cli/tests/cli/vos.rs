//! `sam2 vos` against Meta's `vos_inference.py` on 8 frames of the bundled clip (`tools/vos_fixtures.py`),
//! and its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::common::{Place, accepted, asset, list, refused, run, sam2, stderr};
use image::AnimationDecoder;
use png::{BitDepth, ColorType, Encoder};
use tensor::{Tensor, npy::NpyArray};

/// Frames of the clip in the fixtures: the first, and their number.
const CLIP: (usize, usize) = (7, 8);

fn frames(name: &str) -> Vec<image::RgbImage> {
    let file = std::io::BufReader::new(fs::File::open(asset(name)).expect("open"));
    let decoder = image::codecs::gif::GifDecoder::new(file).expect("a GIF");
    let rgb = |frame: image::ImageResult<image::Frame>| {
        image::DynamicImage::from(frame.expect("frame").into_buffer()).into_rgb8()
    };
    decoder.into_frames().map(rgb).collect()
}

fn write_frames(frames: &[image::RgbImage], folder: &Path) {
    fs::create_dir_all(folder).expect("folder");
    for (i, frame) in frames.iter().enumerate() {
        frame.save(folder.join(format!("{i:05}.png"))).expect("save");
    }
}

fn write_labels(data: &[u8], (width, height): (usize, usize), path: &Path) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
    let mut encoder = Encoder::new(fs::File::create(path).expect("create"), width as u32, height as u32);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(vec![0, 0, 0, 9, 99, 199, 50, 60, 70]);
    encoder.write_header().expect("header").write_image_data(data).expect("pixels");
}

/// Palette indices and the palette.
fn read_labels(path: &Path) -> (Vec<u8>, Vec<u8>) {
    let file = fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().expect("header");
    let palette = reader.info().palette.as_ref().expect("palette").to_vec();
    let mut indices = vec![0; reader.output_buffer_size().expect("size")];
    reader.next_frame(&mut indices).expect("pixels");
    (indices, palette)
}

struct Fixtures(BTreeMap<String, NpyArray>);

impl Fixtures {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/vos.npz");
        Self(tensor::npz::read(path).expect("vos.npz"))
    }

    /// Arrays whose names begin with `prefix`, with the rest of their names.
    fn below(&self, prefix: &str) -> Vec<(String, Tensor<u8>)> {
        let matching = self.0.iter().filter_map(|(name, array)| Some((name.strip_prefix(prefix)?, array)));
        matching.map(|(name, array)| (name.to_owned(), array.clone().try_into().expect("u8"))).collect()
    }
}

#[test]
fn masks_are_those_of_metas_script() {
    let (fixtures, place) = (Fixtures::read(), Place::new());
    write_frames(&frames("balloon.gif")[CLIP.0..CLIP.0 + CLIP.1], &place.join("videos/demo"));
    let later = "--track_object_appearing_later_in_video";
    let cases: [(&str, &[&str]); 8] = [
        ("first", &[]),
        ("post", &["--apply_postprocessing"]),
        ("thresh", &["--score_thresh", "1.5"]),
        ("all", &["--use_all_masks", "--use_vos_optimized_video_predictor"]),
        ("objects", &["--per_obj_png_file"]),
        ("later", &[later]),
        ("later_all", &["--track-object-appearing-later-in-video", "--use-all-masks"]),
        ("later_objects", &[later, "--per_obj_png_file"]),
    ];
    for (case, flags) in cases {
        let masks = place.join(&format!("masks-{case}"));
        for (name, map) in fixtures.below(&format!("{case}/input/")) {
            let (folder, frame) = name.rsplit_once('/').unwrap_or(("", &name));
            let folder = folder.parse().map_or(String::new(), |id: u32| format!("{id:03}"));
            let frame: usize = frame.parse().expect("a frame");
            let path = masks.join("demo").join(folder).join(format!("{frame:05}.png"));
            write_labels(map.data(), (map.shape()[1], map.shape()[0]), &path);
        }
        let (videos, inputs) = (place.arg("videos"), place.arg(&format!("masks-{case}")));
        let out = place.arg(case);
        let args = [
            "vos",
            "--base_video_dir",
            &videos,
            "--input_mask_dir",
            &inputs,
            "--output_mask_dir",
            &out,
            "-q",
        ];
        accepted(&run(&[&args, flags].concat()));
        let outputs = fixtures.below(&format!("{case}/output/"));
        assert!(!outputs.is_empty());
        for (folder, expected) in outputs {
            let found = place.join(case).join("demo").join(&folder);
            let names = list(&found).into_iter().filter(|name| name.ends_with(".png")).count();
            assert_eq!(names, expected.shape()[0], "{case} {folder}");
            let pixels = expected.shape()[1] * expected.shape()[2];
            let undecided: Tensor<i64> =
                fixtures.0[&format!("{case}/undecided/{folder}")].clone().try_into().expect("i64");
            let undecided: BTreeSet<usize> = undecided.data().iter().map(|&index| index as usize).collect();
            assert!(
                undecided.len() * 50 < expected.len(),
                "{case} {folder}: a golden that decides too little"
            );
            for (i, expected) in expected.data().chunks_exact(pixels).enumerate() {
                let (ids, palette) = read_labels(&found.join(format!("{i:05}.png")));
                assert_eq!(palette[3..9], [9, 99, 199, 50, 60, 70], "the colours of the input");
                let differing = (0..pixels).filter(|&pixel| ids[pixel] != expected[pixel]);
                let wrong: Vec<usize> =
                    differing.filter(|pixel| !undecided.contains(&(i * pixels + pixel))).collect();
                assert!(wrong.is_empty(), "{case} {folder} frame {i}: pixels {wrong:?} differ");
            }
        }
    }
}

/// Writes the bundled clip, the truth of frame 0 as input mask, and all truths to `truth`.
fn clip(place: &Place, count: usize) {
    write_frames(&frames("balloon.gif")[..count], &place.join("videos/demo"));
    for (i, truth) in frames("balloon_truth.gif")[..count].iter().enumerate() {
        let ids: Vec<u8> = truth.pixels().map(|pixel| u8::from(pixel.0[0] > 127)).collect();
        let size = (truth.width() as usize, truth.height() as usize);
        write_labels(&ids, size, &place.join(&format!("truth/demo/{i:05}.png")));
    }
    fs::create_dir_all(place.join("masks/demo")).expect("folder");
    fs::copy(place.join("truth/demo/00000.png"), place.join("masks/demo/00000.png")).expect("copy");
}

fn vos(place: &Place, extra: &[&str]) -> std::process::Output {
    let (videos, masks, out) = (place.arg("videos"), place.arg("masks"), place.arg("out"));
    let args = ["vos", "--base_video_dir", &videos, "--input_mask_dir", &masks, "--output_mask_dir", &out];
    run(&[&args, extra].concat())
}

#[test]
fn a_mask_prompt_tracks_the_balloon_as_well_as_a_click() {
    const FRAMES: usize = 30;
    let place = Place::new();
    clip(&place, FRAMES);
    accepted(&vos(&place, &["--apply-postprocessing"]));
    let (truth, gif) = (place.arg("truth"), asset("balloon.gif"));
    // As post-processing does, fills holes of 8 pixels.
    let track = |prompts: &str, out: &str| {
        let gif = gif.to_str().expect("UTF-8");
        accepted(&run(&["track", gif, "--prompts", prompts, "--fill-holes", "8", "-o", &place.arg(out)]));
    };
    let j_of = |out: &str| {
        let args = ["eval", "sav", "--gt", &truth, "--pred", &place.arg(out), "--all-frames", "--json"];
        let report: serde_json::Value = serde_json::from_str(&accepted(&run(&args))).expect("JSON");
        report["J"].as_f64().expect("J")
    };
    track(asset("balloon_prompts.jsonl").to_str().expect("UTF-8"), "click/demo");
    let (mask, click) = (j_of("out"), j_of("click"));
    assert!((mask - click).abs() < 1.0 && click > 90.0, "behind the tower and after: {mask}, {click}");

    // The same mask as a prompt of `sam2 track`, which also binarises it.
    let prompts =
        place.write("prompts.jsonl", "{\"frame\":0,\"obj_id\":1,\"mask\":\"masks/demo/00000.png\"}\n");
    track(&prompts, "tracked");
    for i in 0..FRAMES {
        let name = format!("{i:05}.png");
        let (found, _) = read_labels(&place.join("out/demo").join(&name));
        assert!(found == read_labels(&place.join("tracked").join(&name)).0, "frame {i}");
    }
}

#[test]
fn an_interrupted_run_is_continued() {
    let place = Place::new();
    clip(&place, 3);
    for (from, to) in [("videos/demo", "videos/other"), ("masks/demo", "masks/other")] {
        fs::create_dir(place.join(to)).expect("folder");
        for name in list(&place.join(from)) {
            fs::copy(place.join(from).join(&name), place.join(to).join(&name)).expect("copy");
        }
    }
    let lines = |output: &std::process::Output| -> Vec<(String, bool)> {
        let line = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert_eq!((&value["frames"], &value["objects"]), (&3.into(), &vec![1].into()));
            (value["video"].as_str().expect("name").to_owned(), value["skipped"].as_bool().expect("bool"))
        };
        let mut lines: Vec<_> = accepted(output).lines().map(line).collect();
        lines.sort();
        lines
    };
    let of = |demo, other| [("demo".to_owned(), demo), ("other".to_owned(), other)];
    assert_eq!(lines(&vos(&place, &["--json"])), of(false, false));
    let before = fs::read(place.join("out/other/00001.png")).expect("read");
    fs::remove_file(place.join("out/other/00001.png")).expect("remove");
    let again = vos(&place, &["--json"]);
    assert_eq!(lines(&again), of(true, false));
    assert!(stderr(&again).contains("demo has all its masks already"), "{}", stderr(&again));
    assert_eq!(fs::read(place.join("out/other/00001.png")).expect("read"), before);
    assert_eq!(lines(&vos(&place, &["--json"])), of(true, true));
    assert_eq!(lines(&vos(&place, &["--json", "--overwrite"])), of(false, false));
    let list_file = place.write("list.txt", "other\n");
    assert_eq!(
        lines(&vos(&place, &["--json", "--video_list_file", &list_file])),
        [("other".to_owned(), true)]
    );
}

/// Two runs at a time into one folder, as jobs of a cluster.
#[test]
fn parts_of_a_list_are_together_one_run() {
    const VIDEOS: [&str; 5] = ["ant", "bee", "cat", "dog", "eel"];
    let place = Place::new();
    let truth = &frames("balloon_truth.gif");
    for (i, (name, pair)) in VIDEOS.iter().zip(frames("balloon.gif").chunks_exact(2)).enumerate() {
        write_frames(pair, &place.join("videos").join(name));
        let ids: Vec<u8> = truth[2 * i].pixels().map(|pixel| u8::from(pixel.0[0] > 127)).collect();
        let size = (truth[0].width() as usize, truth[0].height() as usize);
        write_labels(&ids, size, &place.join("masks").join(name).join("00000.png"));
    }
    let (videos, masks) = (place.arg("videos"), place.arg("masks"));
    let command = |out: &str, extra: &[&str]| {
        let out = place.arg(out);
        let args =
            ["vos", "--base_video_dir", &videos, "--input_mask_dir", &masks, "--output_mask_dir", &out];
        let mut command = sam2();
        command.args([&args[..], &["--json"], extra].concat()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let names = |output: &std::process::Output| -> Vec<String> {
        let name = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            value["video"].as_str().expect("a name").to_owned()
        };
        accepted(output).lines().map(name).collect()
    };
    assert_eq!(names(&command("one", &[]).output().expect("sam2 starts")), VIDEOS);
    for (count, expected) in [
        (2, vec![vec!["ant", "cat", "eel"], vec!["bee", "dog"]]),
        (6, [VIDEOS.iter().map(|name| vec![*name]).collect::<Vec<_>>(), vec![vec![]]].concat()),
    ] {
        let out = format!("parts{count}");
        let shards: Vec<String> = (1..=count).map(|i| format!("{i}/{count}")).collect();
        for (shards, expected) in shards.chunks(2).zip(expected.chunks(2)) {
            let start = |shard: &String| command(&out, &["--shard", shard]).spawn().expect("sam2 starts");
            let runs: Vec<_> = shards.iter().map(start).collect();
            for (run, expected) in runs.into_iter().zip(expected) {
                assert_eq!(names(&run.wait_with_output().expect("sam2 ends")), *expected);
            }
        }
        for name in VIDEOS {
            assert_eq!(list(&place.join(&out).join(name)), ["00000.png", "00001.png"]);
            for file in ["00000.png", "00001.png"] {
                let read = |out: &str| fs::read(place.join(out).join(name).join(file)).expect("read");
                assert!(read(&out) == read("one"), "{out} {name} {file}");
            }
        }
    }
    let list_file = place.write("list.txt", "eel\nbee\neel\nant\n");
    let part = command("listed", &["--video_list_file", &list_file, "--shard", "1/2"]).output();
    assert_eq!(names(&part.expect("sam2 starts")), ["eel", "ant"]);
    let refused = command("refused", &["--shard", "3/2"]).output().expect("sam2 starts");
    assert!(!refused.status.success() && stderr(&refused).contains("there is no part 3 of 2"));
}

#[test]
fn mismatched_inputs_are_refused_before_the_model_runs() {
    let place = Place::new();
    clip(&place, 3);
    let advice = "--track_object_appearing_later_in_video";
    let list_file = place.write("list.txt", "absent\n");
    refused(&vos(&place, &["--video_list_file", &list_file]), &["absent"]);
    refused(&vos(&place, &["--sam2_cfg", "x.yaml"]), &["--sam2_checkpoint"]);
    let weights = asset("sam2.1_micro.safetensors");
    let weights = weights.to_str().expect("UTF-8");
    refused(
        &vos(&place, &["--sam2_cfg", "x.yaml", "--sam2_checkpoint", weights, "-q"]),
        &["x.yaml", "published"],
    );
    let tiny = ["--sam2_cfg", "configs/sam2.1/sam2.1_hiera_t.yaml", "-m", weights, "-q"];
    refused(&vos(&place, &tiny), &["sam2.1_hiera_t.yaml", "sam2.1_micro"]);
    refused(&vos(&place, &["--per_obj_png_file"]), &["no object on the first frame", advice]);

    write_labels(&[1; 6], (3, 2), &place.join("masks/demo/00000.png"));
    fs::rename(place.join("masks/demo/00000.png"), place.join("masks/demo/00001.png")).expect("rename");
    refused(&vos(&place, &[]), &["no object on the first frame", advice]);
    let mut two = vec![1; 320 * 240];
    write_labels(&two, (320, 240), &place.join("masks/demo/00000.png"));
    two[0] = 2;
    write_labels(&two, (320, 240), &place.join("masks/demo/00001.png"));
    refused(&vos(&place, &["--use_all_masks"]), &["object 2 first appears in 00001.png", advice]);
    fs::create_dir(place.join("masks/demo/balloon")).expect("folder");
    refused(&vos(&place, &["--per_obj_png_file"]), &["balloon", "VIDEO/000"]);
    let (videos, masks) = (place.arg("videos"), place.arg("masks"));
    let onto = ["vos", "--base_video_dir", &videos, "--input_mask_dir", &masks, "--output_mask_dir", &masks];
    refused(&run(&onto), &["is the input"]);
    assert!(!place.join("out/demo").exists(), "nothing was begun");
}
