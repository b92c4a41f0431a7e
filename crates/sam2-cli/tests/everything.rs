//! `sam2 everything` with the embedded model.

mod common;

use common::{Place, accepted, refused, run};
use serde_json::{Value, json};

#[test]
fn masks_overlay_and_list_are_written() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let out = place.arg("out");
    let search = ["--points-per-side", "3", "--pred-iou-thresh", "0.1", "--stability-score-thresh", "0.3"];
    let rest = ["--stability-score-offset", "0.1", "--json", "-o", &out];
    let output = run(&[&["everything", photo.as_str()][..], &search, &rest].concat());
    let list: Value = serde_json::from_str(&accepted(&output)).expect("one JSON array");
    let masks = list.as_array().expect("an array");
    assert!(!masks.is_empty());
    let mut names: Vec<String> = (0..masks.len()).map(|k| format!("{k:03}.png")).collect();
    names.extend(["masks.json".to_owned(), "overlay.png".to_owned()]);
    assert_eq!(common::list(&place.join("out")), names);
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
fn a_search_that_can_find_nothing_is_refused() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    refused(&run(&["everything", "-q", &photo, "--points-per-side", "0", "--json"]), &["points per side"]);
}
