//! What differs between the published models, and between them and a custom one.
//!
//! Constants that are the same in all of Meta's configurations are not here but where they are used; a custom
//! configuration that sets one of them to something else is refused by name.

use serde_json::Value;

use crate::error::LoadError;
use crate::weights::Checkpoint;

/// The image encoder's trunk. Meta: `sam2/modeling/backbones/hieradet.py`, class `Hiera`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkConfig {
    /// Channels of stage 1; every later stage doubles them.
    pub embed_dim: usize,
    /// Heads of stage 1; every later stage doubles them.
    pub num_heads: usize,
    /// Blocks per stage.
    pub stages: [usize; 4],
    /// Blocks that attend over the whole map.
    pub global_att_blocks: Vec<usize>,
    /// Size of the stored background position embedding.
    pub window_pos_embed_bkg_spatial_size: [usize; 2],
    /// Window side per stage.
    pub window_spec: [usize; 4],
}

/// One model. Field names are those of Meta's YAML files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Side of the square that images are resized to, pixels.
    pub image_size: usize,
    /// Image encoder.
    pub trunk: TrunkConfig,
    /// Width of everything after the trunk.
    pub d_model: usize,
    /// Width of a spatial memory.
    pub mem_dim: usize,
    /// Layers of the memory attention.
    pub memory_attention_layers: usize,
    /// Hidden width of the memory attention's MLPs.
    pub dim_feedforward: usize,
    /// Spatial memories per object, the conditioning one included.
    pub num_maskmem: usize,
    /// Object pointers per object at most.
    pub max_obj_ptrs_in_encoder: usize,
    /// How many prompted frames a frame looks at, at most (2 or more): the closest ones. `None`, Meta's −1, is all.
    pub max_cond_frames_in_attn: Option<usize>,
    /// Distance in frames between the recent memories that a frame looks at, the last one aside; 1 or more.
    pub memory_temporal_stride_for_eval: usize,
    /// Object pointers of prompted frames are only looked at from later frames (of earlier ones in reverse).
    pub only_obj_ptrs_in_the_past_for_eval: bool,
    /// 2.1: an embedding is added to the memories of frames where the object is absent.
    pub no_obj_embed_spatial: bool,
    /// 2.1: object pointers carry their distance in time, projected.
    pub proj_tpos_enc_in_obj_ptrs: bool,
    /// Name of the variant, such as `SAM 2.1 tiny`.
    pub variant: String,
}

/// Ratio of the input to the feature map that memory and decoder work on.
pub(crate) const BACKBONE_STRIDE: usize = 16;

impl Config {
    /// Side of the feature map that memory and decoder work on.
    pub fn grid(&self) -> usize {
        self.image_size / BACKBONE_STRIDE
    }

    /// Side of the decoder's mask logits.
    pub fn low_res_size(&self) -> usize {
        4 * self.grid()
    }

    /// A published model by name and version.
    ///
    /// `size` is one of `tiny`, `small`, `base_plus`, `large`.
    pub fn published(size: &str, v21: bool) -> Option<Self> {
        let trunk = |embed_dim, num_heads, stages, global: [usize; 3], bkg, window_spec| TrunkConfig {
            embed_dim,
            num_heads,
            stages,
            global_att_blocks: global.to_vec(),
            window_pos_embed_bkg_spatial_size: [bkg, bkg],
            window_spec,
        };
        let trunk = match size {
            "tiny" => trunk(96, 1, [1, 2, 7, 2], [5, 7, 9], 7, [8, 4, 14, 7]),
            "small" => trunk(96, 1, [1, 2, 11, 2], [7, 10, 13], 7, [8, 4, 14, 7]),
            "base_plus" => trunk(112, 2, [2, 3, 16, 3], [12, 16, 20], 14, [8, 4, 14, 7]),
            "large" => trunk(144, 2, [2, 6, 36, 4], [23, 33, 43], 7, [8, 4, 16, 8]),
            _ => return None,
        };
        Some(Self {
            image_size: 1024,
            trunk,
            d_model: 256,
            mem_dim: 64,
            memory_attention_layers: 4,
            dim_feedforward: 2048,
            num_maskmem: 7,
            max_obj_ptrs_in_encoder: 16,
            max_cond_frames_in_attn: None,
            memory_temporal_stride_for_eval: 1,
            only_obj_ptrs_in_the_past_for_eval: true,
            no_obj_embed_spatial: v21,
            proj_tpos_enc_in_obj_ptrs: v21,
            variant: format!("SAM {} {}", if v21 { "2.1" } else { "2" }, size.replace('_', "-")),
        })
    }

    /// From the checkpoint: its `sam2.config` metadata if there is one, else the published model whose
    /// trunk has the same width and depth. Version 2.1 is the one with `no_obj_embed_spatial`.
    pub(crate) fn of(checkpoint: &Checkpoint) -> Result<Self, LoadError> {
        if let Some(text) = checkpoint.metadata("sam2.config") {
            return Self::from_json(text, &checkpoint.origin);
        }
        let unknown = |reason: &str| LoadError::UnknownModel {
            origin: checkpoint.origin.clone(),
            reason: reason.to_owned(),
        };
        let width = checkpoint
            .shape("image_encoder.trunk.patch_embed.proj.weight")
            .and_then(|s| s.first().copied())
            .ok_or_else(|| unknown("it has no tensor image_encoder.trunk.patch_embed.proj.weight"))?;
        let depth = checkpoint
            .names()
            .filter(|n| n.starts_with("image_encoder.trunk.blocks.") && n.ends_with(".norm1.weight"))
            .count();
        let v21 = checkpoint.shape("no_obj_embed_spatial").is_some();
        ["tiny", "small", "base_plus", "large"]
            .iter()
            .filter_map(|size| Self::published(size, v21))
            .find(|c| c.trunk.embed_dim == width && c.trunk.stages.iter().sum::<usize>() == depth)
            .ok_or_else(|| {
                unknown(&format!("no published model has a trunk of width {width} and depth {depth}"))
            })
    }

    /// From the JSON form of one of Meta's YAML files (their `model` section).
    ///
    /// # Errors
    /// If a key has a value of the wrong kind or one that this program does not support.
    pub fn from_json(text: &str, origin: &str) -> Result<Self, LoadError> {
        let error = |key: &str, reason: String| LoadError::Config {
            origin: origin.to_owned(),
            key: key.to_owned(),
            reason,
        };
        let root: Value = serde_json::from_str(text).map_err(|e| error("sam2.config", e.to_string()))?;
        let reader = Reader { root: &root, origin };
        for (key, expected) in FIXED {
            reader.fixed(key, expected)?;
        }
        let grid = reader.number("image_size", 1024, 64..=4096)?;
        if !grid.is_multiple_of(64) {
            return Err(error("image_size", format!("{grid} is not a multiple of 64")));
        }
        let trunk = "image_encoder.trunk.";
        let width = reader.number(&format!("{trunk}embed_dim"), 112, 8..=2048)?;
        let heads = reader.number(&format!("{trunk}num_heads"), 2, 1..=64)?;
        if width % heads != 0 || width / heads > kernels::gemm::KC {
            return Err(error(
                "image_encoder.trunk.num_heads",
                format!("{heads} heads do not fit a width of {width}"),
            ));
        }
        let global = reader.list(&format!("{trunk}global_att_blocks"), &[12, 16, 20], 0..=1023)?;
        let stages = reader.array(&format!("{trunk}stages"), [2, 3, 16, 3], 1..=64)?;
        let pooling = [stages[0], stages[0] + stages[1], stages[0] + stages[1] + stages[2]];
        if let Some(block) = global.iter().find(|block| pooling.contains(block)) {
            let reason = format!("block {block} pools its queries and cannot be global");
            return Err(error("image_encoder.trunk.global_att_blocks", reason));
        }
        let trunk = TrunkConfig {
            embed_dim: width,
            num_heads: heads,
            stages,
            global_att_blocks: global,
            window_pos_embed_bkg_spatial_size: reader.array(
                &format!("{trunk}window_pos_embed_bkg_spatial_size"),
                [14, 14],
                1..=256,
            )?,
            window_spec: reader.array(&format!("{trunk}window_spec"), [8, 4, 14, 7], 1..=64)?,
        };
        let patches = grid / 4;
        if !patches.is_multiple_of(trunk.window_spec[0]) {
            let reason = format!("{} does not divide the patch grid of {patches}", trunk.window_spec[0]);
            return Err(error("image_encoder.trunk.window_spec", reason));
        }
        for &window in &trunk.window_spec[..3] {
            if window % 2 != 0 {
                return Err(error(
                    "image_encoder.trunk.window_spec",
                    format!("{window} is odd, so its queries cannot be pooled"),
                ));
            }
        }
        let channels = reader.array(
            "image_encoder.neck.backbone_channel_list",
            [8, 4, 2, 1].map(|m| m * width),
            1..=16384,
        )?;
        if channels != [8, 4, 2, 1].map(|m| m * width) {
            return Err(error(
                "image_encoder.neck.backbone_channel_list",
                format!("{channels:?} does not fit the trunk"),
            ));
        }
        let d_model = reader.number("memory_attention.d_model", 256, 32..=256)?;
        let mem_dim = reader.number("memory_encoder.out_dim", 64, 4..=256)?;
        if d_model % 32 != 0 || !d_model.is_multiple_of(mem_dim) {
            return Err(error("memory_attention.d_model", format!("{d_model} with a memory of {mem_dim}")));
        }
        for key in [
            "image_encoder.neck.d_model",
            "memory_attention.layer.d_model",
            "memory_attention.layer.self_attention.embedding_dim",
            "memory_attention.layer.cross_attention.embedding_dim",
            "memory_encoder.in_dim",
        ] {
            reader.equal(key, d_model)?;
        }
        reader.equal("memory_attention.layer.cross_attention.kv_in_dim", mem_dim)?;
        reader.equal("memory_encoder.position_encoding.num_pos_feats", mem_dim)?;
        let signed = reader.flag("use_signed_tpos_enc_to_obj_ptrs", false)?;
        let add_tpos = reader.flag("add_tpos_enc_to_obj_ptrs", true)?;
        let project = reader.flag("proj_tpos_enc_in_obj_ptrs", false)?;
        if signed != project || add_tpos != project {
            let reason =
                "temporal encoding of pointers must be signed and projected (2.1) or absent (2.0)".to_owned();
            return Err(error("add_tpos_enc_to_obj_ptrs", reason));
        }
        Ok(Self {
            image_size: grid,
            trunk,
            d_model,
            mem_dim,
            memory_attention_layers: reader.number("memory_attention.num_layers", 4, 1..=64)?,
            dim_feedforward: reader.number("memory_attention.layer.dim_feedforward", 2048, 1..=65_536)?,
            num_maskmem: reader.number("num_maskmem", 7, 1..=64)?,
            max_obj_ptrs_in_encoder: reader.number("max_obj_ptrs_in_encoder", 16, 1..=1024)?,
            max_cond_frames_in_attn: match reader.get("max_cond_frames_in_attn").and_then(Value::as_i64) {
                Some(-1) => None,
                _ => reader.optional("max_cond_frames_in_attn", 2..=1 << 20)?,
            },
            memory_temporal_stride_for_eval: reader.number("memory_temporal_stride_for_eval", 1, 1..=1024)?,
            only_obj_ptrs_in_the_past_for_eval: reader.flag("only_obj_ptrs_in_the_past_for_eval", true)?,
            no_obj_embed_spatial: reader.flag("no_obj_embed_spatial", false)?,
            proj_tpos_enc_in_obj_ptrs: project,
            variant: format!("custom SAM {} ({grid} px, width {width})", if project { "2.1" } else { "2" }),
        })
    }
}

/// Keys whose value is built into the code, with that value; an absent key means the same.
const FIXED: [(&str, &str); 31] = [
    ("image_encoder.scalp", "1"),
    ("image_encoder.neck.fpn_top_down_levels", "[2,3]"),
    ("image_encoder.neck.fpn_interp_model", "\"nearest\""),
    ("image_encoder.neck.fuse_type", "\"sum\""),
    ("image_encoder.trunk.q_pool", "3"),
    ("image_encoder.trunk.q_stride", "[2,2]"),
    ("image_encoder.trunk.dim_mul", "2.0"),
    ("image_encoder.trunk.head_mul", "2.0"),
    ("memory_attention.pos_enc_at_input", "true"),
    ("memory_attention.layer.activation", "\"relu\""),
    ("memory_attention.layer.pos_enc_at_attn", "false"),
    ("memory_attention.layer.pos_enc_at_cross_attn_keys", "true"),
    ("memory_attention.layer.pos_enc_at_cross_attn_queries", "false"),
    ("memory_attention.layer.self_attention.num_heads", "1"),
    ("memory_attention.layer.self_attention.rope_theta", "10000.0"),
    ("memory_attention.layer.self_attention.downsample_rate", "1"),
    ("memory_attention.layer.cross_attention.num_heads", "1"),
    ("memory_attention.layer.cross_attention.rope_theta", "10000.0"),
    ("memory_attention.layer.cross_attention.downsample_rate", "1"),
    ("memory_encoder.fuser.num_layers", "2"),
    ("sigmoid_scale_for_mem_enc", "20.0"),
    ("sigmoid_bias_for_mem_enc", "-10.0"),
    ("use_mask_input_as_output_without_sam", "true"),
    ("directly_add_no_mem_embed", "true"),
    ("use_high_res_features_in_sam", "true"),
    ("multimask_output_in_sam", "true"),
    ("iou_prediction_use_sigmoid", "true"),
    ("use_obj_ptrs_in_encoder", "true"),
    ("pred_obj_scores", "true"),
    ("fixed_no_obj_ptr", "true"),
    ("use_multimask_token_for_obj_ptr", "true"),
];

struct Reader<'a> {
    root: &'a Value,
    origin: &'a str,
}

impl Reader<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        key.split('.').try_fold(self.root, |value, segment| value.get(segment))
    }

    fn error(&self, key: &str, reason: String) -> LoadError {
        LoadError::Config { origin: self.origin.to_owned(), key: key.to_owned(), reason }
    }

    fn fixed(&self, key: &str, expected: &str) -> Result<(), LoadError> {
        let Some(found) = self.get(key) else { return Ok(()) };
        let expected: Value = serde_json::from_str(expected).expect("the table holds JSON");
        let same = match (found.as_f64(), expected.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => *found == expected,
        };
        if same { Ok(()) } else { Err(self.error(key, format!("is {found}, only {expected} is supported"))) }
    }

    fn number(
        &self,
        key: &str,
        default: usize,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<usize, LoadError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        self.in_range(key, value, &range)
    }

    fn optional(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<Option<usize>, LoadError> {
        self.get(key).map(|value| self.in_range(key, value, &range)).transpose()
    }

    fn in_range(
        &self,
        key: &str,
        value: &Value,
        range: &std::ops::RangeInclusive<usize>,
    ) -> Result<usize, LoadError> {
        value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| range.contains(n)).ok_or_else(|| {
            self.error(key, format!("is {value}, expected a number in {} ..= {}", range.start(), range.end()))
        })
    }

    fn equal(&self, key: &str, expected: usize) -> Result<(), LoadError> {
        let found = self.number(key, expected, 0..=usize::MAX)?;
        if found == expected {
            Ok(())
        } else {
            Err(self.error(key, format!("is {found}, must be {expected} here")))
        }
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, LoadError> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_bool().ok_or_else(|| self.error(key, format!("is {value}, expected true or false")))
            }
        }
    }

    fn list(
        &self,
        key: &str,
        default: &[usize],
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<Vec<usize>, LoadError> {
        let Some(value) = self.get(key) else { return Ok(default.to_vec()) };
        let items =
            value.as_array().ok_or_else(|| self.error(key, format!("is {value}, expected a list")))?;
        items.iter().map(|item| self.in_range(key, item, &range)).collect()
    }

    fn array<const N: usize>(
        &self,
        key: &str,
        default: [usize; N],
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<[usize; N], LoadError> {
        let items = self.list(key, &default, range)?;
        let found = items.len();
        items.try_into().map_err(|_| self.error(key, format!("has {found} entries, expected {N}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_knobs_are_read_and_checked() {
        // Of SAM 2.0, whose pointers carry no time.
        let read =
            |keys: &str| Config::from_json(&format!("{{\"add_tpos_enc_to_obj_ptrs\": false{keys}}}"), "test");
        let config = read("").expect("every other key has a default");
        assert_eq!((config.max_cond_frames_in_attn, config.memory_temporal_stride_for_eval), (None, 1));
        assert!(config.only_obj_ptrs_in_the_past_for_eval);
        let config = read(
            r#", "max_cond_frames_in_attn": 4, "memory_temporal_stride_for_eval": 3,
                "only_obj_ptrs_in_the_past_for_eval": false"#,
        )
        .expect("these are allowed");
        assert_eq!((config.max_cond_frames_in_attn, config.memory_temporal_stride_for_eval), (Some(4), 3));
        assert!(!config.only_obj_ptrs_in_the_past_for_eval);
        let config = read(r#", "max_cond_frames_in_attn": -1"#).expect("no limit");
        assert_eq!(config.max_cond_frames_in_attn, None);
        for (key, value) in [
            ("max_cond_frames_in_attn", "0"),
            ("max_cond_frames_in_attn", "1"),
            ("max_cond_frames_in_attn", "-2"),
            ("memory_temporal_stride_for_eval", "0"),
            ("only_obj_ptrs_in_the_past_for_eval", "1"),
        ] {
            let error = read(&format!(", \"{key}\": {value}")).expect_err("refused").to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
