//! Mask pictures of every kind as prompts, and pictures that are damaged or of unusual depth.

use image::{GrayImage, ImageBuffer, Luma, Rgba, RgbaImage};
use serde_json::Value;

use crate::common::{Place, accepted, list, refused, run, stderr};

/// Object 1 is the disc of frame 0 of [`Place::frames`], object 2 a rectangle beside it.
fn number(x: u32, y: u32) -> u8 {
    let disc = (x as f32 + 0.5 - 80.0).hypot(y as f32 + 0.5 - 64.0) < 36.0;
    if disc {
        1
    } else if (140..180).contains(&x) && (20..60).contains(&y) {
        2
    } else {
        0
    }
}

fn area(object: u8) -> usize {
    (0..128).flat_map(|y| (0..192).map(move |x| number(x, y))).filter(|&n| n == object).count()
}

/// Areas on frame 0 by object, tracked from masks.
fn areas(place: &Place, prompts: &str) -> Vec<usize> {
    let prompts = place.write("prompts.jsonl", prompts);
    let out = place.arg("out");
    let text =
        accepted(&run(&["track", &place.arg("frames"), "--prompts", &prompts, "-o", &out, "--json", "-q"]));
    std::fs::remove_dir_all(&out).expect("remove");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let first = lines.filter(|line| line["frame"] == 0);
    first.map(|line| line["area"].as_u64().expect("a number") as usize).collect()
}

fn near(found: usize, expected: usize) -> bool {
    found * 5 > expected * 4 && found * 4 < expected * 5
}

#[test]
fn masks_of_every_kind_and_size_are_prompts() {
    let place = Place::new();
    place.frames("frames");
    let both =
        "{\"frame\":0,\"obj_id\":1,\"mask\":\"m.png\"}\n{\"frame\":0,\"obj_id\":2,\"mask\":\"m.png\"}\n";
    let one = "{\"frame\":0,\"obj_id\":1,\"mask\":\"m.png\"}\n";
    GrayImage::from_fn(192, 128, |x, y| Luma([number(x, y)])).save(place.join("m.png")).expect("save");
    let found = areas(&place, both);
    assert!(near(found[0], area(1)) && near(found[1], area(2)), "a label map: {found:?}");
    // Half the size, 16 bits.
    ImageBuffer::from_fn(96, 64, |x, y| Luma([u16::from(number(2 * x, 2 * y))]))
        .save(place.join("m.png"))
        .expect("save");
    let found = areas(&place, both);
    assert!(near(found[0], area(1)) && near(found[1], area(2)), "half the size: {found:?}");
    RgbaImage::from_fn(192, 128, |x, y| Rgba([255, 255, 255, if number(x, y) == 1 { 255 } else { 0 }]))
        .save(place.join("m.png"))
        .expect("save");
    let found = areas(&place, one);
    assert!(near(found[0], area(1)), "alpha: {found:?}");
}

#[test]
fn one_object_of_a_label_map_is_named() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    GrayImage::from_fn(192, 128, |x, y| Luma([number(x, y)])).save(place.join("m.png")).expect("save");
    let segment = |more: &[&str]| {
        let mask = place.arg("m.png");
        run(&[&["segment", &photo, "--mask-prompt", &mask, "--json"], more].concat())
    };
    refused(&segment(&[]), &["m.png", "objects 1, 2", "--mask-object"]);
    refused(&segment(&["--mask-object", "3"]), &["m.png", "not object 3"]);
    accepted(&segment(&["--mask-object", "2"]));
}

#[test]
fn an_input_mask_of_another_size_or_depth_is_tracked() {
    let place = Place::new();
    std::fs::create_dir_all(place.join("v")).expect("folder");
    place.frames("v/a");
    std::fs::create_dir_all(place.join("m/a")).expect("folder");
    ImageBuffer::from_fn(96, 64, |x, y| Luma([u16::from(number(2 * x, 2 * y))]))
        .save(place.join("m/a/f8.png"))
        .expect("save");
    let [v, m, o] = ["v", "m", "o"].map(|name| place.arg(name));
    accepted(&run(&["vos", "--base_video_dir", &v, "--input_mask_dir", &m, "--output_mask_dir", &o, "-q"]));
    assert_eq!(list(&place.join("o/a")), ["f10.png", "f11.png", "f8.png", "f9.png"]);
    let mask = image::open(place.join("o/a/f8.png")).expect("mask");
    assert_eq!((mask.width(), mask.height()), (192, 128));
}

#[test]
fn a_cut_jpeg_among_frames_is_named_before_tracking() {
    let place = Place::new();
    std::fs::create_dir(place.join("frames")).expect("folder");
    for i in 0..4 {
        let path = place.join(&format!("frames/{i}.jpg"));
        crate::common::disc(80.0 + 6.0 * i as f32).save(&path).expect("save");
        if i == 2 {
            let file = std::fs::read(&path).expect("read");
            std::fs::write(&path, &file[..file.len() * 6 / 10]).expect("cut");
        }
    }
    let output = run(&["track", &place.arg("frames"), "-p", "80,64", "-o", &place.arg("out")]);
    refused(&output, &["2.jpg", "cut short", "%"]);
    assert_eq!(place.list(), ["frames"]);
}

#[test]
fn a_dark_picture_of_16_bits_is_noted() {
    let place = Place::new();
    let dark = |x: u32, y: u32| Luma([if number(x, y) == 1 { 4000_u16 } else { 900 }]);
    ImageBuffer::from_fn(192, 128, dark).save(place.join("dark.png")).expect("save");
    let output = run(&["segment", &place.arg("dark.png"), "-p", "80,64", "--json"]);
    accepted(&output);
    let text = stderr(&output);
    assert!(text.contains("note: ") && text.contains("dark.png") && text.contains("900 to 4000"), "{text}");
    std::fs::create_dir(place.join("frames")).expect("folder");
    std::fs::rename(place.join("dark.png"), place.join("frames/0.png")).expect("move");
    let output = run(&["track", &place.arg("frames"), "-p", "80,64", "-o", &place.arg("out")]);
    accepted(&output);
    assert!(stderr(&output).contains("900 to 4000"), "{}", stderr(&output));
}
