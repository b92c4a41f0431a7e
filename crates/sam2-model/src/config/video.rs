//! What a configuration says about tracking.

use serde_json::{Value, json};

use super::reader::Reader;
use crate::error::LoadError;

/// Keys of Meta's video predictor, under their names in the YAML files; `None` for those that are absent.
/// They are the defaults of [`crate::video::VideoOptions::of`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoConfig {
    /// Holes of at most this many pixels are filled.
    pub fill_hole_area: Option<usize>,
    /// Every pixel belongs to one object at most.
    pub non_overlap_masks: Option<bool>,
    /// Masks of prompted frames are binarised for the memory encoder.
    pub binarize_mask_from_pts_for_mem_enc: Option<bool>,
    /// A prompt drops the memories around it.
    pub clear_non_cond_mem_around_input: Option<bool>,
    /// A prompt on a tracked frame conditions tracking.
    pub add_all_frames_to_correct_as_cond: Option<bool>,
    /// Tracking with the SAMURAI memory policy.
    pub samurai_mode: Option<bool>,
}

impl VideoConfig {
    /// The keys that are not absent; the inverse of [`Self::read`].
    pub(super) fn write(&self) -> Vec<(&'static str, Value)> {
        let flags = [
            ("non_overlap_masks", self.non_overlap_masks),
            ("binarize_mask_from_pts_for_mem_enc", self.binarize_mask_from_pts_for_mem_enc),
            ("clear_non_cond_mem_around_input", self.clear_non_cond_mem_around_input),
            ("add_all_frames_to_correct_as_cond", self.add_all_frames_to_correct_as_cond),
            ("samurai_mode", self.samurai_mode),
        ];
        let area = self.fill_hole_area.map(|area| ("fill_hole_area", json!(area)));
        area.into_iter()
            .chain(flags.into_iter().filter_map(|(key, flag)| Some((key, json!(flag?)))))
            .collect()
    }

    /// From a configuration.
    pub(super) fn read(reader: &Reader) -> Result<Self, LoadError> {
        let flag = |key: &str| reader.get(key).map(|_| reader.flag(key, false)).transpose();
        let area = "fill_hole_area";
        let clear = flag("clear_non_cond_mem_around_input")?;
        let several = "clear_non_cond_mem_for_multi_obj";
        if flag(several)? == Some(false) && clear == Some(true) {
            let reason = "is false, but memories around prompts are cleared for any number of objects";
            return Err(reader.error(several, reason.to_owned()));
        }
        Ok(Self {
            fill_hole_area: reader.get(area).map(|value| reader.whole(area, value)).transpose()?,
            non_overlap_masks: flag("non_overlap_masks")?,
            binarize_mask_from_pts_for_mem_enc: flag("binarize_mask_from_pts_for_mem_enc")?,
            clear_non_cond_mem_around_input: clear,
            add_all_frames_to_correct_as_cond: flag("add_all_frames_to_correct_as_cond")?,
            samurai_mode: flag("samurai_mode")?,
        })
    }
}
