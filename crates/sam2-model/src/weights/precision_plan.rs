//! Precision of every layer, by its state-dict path.

use crate::precision::Precision;

/// Storage and arithmetic of a layer's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Single precision.
    Single,
    /// Single precision, stored as half precision where that is exact: for large matrices.
    Compact,
    /// bf16 numbers.
    Bf16,
    /// 8-bit integers.
    Int8,
}

/// Layers with many rows that tolerate quantisation: they run in 8 bits in a model of [`Precision::Int8`], in
/// bf16 in one of [`Precision::Bf16`], all but the scores of attention.
/// `*` is any one segment. All other layers run in single precision always.
///
/// The path of an attention is that of its scores and, in the memory attention, of its value and output
/// projections, which are one matrix.
const QUANTIZED: [&str; 22] = [
    "image_encoder.trunk.blocks.*.attn",
    "image_encoder.trunk.blocks.*.attn.qkv",
    "image_encoder.trunk.blocks.*.attn.proj",
    "image_encoder.trunk.blocks.*.proj",
    "image_encoder.trunk.blocks.*.mlp.layers.*",
    "image_encoder.trunk.body.*.blocks.*.channel_mixer.*",
    "image_encoder.trunk.body.*.downsample.channel_downsample",
    "image_encoder.trunk.body.*.downsample.ffn.*",
    "image_encoder.trunk.body.*.downsample.pre_block.channel_mixer.*",
    "memory_attention.layers.*.self_attn",
    "memory_attention.layers.*.self_attn.q_proj",
    "memory_attention.layers.*.self_attn.k_proj",
    "memory_attention.layers.*.cross_attn_image",
    "memory_attention.layers.*.cross_attn_image.q_proj",
    "memory_attention.layers.*.cross_attn_image.k_proj",
    "memory_attention.layers.*.linear1",
    "memory_attention.layers.*.linear2",
    "memory_encoder.mask_downsampler.encoder.12",
    "memory_encoder.pix_feat_proj",
    "memory_encoder.fuser.layers.*.pwconv1",
    "memory_encoder.fuser.layers.*.pwconv2",
    "memory_encoder.out_proj",
];

/// Storage of the layer at `path` in a model of `precision`.
pub(super) fn storage(precision: Precision, path: &str) -> Storage {
    match (QUANTIZED.iter().any(|pattern| matches(pattern, path)), precision) {
        (false, _) => Storage::Single,
        (true, Precision::F32) => Storage::Compact,
        (true, Precision::Bf16) => Storage::Bf16,
        (true, Precision::Int8) => Storage::Int8,
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('.'), path.split('.'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == "*" || a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_row_of_the_table_is_a_layer_of_the_published_models() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/inventory");
        let mut layers = BTreeSet::new();
        for model in ["sam2.1_hiera_tiny", "edgetam"] {
            let text = std::fs::read_to_string(format!("{folder}/{model}.json")).expect("the inventory");
            let names: BTreeMap<String, Vec<usize>> = serde_json::from_str(&text).expect("name -> shape");
            for name in names.keys() {
                layers.extend(name.match_indices('.').map(|(at, _)| name[..at].to_owned()));
            }
        }
        for pattern in QUANTIZED {
            assert!(layers.iter().any(|layer| matches(pattern, layer)), "{pattern}");
        }
    }

    #[test]
    fn a_model_in_single_precision_quantizes_nothing() {
        let qkv = "image_encoder.trunk.blocks.0.attn.qkv";
        assert_eq!(storage(Precision::F32, qkv), Storage::Compact);
        assert_eq!(storage(Precision::Int8, qkv), Storage::Int8);
        assert_eq!(storage(Precision::Bf16, qkv), Storage::Bf16);
        for layer in ["sam_mask_decoder.iou_prediction_head.layers.0", "image_encoder.neck.convs.0.conv", ""]
        {
            assert_eq!(storage(Precision::Int8, layer), Storage::Single, "{layer}");
        }
    }
}
