//! `sam2 segment` with the embedded model: files, JSON, options.

use crate::common::{Place, accepted, refused, run, stderr};
use serde_json::Value;

fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "one line of JSON: {text}");
    serde_json::from_str(text).expect("JSON")
}

/// IoU of a mask with the disc of [`Place::photo`].
fn iou_with_disc(mask: &std::path::Path) -> f64 {
    let mask = image::open(mask).expect("mask").into_luma8();
    assert_eq!(mask.dimensions(), (192, 128));
    assert!(mask.pixels().all(|p| matches!(p.0[0], 0 | 255)), "black and white only");
    let disc = |x: u32, y: u32| (x as f32 + 0.5 - 96.0).hypot(y as f32 + 0.5 - 64.0) < 36.0;
    let (mut both, mut either) = (0.0, 0.0);
    for (x, y, pixel) in mask.enumerate_pixels() {
        let (a, b) = (pixel.0[0] == 255, disc(x, y));
        both += f64::from(u8::from(a && b));
        either += f64::from(u8::from(a || b));
    }
    both / either
}

#[test]
fn a_click_cuts_the_object_out() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let mask = place.arg("mask.png");
    let output = run(&["segment", &photo, "-p", "96,64", "-o", &mask, "--overlay", "--cutout"]);
    let text = accepted(&output);
    assert_eq!(text.lines().count(), 3, "a single click is ambiguous: {text}");
    assert_eq!(text.matches("(best)").count(), 1);
    let note = stderr(&output);
    assert!(note.contains("embedded") && note.contains("rendered scenes"), "{note}");
    assert!(note.contains("dl.fbaipublicfiles.com/segment_anything_2/092824"), "{note}");
    assert_eq!(place.list(), ["mask.png", "mask_cutout.png", "mask_overlay.png", "photo.png"]);
    let iou = iou_with_disc(&place.join("mask.png"));
    assert!(iou > 0.6, "IoU with the disc {iou}");

    let mask = image::open(place.join("mask.png")).expect("mask").into_luma8();
    let cutout = image::open(place.join("mask_cutout.png")).expect("cut-out").into_rgba8();
    let photo = image::open(&photo).expect("photo").into_rgb8();
    for ((mask, cut), photo) in mask.pixels().zip(cutout.pixels()).zip(photo.pixels()) {
        assert_eq!(cut.0, [photo.0[0], photo.0[1], photo.0[2], mask.0[0]]);
    }
    let overlay = image::open(place.join("mask_overlay.png")).expect("overlay").into_rgb8();
    assert_eq!(overlay.dimensions(), photo.dimensions());
    assert_ne!(overlay, photo);
}

#[test]
fn labels_and_colours_are_those_of_the_object_numbers() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let drawn = |name: &str, more: &[&str]| {
        let out = place.arg(&format!("{name}.png"));
        let boxes = ["-b", "56,24,136,104", "-b", "60,28,100,100", "--overlay", "-q"];
        accepted(&run(&[&["segment", photo.as_str(), "-o", &out][..], &boxes, more].concat()));
        image::open(place.join(&format!("{name}_overlay.png"))).expect("overlay").into_rgb8()
    };
    let (plain, labelled) = (drawn("plain", &[]), drawn("labelled", &["--labels"]));
    let count = |picture: &image::RgbImage, colour| picture.pixels().filter(|p| p.0 == colour).count();
    // Outlines and plates of the labels have the colours of numbers 1 and 2 in the DAVIS palette.
    for colour in [[128, 0, 0], [0, 128, 0]] {
        assert!(count(&plain, colour) > 20, "{colour:?}");
        assert!(count(&labelled, colour) > count(&plain, colour), "{colour:?}");
    }
    refused(&run(&["segment", &photo, "-p", "1,1", "--json", "--labels"]), &["--overlay"]);
}

#[test]
fn json_has_the_documented_fields() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let logits = place.join("logits.npy");
    let args = ["segment", &photo, "-p", "96,64", "--json", "--save-logits", &place.arg("logits.npy"), "-q"];
    let output = run(&args);
    assert_eq!(stderr(&output), "", "-q is quiet");
    let report = json(&accepted(&output));
    let mut fields: Vec<&String> = report.as_object().expect("object").keys().collect();
    fields.sort();
    assert_eq!(fields, ["best", "masks", "object_score", "timing_ms"]);
    let masks = report["masks"].as_array().expect("array");
    assert_eq!(masks.len(), 3);
    let best = report["best"].as_u64().expect("index") as usize;
    let iou = |i: usize| masks[i]["predicted_iou"].as_f64().expect("number");
    assert!((0..3).all(|i| iou(i) <= iou(best)), "the best is the one with the highest predicted IoU");
    for mask in masks {
        assert!(mask["area"].as_u64().is_some() && mask["stability_score"].is_number());
        let bbox = &mask["bbox_xyxy"];
        assert!(bbox.is_null() || bbox.as_array().is_some_and(|corners| corners.len() == 4), "{bbox}");
    }
    for part in ["load", "encode", "decode"] {
        assert!(report["timing_ms"][part].as_f64().is_some_and(|ms| ms > 0.0), "{part}");
    }
    let logits = tensor::npy::read_f32(&logits).expect("logits");
    assert_eq!(logits.shape(), [3, 64, 64], "a quarter of the model's 256 pixels");
    assert!(logits.data().iter().all(|v| v.abs() <= 32.0), "clamped as the reference does");
    assert_eq!(place.list(), ["logits.npy", "photo.png"], "no -o, no mask");
}

#[test]
fn number_of_masks_follows_prompt_and_flags() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let count = |args: &[&str]| {
        let output = run(&[&["segment", &photo, "--json", "-q"], args].concat());
        json(&accepted(&output))["masks"].as_array().expect("array").len()
    };
    assert_eq!(count(&["-p", "96,64"]), 3);
    assert_eq!(count(&["-p", "96,64", "--single-mask"]), 1);
    assert_eq!(count(&["-p", "96,64", "-p", "10,10,0"]), 1);
    assert_eq!(count(&["-b", "60,28,132,100"]), 1);
    assert_eq!(count(&["-b", "60,28,132,100", "-p", "96,64"]), 1);
    assert_eq!(count(&["-b", "60,28,132,100", "--multimask"]), 3);

    let mask = place.arg("m.png");
    accepted(&run(&["segment", &photo, "-p", "96,64", "--multimask", "-o", &mask]));
    assert_eq!(place.list(), ["m.png", "m_0.png", "m_1.png", "m_2.png", "photo.png"]);
    let bytes = |name: &str| std::fs::read(place.join(name)).expect("read");
    assert!(["m_0.png", "m_1.png", "m_2.png"].iter().any(|name| bytes(name) == bytes("m.png")));

    // A result can be a mask prompt.
    assert_eq!(count(&["--mask-prompt", &mask]), 1);
    assert_eq!(count(&["--mask-prompt", &mask, "-p", "96,64"]), 1);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let results = ["1", "2", "5"].map(|threads| {
        let (mask, logits) = (place.arg("mask.png"), place.arg("logits.npy"));
        accepted(&run(&[
            "segment",
            &photo,
            "-p",
            "96,64",
            "-o",
            &mask,
            "--save-logits",
            &logits,
            "-t",
            threads,
        ]));
        (std::fs::read(mask).expect("mask"), std::fs::read(logits).expect("logits"))
    });
    assert!(results[0] == results[1] && results[0] == results[2]);
}

#[test]
fn info_and_bench_print_json() {
    let machine = json(&accepted(&run(&["info", "--json", "-t", "1"])));
    assert_eq!(machine["threads"], 1);
    assert!(machine["isa_available"].as_array().is_some_and(|all| all.contains(&machine["isa"])));
    assert!(machine["embedded"]["parameters"].as_u64().is_some_and(|n| n > 4_000_000));
    let path = crate::common::asset("sam2.1_micro.safetensors");
    let path = path.to_str().expect("UTF-8");
    let checkpoint = json(&accepted(&run(&["info", path, "--json"])));
    assert_eq!(checkpoint["parameters"], machine["embedded"]["parameters"]);
    assert!(accepted(&run(&["info", path])).contains("parameters"));

    let times = json(&accepted(&run(&["bench", "--repeat", "1", "--json", "-q"])));
    for part in ["load_ms", "encode_ms", "click_ms", "track_ms"] {
        assert!(times[part].as_f64().is_some_and(|ms| ms > 0.0), "{part}");
    }
    let stages = times["track_stages_ms"].as_object().expect("stages");
    for stage in
        ["resize", "encode", "memory_tokens", "memory_attention", "decode", "memory_encoder", "output"]
    {
        assert!(stages[stage].as_f64().is_some_and(|ms| ms > 0.0), "{stage}");
    }

    let place = Place::new();
    let slow = times.to_string().replace(&times["encode_ms"].to_string(), "1e9");
    place.write("old.json", &slow);
    let (old, bad) = (place.arg("old.json"), place.arg("bad.json"));
    let table = accepted(&run(&["bench", "--repeat", "1", "-q", "--compare", &old, "--threshold", "100000"]));
    assert!(table.contains("before") && table.contains("track a frame"), "{table}");
    place.write("old.json", times.to_string().replace(&times["encode_ms"].to_string(), "1e-9"));
    let slower = run(&["bench", "--repeat", "1", "-q", "--compare", &old]);
    assert!(!slower.status.success() && stderr(&slower).contains("encode an image"), "{}", stderr(&slower));
    place.write("bad.json", "{}");
    refused(&run(&["bench", "-q", "--compare", &bad]), &["bad.json", "record"]);
    refused(&run(&["bench", "-q", "--compare", &place.arg("none.json")]), &["none.json"]);
}

#[test]
fn several_boxes_are_several_objects() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let mask = place.arg("m.png");
    let boxes = ["-b", "60,28,132,100", "-b", "0,0,50,50"];
    let args = [&["segment", &photo, "-o", &mask, "--overlay", "--cutout", "--json"], &boxes[..]].concat();
    let report = json(&accepted(&run(&args)));
    let objects = report["objects"].as_array().expect("a list");
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[1]["box"], serde_json::json!([0.0, 0.0, 50.0, 50.0]));
    assert!(objects.iter().all(|o| o["masks"].as_array().is_some_and(|masks| masks.len() == 1)));
    assert_eq!(place.list(), ["m.png", "m_0.png", "m_1.png", "m_cutout.png", "m_overlay.png", "photo.png"]);
    let inside = |name: &str| image::open(place.join(name)).expect("mask").into_luma8().into_raw();
    let pairs = inside("m_0.png").into_iter().zip(inside("m_1.png"));
    assert_eq!(inside("m.png"), pairs.map(|(a, b)| a.max(b)).collect::<Vec<_>>(), "all of them in one");

    // The first box alone gives the same mask.
    let alone = json(&accepted(&run(&["segment", &photo, "-b", "60,28,132,100", "--json"])));
    assert_eq!(alone["masks"], objects[0]["masks"]);
    let text = accepted(&run(&[&["segment", &photo, "-o", &mask], &boxes[..]].concat()));
    assert!(
        text.lines().count() == 2 && text.contains("box 1, mask 0") && text.contains("m_1.png"),
        "{text}"
    );
    refused(&run(&[&["segment", &photo, "-o", &mask, "-p", "9,9"], &boxes[..]].concat()), &["several boxes"]);
}

#[test]
fn embeddings_are_saved_once_and_used_from_then_on() {
    let place = Place::new();
    let (photo, file) = (place.photo("photo.png"), place.arg("photo.safetensors"));
    let click = |photo: &str| run(&["segment", photo, "-p", "96,64", "--json", "-q", "--embeddings", &file]);
    let plain = json(&accepted(&run(&["segment", &photo, "-p", "96,64", "--json", "-q"])));
    let saved = json(&accepted(&click(&photo)));
    let loaded = json(&accepted(&click(&photo)));
    assert_eq!(saved["timing_ms"]["embeddings"], "saved");
    assert_eq!(loaded["timing_ms"]["embeddings"], "loaded");
    assert!(plain["timing_ms"]["embeddings"].is_null());
    assert_eq!((&saved["masks"], &loaded["masks"]), (&plain["masks"], &plain["masks"]));
    crate::common::disc(50.0).save(place.join("other.png")).expect("save");
    refused(&click(&place.arg("other.png")), &["photo.safetensors", "another photo"]);
    place.write("photo.safetensors", "damaged");
    refused(&click(&photo), &["photo.safetensors", "embeddings"]);
}

#[test]
fn a_photo_may_come_from_stdin_and_the_mask_go_to_stdout() {
    let place = Place::new();
    let (photo, mask) = (place.photo("photo.png"), place.arg("mask.png"));
    accepted(&run(&["segment", &photo, "-p", "96,64", "-o", &mask]));
    let mut command = crate::common::sam2();
    command.args(["segment", "-", "-p", "96,64", "-o", "-"]);
    let output = command.stdin(std::fs::File::open(&photo).expect("open")).output().expect("sam2 starts");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(output.stdout, std::fs::read(&mask).expect("mask"), "the same picture and nothing else");
    assert!(stderr(&output).contains("predicted IoU"), "the numbers go to stderr");
    refused(&run(&["segment", "-", "-p", "1,1", "--json"]), &["not a picture"]);
    refused(&run(&["segment", &photo, "-p", "1,1", "-o", "-", "--overlay"]), &["stdout"]);
}

#[test]
fn clean_up_changes_the_mask() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let area = |args: &[&str]| {
        let output = run(&[&["segment", &photo, "-b", "60,28,132,100", "--json", "-q"], args].concat());
        json(&accepted(&output))["masks"][0]["area"].as_u64().expect("a number")
    };
    let plain = area(&[]);
    assert!(area(&["--max-hole-area", "4096"]) > plain, "all of the background is a hole of at most 64 x 64");
    assert_eq!(area(&["--max-sprinkle-area", "4096"]), 0);
    assert!(area(&["--mask-threshold", "-3"]) > plain);
    refused(
        &run(&["segment", &photo, "-p", "1,1", "--json", "-q", "--mask-threshold", "nan"]),
        &["threshold"],
    );
}

#[test]
fn precision_and_image_size_trade_exactness_for_time() {
    let place = Place::new();
    let (photo, file) = (place.photo("photo.png"), place.arg("photo.safetensors"));
    let click = |args: &[&str]| {
        let output = run(&[&["segment", &photo, "-b", "60,28,132,100", "--json", "-q"], args].concat());
        json(&accepted(&output))["masks"][0].clone()
    };
    let area = |mask: &Value| mask["area"].as_f64().expect("a number");
    let (plain, int8) = (click(&[]), click(&["--precision", "int8"]));
    assert_ne!(int8["predicted_iou"], plain["predicted_iou"], "8 bits change something");
    assert!((area(&int8) / area(&plain) - 1.0).abs() <= 0.05, "{int8} for {plain}");

    let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/sam2.1_micro");
    let config = std::fs::read_to_string(format!("{assets}.yaml")).expect("the configuration");
    place.write("large.yaml", config.replace("image_size: 256", "image_size: 320"));
    let (model, config) = (format!("{assets}.safetensors"), place.arg("large.yaml"));
    let large = click(&["--image-size", "320"]);
    assert_ne!(large["predicted_iou"], plain["predicted_iou"], "another size changes something");
    assert_eq!(large, click(&["-m", &model, "--config", &config]), "as if the configuration said so");

    let segment = |args: &[&str]| run(&[&["segment", &photo, "-p", "96,64", "--json", "-q"], args].concat());
    refused(&segment(&["--precision", "int4"]), &["int4", "f32, bf16 or int8"]);
    refused(&segment(&["--image-size", "100"]), &["image_size", "multiple of 64"]);
    refused(&segment(&["--image-size", "1000000"]), &["image_size", "4096"]);
    accepted(&segment(&["--embeddings", &file]));
    refused(&segment(&["--embeddings", &file, "--precision", "int8"]), &["photo.safetensors", "model"]);
}
