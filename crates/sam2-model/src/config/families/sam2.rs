//! SAM 2 and SAM 2.1. Meta: `sam2/configs/sam2/*.yaml`, `sam2/configs/sam2.1/*.yaml`.

use serde_json::{Value, json};

use super::common;
use super::table::{KeyTable, Shapes};
use super::unidentified::Unidentified;
use crate::config::fields::{Config, Family};
use crate::config::reader::Reader;
use crate::config::trunk::{HieraConfig, TrunkConfig};
use crate::error::LoadError;

/// A tensor of every checkpoint; Hiera's patches are 7×7 pixels.
pub(super) const MARKER: &str = "image_encoder.trunk.patch_embed.proj.weight";
const PATCH: usize = 7;

/// Names of the published sizes.
const SIZES: [&str; 4] = ["tiny", "small", "base_plus", "large"];

/// Keys besides [`common::KEYS`].
pub(super) const KEYS: KeyTable = KeyTable {
    classes: &[
        ("image_encoder.trunk", &["Hiera"]),
        ("image_encoder.neck", &["FpnNeck"]),
        ("memory_attention.layer.cross_attention", &["RoPEAttention"]),
    ],
    fixed: &[
        ("image_encoder.neck.fuse_type", "\"sum\""),
        ("image_encoder.neck.kernel_size", "1"),
        ("image_encoder.neck.stride", "1"),
        ("image_encoder.neck.padding", "0"),
        ("image_encoder.trunk.return_interm_layers", "true"),
        ("image_encoder.trunk.q_pool", "3"),
        ("image_encoder.trunk.q_stride", "[2,2]"),
        ("image_encoder.trunk.dim_mul", "2.0"),
        ("image_encoder.trunk.head_mul", "2.0"),
    ],
    required: &[
        ("image_encoder.scalp", "1"),
        ("image_encoder.neck.fpn_top_down_levels", "[2,3]"),
        ("image_encoder.neck.fpn_interp_model", "\"nearest\""),
        ("memory_attention.layer.cross_attention.rope_k_repeat", "true"),
        ("use_high_res_features_in_sam", "true"),
    ],
    ignored: &["image_encoder.trunk.drop_path_rate", "image_encoder.trunk.weights_path"],
};

/// The model that a configuration describes; a key that is absent has the default of Meta's class.
pub(super) fn read(reader: &Reader) -> Result<Config, LoadError> {
    let width = reader.number("image_encoder.trunk.embed_dim", 96)?;
    let channels: [usize; 4] = reader.array("image_encoder.neck.backbone_channel_list", None)?;
    if channels != [8, 4, 2, 1].map(|m| width.saturating_mul(m)) {
        let reason = format!("is {channels:?}, which does not fit the trunk");
        return Err(reader.error("image_encoder.neck.backbone_channel_list", reason));
    }
    let trunk = TrunkConfig::Hiera(HieraConfig {
        embed_dim: width,
        num_heads: reader.number("image_encoder.trunk.num_heads", 1)?,
        stages: reader.array("image_encoder.trunk.stages", Some([2, 3, 16, 3]))?,
        global_att_blocks: reader.list("image_encoder.trunk.global_att_blocks", &[12, 16, 20])?,
        window_pos_embed_bkg_spatial_size: reader
            .array("image_encoder.trunk.window_pos_embed_bkg_spatial_size", Some([14, 14]))?,
        window_spec: reader.array("image_encoder.trunk.window_spec", Some([8, 4, 14, 7]))?,
    });
    let mut config = common::config(reader, Family::Sam2, trunk)?;
    let version = if config.proj_tpos_enc_in_obj_ptrs { "2.1" } else { "2" };
    config.variant = format!("custom SAM {version} ({} px, width {width})", config.image_size);
    Ok(config)
}

/// The keys of the trunk and the neck, by their paths; the inverse of [`read`].
pub(super) fn write(config: &Config) -> Vec<(&'static str, Value)> {
    let TrunkConfig::Hiera(hiera) = &config.trunk else { return Vec::new() };
    let background = hiera.window_pos_embed_bkg_spatial_size;
    let [c1, c2, c4, c8] = hiera.channels();
    vec![
        ("image_encoder.trunk.embed_dim", json!(hiera.embed_dim)),
        ("image_encoder.trunk.num_heads", json!(hiera.num_heads)),
        ("image_encoder.trunk.stages", json!(hiera.stages)),
        ("image_encoder.trunk.global_att_blocks", json!(hiera.global_att_blocks)),
        ("image_encoder.trunk.window_pos_embed_bkg_spatial_size", json!(background)),
        ("image_encoder.trunk.window_spec", json!(hiera.window_spec)),
        ("image_encoder.neck.backbone_channel_list", json!([c8, c4, c2, c1])),
    ]
}

/// A published model; `size` is one of [`SIZES`].
pub(super) fn published(size: &str, v21: bool) -> Option<Config> {
    let hiera = |embed_dim, num_heads, stages, global: [usize; 3], bkg, window_spec| HieraConfig {
        embed_dim,
        num_heads,
        stages,
        global_att_blocks: global.to_vec(),
        window_pos_embed_bkg_spatial_size: [bkg, bkg],
        window_spec,
    };
    let trunk = match size {
        "tiny" => hiera(96, 1, [1, 2, 7, 2], [5, 7, 9], 7, [8, 4, 14, 7]),
        "small" => hiera(96, 1, [1, 2, 11, 2], [7, 10, 13], 7, [8, 4, 14, 7]),
        "base_plus" => hiera(112, 2, [2, 3, 16, 3], [12, 16, 20], 14, [8, 4, 14, 7]),
        "large" => hiera(144, 2, [2, 6, 36, 4], [23, 33, 43], 7, [8, 4, 16, 8]),
        _ => return None,
    };
    let variant = format!("SAM {} {}", if v21 { "2.1" } else { "2" }, size.replace('_', "-"));
    let shared = common::published(Family::Sam2, TrunkConfig::Hiera(trunk), variant);
    Some(Config { no_obj_embed_spatial: v21, proj_tpos_enc_in_obj_ptrs: v21, ..shared })
}

/// All published models, by the stems of their checkpoints in this program's spelling.
pub(super) fn all_published() -> Vec<(String, Config)> {
    let of_size = |size: &&'static str| {
        let size = *size;
        let named = move |(version, v21)| Some((format!("{version}_hiera_{size}"), published(size, v21)?));
        [("sam2.1", true), ("sam2", false)].into_iter().filter_map(named)
    };
    SIZES.iter().flat_map(of_size).collect()
}

/// Whether tensors of these shapes are a checkpoint of this family.
pub(super) fn has_marker(shapes: &Shapes) -> bool {
    shapes.get(MARKER).is_some_and(|shape| matches!(shape[..], [_, _, PATCH, PATCH]))
}

/// The published model of a checkpoint without a configuration: that whose trunk has the same width and
/// depth. Version 2.1 is the one with `no_obj_embed_spatial`.
pub(super) fn identify(shapes: &Shapes) -> Result<Config, Unidentified> {
    let width = shapes.get(MARKER).and_then(|shape| shape.first().copied()).unwrap_or(0);
    let is_block =
        |name: &&String| name.starts_with("image_encoder.trunk.blocks.") && name.ends_with(".norm1.weight");
    let depth = shapes.keys().filter(is_block).count();
    let v21 = shapes.contains_key("no_obj_embed_spatial");
    let fits = |config: &Config| {
        let TrunkConfig::Hiera(hiera) = &config.trunk else { return false };
        config.no_obj_embed_spatial == v21
            && hiera.embed_dim == width
            && hiera.stages.iter().sum::<usize>() == depth
    };
    all_published().into_iter().map(|(_, config)| config).find(fits).ok_or_else(|| {
        let reason = format!("no published model has a trunk of width {width} and depth {depth}");
        Unidentified::Unknown(reason)
    })
}
