//! `--config`: a checkpoint without metadata, with its configuration in a file.

use crate::common::{Place, accepted, asset, refused, run, stderr};
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

/// A key of a configuration takes effect, and an option of the command line is stronger.
#[test]
fn samurai_mode_of_a_configuration_tracks_with_samurai() {
    let place = Place::new();
    let frames = place.frames("frames");
    let (bare, mut config) = bare_checkpoint(&place);
    let mut tracked = |samurai: Option<bool>, more: &[&str]| {
        match samurai {
            Some(samurai) => config["samurai_mode"] = samurai.into(),
            None => drop(config.as_object_mut().expect("a map").remove("samurai_mode")),
        }
        let file = place.write("c.json", config.to_string());
        let out = tempfile::tempdir_in(place.path()).expect("folder");
        let out = out.path().to_str().expect("UTF-8").to_owned();
        let common = ["track", &frames, "-m", &bare, "--config", &file, "-p", "80,64", "-o", &out, "--json"];
        let output = run(&[&common[..], more].concat());
        (accepted(&output), stderr(&output))
    };
    let (sam2, silent) = tracked(None, &[]);
    let (samurai, noted) = tracked(Some(true), &[]);
    assert!(noted.contains("samurai_mode") && noted.contains("--memory samurai"), "{noted}");
    assert!(!silent.contains("samurai"), "{silent}");
    assert_eq!(samurai, tracked(None, &["--memory", "samurai"]).0);
    assert_eq!(sam2, tracked(Some(false), &[]).0);
    let (chosen, silent) = tracked(Some(true), &["--memory", "sam2"]);
    assert_eq!(sam2, chosen);
    assert!(!silent.contains("samurai"), "{silent}");
    // `vos` has no option for it, so the note is all that tells.
    let masks = place.join("masks/v");
    std::fs::create_dir_all(&masks).expect("folder");
    std::fs::create_dir(place.join("videos")).expect("folder");
    std::fs::rename(&frames, place.join("videos/v")).expect("the frames are there");
    place.mask("masks/v/f8.png");
    config["samurai_mode"] = true.into();
    let file = place.write("c.json", config.to_string());
    let (videos, masks, out) = (place.arg("videos"), place.arg("masks"), place.arg("out"));
    let folders = ["--base_video_dir", &videos, "--input_mask_dir", &masks, "--output_mask_dir", &out];
    let output = run(&[&["vos", "-m", &bare, "--sam2_cfg", &file], &folders[..]].concat());
    accepted(&output);
    let noted = stderr(&output);
    assert!(noted.contains("samurai_mode") && noted.contains("--memory samurai"), "{noted}");
}

/// The embedded checkpoint twice in one file, as training scripts keep raw and averaged weights.
#[test]
fn averaged_weights_are_chosen_by_an_option() {
    let place = Place::new();
    let file = std::fs::read(asset("sam2.1_micro.safetensors")).expect("the asset");
    let tensors = safetensors::SafeTensors::deserialize(&file).expect("safetensors");
    let (_, header) = safetensors::SafeTensors::read_metadata(&file).expect("a header");
    // The copies differ in one tensor.
    let zeros = vec![0; tensors.tensor("no_mem_embed").expect("it is there").data().len()];
    let copies = ["model", "ema"].into_iter().flat_map(|key| {
        let zeros = &zeros;
        tensors.iter().map(move |(name, view)| {
            let data = if key == "ema" && name == "no_mem_embed" { zeros } else { view.data() };
            let view = safetensors::tensor::TensorView::new(view.dtype(), view.shape().to_vec(), data);
            (format!("{key}.{name}"), view.expect("the shape is that of the asset"))
        })
    });
    let both = safetensors::serialize(copies, header.metadata().clone()).expect("plain tensors");
    let both = place.write("both.safetensors", both);
    let photo = place.photo("photo.png");
    let mask = |more: &[&str]| {
        let output = run(&[&["segment", &photo, "-p", "96,64", "--json", "-m", &both], more].concat());
        let masks = serde_json::from_str::<Value>(&accepted(&output)).expect("JSON")["masks"].clone();
        (masks, stderr(&output))
    };
    let (default, noted) = mask(&[]);
    assert!(noted.contains("the weights model are used") && noted.contains("holds ema"), "{noted}");
    assert_eq!(mask(&["--weights", "raw"]).0, default);
    let (averaged, noted) = mask(&["--weights", "ema"]);
    assert!(noted.contains("the weights ema are used") && noted.contains("holds model"), "{noted}");
    assert_ne!(averaged, default);
    let info = |path: &str, more: &[&str]| run(&[&["info", path, "--json"], more].concat());
    assert!(accepted(&info(&both, &["--weights", "ema"])).contains(r#""weights":"ema""#));
    let alone = place.arg("alone.safetensors");
    accepted(&run(&["convert", &both, &alone, "--weights", "ema", "-q"]));
    refused(
        &info(&alone, &["--weights", "ema"]),
        &["alone.safetensors", "no averaged weights", "--weights raw"],
    );
    let output = run(&["segment", &photo, "-p", "96,64", "--json", "-m", &alone]);
    assert_eq!(serde_json::from_str::<Value>(&accepted(&output)).expect("JSON")["masks"], averaged);
}

#[test]
fn keys_without_an_effect_are_refused() {
    let place = Place::new();
    let (bare, mut config) = bare_checkpoint(&place);
    config["num_pathway"] = 3.into();
    let file = place.write("c.json", config.to_string());
    refused(&run(&["info", &bare, "--config", &file]), &["c.json", "num_pathway"]);
}

#[test]
fn a_variant_is_a_published_name_and_must_fit_the_tensors() {
    let place = Place::new();
    let micro = asset("sam2.1_micro.safetensors").to_str().expect("UTF-8").to_owned();
    let info = |variant: &str| run(&["info", &micro, "--variant", variant]);
    let text = info("efficienttam");
    let text = String::from_utf8_lossy(&text.stderr);
    assert!(text.contains("efficienttam_ti_512x512") && text.contains("sam2.1_hiera_tiny"), "{text}");
    refused(&info("efficienttam_ti_512x512"), &["sam2.1_micro.safetensors", "EfficientTAM Ti_512x512"]);
    refused(&info("sam2.1_hiera_tiny"), &["sam2.1_micro.safetensors", "SAM 2.1 tiny"]);
    let new = place.arg("new.safetensors");
    let both = ["convert", &micro, &new, "--variant", "efficienttam_s", "--config", "x.yaml"];
    assert!(!run(&both).status.success());
    assert!(place.list().is_empty());
}
