//! EdgeTAM (arXiv 2501.07256), one published model. Its configuration: `sam2/configs/edgetam.yaml`.

use serde_json::{Value, json};

use super::common;
use super::table::{KeyTable, Shapes};
use crate::config::fields::{Config, Family};
use crate::config::reader::Reader;
use crate::config::trunk::TrunkConfig;
use crate::error::LoadError;

/// A tensor of every checkpoint.
pub(super) const MARKER: &str = "spatial_perceiver.latents";

/// Keys besides [`common::KEYS`].
pub(super) const KEYS: KeyTable = KeyTable {
    classes: &[
        ("image_encoder.trunk", &["TimmBackbone"]),
        ("image_encoder.neck", &["FpnNeck"]),
        ("memory_attention.layer.cross_attention", &["RoPEAttentionv2"]),
        ("spatial_perceiver", &["PerceiverResampler"]),
    ],
    fixed: &[
        ("image_encoder.neck.fuse_type", "\"sum\""),
        ("image_encoder.neck.kernel_size", "1"),
        ("image_encoder.neck.stride", "1"),
        ("image_encoder.neck.padding", "0"),
        ("spatial_perceiver.position_encoding.num_pos_feats", "64"),
        ("spatial_perceiver.position_encoding.normalize", "true"),
        ("spatial_perceiver.position_encoding.scale", "null"),
        ("spatial_perceiver.position_encoding.temperature", "10000"),
    ],
    required: &[
        ("image_encoder.scalp", "1"),
        ("image_encoder.trunk.name", "\"repvit_m1.dist_in1k\""),
        ("image_encoder.trunk.features", "[\"layer0\",\"layer1\",\"layer2\",\"layer3\"]"),
        ("image_encoder.neck.backbone_channel_list", "[384,192,96,48]"),
        ("image_encoder.neck.fpn_top_down_levels", "[2,3]"),
        ("image_encoder.neck.fpn_interp_model", "\"nearest\""),
        ("memory_attention.layer.cross_attention.k_sizes", "[16,16]"),
        ("spatial_perceiver.depth", "2"),
        ("spatial_perceiver.heads", "1"),
        ("spatial_perceiver.ff_mult", "4"),
        ("spatial_perceiver.pos_enc_at_key_value", "true"),
        ("spatial_perceiver.concat_kv_latents", "false"),
        ("spatial_perceiver.num_latents", "256"),
        ("spatial_perceiver.num_latents_2d", "256"),
        ("spatial_perceiver.use_self_attn", "true"),
        ("use_high_res_features_in_sam", "true"),
    ],
    ignored: &[
        "memory_attention.layer.cross_attention.q_sizes",
        "spatial_perceiver.hidden_dropout_p",
        "spatial_perceiver.attention_dropout_p",
    ],
};

/// The model that a configuration describes; a key that is absent has the default of the published class.
pub(super) fn read(reader: &Reader) -> Result<Config, LoadError> {
    let mut config = common::config(reader, Family::EdgeTam, TrunkConfig::RepVitM1)?;
    for key in ["spatial_perceiver.dim", "spatial_perceiver.dim_head"] {
        reader.equal(key, 64, config.mem_dim)?;
    }
    config.variant = format!("custom EdgeTAM ({} px)", config.image_size);
    Ok(config)
}

/// The keys of the perceiver with a value of their own, by their paths; the inverse of [`read`].
pub(super) fn write(config: &Config) -> Vec<(&'static str, Value)> {
    ["spatial_perceiver.dim", "spatial_perceiver.dim_head"].map(|key| (key, json!(config.mem_dim))).to_vec()
}

/// The published model, by the stem of its checkpoint.
pub(super) fn all_published() -> Vec<(String, Config)> {
    vec![("edgetam".to_owned(), published())]
}

fn published() -> Config {
    Config {
        memory_attention_layers: 2,
        ..common::published(Family::EdgeTam, TrunkConfig::RepVitM1, "EdgeTAM".to_owned())
    }
}

/// Whether tensors of these shapes are a checkpoint of this family.
pub(super) fn has_marker(shapes: &Shapes) -> bool {
    shapes.contains_key(MARKER)
}

/// The published model of a checkpoint without a configuration.
pub(super) fn identify() -> Config {
    published()
}
