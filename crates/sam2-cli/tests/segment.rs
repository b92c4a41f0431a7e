//! `sam2 segment` with the embedded model: files, JSON, options.

mod common;

use common::{Place, accepted, run, stderr};
use serde_json::Value;

fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "one line of JSON: {text}");
    serde_json::from_str(text).expect("JSON")
}

/// Share of the disc of [`Place::photo`] and of the mask that both have.
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
    assert!(note.contains("embedded") && note.contains("synthetic shapes"), "{note}");
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

    // A result may be refined.
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
    let path = common::asset("sam2.1_micro.safetensors");
    let path = path.to_str().expect("UTF-8");
    let checkpoint = json(&accepted(&run(&["info", path, "--json"])));
    assert_eq!(checkpoint["parameters"], machine["embedded"]["parameters"]);
    assert!(accepted(&run(&["info", path])).contains("parameters"));

    let times = json(&accepted(&run(&["bench", "--repeat", "1", "--json", "-q"])));
    for part in ["encode_ms", "click_ms", "track_ms"] {
        assert!(times[part].as_f64().is_some_and(|ms| ms > 0.0), "{part}");
    }
}
