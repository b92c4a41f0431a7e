//! `sam2 convert` on the embedded checkpoint.

use crate::common::{Place, accepted, asset, refused, run};
use serde_json::Value;

#[test]
fn every_format_gives_the_same_masks() {
    let place = Place::new();
    let photo = place.photo("photo.png");
    let micro = asset("sam2.1_micro.safetensors").to_str().expect("UTF-8").to_owned();
    let masks = |model: &str| {
        let output = run(&["segment", &photo, "-p", "96,64", "--json", "-q", "-m", model]);
        serde_json::from_str::<Value>(&accepted(&output)).expect("JSON")["masks"].clone()
    };
    let expected = masks(&micro);
    let (hf, pt, half) = (place.arg("hf.safetensors"), place.arg("m.pt"), place.arg("half.safetensors"));
    assert!(accepted(&run(&["convert", &micro, &hf, "--to", "hf"])).contains("names of hf"));
    let report: Value =
        serde_json::from_str(&accepted(&run(&["convert", &hf, &pt, "--json"]))).expect("JSON");
    assert_eq!(report["naming"], "meta");
    assert_eq!((masks(&hf), masks(&pt)), (expected.clone(), expected));
    accepted(&run(&["convert", &pt, &half, "--bf16"]));
    assert!(accepted(&run(&["info", &half])).contains("BF16"));

    refused(&run(&["convert", &hf, &hf]), &["hf.safetensors", "overwrite"]);
    refused(&run(&["convert", &hf, &place.arg("x.bin")]), &["x.bin", ".safetensors"]);
    refused(&run(&["convert", &hf, &place.arg("x.pt"), "--to", "hf"]), &["x.pt", "Meta's names"]);
    refused(&run(&["convert", &photo, &place.arg("x.pt")]), &["photo.png"]);
    refused(&run(&["convert", &hf, &place.arg("x.pt"), "--f16", "--bf16"]), &["--f16"]);
    assert_eq!(place.list(), ["half.safetensors", "hf.safetensors", "m.pt", "photo.png"]);
}
