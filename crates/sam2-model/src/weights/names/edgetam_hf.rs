//! Names of the Hugging Face library for EdgeTAM (`EdgeTamVideoModel`): those of [`super::sam2_hf`], and the
//! following.

use super::sam2_hf;

/// A tensor that a file in this naming always has.
pub(super) const FIRST: &str = "spatial_perceiver.latents_1d";
/// The same under EdgeTAM's name.
pub(super) const MARKER: &str = "spatial_perceiver.latents";

/// Beginnings of names, with those of EdgeTAM.
const BEGINNINGS: [(&str, &str); 3] = [
    ("vision_encoder.backbone.timm_model.", "image_encoder.trunk.body."),
    (FIRST, MARKER),
    ("spatial_perceiver.layer_norm.", "spatial_perceiver.norm."),
];

/// Parts of a layer of the perceiver.
const PERCEIVER: [(&str, &str); 17] = [
    ("layer_norm_input", "attn.norm_x"),
    ("layer_norm_latents", "attn.norm_latents"),
    ("cross_attention.q_proj", "attn.to_q"),
    ("cross_attention.k_proj", "attn.to_k"),
    ("cross_attention.v_proj", "attn.to_v"),
    ("cross_attention.o_proj", "attn.to_out"),
    ("mlp.layer_norm", "ff.0"),
    ("mlp.up_proj", "ff.1"),
    ("mlp.down_proj", "ff.3"),
    ("layer_norm_self", "self_attn.norm"),
    ("self_attention.q_proj", "self_attn.to_q"),
    ("self_attention.k_proj", "self_attn.to_k"),
    ("self_attention.v_proj", "self_attn.to_v"),
    ("self_attention.o_proj", "self_attn.to_out"),
    ("self_mlp.layer_norm", "self_ff.0"),
    ("self_mlp.up_proj", "self_ff.1"),
    ("self_mlp.down_proj", "self_ff.3"),
];

/// Parts of a layer of the memory attention.
const MEMORY: [(&str, &str); 2] = [("mlp.up_proj", "linear1"), ("mlp.down_proj", "linear2")];

/// Sections of numbered layers, with the names of their parts.
const LAYERS: [(&str, &[(&str, &str)]); 2] =
    [("spatial_perceiver.layers.", &PERCEIVER), ("memory_attention.layers.", &MEMORY)];

/// EdgeTAM's name of one tensor.
pub(super) fn meta_name(name: &str) -> String {
    renamed(name, |(hf, meta)| (hf, meta)).unwrap_or_else(|| sam2_hf::meta_name(name))
}

/// The name of one tensor in the Hugging Face library, from EdgeTAM's.
pub(super) fn hf_name(name: &str) -> String {
    renamed(name, |(hf, meta)| (meta, hf)).unwrap_or_else(|| sam2_hf::hf_name(name))
}

type Pair = (&'static str, &'static str);

/// The name by the tables of this file, if it is in them; `order` puts the old part of a pair first.
fn renamed(name: &str, order: fn(Pair) -> Pair) -> Option<String> {
    for (section, parts) in LAYERS {
        let Some((layer, part)) = name.strip_prefix(section).and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        let (part, end) = part.rsplit_once('.')?;
        let (_, new) = parts.iter().copied().map(order).find(|(old, _)| *old == part)?;
        return Some(format!("{section}{layer}.{new}.{end}"));
    }
    let (old, new) = BEGINNINGS.into_iter().map(order).find(|(old, _)| {
        // A whole name, or a prefix up to a dot.
        name == *old || old.ends_with('.') && name.starts_with(old)
    })?;
    Some(format!("{new}{}", &name[old.len()..]))
}
