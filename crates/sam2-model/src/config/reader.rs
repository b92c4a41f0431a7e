//! The keys of Meta's configurations: those that are read, those that must be as published, those without effect here.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value;

use super::{Config, SamuraiConfig, TrunkConfig};
use crate::error::LoadError;

/// Keys whose value is built into the code, with that value, which is also what an absent key means to Meta's classes.
const FIXED: [(&str, &str); 23] = [
    ("backbone_stride", "16"),
    ("image_encoder.neck.fuse_type", "\"sum\""),
    ("image_encoder.trunk.q_pool", "3"),
    ("image_encoder.trunk.q_stride", "[2,2]"),
    ("image_encoder.trunk.dim_mul", "2.0"),
    ("image_encoder.trunk.head_mul", "2.0"),
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
];

/// As [`FIXED`], but Meta's classes have another default or none, so that the key must be there.
const REQUIRED: [(&str, &str); 27] = [
    ("image_encoder.scalp", "1"),
    ("image_encoder.neck.fpn_top_down_levels", "[2,3]"),
    ("image_encoder.neck.fpn_interp_model", "\"nearest\""),
    ("memory_attention.pos_enc_at_input", "true"),
    ("memory_attention.layer.activation", "\"relu\""),
    ("memory_attention.layer.pos_enc_at_attn", "false"),
    ("memory_attention.layer.pos_enc_at_cross_attn_keys", "true"),
    ("memory_attention.layer.pos_enc_at_cross_attn_queries", "false"),
    ("memory_attention.layer.cross_attention.rope_k_repeat", "true"),
    ("memory_encoder.mask_downsampler.kernel_size", "3"),
    ("memory_encoder.mask_downsampler.stride", "2"),
    ("memory_encoder.mask_downsampler.padding", "1"),
    ("sigmoid_scale_for_mem_enc", "20.0"),
    ("sigmoid_bias_for_mem_enc", "-10.0"),
    ("use_mask_input_as_output_without_sam", "true"),
    ("directly_add_no_mem_embed", "true"),
    ("use_high_res_features_in_sam", "true"),
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
];

/// Keys of training, of initialisation, of tables that are computed at their size anyway, and of the video predictor,
/// which has options of its own. Sections and `_target_` are not listed.
const WITHOUT_EFFECT: [&str; 21] = [
    "compile_image_encoder",
    "image_encoder.neck.kernel_size",
    "image_encoder.trunk.drop_path_rate",
    "image_encoder.trunk.return_interm_layers",
    "image_encoder.trunk.weights_path",
    "memory_attention.layer.dropout",
    "memory_attention.layer.self_attention.dropout",
    "memory_attention.layer.self_attention.feat_sizes",
    "memory_attention.layer.cross_attention.dropout",
    "memory_attention.layer.cross_attention.feat_sizes",
    "memory_encoder.fuser.layer.drop_path",
    "memory_encoder.fuser.layer.layer_scale_init_value",
    "binarize_mask_from_pts_for_mem_enc",
    "fill_hole_area",
    "non_overlap_masks",
    "clear_non_cond_mem_around_input",
    "add_all_frames_to_correct_as_cond",
    "sam_mask_decoder_extra_args",
    "samurai_mode",
    "image_encoder.neck.position_encoding",
    "memory_encoder.position_encoding",
];

/// A configuration as written, and the record of what was looked at.
pub(super) struct Reader<'a> {
    root: &'a Value,
    origin: &'a str,
    known: RefCell<BTreeSet<String>>,
}

impl<'a> Reader<'a> {
    pub fn new(root: &'a Value, origin: &'a str) -> Self {
        Self { root, origin, known: RefCell::default() }
    }

    /// All of it; the ranges are checked by [`Config::check`].
    pub fn config(&self) -> Result<Config, LoadError> {
        FIXED.iter().try_for_each(|(key, expected)| self.fixed(key, expected, false))?;
        REQUIRED.iter().try_for_each(|(key, expected)| self.fixed(key, expected, true))?;
        let image_size = self.number("image_size", 512)?;
        let width = self.number("image_encoder.trunk.embed_dim", 96)?;
        let channels: [usize; 4] = self.array("image_encoder.neck.backbone_channel_list", None)?;
        if channels != [8, 4, 2, 1].map(|m| width.saturating_mul(m)) {
            let reason = format!("is {channels:?}, which does not fit the trunk");
            return Err(self.error("image_encoder.neck.backbone_channel_list", reason));
        }
        let d_model = self.number("memory_attention.d_model", 256)?;
        let mem_dim = self.number("memory_encoder.out_dim", 64)?;
        for key in [
            "image_encoder.neck.d_model",
            "memory_attention.layer.d_model",
            "memory_attention.layer.self_attention.embedding_dim",
            "memory_attention.layer.cross_attention.embedding_dim",
        ] {
            self.equal(key, d_model, d_model)?;
        }
        for key in [
            "memory_encoder.in_dim",
            "memory_encoder.mask_downsampler.embed_dim",
            "memory_encoder.fuser.layer.dim",
        ] {
            self.equal(key, 256, d_model)?;
        }
        self.equal("memory_attention.layer.cross_attention.kv_in_dim", d_model, mem_dim)?;
        let signed = self.flag("use_signed_tpos_enc_to_obj_ptrs", false)?;
        let add_tpos = self.flag("add_tpos_enc_to_obj_ptrs", true)?;
        let project = self.flag("proj_tpos_enc_in_obj_ptrs", false)?;
        if signed != project || add_tpos != project {
            let reason =
                "temporal encoding of pointers must be signed and projected (2.1) or absent (2.0)".to_owned();
            return Err(self.error("add_tpos_enc_to_obj_ptrs", reason));
        }
        let trunk = TrunkConfig {
            embed_dim: width,
            num_heads: self.number("image_encoder.trunk.num_heads", 1)?,
            stages: self.array("image_encoder.trunk.stages", Some([2, 3, 16, 3]))?,
            global_att_blocks: self.list("image_encoder.trunk.global_att_blocks", &[12, 16, 20])?,
            window_pos_embed_bkg_spatial_size: self
                .array("image_encoder.trunk.window_pos_embed_bkg_spatial_size", Some([14, 14]))?,
            window_spec: self.array("image_encoder.trunk.window_spec", Some([8, 4, 14, 7]))?,
        };
        let max_cond_frames_in_attn = match self.get("max_cond_frames_in_attn") {
            Some(limit) if limit.as_i64() != Some(-1) => Some(self.whole("max_cond_frames_in_attn", limit)?),
            _ => None,
        };
        let config = Config {
            image_size,
            trunk,
            d_model,
            mem_dim,
            memory_attention_layers: self.number("memory_attention.num_layers", 4)?,
            dim_feedforward: self.number("memory_attention.layer.dim_feedforward", 2048)?,
            num_maskmem: self.number("num_maskmem", 7)?,
            max_obj_ptrs_in_encoder: self.number("max_obj_ptrs_in_encoder", 16)?,
            max_cond_frames_in_attn,
            memory_temporal_stride_for_eval: self.number("memory_temporal_stride_for_eval", 1)?,
            only_obj_ptrs_in_the_past_for_eval: self.flag("only_obj_ptrs_in_the_past_for_eval", false)?,
            no_obj_embed_spatial: self.flag("no_obj_embed_spatial", false)?,
            proj_tpos_enc_in_obj_ptrs: project,
            samurai: SamuraiConfig::read(self, width)?,
            variant: format!(
                "custom SAM {} ({image_size} px, width {width})",
                if project { "2.1" } else { "2" }
            ),
        };
        self.audit(self.root, "")?;
        Ok(config)
    }

    /// Fails if a key was never looked at: nobody writes one to no purpose.
    fn audit(&self, value: &Value, path: &str) -> Result<(), LoadError> {
        if WITHOUT_EFFECT.contains(&path) || self.known.borrow().contains(path) {
            return Ok(());
        }
        let Some(section) = value.as_object() else {
            return Err(self.error(path, "is not known to this program".to_owned()));
        };
        section.iter().filter(|(key, _)| *key != "_target_").try_for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.audit(value, &path)
        })
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.known.borrow_mut().insert(key.to_owned());
        key.split('.').try_fold(self.root, |value, segment| value.get(segment))
    }

    pub fn error(&self, key: &str, reason: String) -> LoadError {
        let key: String = key.escape_debug().take(200).collect();
        LoadError::Config { origin: self.origin.to_owned(), key, reason }
    }

    /// Fails for a value of another kind, and says why if it is a reference to another key.
    fn wrong<T>(&self, key: &str, value: &Value, expected: &str) -> Result<T, LoadError> {
        let mut shown: String = value.to_string().chars().take(60).collect();
        if value.as_str().is_some_and(|text| text.contains("${")) {
            shown.push_str(", a reference that only Hydra resolves");
        }
        Err(self.error(key, format!("is {shown}, expected {expected}")))
    }

    fn fixed(&self, key: &str, expected: &str, required: bool) -> Result<(), LoadError> {
        let expected: Value = serde_json::from_str(expected).expect("the tables hold JSON");
        let Some(found) = self.get(key) else {
            if required {
                return Err(self.error(key, format!("is absent; it must be {expected}")));
            }
            return Ok(());
        };
        let same = match (found.as_f64(), expected.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => *found == expected,
        };
        if same { Ok(()) } else { self.wrong(key, found, &format!("{expected}: nothing else is supported")) }
    }

    pub fn number(&self, key: &str, default: usize) -> Result<usize, LoadError> {
        self.get(key).map_or(Ok(default), |value| self.whole(key, value))
    }

    pub fn real(&self, key: &str, default: f64) -> Result<f64, LoadError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_f64().map_or_else(|| self.wrong(key, value, "a number"), Ok)
    }

    fn whole(&self, key: &str, value: &Value) -> Result<usize, LoadError> {
        let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
        number.map_or_else(|| self.wrong(key, value, "a whole number"), Ok)
    }

    fn equal(&self, key: &str, default: usize, expected: usize) -> Result<(), LoadError> {
        let found = self.number(key, default)?;
        if found == expected {
            return Ok(());
        }
        Err(self.error(key, format!("is {found}, must be {expected} here")))
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, LoadError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_bool().map_or_else(|| self.wrong(key, value, "true or false"), Ok)
    }

    fn list(&self, key: &str, default: &[usize]) -> Result<Vec<usize>, LoadError> {
        let Some(value) = self.get(key) else { return Ok(default.to_vec()) };
        match value.as_array() {
            Some(items) => items.iter().map(|item| self.whole(key, item)).collect(),
            None => self.wrong(key, value, "a list"),
        }
    }

    fn array<const N: usize>(&self, key: &str, default: Option<[usize; N]>) -> Result<[usize; N], LoadError> {
        let items = self.list(key, default.as_ref().map_or(&[], |default| default))?;
        let found = items.len();
        items.try_into().map_err(|_| self.error(key, format!("has {found} entries, expected {N}")))
    }
}
