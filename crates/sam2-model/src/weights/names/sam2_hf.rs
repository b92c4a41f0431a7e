//! Names of the Hugging Face library (`Sam2VideoModel`), converted to Meta's, which the program uses.

use std::collections::BTreeMap;

use crate::weights::fault::Fault;
use crate::weights::stored::Stored;
use crate::weights::text::quoted;

/// A tensor that a file in this naming always has.
const FIRST: &str = "vision_encoder.backbone.patch_embed.projection.weight";
/// The four point embeddings, one per row.
const POINTS: &str = "prompt_encoder.point_embed.weight";
/// The positional encoding is stored once for prompts and once for images; writers may drop one of the two.
const ENCODING: &str = "prompt_encoder.shared_embedding.positional_embedding";
const ENCODING_AGAIN: &str = "shared_image_embedding.positional_embedding";

/// Whole names, then prefixes, with Meta's.
const BEGINNINGS: [(&str, &str); 28] = [
    ("vision_encoder.backbone.patch_embed.projection.", "image_encoder.trunk.patch_embed.proj."),
    ("vision_encoder.backbone.", "image_encoder.trunk."),
    ("vision_encoder.neck.", "image_encoder.neck."),
    ("memory_temporal_positional_encoding", "maskmem_tpos_enc"),
    ("no_memory_embedding", "no_mem_embed"),
    ("no_memory_positional_encoding", "no_mem_pos_enc"),
    ("no_object_pointer", "no_obj_ptr"),
    ("occlusion_spatial_embedding_parameter", "no_obj_embed_spatial"),
    ("object_pointer_proj.", "obj_ptr_proj."),
    ("temporal_positional_encoding_projection_layer.", "obj_ptr_tpos_proj."),
    ("mask_downsample.", "mask_downsample."),
    ("memory_attention.", "memory_attention."),
    ("memory_encoder.feature_projection.", "memory_encoder.pix_feat_proj."),
    ("memory_encoder.projection.", "memory_encoder.out_proj."),
    ("memory_encoder.memory_fuser.", "memory_encoder.fuser."),
    ("memory_encoder.mask_downsampler.final_conv.", "memory_encoder.mask_downsampler.encoder.12."),
    ("memory_encoder.", "memory_encoder."),
    (ENCODING, "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"),
    ("prompt_encoder.mask_embed.conv1.", "sam_prompt_encoder.mask_downscaling.0."),
    ("prompt_encoder.mask_embed.layer_norm1.", "sam_prompt_encoder.mask_downscaling.1."),
    ("prompt_encoder.mask_embed.conv2.", "sam_prompt_encoder.mask_downscaling.3."),
    ("prompt_encoder.mask_embed.layer_norm2.", "sam_prompt_encoder.mask_downscaling.4."),
    ("prompt_encoder.mask_embed.conv3.", "sam_prompt_encoder.mask_downscaling.6."),
    ("prompt_encoder.", "sam_prompt_encoder."),
    ("mask_decoder.upscale_conv1.", "sam_mask_decoder.output_upscaling.0."),
    ("mask_decoder.upscale_layer_norm.", "sam_mask_decoder.output_upscaling.1."),
    ("mask_decoder.upscale_conv2.", "sam_mask_decoder.output_upscaling.3."),
    ("mask_decoder.", "sam_mask_decoder."),
];

/// Whether a file with these names is in the Hugging Face naming.
pub(super) fn recognised(tensors: &BTreeMap<String, Stored>) -> bool {
    tensors.contains_key(FIRST)
}

/// All tensors under Meta's names, which `meta_name` finds. Unknown names are kept, so that the audit reports
/// them.
pub(super) fn to_meta(
    mut tensors: BTreeMap<String, Stored<'_>>,
    meta_name: fn(&str) -> String,
) -> Result<BTreeMap<String, Stored<'_>>, Fault> {
    if let Some(again) = tensors.remove(ENCODING_AGAIN) {
        let first = tensors.entry(ENCODING.to_owned()).or_insert_with(|| again.clone());
        let alike = first.shape == again.shape && first.element == again.element;
        if !alike || first.raw()? != again.raw()? {
            return Err(format!("tensors {ENCODING} and {ENCODING_AGAIN} differ").into());
        }
    }
    let mut named = BTreeMap::new();
    for (name, tensor) in tensors {
        let rows =
            if name == POINTS && tensor.shape.first() == Some(&4) { tensor.rows() } else { Vec::new() };
        if !rows.is_empty() {
            let of_row = |(i, row)| (format!("sam_prompt_encoder.point_embeddings.{i}.weight"), row);
            named.extend(rows.into_iter().enumerate().map(of_row));
        } else if named.insert(meta_name(&name), tensor).is_some() {
            return Err(Fault::Foreign(format!("tensor {} is there under two names", quoted(&name))));
        }
    }
    Ok(named)
}

/// Meta's name of one tensor.
pub(super) fn meta_name(name: &str) -> String {
    let Some((hf, meta)) = BEGINNINGS.iter().find(|(hf, _)| name.starts_with(hf)) else {
        return name.to_owned();
    };
    let rest = &name[hf.len()..];
    if rest.is_empty() {
        return (*meta).to_owned();
    }
    let mut name = format!("{meta}{rest}").replace("layer_norm", "norm");
    if name.starts_with("image_encoder.neck.convs.") {
        for end in [".weight", ".bias"] {
            if let Some(stem) = name.strip_suffix(end) {
                return format!("{stem}.conv{end}");
            }
        }
    } else if let Some(rest) = name.strip_prefix("memory_encoder.mask_downsampler.layers.") {
        // conv, norm and GELU of each stage follow one another in Meta's list.
        let mut parts = rest.split('.');
        if let (Some(Ok(stage @ 0..4)), Some(kind @ ("conv" | "norm")), Some(end), None) =
            (parts.next().map(str::parse::<u8>), parts.next(), parts.next(), parts.next())
        {
            let at = 3 * stage + u8::from(kind == "norm");
            return format!("memory_encoder.mask_downsampler.encoder.{at}.{end}");
        }
    } else if name.starts_with("memory_encoder.fuser.") {
        name = name.replace("depthwise_conv", "dwconv").replace("pointwise_conv", "pwconv");
        if let Some(stem) = name.strip_suffix(".scale") {
            name = format!("{stem}.gamma");
        }
    } else {
        name = name.replace(".o_proj.", ".out_proj.");
        // Two layers for an MLP inside a block, three for a head.
        if name.contains(".mlp.") {
            name = name.replace(".proj_in.", ".layers.0.").replace(".proj_out.", ".layers.1.");
        } else if let Some(head) = HEADS.iter().find(|head| name.contains(**head)) {
            let (stem, rest) = name.split_once(head).unwrap_or_default();
            // The hypernetworks are numbered.
            let rest = rest.replace("layers.0.", "layers.1.");
            let rest = rest.replace("proj_in.", "layers.0.").replace("proj_out.", "layers.2.");
            name = format!("{stem}{head}{rest}");
        }
    }
    name
}

/// The name of one tensor in the Hugging Face library, from Meta's.
pub(super) fn hf_name(name: &str) -> String {
    let Some((hf, meta)) = BEGINNINGS.iter().find(|(_, meta)| name.starts_with(meta)) else {
        return name.to_owned();
    };
    let rest = &name[meta.len()..];
    let mut name = format!("{hf}{rest}").replace(".norm", ".layer_norm");
    if name.starts_with("vision_encoder.neck.convs.") {
        return name.replace(".conv.", ".");
    } else if let Some(rest) = name.strip_prefix("memory_encoder.mask_downsampler.encoder.") {
        let (at, end) = rest.split_once('.').unwrap_or_default();
        if let Ok(at @ 0..12) = at.parse::<u8>() {
            let kind = if at % 3 == 0 { "conv" } else { "layer_norm" };
            return format!("memory_encoder.mask_downsampler.layers.{}.{kind}.{end}", at / 3);
        }
    } else if name.starts_with("memory_encoder.memory_fuser.") {
        name = name.replace("dwconv", "depthwise_conv").replace("pwconv", "pointwise_conv");
        if let Some(stem) = name.strip_suffix(".gamma") {
            name = format!("{stem}.scale");
        }
    } else {
        name = name.replace(".out_proj.", ".o_proj.");
        let head = HEADS.iter().any(|head| name.contains(head)) || name.starts_with("object_pointer_proj.");
        if name.contains(".mlp.") {
            // The MLP's block may also be one of several layers.
            name =
                name.replace(".mlp.layers.0.", ".mlp.proj_in.").replace(".mlp.layers.1.", ".mlp.proj_out.");
        } else if head {
            name = name.replace(".layers.0.", ".proj_in.").replace(".layers.2.", ".proj_out.");
            name = name.replace(".layers.1.", ".layers.0.");
        }
    }
    name
}

/// The tensors of a file with Hugging Face names: every name with Meta's tensors whose rows it consists of.
/// Fails with a name that has no equivalent; `meta_name` and `hf_name` convert one.
pub(super) fn from_meta<'t, 'a>(
    tensors: &'t BTreeMap<String, Stored<'a>>,
    meta_name: fn(&str) -> String,
    hf_name: fn(&str) -> String,
) -> Result<BTreeMap<String, Vec<&'t Stored<'a>>>, String> {
    let mut named = BTreeMap::new();
    let mut rows: Vec<&Stored> = Vec::new();
    for (name, tensor) in tensors {
        if name.starts_with("sam_prompt_encoder.point_embeddings.") {
            // The map is sorted, so rows are in order.
            let like = rows.first().unwrap_or(&tensor);
            let row = matches!(tensor.shape[..], [1, _]);
            if !row || like.shape != tensor.shape || like.element != tensor.element {
                return Err(name.clone());
            }
            rows.push(tensor);
            continue;
        }
        let hf = hf_name(name);
        if meta_name(&hf) != *name {
            return Err(name.clone());
        }
        if hf == ENCODING {
            named.insert(ENCODING_AGAIN.to_owned(), vec![tensor]);
        }
        named.insert(hf, vec![tensor]);
    }
    if !rows.is_empty() {
        named.insert(POINTS.to_owned(), rows);
    }
    Ok(named)
}

/// MLPs of three layers.
const HEADS: [&str; 4] =
    ["obj_ptr_proj.", "output_hypernetworks_mlps.", "iou_prediction_head.", "pred_obj_score_head."];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;
    use crate::weights::source::Source;

    fn inventory(file: &str) -> BTreeMap<String, Vec<usize>> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/inventory").join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).expect("name -> shape")
    }

    #[test]
    fn every_tensor_of_all_eight_models_has_its_name_in_meta() {
        for size in ["tiny", "small", "base_plus", "large"] {
            for version in ["sam2", "sam2.1"] {
                let hf = inventory(&format!("{version}_hiera_{size}.hf.json"));
                let bytes =
                    vec![0; 4 * hf.values().map(|s| s.iter().product::<usize>()).max().expect("tensors")];
                let stored = |shape: &[usize]| {
                    let len = 4 * shape.iter().product::<usize>() as u64;
                    let part = Source::Memory(&bytes).part(0, len).expect("the largest tensor fits");
                    Stored::contiguous("F32", shape, part)
                };
                let count = hf.len();
                let tensors = hf.into_iter().map(|(name, shape)| (name, stored(&shape))).collect();
                assert!(recognised(&tensors));
                let meta = to_meta(tensors, meta_name).expect("it maps");
                let found: BTreeMap<String, Vec<usize>> =
                    meta.iter().map(|(name, t)| (name.clone(), t.shape.clone())).collect();
                assert_eq!(found, inventory(&format!("{version}_hiera_{size}.json")), "{version} {size}");
                assert_eq!(count + 2, found.len());
                // The inverse.
                let back: BTreeMap<String, Vec<usize>> = from_meta(&meta, meta_name, hf_name)
                    .expect("every name has one")
                    .into_iter()
                    .map(|(name, parts)| {
                        let mut shape = parts[0].shape.clone();
                        if parts.len() > 1 {
                            shape[0] = parts.len();
                        }
                        (name, shape)
                    })
                    .collect();
                assert_eq!(back, inventory(&format!("{version}_hiera_{size}.hf.json")));
            }
        }
    }

    #[test]
    fn the_doubled_encoding_must_be_the_same_and_one_of_the_two_is_enough() {
        let bytes: Vec<u8> = (0..32_u8).collect();
        let tensors = |names: &[(&str, u64)]| {
            names
                .iter()
                .map(|&(name, at)| {
                    let part = Source::Memory(&bytes).part(at, 16).expect("it is inside");
                    (name.to_owned(), Stored::contiguous("F32", &[2, 2], part))
                })
                .collect::<BTreeMap<_, _>>()
        };
        assert!(to_meta(tensors(&[(ENCODING, 0), (ENCODING_AGAIN, 4)]), meta_name).is_err());
        for names in [&[(ENCODING, 0), (ENCODING_AGAIN, 0)][..], &[(ENCODING, 0)], &[(ENCODING_AGAIN, 0)]] {
            let found: BTreeSet<String> =
                to_meta(tensors(names), meta_name).expect("it maps").into_keys().collect();
            assert_eq!(
                found,
                ["sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix".to_owned()].into()
            );
        }
    }
}
