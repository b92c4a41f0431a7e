//! Variants of the embedded checkpoint: seeded weights, other configurations, a shifted object score.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use sam2_model::Model;
use serde_json::Value;

use crate::seeded;

/// The embedded checkpoint under `assets/`.
pub const CHECKPOINT: &str = "sam2.1_micro.safetensors";

/// The embedded checkpoint of before the training on rendered things. The prompts of the scenario goldens
/// were chosen for its masks, so that no decision of theirs depends on rounding.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn earlier() -> Vec<u8> {
    asset("../tests/fixtures/saved/sam2.1_micro.safetensors")
}

/// A file under `assets/`.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn asset(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../assets").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The embedded model.
///
/// # Panics
/// If the checkpoint does not load.
#[must_use]
pub fn model() -> Arc<Model> {
    Model::from_bytes(&asset(CHECKPOINT), "micro").expect("the embedded model loads")
}

/// Changes to a copy of the [`earlier`] checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Variant<'a> {
    /// The seeded model whose weights replace the trained ones.
    pub seeded: Option<&'a str>,
    /// Configuration keys to override.
    pub config: Vec<(&'a str, Value)>,
    /// Added to the bias of the object score, then rounded to half precision.
    pub object_score_shift: f32,
}

/// The checkpoint of a variant, as a safetensors file in memory.
///
/// # Panics
/// If the checkpoint is malformed.
#[must_use]
pub fn checkpoint(variant: &Variant) -> Vec<u8> {
    let file = earlier();
    let (_, header) = SafeTensors::read_metadata(&file).expect("a safetensors file");
    let mut metadata = header.metadata().clone().expect("it has metadata");
    let mut config: Value = serde_json::from_str(&metadata["sam2.config"]).expect("JSON");
    for (key, value) in &variant.config {
        config[*key] = value.clone();
    }
    metadata.insert("sam2.config".to_owned(), config.to_string());
    let parsed = SafeTensors::deserialize(&file).expect("a safetensors file");
    let tensors: HashMap<String, (Dtype, Vec<usize>, Vec<u8>)> = parsed
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let shape = view.shape().to_vec();
            let (dtype, data) = if let Some(model) = variant.seeded {
                let values = seeded::tensor(model, &name, &shape);
                (Dtype::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect())
            } else if name == seeded::OBJECT_SCORE_BIAS {
                let bias = f16::from_le_bytes(view.data().try_into().expect("one value"));
                let shifted = f16::from_f32(bias.to_f32() + variant.object_score_shift);
                (Dtype::F16, shifted.to_le_bytes().to_vec())
            } else {
                (view.dtype(), view.data().to_vec())
            };
            (name, (dtype, shape, data))
        })
        .collect();
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name, TensorView::new(*dtype, shape.clone(), data).expect("shape and data agree"))
    });
    serialize(views, Some(metadata)).expect("it fits")
}
