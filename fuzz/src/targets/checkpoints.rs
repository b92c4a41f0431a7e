//! Checkpoints and configurations.

use std::path::PathBuf;
use std::sync::Once;

use sam2_model::Model;
use sam2_model::config::Config;
use sam2_model::convert::{ConvertOptions, convert};
use sam2_tests::pt;

use super::{FOLDER, check, file};
use crate::seeds;

/// Opens the file as a model, and converts it, which reads every tensor that has a model's name.
fn open(name: &'static str, bytes: &[u8]) -> PathBuf {
    let path = file(name, bytes);
    check(Model::open(&path).map(|_| ()));
    let output = FOLDER.join("converted.safetensors");
    check(convert(&path, &output, ConvertOptions::default(), |_, _| {}).map(|_| ()));
    path
}

/// A pickle inside an archive with three storages.
pub fn pickle(data: &[u8]) {
    open("pickle.pt", &pt::archive(data.to_vec(), vec![vec![0; 64], vec![1; 16], Vec::new()]));
}

/// A zip archive, or a file of PyTorch before 1.6.
pub fn pt(data: &[u8]) {
    open("x.pt", data);
}

/// Tensors and metadata; also as `sam2 compare` reads them.
pub fn safetensors(data: &[u8]) {
    super::texts::arrays(&open("x.safetensors", data));
}

/// A list of parts; one of them is there.
pub fn index(data: &[u8]) {
    static PART: Once = Once::new();
    PART.call_once(|| drop(file("part-1.safetensors", &seeds::checkpoints::safetensors()[0])));
    open("model.safetensors.index.json", data);
}

/// YAML, and the JSON in the metadata of checkpoints.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    check(Config::from_yaml(text, "x").map(|_| ()));
    check(Config::from_json(text, "x").map(|_| ()));
}
