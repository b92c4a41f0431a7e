//! `sam2 everything` with the embedded model.

use crate::common::{Place, accepted, refused, run};
use serde_json::{Value, json};

#[test]
fn masks_overlay_and_list_are_written() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let out = place.arg("out");
    let search = ["--points-per-side", "3", "--pred-iou-thresh", "0.1", "--stability-score-thresh", "0.3"];
    let rest = ["--stability-score-offset", "0.1", "--json", "--labels", "-o", &out];
    let output = run(&[&["everything", photo.as_str()][..], &search, &rest].concat());
    let list: Value = serde_json::from_str(&accepted(&output)).expect("one JSON array");
    let masks = list.as_array().expect("an array");
    assert!(!masks.is_empty());
    let mut names: Vec<String> = (0..masks.len()).map(|k| format!("{k:03}.png")).collect();
    names.extend(["masks.json".to_owned(), "overlay.png".to_owned()]);
    assert_eq!(crate::common::list(&place.join("out")), names);
    for (k, mask) in masks.iter().enumerate() {
        for key in ["area", "bbox", "predicted_iou", "point_coords", "stability_score", "crop_box"] {
            assert!(!mask[key].is_null(), "{key}");
        }
        assert_eq!(mask["segmentation"]["size"], json!([128, 192]));
        let picture = image::open(place.join("out").join(format!("{k:03}.png"))).expect("mask").into_luma8();
        let area = picture.pixels().filter(|p| p.0[0] == 255).count();
        assert_eq!(mask["area"], json!(area));
    }
    let written = std::fs::read(place.join("out").join("masks.json")).expect("the list");
    assert_eq!(serde_json::from_slice::<Value>(&written).expect("JSON"), list);
}

#[test]
fn the_list_has_masks_in_every_form() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let grids = place.write("grids.json", "[[[0.5, 0.5], [0.1, 0.9]]]");
    let embeddings = place.arg("photo.safetensors");
    let list = |args: &[&str]| {
        let search = ["--point-grids", &grids, "--pred-iou-thresh", "0.1", "--stability-score-thresh", "0.3"];
        let rest = ["--stability-score-offset", "0.1", "--json", "-q"];
        let output = run(&[&["everything", photo.as_str()][..], &search, &rest, args].concat());
        serde_json::from_str::<Value>(&accepted(&output)).expect("one JSON array")
    };
    let coco = list(&["--polygons"]);
    let masks = coco.as_array().expect("an array");
    assert!(!masks.is_empty());
    let runs = list(&["--output-mode", "uncompressed_rle", "--embeddings", &embeddings]);
    let rows = list(&["--output-mode", "binary_mask", "--embeddings", &embeddings]);
    assert!(place.join("photo.safetensors").is_file());
    for (k, mask) in masks.iter().enumerate() {
        let area = mask["area"].as_u64().expect("a number");
        let numbers = |value: &Value| -> Vec<u64> {
            value.as_array().expect("a list").iter().map(|n| n.as_u64().expect("a number")).collect()
        };
        let counts = numbers(&runs[k]["segmentation"]["counts"]);
        assert_eq!(counts.iter().skip(1).step_by(2).sum::<u64>(), area);
        assert_eq!(counts.iter().sum::<u64>(), 128 * 192);
        let rows = rows[k]["segmentation"].as_array().expect("rows");
        assert_eq!((rows.len(), rows.iter().flat_map(numbers).sum::<u64>()), (128, area));
        // Shoelace formula over all loops: holes have the opposite orientation.
        let loops = mask["polygons"].as_array().expect("pieces").iter().flat_map(|piece| {
            std::iter::once(&piece["outer"]).chain(piece["holes"].as_array().expect("holes"))
        });
        let twice: i64 = loops
            .map(|corners| {
                let corners: Vec<Vec<u64>> =
                    corners.as_array().expect("corners").iter().map(numbers).collect();
                let pairs = corners.iter().zip(corners.iter().cycle().skip(1));
                pairs.map(|(a, b)| (a[0] * b[1]) as i64 - (b[0] * a[1]) as i64).sum::<i64>()
            })
            .sum();
        assert_eq!(twice, 2 * area as i64);
    }
    let cleaned = list(&["--min-mask-region-area", "100000"]);
    assert!(cleaned.as_array().is_some_and(|masks| !masks.is_empty()));
    place.write("grids.json", "[[[0.5, 7]]]");
    refused(&run(&["everything", &photo, "--point-grids", &grids, "--json", "-q"]), &["shares"]);
    place.write("grids.json", "{");
    refused(&run(&["everything", &photo, "--point-grids", &grids, "--json", "-q"]), &["grids.json"]);
}

#[test]
fn options_that_find_nothing_are_refused() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    refused(&run(&["everything", "-q", &photo, "--points-per-side", "0", "--json"]), &["points per side"]);
}
