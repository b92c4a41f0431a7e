//! The constants of the SAMURAI memory policy.

use serde_json::{Value, json};

use super::reader::Reader;
use crate::error::LoadError;

/// Width of the large trunk, which has its own SAMURAI constants.
const LARGE: usize = 144;

/// Constants of SAMURAI (arXiv 2411.11922), under their names in the YAML files of its published code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamuraiConfig {
    /// Number of consecutive frames with a good mask after which the motion score is used.
    pub stable_frames_threshold: u32,
    /// Predicted IoU of a good mask.
    pub stable_ious_threshold: f32,
    /// Object score above which the object is in view.
    pub min_obj_score_logits: f32,
    /// Weight of the motion beside the predicted IoU, 0 ..= 1.
    pub kf_score_weight: f64,
    /// Predicted IoU above which a frame becomes a memory.
    pub memory_bank_iou_threshold: f32,
    /// Object score above which a frame becomes a memory.
    pub memory_bank_obj_score_threshold: f32,
    /// IoU with the predicted box above which a frame becomes a memory, once the motion score is used.
    pub memory_bank_kf_score_threshold: f64,
}

impl SamuraiConfig {
    /// As published for a trunk of this width.
    pub(super) fn published(embed_dim: usize) -> Self {
        Self {
            stable_frames_threshold: 15,
            stable_ious_threshold: 0.3,
            min_obj_score_logits: -1.0,
            kf_score_weight: if embed_dim == LARGE { 0.15 } else { 0.25 },
            memory_bank_iou_threshold: 0.5,
            memory_bank_obj_score_threshold: 0.0,
            memory_bank_kf_score_threshold: 0.0,
        }
    }

    /// The keys, unless all values are those published for a trunk of this width; the inverse of
    /// [`Self::read`].
    pub(super) fn write(&self, embed_dim: usize) -> Vec<(&'static str, Value)> {
        if *self == Self::published(embed_dim) {
            return Vec::new();
        }
        vec![
            ("stable_frames_threshold", json!(self.stable_frames_threshold)),
            ("stable_ious_threshold", json!(self.stable_ious_threshold)),
            ("min_obj_score_logits", json!(self.min_obj_score_logits)),
            ("kf_score_weight", json!(self.kf_score_weight)),
            ("memory_bank_iou_threshold", json!(self.memory_bank_iou_threshold)),
            ("memory_bank_obj_score_threshold", json!(self.memory_bank_obj_score_threshold)),
            ("memory_bank_kf_score_threshold", json!(self.memory_bank_kf_score_threshold)),
        ]
    }

    /// From a configuration; every key is optional.
    pub(super) fn read(reader: &Reader, embed_dim: usize) -> Result<Self, LoadError> {
        let default = Self::published(embed_dim);
        let key = "stable_frames_threshold";
        let frames = reader.number(key, default.stable_frames_threshold as usize)?;
        let frames = u32::try_from(frames)
            .map_err(|_| reader.error(key, format!("is {frames}, expected at most {}", u32::MAX)))?;
        Ok(Self {
            stable_frames_threshold: frames,
            stable_ious_threshold: reader
                .real("stable_ious_threshold", default.stable_ious_threshold.into())?
                as f32,
            min_obj_score_logits: reader.real("min_obj_score_logits", default.min_obj_score_logits.into())?
                as f32,
            kf_score_weight: reader.real("kf_score_weight", default.kf_score_weight)?,
            memory_bank_iou_threshold: reader
                .real("memory_bank_iou_threshold", default.memory_bank_iou_threshold.into())?
                as f32,
            memory_bank_obj_score_threshold: reader
                .real("memory_bank_obj_score_threshold", default.memory_bank_obj_score_threshold.into())?
                as f32,
            memory_bank_kf_score_threshold: reader
                .real("memory_bank_kf_score_threshold", default.memory_bank_kf_score_threshold)?,
        })
    }
}
