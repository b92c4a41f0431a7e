//! EfficientTAM (arXiv 2411.18933). Published configurations:
//! `efficient_track_anything/configs/efficienttam/*.yaml`.
//!
//! Within one size all published variants have the same tensors: what distinguishes them is the name of the
//! file or a configuration.

use serde_json::{Value, json};

use super::common;
use super::table::{KeyTable, Shapes};
use super::unidentified::Unidentified;
use crate::config::fields::{Config, CrossAttention, Family};
use crate::config::reader::Reader;
use crate::config::trunk::{TrunkConfig, VitConfig};
use crate::error::LoadError;

/// A tensor of every checkpoint.
pub(super) const MARKER: &str = "image_encoder.neck.convs.0.conv_1x1.weight";
/// The position embedding of the trunk, `[1, 197, C]`.
const POSITION: &str = "image_encoder.trunk.pos_embed";

/// Blocks that attend within windows.
const WINDOWED: [usize; 8] = [0, 1, 3, 4, 6, 7, 9, 10];

/// Published sizes: name, channels, heads.
const SIZES: [(&str, usize, usize); 2] = [("s", 384, 6), ("ti", 192, 3)];
/// Published variants: end of the name, side of the input, cross-attention.
const VARIANTS: [(&str, usize, CrossAttention); 4] = [
    ("", 1024, CrossAttention::Full),
    ("_1", 1024, CrossAttention::PooledRepeated),
    ("_2", 1024, CrossAttention::PooledShifted),
    ("_512x512", 512, CrossAttention::Full),
];
/// Section of the cross-attention.
const CROSS_ATTENTION: &str = "memory_attention.layer.cross_attention";
/// Its classes.
const CLASSES: [(&str, CrossAttention); 3] = [
    ("RoPEAttention", CrossAttention::Full),
    ("EfficientRoPEAttention1", CrossAttention::PooledRepeated),
    ("EfficientRoPEAttention2", CrossAttention::PooledShifted),
];

/// Keys besides [`common::KEYS`].
pub(super) const KEYS: KeyTable = KeyTable {
    classes: &[
        ("image_encoder.trunk", &["ViT"]),
        ("image_encoder.neck", &["ViTDetNeck"]),
        (CROSS_ATTENTION, &["RoPEAttention", "EfficientRoPEAttention1", "EfficientRoPEAttention2"]),
    ],
    fixed: &[
        ("image_encoder.scalp", "0"),
        ("image_encoder.trunk.patch_size", "16"),
        ("image_encoder.trunk.in_chans", "3"),
        ("image_encoder.trunk.mlp_ratio", "4.0"),
        ("image_encoder.trunk.qkv_bias", "true"),
        ("image_encoder.trunk.use_abs_pos", "true"),
        ("image_encoder.trunk.use_rel_pos", "false"),
        ("image_encoder.trunk.pretrain_img_size", "224"),
        ("image_encoder.trunk.pretrain_use_cls_token", "true"),
        ("image_encoder.trunk.return_interm_layers", "false"),
        ("image_encoder.trunk.init_values", "null"),
    ],
    required: &[
        ("image_encoder.neck.neck_norm", "\"LN\""),
        ("memory_attention.layer.cross_attention.rope_k_repeat", "true"),
    ],
    ignored: &[
        "image_encoder.neck.kernel_size",
        "image_encoder.neck.stride",
        "image_encoder.neck.padding",
        "image_encoder.trunk.img_size",
        "image_encoder.trunk.drop_path_rate",
        "image_encoder.trunk.dropout",
        "image_encoder.trunk.rel_pos_zero_init",
        "image_encoder.trunk.use_act_checkpoint",
        "image_encoder.trunk.weights_path",
        // The reference sets it to false with a neck of one level, whatever the file says.
        "use_high_res_features_in_sam",
    ],
};

/// The model that a configuration describes; a key that is absent has the default of the published class.
pub(super) fn read(reader: &Reader) -> Result<Config, LoadError> {
    let width = reader.number("image_encoder.trunk.embed_dim", 768)?;
    let channels: [usize; 1] = reader.array("image_encoder.neck.backbone_channel_list", None)?;
    if channels != [width] {
        let reason = format!("is {channels:?}, which does not fit the trunk");
        return Err(reader.error("image_encoder.neck.backbone_channel_list", reason));
    }
    let trunk = TrunkConfig::Vit(VitConfig {
        embed_dim: width,
        depth: reader.number("image_encoder.trunk.depth", 12)?,
        num_heads: reader.number("image_encoder.trunk.num_heads", 12)?,
        window_size: reader.number("image_encoder.trunk.window_size", 14)?,
        window_block_indexes: reader.list("image_encoder.trunk.window_block_indexes", &WINDOWED)?,
    });
    let mut config = common::config(reader, Family::EfficientTam, trunk)?;
    let class = reader.class(CROSS_ATTENTION)?;
    let known = CLASSES.iter().find(|(name, _)| Some(*name) == class);
    config.cross_attention = known.map_or(CrossAttention::Full, |(_, kind)| *kind);
    config.variant = format!("custom EfficientTAM ({} px, width {width})", config.image_size);
    Ok(config)
}

/// The keys of trunk, neck and cross-attention, by their paths; the inverse of [`read`].
pub(super) fn write(config: &Config) -> Vec<(&'static str, Value)> {
    let TrunkConfig::Vit(vit) = &config.trunk else { return Vec::new() };
    let class = CLASSES.iter().find(|(_, kind)| *kind == config.cross_attention);
    vec![
        ("memory_attention.layer.cross_attention._target_", json!(class.map(|(name, _)| name))),
        ("image_encoder.trunk.embed_dim", json!(vit.embed_dim)),
        ("image_encoder.trunk.depth", json!(vit.depth)),
        ("image_encoder.trunk.num_heads", json!(vit.num_heads)),
        ("image_encoder.trunk.window_size", json!(vit.window_size)),
        ("image_encoder.trunk.window_block_indexes", json!(vit.window_block_indexes)),
        ("image_encoder.neck.backbone_channel_list", json!([vit.embed_dim])),
    ]
}

/// All published models, by the stems of their checkpoints.
pub(super) fn all_published() -> Vec<(String, Config)> {
    let of_size = |(size, embed_dim, num_heads): (&str, usize, usize)| {
        VARIANTS.map(|(end, image_size, cross_attention)| {
            let trunk = TrunkConfig::Vit(VitConfig {
                embed_dim,
                depth: 12,
                num_heads,
                window_size: 14,
                window_block_indexes: WINDOWED.to_vec(),
            });
            let variant = format!("EfficientTAM {}{end}", if size == "s" { "S" } else { "Ti" });
            let shared = common::published(Family::EfficientTam, trunk, variant);
            let config = Config { image_size, cross_attention, ..shared };
            (format!("efficienttam_{size}{end}"), config)
        })
    };
    SIZES.into_iter().flat_map(of_size).collect()
}

/// Whether tensors of these shapes are a checkpoint of this family.
pub(super) fn has_marker(shapes: &Shapes) -> bool {
    shapes.contains_key(MARKER) && shapes.get(POSITION).is_some_and(|shape| shape.len() == 3)
}

/// The published model of a checkpoint without a configuration: of those whose trunk has the same width, that
/// with the name `stem`.
pub(super) fn identify(shapes: &Shapes, stem: &str) -> Result<Config, Unidentified> {
    let width = shapes.get(POSITION).and_then(|shape| shape.last().copied()).unwrap_or(0);
    let fitting: Vec<(String, Config)> =
        all_published().into_iter().filter(|(_, config)| config.trunk.width() == width).collect();
    if fitting.is_empty() {
        let reason = format!("no published EfficientTAM has a trunk of width {width}");
        return Err(Unidentified::Unknown(reason));
    }
    let names = fitting.iter().map(|(name, _)| name.clone()).collect();
    let named = fitting.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(stem));
    named.map(|(_, config)| config).ok_or(Unidentified::OneOf(names))
}
