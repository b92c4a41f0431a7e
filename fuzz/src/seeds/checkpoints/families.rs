//! EdgeTAM and EfficientTAM: a few tensors that decide which family and variant a file is, in both namings,
//! with batch norms' counters, which are 64-bit numbers without an axis.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView, serialize};
use sam2_model::config::Config;
use sam2_tests::pt;
use serde_json::Value;

/// Names and shapes. A shape has an axis without elements where it would be large.
type Tensors = &'static [(&'static str, &'static [usize])];

const COUNTER: &str = "num_batches_tracked";

const EDGETAM: Tensors = &[
    ("image_encoder.neck.convs.0.conv.weight", &[256, 0, 1, 1]),
    ("image_encoder.trunk.body.stem.conv1.bn.num_batches_tracked", &[]),
    ("image_encoder.trunk.body.stem.conv1.bn.running_var", &[24]),
    ("image_encoder.trunk.body.stem.conv1.conv.weight", &[24, 0, 3, 3]),
    ("spatial_perceiver.latents", &[0, 64]),
    ("spatial_perceiver.layers.0.attn.to_kv.weight", &[128, 0]),
    ("no_mem_embed", &[1, 1, 0]),
];

/// EdgeTAM's in the naming of the Hugging Face library.
const EDGETAM_HF: Tensors = &[
    ("vision_encoder.backbone.timm_model.stem.conv1.bn.num_batches_tracked", &[]),
    ("vision_encoder.backbone.timm_model.stem.conv1.conv.weight", &[24, 0, 3, 3]),
    ("spatial_perceiver.latents_1d", &[0, 64]),
    ("spatial_perceiver.layers.0.cross_attention.k_proj.weight", &[64, 0]),
    ("memory_attention.layers.0.mlp.up_proj.weight", &[0, 256]),
    ("no_memory_embedding", &[1, 1, 0]),
];

const EFFICIENTTAM: Tensors = &[
    ("image_encoder.neck.convs.0.conv_1x1.weight", &[256, 0, 1, 1]),
    ("image_encoder.neck.convs.0.norm_0.weight", &[4]),
    ("image_encoder.trunk.blocks.0.attn.qkv.bias", &[6]),
    ("image_encoder.trunk.patch_embed.proj.weight", &[192, 0, 16, 16]),
    ("image_encoder.trunk.pos_embed", &[1, 197, 0]),
    ("no_mem_embed", &[1, 1, 0]),
];

/// Published models whose configurations differ in their keys.
const MODELS: [&str; 4] = ["edgetam", "efficienttam_s", "efficienttam_ti_1", "efficienttam_ti_512x512"];

/// The configurations, as they are written into converted files.
pub fn configs() -> Vec<Value> {
    let config = |name| Config::named(name).expect("it is published").to_json();
    MODELS.iter().map(|name| serde_json::from_str(&config(name)).expect("JSON")).collect()
}

pub fn safetensors() -> Vec<Vec<u8>> {
    let data = [0_u8; 96];
    let file = |tensors: Tensors, config: Option<&Value>| {
        let views = tensors.iter().map(|(name, shape)| {
            let dtype = if name.ends_with(COUNTER) { Dtype::I64 } else { Dtype::F32 };
            let len = shape.iter().product::<usize>() * dtype.bitsize() / 8;
            (*name, TensorView::new(dtype, shape.to_vec(), &data[..len]).expect("it fits"))
        });
        let metadata = config.map(|config| HashMap::from([("sam2.config".to_owned(), config.to_string())]));
        serialize(views, metadata).expect("it can be written")
    };
    let configs = configs();
    vec![
        file(EDGETAM, None),
        file(EDGETAM, Some(&configs[0])),
        file(EDGETAM_HF, None),
        file(EFFICIENTTAM, None),
        file(EFFICIENTTAM, Some(&configs[3])),
    ]
}

/// All values are views of the storage `0`.
pub fn pickles() -> Vec<Vec<u8>> {
    let value = |name: &str, shape: &[usize]| {
        let strides: Vec<usize> = (1..=shape.len()).map(|axis| shape[axis..].iter().product()).collect();
        let view = pt::view("0", if name.ends_with(COUNTER) { 8 } else { 16 }, 0, shape, &strides);
        if name.ends_with(COUNTER) { of_longs(&view) } else { view }
    };
    let small = |shape: &&[usize]| shape.iter().product::<usize>() <= 6;
    [EDGETAM, EDGETAM_HF, EFFICIENTTAM]
        .map(|tensors| {
            let kept = tensors.iter().filter(|(_, shape)| small(shape));
            let values: Vec<_> = kept.map(|(name, shape)| ((*name).to_owned(), value(name, shape))).collect();
            pt::pickle(&values)
        })
        .to_vec()
}

/// The same view with another type of storage.
fn of_longs(view: &[u8]) -> Vec<u8> {
    const FLOAT: &[u8] = b"FloatStorage";
    let at = view.windows(FLOAT.len()).position(|part| part == FLOAT).expect("a storage");
    [&view[..at], b"LongStorage", &view[at + FLOAT.len()..]].concat()
}
