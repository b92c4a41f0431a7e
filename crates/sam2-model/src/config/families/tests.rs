//! Configurations of the families beside SAM 2, as they are published.

use crate::config::{Config, Family};

/// The published YAML file of EfficientTAM, with what differs between the files filled in.
fn efficienttam(width: usize, heads: usize, grid: usize, class: &str) -> String {
    let image_size = 16 * grid;
    format!(
        "# @package _global_
model:
  _target_: efficient_track_anything.modeling.efficienttam_base.EfficientTAMBase
  image_encoder:
    _target_: efficient_track_anything.modeling.backbones.image_encoder.ImageEncoder
    scalp: 0
    trunk:
      _target_: efficient_track_anything.modeling.backbones.vitdet.ViT
      patch_size: 16
      embed_dim: {width}
      depth: 12
      num_heads: {heads}
      mlp_ratio: 4.0
      qkv_bias: true
      drop_path_rate: 0.0
      use_rel_pos: false
      window_size: 14
      window_block_indexes: [0, 1, 3, 4, 6, 7, 9, 10]
    neck:
      _target_: efficient_track_anything.modeling.backbones.image_encoder.ViTDetNeck
      position_encoding: {{num_pos_feats: 256, normalize: true, scale: null, temperature: 10000}}
      d_model: 256
      backbone_channel_list: [{width},]
      neck_norm: LN
  memory_attention:
    d_model: 256
    pos_enc_at_input: true
    layer:
      activation: relu
      dim_feedforward: 2048
      dropout: 0.1
      pos_enc_at_attn: false
      self_attention:
        _target_: efficient_track_anything.modeling.sam.transformer.RoPEAttention
        rope_theta: 10000.0
        feat_sizes: [{grid}, {grid}]
        embedding_dim: 256
        num_heads: 1
        downsample_rate: 1
        dropout: 0.1
      d_model: 256
      pos_enc_at_cross_attn_keys: true
      pos_enc_at_cross_attn_queries: false
      cross_attention:
        _target_: efficient_track_anything.modeling.sam.transformer.{class}
        rope_theta: 10000.0
        feat_sizes: [{grid}, {grid}]
        rope_k_repeat: True
        embedding_dim: 256
        num_heads: 1
        downsample_rate: 1
        dropout: 0.1
        kv_in_dim: 64
    num_layers: 4
{SHARED}
  image_size: {image_size}
  use_high_res_features_in_sam: false
  compile_image_encoder: true
"
    )
}

/// The keys after the memory attention that all published files of both families have.
const SHARED: &str = "  memory_encoder:
    out_dim: 64
    position_encoding: {num_pos_feats: 64, normalize: true, scale: null, temperature: 10000}
    mask_downsampler: {kernel_size: 3, stride: 2, padding: 1}
    fuser:
      layer: {dim: 256, kernel_size: 7, padding: 3, layer_scale_init_value: 1e-6, use_dwconv: True}
      num_layers: 2
  num_maskmem: 7
  sigmoid_scale_for_mem_enc: 20.0
  sigmoid_bias_for_mem_enc: -10.0
  use_mask_input_as_output_without_sam: true
  directly_add_no_mem_embed: true
  multimask_output_in_sam: true
  iou_prediction_use_sigmoid: True
  use_obj_ptrs_in_encoder: true
  add_tpos_enc_to_obj_ptrs: false
  only_obj_ptrs_in_the_past_for_eval: true
  pred_obj_scores: true
  pred_obj_scores_mlp: true
  fixed_no_obj_ptr: true
  multimask_output_for_tracking: true
  use_multimask_token_for_obj_ptr: true
  multimask_min_pt_num: 0
  multimask_max_pt_num: 1
  use_mlp_for_obj_ptr_proj: true";

fn read(text: &str) -> Result<Config, String> {
    Config::from_yaml(text, "x.yaml").map_err(|e| e.to_string())
}

#[test]
fn the_published_files_of_efficienttam_give_the_published_models() {
    for (size, width, heads) in [("s", 384, 6), ("ti", 192, 3)] {
        for (end, grid, class) in [
            ("", 64, "RoPEAttention"),
            ("_1", 64, "EfficientRoPEAttention1"),
            ("_2", 64, "EfficientRoPEAttention2"),
            ("_512x512", 32, "RoPEAttention"),
        ] {
            let name = format!("efficienttam_{size}{end}");
            let config = read(&efficienttam(width, heads, grid, class)).expect("it is read");
            assert_eq!(Some(&config), Config::named(&name).as_ref(), "{name}");
            // Forks move the classes.
            let moved = efficienttam(width, heads, grid, class).replace("efficient_track_anything.", "sam2.");
            assert_eq!(read(&moved).as_ref(), Ok(&config));
        }
    }
}

#[test]
fn configurations_of_efficienttam_are_checked() {
    let text = efficienttam(192, 3, 32, "RoPEAttention");
    let refused = |from: &str, to: &str, words: &str| {
        assert!(text.contains(from), "{from}");
        let error = read(&text.replace(from, to)).expect_err(words);
        assert!(error.starts_with("x.yaml: ") && error.contains(words), "{error}");
    };
    refused("depth: 12", "depth: 11", "the last block, 10, must be global");
    refused("depth: 12", "depth: 0", "trunk.depth: is 0");
    refused("num_heads: 3", "num_heads: 5", "5 heads do not fit a width of 192");
    refused("window_size: 14", "window_size: 0", "trunk.window_size: is 0");
    refused("use_rel_pos: false", "use_rel_pos: true", "use_rel_pos: is true");
    refused("neck_norm: LN", "neck_norm: null", "neck_norm");
    refused("[192,]", "[192, 192]", "has 2 entries, expected 1");
    refused("[192,]", "[384]", "does not fit the trunk");
    refused("vitdet.ViT", "timm.Other", "or ViT are supported");
    let error = read(&efficienttam(192, 3, 32, "Other")).expect_err("the class is unknown");
    assert!(error.contains("cross_attention._target_: names the class \"Other\""), "{error}");
    refused("patch_size: 16", "patches: 16", "trunk.patches: is not known");
    let other = read(&text.replace("embed_dim: 192", "embed_dim: 256").replace("[192,]", "[256]"));
    assert!(other.is_err(), "3 heads do not divide 256");
    let wide = text.replace("embed_dim: 192", "embed_dim: 384").replace("[192,]", "[384]");
    let config = read(&wide).expect("another width is allowed");
    assert_eq!(config.family, Family::EfficientTam);
    assert_eq!(config.variant, "custom EfficientTAM (512 px, width 384)");
    assert_eq!(Config::from_json(&config.to_json(), "x").expect("it is read"), config);
}
