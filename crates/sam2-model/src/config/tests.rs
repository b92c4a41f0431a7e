use super::*;
use crate::video::{MemoryPolicyKind, VideoOptions};

/// The keys of Meta's YAML files, with what differs between the eight of them filled in.
fn yaml(trunk: &str, width: usize, v21: bool) -> String {
    let [c8, c4, c2, c1] = [8, 4, 2, 1].map(|m| m * width);
    let version = if v21 {
        "  no_obj_embed_spatial: true\n  add_tpos_enc_to_obj_ptrs: true\n  proj_tpos_enc_in_obj_ptrs: \
         true\n  \
         use_signed_tpos_enc_to_obj_ptrs: true"
    } else {
        "  add_tpos_enc_to_obj_ptrs: false"
    };
    format!(
        "# @package _global_
model:
  _target_: sam2.modeling.sam2_base.SAM2Base
  image_encoder:
    _target_: sam2.modeling.backbones.image_encoder.ImageEncoder
    scalp: 1
    trunk: {{_target_: sam2.modeling.backbones.hieradet.Hiera, embed_dim: {width}, {trunk}}}
    neck:
      position_encoding: {{num_pos_feats: 256, normalize: true, scale: null, temperature: 10000}}
      d_model: 256
      backbone_channel_list: [{c8}, {c4}, {c2}, {c1}]
      fpn_top_down_levels: [2, 3]  # the rest is used as it is
      fpn_interp_model: nearest
  memory_attention:
    d_model: 256
    pos_enc_at_input: true
    num_layers: 4
    layer:
      activation: relu
      dim_feedforward: 2048
      dropout: 0.1
      pos_enc_at_attn: false
      d_model: 256
      pos_enc_at_cross_attn_keys: true
      pos_enc_at_cross_attn_queries: false
      self_attention: {{rope_theta: 10000.0, feat_sizes: [64, 64], embedding_dim: 256, num_heads: 1,
        downsample_rate: 1, dropout: 0.1}}
      cross_attention: {{rope_theta: 10000.0, feat_sizes: [64, 64], rope_k_repeat: True, embedding_dim: 256,
        num_heads: 1, downsample_rate: 1, dropout: 0.1, kv_in_dim: 64}}
  memory_encoder:
    out_dim: 64
    position_encoding: {{num_pos_feats: 64, normalize: true, scale: null, temperature: 10000}}
    mask_downsampler: {{kernel_size: 3, stride: 2, padding: 1}}
    fuser:
      layer: {{dim: 256, kernel_size: 7, padding: 3, layer_scale_init_value: 1e-6, use_dwconv: True}}
      num_layers: 2
  num_maskmem: 7
  image_size: 1024
  sigmoid_scale_for_mem_enc: 20.0
  sigmoid_bias_for_mem_enc: -10.0
  use_mask_input_as_output_without_sam: true
  directly_add_no_mem_embed: true
  use_high_res_features_in_sam: true
  multimask_output_in_sam: true
  iou_prediction_use_sigmoid: True
  use_obj_ptrs_in_encoder: true
  only_obj_ptrs_in_the_past_for_eval: true
  pred_obj_scores: true
  pred_obj_scores_mlp: true
  fixed_no_obj_ptr: true
  multimask_output_for_tracking: true
  use_multimask_token_for_obj_ptr: true
  multimask_min_pt_num: 0
  multimask_max_pt_num: 1
  use_mlp_for_obj_ptr_proj: true
  compile_image_encoder: False
{version}
"
    )
}

const TINY: &str = "num_heads: 1, stages: [1, 2, 7, 2], global_att_blocks: [5, 7, 9], \
                    window_pos_embed_bkg_spatial_size: [7, 7]";

fn refused(text: &str) -> String {
    let error = Config::from_yaml(text, "x.yaml").expect_err("refused").to_string();
    assert!(error.starts_with("x.yaml: ") && !error.contains('\n'), "{error}");
    error
}

#[test]
fn metas_eight_files_give_the_published_models() {
    let small = TINY.replace("7, 2]", "11, 2]").replace("[5, 7, 9]", "[7, 10, 13]");
    let large = "num_heads: 2, stages: [2, 6, 36, 4], global_att_blocks: [23, 33, 43], \
                 window_pos_embed_bkg_spatial_size: [7, 7], window_spec: [8, 4, 16, 8]";
    for v21 in [true, false] {
        for (size, trunk, width) in [
            ("tiny", TINY, 96),
            ("small", &small, 96),
            ("base_plus", "num_heads: 2", 112),
            ("large", large, 144),
        ] {
            let text = yaml(trunk, width, v21);
            let config = Config::from_yaml(&text, "x.yaml").expect("it is read");
            assert_eq!(Some(&config), Config::published(size, v21).as_ref());
            // The section alone, and as JSON.
            let value: Value = serde_saphyr::from_str(&text).expect("YAML");
            let bare = value["model"].to_string();
            assert_eq!(Config::from_json(&bare, "x").expect("it is read"), config);
            assert_eq!(Config::from_yaml(&bare, "x").expect("it is read"), config);
        }
    }
}

#[test]
fn memory_knobs_are_read_and_checked() {
    let text = |keys: &str| yaml(TINY, 96, true).replace("  num_maskmem: 7\n", keys);
    let config = Config::from_yaml(&text(""), "x").expect("absent keys have Meta's defaults");
    assert_eq!((config.num_maskmem, config.max_cond_frames_in_attn), (7, None));
    assert_eq!(config.memory_temporal_stride_for_eval, 1);
    let config = Config::from_yaml(
        &text("  num_maskmem: 4\n  max_cond_frames_in_attn: 3\n  memory_temporal_stride_for_eval: 5\n")
            .replace("past_for_eval: true", "past_for_eval: false"),
        "x",
    )
    .expect("these are allowed");
    assert_eq!((config.num_maskmem, config.max_cond_frames_in_attn), (4, Some(3)));
    assert_eq!(config.memory_temporal_stride_for_eval, 5);
    assert!(!config.only_obj_ptrs_in_the_past_for_eval);
    assert_eq!(config.variant, "custom SAM 2.1 (1024 px, width 96)");
    let config = Config::from_yaml(&text("  max_cond_frames_in_attn: -1\n"), "x").expect("no limit");
    assert_eq!(config.max_cond_frames_in_attn, None);
    for (key, value) in [
        ("max_cond_frames_in_attn", "0"),
        ("max_cond_frames_in_attn", "1"),
        ("max_cond_frames_in_attn", "-2"),
        ("memory_temporal_stride_for_eval", "0"),
        ("no_obj_embed_spatial", "1"),
        ("max_cond_frame_in_attn", "4"),
        ("num_maskmem", "${num}"),
    ] {
        let text = if key == "no_obj_embed_spatial" {
            yaml(TINY, 96, false) + "  no_obj_embed_spatial: 1\n"
        } else {
            text(&format!("  {key}: {value}\n"))
        };
        let error = refused(&text);
        assert!(error.contains(&format!("key {key}: ")), "{error}");
    }
}

#[test]
fn keys_of_the_samurai_fork_are_read() {
    let text = |keys: &str| yaml(TINY, 96, true).replace("  num_maskmem: 7\n", keys);
    let published = Config::published("tiny", true).expect("a size").samurai;
    let keys = "  samurai_mode: true\n  kf_score_weight: 0.25\n  stable_frames_threshold: 15\n  \
                stable_ious_threshold: 0.3\n  min_obj_score_logits: -1\n  memory_bank_iou_threshold: 0.5\n  \
                memory_bank_obj_score_threshold: 0.0\n  memory_bank_kf_score_threshold: 0.0\n";
    let config = Config::from_yaml(&text(keys), "x").expect("SAMURAI's own file");
    assert_eq!(config.video.samurai_mode, Some(true));
    assert_eq!(VideoOptions::of(&config).memory, MemoryPolicyKind::Samurai);
    let video = VideoConfig::default();
    assert_eq!(Config { video, ..config }, Config::published("tiny", true).expect("a size"));
    let other = text("  kf_score_weight: 0.5\n  stable_frames_threshold: 3\n");
    let config = Config::from_yaml(&other, "x").expect("these are allowed");
    assert_eq!(
        config.samurai,
        super::SamuraiConfig { kf_score_weight: 0.5, stable_frames_threshold: 3, ..published }
    );
    for (key, value) in
        [("kf_score_weight", "1.5"), ("stable_ious_threshold", "high"), ("stable_frames_threshold", "-1")]
    {
        let error = refused(&text(&format!("  {key}: {value}\n")));
        assert!(error.contains(&format!("key {key}: ")), "{error}");
    }
}

/// The file of the tiny model with these keys at its end, in the section `model`.
fn with(keys: &str) -> String {
    yaml(TINY, 96, true) + keys
}

#[test]
fn keys_of_tracking_are_the_defaults_of_its_options() {
    let options = |keys: &str| {
        let config = Config::from_yaml(&with(keys), "x").expect("it is read");
        assert_eq!(config.variant, "SAM 2.1 tiny", "they do not make another model");
        VideoOptions::of(&config)
    };
    let default = VideoOptions::default();
    assert_eq!(options(""), default);
    for (keys, expected) in [
        ("  fill_hole_area: 8", default.fill_hole_area(8)),
        ("  non_overlap_masks: true", default.non_overlap(true)),
        ("  non_overlap_masks: false", default),
        ("  binarize_mask_from_pts_for_mem_enc: false", default.binarize_mask_from_pts_for_mem_enc(false)),
        ("  clear_non_cond_mem_around_input: true", default.clear_non_cond_mem_around_input(true)),
        ("  clear_non_cond_mem_for_multi_obj: true", default),
        ("  clear_non_cond_mem_for_multi_obj: false", default),
        ("  add_all_frames_to_correct_as_cond: false", default.add_all_frames_to_correct_as_cond(false)),
        ("  samurai_mode: true", default.memory(MemoryPolicyKind::Samurai)),
        ("  samurai_mode: false", default),
        ("++model.fill_hole_area: 5", default.fill_hole_area(5)),
        ("model.samurai_mode: true", default.memory(MemoryPolicyKind::Samurai)),
        (
            "++model.sam_mask_decoder_extra_args.dynamic_multimask_via_stability: true\n\
             ++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_delta: 0.05\n\
             ++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh: 0.98\n\
             ++model.binarize_mask_from_pts_for_mem_enc: true\n++model.fill_hole_area: 8",
            default.fill_hole_area(8),
        ),
        ("  sam_mask_decoder_extra_args: null", default),
    ] {
        assert_eq!(options(keys), expected, "{keys}");
    }
}

#[test]
fn the_choice_of_an_unstable_mask_is_read_and_written() {
    let section = "  sam_mask_decoder_extra_args:\n    dynamic_multimask_via_stability: false\n    \
                   dynamic_multimask_stability_delta: 0.25\n    dynamic_multimask_stability_thresh: 0.5";
    let config = Config::from_yaml(&with(section), "x").expect("Meta's keys");
    let expected = DynamicMultimask { via_stability: false, stability_delta: 0.25, stability_thresh: 0.5 };
    assert_eq!(config.dynamic_multimask, expected);
    assert_eq!(Config::from_json(&config.to_json(), "x").expect("its own JSON"), config);
    let published = Config::published("tiny", true).expect("a size");
    assert_eq!(config.variant, published.variant, "the model is the published one");
    assert!(!published.to_json().contains("dynamic_multimask"), "defaults are not written");
}

#[test]
fn keys_without_an_effect_are_refused_by_name() {
    for (keys, name) in [
        ("  fill_hole_area: -1", "fill_hole_area"),
        ("  fill_hole_area: many", "fill_hole_area"),
        ("  samurai_mode: 1", "samurai_mode"),
        ("  samurai_mode: null", "samurai_mode"),
        ("  non_overlap_masks: yes please", "non_overlap_masks"),
        ("  non_overlap_masks_for_mem_enc: true", "non_overlap_masks_for_mem_enc"),
        (
            "  clear_non_cond_mem_around_input: true\n  clear_non_cond_mem_for_multi_obj: false",
            "clear_non_cond_mem_for_multi_obj",
        ),
        (
            "  sam_mask_decoder_extra_args:\n    dynamic_multimask_via_stability: maybe",
            "sam_mask_decoder_extra_args.dynamic_multimask_via_stability",
        ),
        (
            "  sam_mask_decoder_extra_args:\n    dynamic_multimask_stability_thresh: -1",
            "sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh",
        ),
        (
            "  sam_mask_decoder_extra_args:\n    iou_head_depth: 4",
            "sam_mask_decoder_extra_args.iou_head_depth",
        ),
        ("  sam_mask_decoder_extra_args: 3", "sam_mask_decoder_extra_args"),
        ("  num_pathway: 3", "num_pathway"),
        ("fill_hole_area: 8", "fill_hole_area"),
        ("samurai_mode: true", "samurai_mode"),
        ("seed: 1", "seed"),
        ("++model.fill_hole: 8", "fill_hole"),
        ("++model.image_size.x: 8", "model.image_size.x"),
    ] {
        let error = refused(&with(keys));
        assert!(error.contains(&format!("key {name}: ")), "{keys}: {error}");
    }
    let whole = yaml(TINY, 96, true);
    for (from, to, name) in [
        ("num_pos_feats: 256, normalize: true", "num_pos_feats: 256, normalize: false", "normalize"),
        ("num_pos_feats: 64, ", "num_pos_feats: 128, ", "memory_encoder.position_encoding.num_pos_feats"),
        (
            "scale: null, temperature: 10000}\n      d_model",
            "scale: 1.0, temperature: 10000}\n      d_model",
            "scale",
        ),
        ("temperature: 10000}\n    mask", "temperature: 20}\n    mask", "temperature"),
        ("fpn_interp_model: nearest", "fpn_interp_model: nearest\n      kernel_size: 3", "neck.kernel_size"),
        ("  memory_encoder:\n", "  memory_encoder:\n    _target_: mine.Encoder\n", "memory_encoder._target_"),
        ("    scalp: 1\n", "    _target_: mine.Images\n    scalp: 1\n", "image_encoder._target_"),
    ] {
        assert!(whole.contains(from), "{from}");
        let error = refused(&whole.replacen(from, to, 1).replace(
            "    _target_: sam2.modeling.backbones.image_encoder.ImageEncoder\n    _target_: mine",
            "    _target_: mine",
        ));
        assert!(error.contains(name), "{to}: {error}");
    }
}

#[test]
fn a_training_configuration_is_read_with_its_references() {
    let model = yaml(TINY, 96, true).replace("# @package _global_\nmodel:\n", "");
    let model = model.replace("image_size: 1024", "image_size: ${scratch.resolution}");
    let indented: String = model.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!(
        "scratch:\n  resolution: 1024\n  side: ${{scratch.resolution}}\ntrainer:\n  \
         _target_: training.Trainer\n  model:\n{indented}    prob_to_use_pt_input_for_train: 0.5\n\
         \x20   num_correction_pt_per_frame: 7\n\
         launcher:\n  gpus_per_node: 8\n"
    );
    let tiny = Config::published("tiny", true).expect("a size");
    assert_eq!(Config::from_yaml(&text, "x").expect("it is read"), tiny);
    let hop = text.replace("${scratch.resolution}\n    s", "${scratch.side}\n    s");
    assert_eq!(Config::from_yaml(&hop, "x").expect("two references"), tiny);
    for wrong in [
        "${scratch.absent}",
        "${scratch}",
        "${times:2,512}",
        "${scratch.resolution",
        "${trainer.model.image_size}",
    ] {
        let error =
            refused(&text.replacen("image_size: ${scratch.resolution}", &format!("image_size: {wrong}"), 1));
        assert!(error.contains("key image_size: "), "{error}");
    }
}

/// Aliases, nesting and length do not make a small file expensive.
#[test]
fn the_cost_of_a_configuration_follows_its_size() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 5000].join(", "));
    let deep = format!("{}1{}", "{\"a\":".repeat(20_000), "}".repeat(20_000));
    for text in [bomb, long, deep, " ".repeat(MAX_TEXT + 1), "a".repeat(MAX_TEXT + 1)] {
        let start = std::time::Instant::now();
        refused(&text);
        assert!(Config::from_json(&text, "x").is_err());
        assert!(start.elapsed().as_secs() < 5);
    }
    // Anchors in moderation are read.
    let text = yaml(TINY, 96, true);
    let anchored = text.replacen("d_model: 256\n    pos_enc", "d_model: &d 256\n    pos_enc", 1);
    let anchored = anchored.replacen(
        "      d_model: 256\n      pos_enc_at_cross",
        "      d_model: *d\n      pos_enc_at_cross",
        1,
    );
    assert_ne!(anchored, text);
    assert!(Config::from_yaml(&anchored, "x").is_ok());
    #[cfg(unix)]
    assert!(matches!(Config::open("/dev/zero"), Err(LoadError::Io { .. })));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_read() {
    let text = format!("\u{feff}{}", yaml(TINY, 96, true)).replace('\n', "\r\n");
    assert_eq!(Config::from_yaml(&text, "x").expect("it is read").variant, "SAM 2.1 tiny");
}

#[test]
fn what_is_not_a_configuration_is_refused_in_one_line() {
    for text in
        ["", "hello", "a: 1\na: 2", "{", "[[[", "model: 3", "trainer: {model: {}}", &"[".repeat(100_000)]
    {
        refused(text);
    }
    let whole = yaml(TINY, 96, true);
    let absent = refused(&whole.replace("  directly_add_no_mem_embed: true\n", ""));
    assert!(absent.contains("directly_add_no_mem_embed: is absent"), "{absent}");
    let target = refused(&whole.replace("num_heads: 1, stages", "depth: 3, stages"));
    assert!(target.contains("image_encoder.trunk.depth: is not known"), "{target}");
}

#[test]
fn the_family_is_that_of_the_classes_and_unknown_classes_are_refused_by_name() {
    let whole = yaml(TINY, 96, true);
    assert_eq!(Config::from_yaml(&whole, "x").expect("Hiera").family, Family::Sam2);
    // Forks move classes to other packages.
    let moved = whole.replace("sam2.modeling.backbones.hieradet.Hiera", "fork.Hiera");
    assert_eq!(Config::from_yaml(&moved, "x").expect("Hiera").family, Family::Sam2);
    let bare: String = whole
        .lines()
        .filter(|line| !line.contains("_target_: sam2.modeling.sam2"))
        .collect::<Vec<_>>()
        .join("\n");
    assert_eq!(Config::from_yaml(&bare, "x").expect("no class of the model").family, Family::Sam2);
    let trunk = refused(
        &whole.replace("sam2.modeling.backbones.hieradet.Hiera", "sam2.modeling.backbones.swin.Swin"),
    );
    assert!(trunk.contains("image_encoder.trunk._target_: names the class \"Swin\""), "{trunk}");
    let attention = whole.replace("cross_attention: {", "cross_attention: {_target_: sam2.RoPEAttentionv2, ");
    assert!(refused(&attention).contains("cross_attention._target_: names the class \"RoPEAttentionv2\""));
    let number = refused(&whole.replace("sam2.modeling.backbones.hieradet.Hiera", "3"));
    assert!(number.contains("image_encoder.trunk._target_: is 3"), "{number}");
}

#[test]
fn a_configuration_made_by_hand_is_checked_like_one_that_was_read() {
    let tiny = Config::published("tiny", true).expect("it is published");
    assert!(tiny.check("here").is_ok());
    let TrunkConfig::Hiera(hiera) = &tiny.trunk else { panic!("tiny has another trunk") };
    let with_trunk = |hiera| Config { trunk: TrunkConfig::Hiera(hiera), ..tiny.clone() };
    for wrong in [
        Config { image_size: 100, ..tiny.clone() },
        Config { num_maskmem: 0, ..tiny.clone() },
        Config { max_cond_frames_in_attn: Some(1), ..tiny.clone() },
        with_trunk(HieraConfig { num_heads: 0, ..hiera.clone() }),
        with_trunk(HieraConfig { window_spec: [7, 4, 14, 7], ..hiera.clone() }),
    ] {
        assert!(matches!(wrong.check("here"), Err(LoadError::Config { .. })));
    }
}

#[test]
fn the_bundled_example_is_what_the_bundled_model_says() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let config = Config::open(assets.join("sam2.1_micro.yaml")).expect("it is read");
    let model = crate::Model::open(assets.join("sam2.1_micro.safetensors")).expect("it loads");
    assert_eq!(&config, model.config());
    let other = Config { num_maskmem: 3, ..config };
    let options = crate::ModelOptions::default().config(other);
    let error = crate::Model::open_with(assets.join("sam2.1_micro.safetensors"), &options);
    assert!(matches!(error, Err(LoadError::ShapeMismatch { name, .. }) if name == "maskmem_tpos_enc"));
    assert!(matches!(Config::open(assets.join("sam2.1_micro.safetensors")), Err(LoadError::Io { .. })));
}
