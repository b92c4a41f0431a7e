//! One small model of each family, for tests of what does not depend on the sizes: the embedded model, and
//! seeded weights of the other families with fewer blocks on a smaller input.

use std::sync::Arc;

use safetensors::SafeTensors;
use sam2_model::config::{Config, CrossAttention, TrunkConfig};
use sam2_model::{Model, ModelOptions};

use crate::{micro, seeded};

/// One model of each family, and one of each variant of the memory attention.
pub const NAMES: [&str; 5] =
    ["sam2.1_micro", "edgetam", "efficienttam_ti", "efficienttam_ti_1", "efficienttam_ti_2"];

/// Blocks of EfficientTAM's trunk: two within windows, one global.
const BLOCKS: usize = 3;
/// Layers of the memory attention.
const LAYERS: usize = 2;

/// The configuration of a small model that is not the embedded one.
///
/// # Panics
/// If `name` is no published model.
#[must_use]
pub fn config(name: &str) -> Config {
    let mut config = Config::named(name).expect("a published model");
    config.memory_attention_layers = LAYERS;
    // EdgeTAM's perceiver needs a multiple of 256.
    config.image_size = 256;
    if let TrunkConfig::Vit(vit) = &mut config.trunk {
        config.image_size = 128;
        vit.depth = BLOCKS;
        vit.window_block_indexes = vec![0, 1];
    }
    config
}

/// A checkpoint that states its configuration.
///
/// # Panics
/// If `name` is not in [`NAMES`].
#[must_use]
pub fn checkpoint(name: &str) -> Vec<u8> {
    if name == NAMES[0] {
        return micro::asset(micro::CHECKPOINT);
    }
    let whole = seeded::checkpoint(name);
    let parsed = SafeTensors::deserialize(&whole).expect("a safetensors file");
    let beyond = |tensor: &str, list: &str, kept: usize| {
        let index = tensor.strip_prefix(list).and_then(|rest| rest.split('.').next());
        index.is_some_and(|index| index.parse::<usize>().expect("an index") >= kept)
    };
    let kept = parsed.tensors().into_iter().filter(|(tensor, _)| {
        !beyond(tensor, "image_encoder.trunk.blocks.", BLOCKS)
            && !beyond(tensor, "memory_attention.layers.", LAYERS)
    });
    let metadata = [("sam2.config".to_owned(), config(name).to_json())].into();
    safetensors::serialize(kept, Some(metadata)).expect("plain tensors")
}

/// The model of [`checkpoint`].
///
/// # Panics
/// As [`checkpoint`], and if it does not load.
#[must_use]
pub fn model(name: &str) -> Arc<Model> {
    model_with(name, &ModelOptions::default())
}

/// [`model`] with other options.
///
/// # Panics
/// As [`model`].
#[must_use]
pub fn model_with(name: &str, options: &ModelOptions) -> Arc<Model> {
    Model::from_bytes_with(&checkpoint(name), name, options).expect("the small checkpoint loads")
}

/// All of [`NAMES`] with their models.
pub fn models() -> impl Iterator<Item = (&'static str, Arc<Model>)> {
    NAMES.into_iter().map(|name| (name, model(name)))
}

/// Whether a small model averages its memories.
#[must_use]
pub fn is_pooled(name: &str) -> bool {
    name != NAMES[0] && config(name).cross_attention != CrossAttention::Full
}
