//! The configuration of a model.

use super::multimask::DynamicMultimask;
use super::samurai::SamuraiConfig;
use super::trunk::{TrunkConfig, in_range};
use super::video::VideoConfig;
use crate::error::LoadError;

/// A family of models: one way to name and to connect the parts of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// SAM 2 and SAM 2.1.
    Sam2,
    /// EdgeTAM.
    EdgeTam,
    /// EfficientTAM.
    EfficientTam,
}

/// How a frame attends to its memories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CrossAttention {
    /// To every token of them.
    Full,
    /// EfficientTAM's variants `_1`: from two spatial memories on, keys and values of these are averaged over
    /// 2×2 cells, and each counts for four.
    PooledRepeated,
    /// EfficientTAM's variants `_2`: the same, but a constant is added to the averaged keys instead.
    PooledShifted,
}

/// One model. Field names are those of Meta's YAML files.
///
/// ```
/// use sam2_model::config::Config;
///
/// let config = Config::published("tiny", true).expect("a published model");
/// assert_eq!((config.image_size, config.grid(), config.low_res_size()), (1024, 64, 256));
/// assert_eq!((config.d_model, config.mem_dim), (256, 64));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The family that the model belongs to.
    pub family: Family,
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
    /// How the memory attention attends to the memories.
    pub cross_attention: CrossAttention,
    /// Hidden width of the memory attention's MLPs.
    pub dim_feedforward: usize,
    /// Spatial memories per object, the conditioning one included.
    pub num_maskmem: usize,
    /// Maximum number of object pointers per object.
    pub max_obj_ptrs_in_encoder: usize,
    /// Number of prompted frames that a frame attends to, the closest ones; 2 or more. `None`, Meta's −1, is
    /// all.
    pub max_cond_frames_in_attn: Option<usize>,
    /// Distance in frames between the recent memories that a frame attends to, the last one aside; 1 or more.
    pub memory_temporal_stride_for_eval: usize,
    /// A frame attends to the object pointers of earlier prompted frames only (of later ones in reverse).
    pub only_obj_ptrs_in_the_past_for_eval: bool,
    /// 2.1: an embedding is added to the memories of frames without the object.
    pub no_obj_embed_spatial: bool,
    /// 2.1: object pointers carry their distance in time, projected.
    pub proj_tpos_enc_in_obj_ptrs: bool,
    /// When the decoder replaces an unstable single mask.
    pub dynamic_multimask: DynamicMultimask,
    /// Constants of the SAMURAI memory policy.
    pub samurai: SamuraiConfig,
    /// Defaults of tracking.
    pub video: VideoConfig,
    /// Name of the variant, such as `SAM 2.1 tiny`.
    pub variant: String,
}

/// Side of the grid of EdgeTAM's second latents; of the first, which have no place, there are as many.
pub(crate) const PERCEIVER_SIDE: usize = 16;
/// Ratio of the input to the feature map that memory and decoder work on.
const BACKBONE_STRIDE: usize = 16;

impl Config {
    /// Side of the feature map that memory and decoder work on.
    pub fn grid(&self) -> usize {
        self.image_size / BACKBONE_STRIDE
    }

    /// Tokens of one spatial memory.
    pub fn memory_tokens(&self) -> usize {
        match self.family {
            Family::Sam2 | Family::EfficientTam => self.grid().pow(2),
            Family::EdgeTam => 2 * PERCEIVER_SIDE.pow(2),
        }
    }

    /// Side of the decoder's mask logits.
    pub fn low_res_size(&self) -> usize {
        4 * self.grid()
    }

    /// Whether the decoder adds high-resolution maps of the image encoder.
    pub(crate) fn has_high_res(&self) -> bool {
        match self.family {
            Family::Sam2 | Family::EdgeTam => true,
            Family::EfficientTam => false,
        }
    }

    /// Text of the parts of the configuration that no tensor's shape shows; see [`TrunkConfig::layout_text`].
    pub(crate) fn layout_text(&self) -> String {
        let layout = format!("{} {}", self.image_size, self.trunk.layout_text());
        match self.cross_attention {
            CrossAttention::Full => layout,
            pooled => format!("{layout} {pooled:?}"),
        }
    }

    /// Fails, with Meta's name of the key, if a field is out of its range or does not fit the others.
    pub(crate) fn check(&self, origin: &str) -> Result<(), LoadError> {
        self.validate().map_err(|(key, reason)| LoadError::Config {
            origin: origin.to_owned(),
            key: key.to_owned(),
            reason,
        })
    }

    fn validate(&self) -> Result<(), (&'static str, String)> {
        self.dynamic_multimask.validate()?;
        in_range(&[
            ("image_size", 64, 4096, &[self.image_size]),
            ("memory_attention.d_model", 32, 256, &[self.d_model]),
            ("memory_encoder.out_dim", 4, 256, &[self.mem_dim]),
            ("memory_attention.num_layers", 1, 64, &[self.memory_attention_layers]),
            ("memory_attention.layer.dim_feedforward", 1, 65_536, &[self.dim_feedforward]),
            ("num_maskmem", 1, 64, &[self.num_maskmem]),
            ("max_obj_ptrs_in_encoder", 1, 1024, &[self.max_obj_ptrs_in_encoder]),
            ("max_cond_frames_in_attn", 2, 1 << 20, self.max_cond_frames_in_attn.as_slice()),
            ("memory_temporal_stride_for_eval", 1, 1024, &[self.memory_temporal_stride_for_eval]),
        ])?;
        if !self.image_size.is_multiple_of(64) {
            return Err(("image_size", format!("{} is not a multiple of 64", self.image_size)));
        }
        let weight = self.samurai.kf_score_weight;
        if !(0.0..=1.0).contains(&weight) {
            return Err(("kf_score_weight", format!("is {weight}, expected a number in 0 ..= 1")));
        }
        self.trunk.validate(self.image_size)?;
        if !self.d_model.is_multiple_of(32) || !self.d_model.is_multiple_of(self.mem_dim) {
            let reason = format!("{} with a memory of {}", self.d_model, self.mem_dim);
            return Err(("memory_attention.d_model", reason));
        }
        Ok(())
    }
}
