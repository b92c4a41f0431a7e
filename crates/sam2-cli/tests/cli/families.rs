//! Every command with a small model of each family (`sam2_tests::small`).

use std::fs;
use std::path::Path;

use sam2_tests::{seeded, small};
use serde_json::Value;

use crate::common::{Place, accepted, disc, list, refused, rgb, run};

/// The families beside SAM 2, with the variants that average memories.
fn names() -> impl Iterator<Item = &'static str> {
    small::NAMES.into_iter().skip(1)
}

/// A checkpoint whose name says nothing.
fn checkpoint(place: &Place, name: &str) -> String {
    place.write("weights.safetensors", small::checkpoint(name))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn images_are_segmented() {
    for name in names() {
        let place = Place::new();
        let (photo, model) = (place.photo("photo.png"), checkpoint(&place, name));
        let masks = |args: &[&str]| {
            let common = ["segment", &photo, "-m", &model, "-p", "96,64", "--json", "-q"];
            json(&accepted(&run(&[&common[..], args].concat())))["masks"].clone()
        };
        let single = masks(&[]);
        assert!(single.as_array().is_some_and(|masks| masks.len() == 3), "{name}: {single}");
        assert_ne!(single, masks(&["--precision", "int8"]), "{name}: nothing ran in 8 bits");
        let search = ["--points-per-side", "2", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"];
        let everything = ["everything", &photo, "-m", &model, "--json", "-q"];
        let found = json(&accepted(&run(&[&everything[..], &search].concat())));
        assert!(found.as_array().is_some_and(|masks| !masks.is_empty()), "{name}");
        let info = json(&accepted(&run(&["info", &model, "--json"])));
        let size = small::config(name).image_size;
        assert_eq!(info["image_size"], size, "{name}");
        let family = if name == "edgetam" { "custom EdgeTAM" } else { "custom EfficientTAM" };
        assert!(info["variant"].as_str().is_some_and(|text| text.starts_with(family)), "{info}");
    }
}

#[test]
fn two_objects_are_tracked_with_every_policy() {
    for name in names() {
        let place = Place::new();
        let (clip, model) = (place.write("clip.rgb", rgb(0..6)), checkpoint(&place, name));
        let prompts = concat!(
            r#"{"frame":0,"obj_id":1,"points":[[80,64]]}"#,
            "\n",
            r#"{"frame":0,"obj_id":2,"box":[20,20,120,100]}"#,
            "\n"
        );
        let prompts = place.write("p.jsonl", prompts);
        let rest = ["-m", &model, "--raw", "192x128", "--prompts", &prompts, "-q"];
        for policy in ["sam2", "samurai", "dam4sam", "sam2long"] {
            let masks = |command: &str, args: &[&str]| {
                let out = place.arg(&format!("{command}-{policy}"));
                let common = [command, &clip, "-o", &out, "--memory", policy];
                accepted(&run(&[&common[..], &rest, args].concat()));
                let files = list(out.as_ref()).into_iter().filter(|file| file.ends_with(".png"));
                let read = |file: String| fs::read(place.join(&out).join(&file)).expect("a mask");
                files.map(read).collect::<Vec<_>>()
            };
            let tracked = masks("track", &[]);
            assert_eq!(tracked.len(), 6, "{name} {policy}");
            assert!(tracked == masks("stream", &[]), "{name} {policy}: a stream differs from a clip");
        }
    }
}

#[test]
fn a_folder_of_videos_is_segmented() {
    for name in names() {
        let place = Place::new();
        let model = checkpoint(&place, name);
        fs::create_dir_all(place.join("videos/disc")).expect("folder");
        fs::create_dir_all(place.join("masks/disc")).expect("folder");
        for f in 0..3 {
            let frame = disc(80.0 + 2.0 * f as f32);
            frame.save(place.join(&format!("videos/disc/{f:05}.png"))).expect("save");
        }
        place.mask("masks/disc/00000.png");
        let [videos, masks, out] = ["videos", "masks", "out"].map(|folder| place.arg(folder));
        let command = ["vos", "--base_video_dir", &videos, "--input_mask_dir", &masks];
        accepted(&run(&[&command[..], &["--output_mask_dir", &out, "-m", &model, "-q"]].concat()));
        let written = list(&place.join("out/disc"));
        assert_eq!(written.iter().filter(|file| file.ends_with(".png")).count(), 3, "{name}: {written:?}");
    }
}

/// Weights whose file has another name, with the published YAML file or the name of the model.
#[test]
fn published_configurations_and_names_describe_weights_of_any_name() {
    let place = Place::new();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/configs");
    let config = |name: &str| configs.join(name).to_str().expect("UTF-8").to_owned();
    let edge = place.write("edge.safetensors", seeded::checkpoint("edgetam"));
    let plain = accepted(&run(&["info", &edge, "--json"]));
    assert_eq!((&json(&plain)["variant"], &json(&plain)["tensors"]), (&"EdgeTAM".into(), &982.into()));
    assert_eq!(accepted(&run(&["info", &edge, "--json", "--config", &config("edgetam.yaml")])), plain);
    let mine = place.write("mine.safetensors", seeded::checkpoint("efficienttam_ti_1"));
    refused(&run(&["info", &mine]), &["mine.safetensors", "--variant", "efficienttam_ti_1"]);
    let named = accepted(&run(&["info", &mine, "--json", "--variant", "efficienttam_ti_1"]));
    assert_eq!(json(&named)["variant"], "EfficientTAM Ti_1");
    let yaml = config("efficienttam_ti_1.yaml");
    assert_eq!(accepted(&run(&["info", &mine, "--json", "--config", &yaml])), named);
    refused(&run(&["info", &mine, "--config", &config("edgetam.yaml")]), &["mine.safetensors", "EdgeTAM"]);
}
