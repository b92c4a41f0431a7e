//! Keys that SAM 2 and the families derived from it share: prompt encoder, mask decoder, memory and video.

use serde_json::{Value, json};

use super::table::KeyTable;
use crate::config::fields::{Config, CrossAttention, Family};
use crate::config::multimask::DynamicMultimask;
use crate::config::reader::Reader;
use crate::config::samurai::SamuraiConfig;
use crate::config::trunk::TrunkConfig;
use crate::config::video::VideoConfig;
use crate::error::LoadError;

/// The shared keys.
pub(super) const KEYS: KeyTable = KeyTable {
    classes: &[
        ("memory_attention.layer.self_attention", &["RoPEAttention"]),
        ("image_encoder", &["ImageEncoder"]),
        ("image_encoder.neck.position_encoding", &["PositionEmbeddingSine"]),
        ("memory_attention", &["MemoryAttention"]),
        ("memory_attention.layer", &["MemoryAttentionLayer"]),
        ("memory_encoder", &["MemoryEncoder"]),
        ("memory_encoder.position_encoding", &["PositionEmbeddingSine"]),
        ("memory_encoder.mask_downsampler", &["MaskDownSampler"]),
        ("memory_encoder.fuser", &["Fuser"]),
        ("memory_encoder.fuser.layer", &["CXBlock"]),
    ],
    fixed: &[
        ("backbone_stride", "16"),
        ("memory_attention.layer.self_attention.num_heads", "1"),
        ("memory_attention.layer.self_attention.rope_theta", "10000.0"),
        ("memory_attention.layer.self_attention.rope_k_repeat", "false"),
        ("memory_attention.layer.self_attention.downsample_rate", "1"),
        ("memory_attention.layer.cross_attention.num_heads", "1"),
        ("memory_attention.layer.cross_attention.rope_theta", "10000.0"),
        ("memory_attention.layer.cross_attention.downsample_rate", "1"),
        ("memory_encoder.mask_downsampler.total_stride", "16"),
        ("memory_encoder.fuser.num_layers", "2"),
        ("memory_encoder.fuser.input_projection", "false"),
        ("memory_encoder.fuser.layer.kernel_size", "7"),
        ("memory_encoder.fuser.layer.padding", "3"),
        ("memory_encoder.fuser.layer.use_dwconv", "true"),
        ("multimask_max_pt_num", "1"),
        ("non_overlap_masks_for_mem_enc", "false"),
        ("soft_no_obj_ptr", "false"),
        ("memory_attention.batch_first", "true"),
        ("image_encoder.neck.position_encoding.normalize", "true"),
        ("image_encoder.neck.position_encoding.scale", "null"),
        ("image_encoder.neck.position_encoding.temperature", "10000"),
        ("memory_encoder.position_encoding.normalize", "true"),
        ("memory_encoder.position_encoding.scale", "null"),
        ("memory_encoder.position_encoding.temperature", "10000"),
    ],
    required: &[
        ("memory_attention.pos_enc_at_input", "true"),
        ("memory_attention.layer.activation", "\"relu\""),
        ("memory_attention.layer.pos_enc_at_attn", "false"),
        ("memory_attention.layer.pos_enc_at_cross_attn_keys", "true"),
        ("memory_attention.layer.pos_enc_at_cross_attn_queries", "false"),
        ("memory_encoder.mask_downsampler.kernel_size", "3"),
        ("memory_encoder.mask_downsampler.stride", "2"),
        ("memory_encoder.mask_downsampler.padding", "1"),
        ("sigmoid_scale_for_mem_enc", "20.0"),
        ("sigmoid_bias_for_mem_enc", "-10.0"),
        ("use_mask_input_as_output_without_sam", "true"),
        ("directly_add_no_mem_embed", "true"),
        ("multimask_output_in_sam", "true"),
        ("multimask_output_for_tracking", "true"),
        ("multimask_min_pt_num", "0"),
        ("iou_prediction_use_sigmoid", "true"),
        ("use_obj_ptrs_in_encoder", "true"),
        ("pred_obj_scores", "true"),
        ("pred_obj_scores_mlp", "true"),
        ("fixed_no_obj_ptr", "true"),
        ("use_multimask_token_for_obj_ptr", "true"),
        ("use_mlp_for_obj_ptr_proj", "true"),
    ],
    ignored: &[
        "compile_image_encoder",
        "memory_attention.layer.dropout",
        "memory_attention.layer.self_attention.dropout",
        "memory_attention.layer.self_attention.feat_sizes",
        "memory_attention.layer.cross_attention.dropout",
        "memory_attention.layer.cross_attention.feat_sizes",
        "memory_encoder.fuser.layer.drop_path",
        "memory_encoder.fuser.layer.layer_scale_init_value",
        "image_encoder.neck.position_encoding.warmup_cache",
        "image_encoder.neck.position_encoding.image_size",
        "image_encoder.neck.position_encoding.strides",
        "memory_encoder.position_encoding.warmup_cache",
        "memory_encoder.position_encoding.image_size",
        "memory_encoder.position_encoding.strides",
        // Of Meta's training code: which prompts it simulates, and what it freezes.
        "prob_to_use_pt_input_for_train",
        "prob_to_use_pt_input_for_eval",
        "prob_to_use_box_input_for_train",
        "prob_to_use_box_input_for_eval",
        "prob_to_sample_from_gt_for_train",
        "num_frames_to_correct_for_train",
        "num_frames_to_correct_for_eval",
        "rand_frames_to_correct_for_train",
        "rand_frames_to_correct_for_eval",
        "num_init_cond_frames_for_train",
        "num_init_cond_frames_for_eval",
        "rand_init_cond_frames_for_train",
        "rand_init_cond_frames_for_eval",
        "num_correction_pt_per_frame",
        "pt_sampling_for_eval",
        "use_act_ckpt_iterative_pt_sampling",
        "forward_backbone_per_frame_for_eval",
        "freeze_image_encoder",
    ],
};

/// What the published models share; a family states where it differs.
pub(super) fn published(family: Family, trunk: TrunkConfig, variant: String) -> Config {
    Config {
        family,
        image_size: 1024,
        samurai: SamuraiConfig::published(trunk.width()),
        trunk,
        d_model: 256,
        mem_dim: 64,
        memory_attention_layers: 4,
        cross_attention: CrossAttention::Full,
        dim_feedforward: 2048,
        num_maskmem: 7,
        max_obj_ptrs_in_encoder: 16,
        max_cond_frames_in_attn: None,
        memory_temporal_stride_for_eval: 1,
        only_obj_ptrs_in_the_past_for_eval: true,
        no_obj_embed_spatial: false,
        proj_tpos_enc_in_obj_ptrs: false,
        dynamic_multimask: DynamicMultimask::default(),
        video: VideoConfig::default(),
        variant,
    }
}

/// A model with this trunk. Ranges are checked by [`Config::check`].
pub(super) fn config(reader: &Reader, family: Family, trunk: TrunkConfig) -> Result<Config, LoadError> {
    let image_size = reader.number("image_size", 512)?;
    let d_model = reader.number("memory_attention.d_model", 256)?;
    let mem_dim = reader.number("memory_encoder.out_dim", 64)?;
    for key in [
        "image_encoder.neck.d_model",
        "memory_attention.layer.d_model",
        "memory_attention.layer.self_attention.embedding_dim",
        "memory_attention.layer.cross_attention.embedding_dim",
    ] {
        reader.equal(key, d_model, d_model)?;
    }
    for key in [
        "memory_encoder.in_dim",
        "memory_encoder.mask_downsampler.embed_dim",
        "memory_encoder.fuser.layer.dim",
    ] {
        reader.equal(key, 256, d_model)?;
    }
    reader.equal("memory_attention.layer.cross_attention.kv_in_dim", d_model, mem_dim)?;
    reader.equal("image_encoder.neck.position_encoding.num_pos_feats", d_model, d_model)?;
    reader.equal("memory_encoder.position_encoding.num_pos_feats", mem_dim, mem_dim)?;
    reader.ignore_if_null("sam_mask_decoder_extra_args");
    let signed = reader.flag("use_signed_tpos_enc_to_obj_ptrs", false)?;
    let add_tpos = reader.flag("add_tpos_enc_to_obj_ptrs", true)?;
    let project = reader.flag("proj_tpos_enc_in_obj_ptrs", false)?;
    if signed != project || add_tpos != project {
        let reason =
            "temporal encoding of pointers must be signed and projected (2.1) or absent (2.0)".to_owned();
        return Err(reader.error("add_tpos_enc_to_obj_ptrs", reason));
    }
    let max_cond_frames_in_attn = match reader.get("max_cond_frames_in_attn") {
        Some(limit) if limit.as_i64() != Some(-1) => Some(reader.whole("max_cond_frames_in_attn", limit)?),
        _ => None,
    };
    let samurai = SamuraiConfig::read(reader, trunk.width())?;
    Ok(Config {
        family,
        image_size,
        trunk,
        d_model,
        mem_dim,
        memory_attention_layers: reader.number("memory_attention.num_layers", 4)?,
        cross_attention: CrossAttention::Full,
        dim_feedforward: reader.number("memory_attention.layer.dim_feedforward", 2048)?,
        num_maskmem: reader.number("num_maskmem", 7)?,
        max_obj_ptrs_in_encoder: reader.number("max_obj_ptrs_in_encoder", 16)?,
        max_cond_frames_in_attn,
        memory_temporal_stride_for_eval: reader.number("memory_temporal_stride_for_eval", 1)?,
        only_obj_ptrs_in_the_past_for_eval: reader.flag("only_obj_ptrs_in_the_past_for_eval", false)?,
        no_obj_embed_spatial: reader.flag("no_obj_embed_spatial", false)?,
        proj_tpos_enc_in_obj_ptrs: project,
        dynamic_multimask: DynamicMultimask::read(reader)?,
        samurai,
        video: VideoConfig::read(reader)?,
        variant: String::new(),
    })
}

/// The shared keys with a value of their own, by their paths; the inverse of [`config`].
pub(super) fn write(config: &Config) -> Vec<(&'static str, Value)> {
    let (d, project) = (json!(config.d_model), json!(config.proj_tpos_enc_in_obj_ptrs));
    let limit = config.max_cond_frames_in_attn.map_or(json!(-1), |limit| json!(limit));
    let mut keys = vec![
        ("image_size", json!(config.image_size)),
        ("image_encoder.neck.d_model", d.clone()),
        ("memory_attention.d_model", d.clone()),
        ("memory_attention.num_layers", json!(config.memory_attention_layers)),
        ("memory_attention.layer.d_model", d.clone()),
        ("memory_attention.layer.dim_feedforward", json!(config.dim_feedforward)),
        ("memory_attention.layer.self_attention.embedding_dim", d.clone()),
        ("memory_attention.layer.cross_attention.embedding_dim", d.clone()),
        ("memory_attention.layer.cross_attention.kv_in_dim", json!(config.mem_dim)),
        ("memory_encoder.in_dim", d.clone()),
        ("memory_encoder.out_dim", json!(config.mem_dim)),
        ("memory_encoder.mask_downsampler.embed_dim", d.clone()),
        ("memory_encoder.fuser.layer.dim", d),
        ("num_maskmem", json!(config.num_maskmem)),
        ("max_obj_ptrs_in_encoder", json!(config.max_obj_ptrs_in_encoder)),
        ("max_cond_frames_in_attn", limit),
        ("memory_temporal_stride_for_eval", json!(config.memory_temporal_stride_for_eval)),
        ("only_obj_ptrs_in_the_past_for_eval", json!(config.only_obj_ptrs_in_the_past_for_eval)),
        ("no_obj_embed_spatial", json!(config.no_obj_embed_spatial)),
        ("use_signed_tpos_enc_to_obj_ptrs", project.clone()),
        ("add_tpos_enc_to_obj_ptrs", project.clone()),
        ("proj_tpos_enc_in_obj_ptrs", project),
    ];
    keys.extend(config.samurai.write(config.trunk.width()));
    keys.extend(config.dynamic_multimask.write());
    keys.extend(config.video.write());
    keys
}
