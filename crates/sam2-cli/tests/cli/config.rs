//! `--config`: a checkpoint without metadata, with its configuration in a file.

use crate::common::{Place, accepted, asset, refused, run};
use serde_json::Value;

/// The embedded checkpoint without its metadata, and its configuration.
fn bare_checkpoint(place: &Place) -> (String, Value) {
    let file = std::fs::read(asset("sam2.1_micro.safetensors")).expect("the asset");
    let length = u64::from_le_bytes(*file.first_chunk().expect("a length")) as usize;
    let mut header: Value = serde_json::from_slice(&file[8..8 + length]).expect("a header");
    let metadata = header.as_object_mut().expect("a map").remove("__metadata__").expect("metadata");
    let config = serde_json::from_str(metadata["sam2.config"].as_str().expect("text")).expect("JSON");
    let header = header.to_string();
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &file[8 + length..]].concat();
    (place.write("bare.safetensors", bytes), config)
}

#[test]
fn a_configuration_in_a_file_makes_a_checkpoint_usable() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let (bare, config) = bare_checkpoint(&place);
    let wrapped = place.write("wrapped.json", serde_json::json!({"model": config}).to_string());
    let example = asset("sam2.1_micro.yaml").to_str().expect("UTF-8").to_owned();
    refused(
        &run(&["segment", &photo, "-p", "96,64", "--json", "-m", &bare]),
        &["bare.safetensors", "width 32"],
    );
    let masks = |args: &[&str]| {
        let output = run(&[&["segment", &photo, "-p", "96,64", "--json", "-q"], args].concat());
        serde_json::from_str::<Value>(&accepted(&output)).expect("JSON")["masks"].clone()
    };
    let expected = masks(&[]);
    for file in [wrapped, example] {
        assert_eq!(masks(&["-m", &bare, "--config", &file]), expected);
        assert!(accepted(&run(&["info", &bare, "--config", &file])).contains("256x256"));
    }
}

#[test]
fn a_wrong_configuration_is_refused() {
    let place = Place::new();
    let (bare, mut config) = bare_checkpoint(&place);
    let info = |text: &str| run(&["info", &bare, "--config", &place.write("x.yaml", text)]);
    refused(&info("model: {"), &["x.yaml", "not a configuration"]);
    config["num_maskmem"] = 5.into();
    refused(&info(&config.to_string()), &["bare.safetensors", "maskmem_tpos_enc"]);
    config["num_maskmen"] = 7.into();
    refused(&info(&config.to_string()), &["x.yaml", "num_maskmen"]);
    refused(&run(&["info", &bare, "--config", &place.arg("absent.yaml")]), &["absent.yaml"]);
    refused(&run(&["bench", "--config", &place.arg("x.yaml")]), &["--model"]);
}
