//! When the mask decoder replaces an unstable single mask.

use serde_json::{Value, json};

use super::reader::Reader;
use crate::error::LoadError;

/// Keys of the mask decoder that choose between its single mask and the best of its three, under their names
/// in Meta's YAML files, section `sam_mask_decoder_extra_args`. The default is that of Meta's builder, with
/// `apply_postprocessing=True`; a file without these keys has it too.
///
/// ```
/// use sam2_model::config::{Config, DynamicMultimask};
///
/// let mut config = Config::published("tiny", true).expect("a published model");
/// assert_eq!(config.dynamic_multimask, DynamicMultimask::default());
/// config.dynamic_multimask.via_stability = false; // Meta: apply_postprocessing=False
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct DynamicMultimask {
    /// A single mask that is not stable is replaced by the best of three. Default true.
    pub via_stability: bool,
    /// Offset of the stability score's two thresholds from 0, in logits. Default 0.05.
    pub stability_delta: f32,
    /// Stability, 0 ..= 1, below which the mask is replaced. Default 0.98.
    pub stability_thresh: f32,
}

impl Default for DynamicMultimask {
    fn default() -> Self {
        Self { via_stability: true, stability_delta: 0.05, stability_thresh: 0.98 }
    }
}

const VIA_STABILITY: &str = "sam_mask_decoder_extra_args.dynamic_multimask_via_stability";
const DELTA: &str = "sam_mask_decoder_extra_args.dynamic_multimask_stability_delta";
const THRESH: &str = "sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh";

impl DynamicMultimask {
    /// The keys that differ from the default; the inverse of [`Self::read`].
    pub(super) fn write(&self) -> Vec<(&'static str, Value)> {
        let default = Self::default();
        let mut keys = Vec::new();
        if self.via_stability != default.via_stability {
            keys.push((VIA_STABILITY, json!(self.via_stability)));
        }
        for (key, value, default) in [
            (DELTA, self.stability_delta, default.stability_delta),
            (THRESH, self.stability_thresh, default.stability_thresh),
        ] {
            if value != default {
                keys.push((key, json!(value)));
            }
        }
        keys
    }

    /// From a configuration.
    pub(super) fn read(reader: &Reader) -> Result<Self, LoadError> {
        let default = Self::default();
        let real = |key, default: f32| Ok(reader.real(key, f64::from(default))? as f32);
        Ok(Self {
            via_stability: reader.flag(VIA_STABILITY, default.via_stability)?,
            stability_delta: real(DELTA, default.stability_delta)?,
            stability_thresh: real(THRESH, default.stability_thresh)?,
        })
    }

    /// Fails, with Meta's name of the key, if a field is out of its range.
    pub(super) fn validate(&self) -> Result<(), (&'static str, String)> {
        for (key, value) in [(DELTA, self.stability_delta), (THRESH, self.stability_thresh)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err((key, format!("is {value}, must be 0 or more")));
            }
        }
        Ok(())
    }
}
