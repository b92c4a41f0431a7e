//! Size and length of a video, and options.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::memory::policy::MemoryPolicyKind;
use crate::memory::recall::RecallOptions;
use crate::types::setters;

/// The video to track.
///
/// ```
/// use sam2_model::video::VideoInfo;
///
/// let info = VideoInfo::new(480, 270, 30);
/// assert_eq!(info, VideoInfo { width: 480, height: 270, num_frames: 30 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoInfo {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Number of frames; affects results: clips shorter than 16 frames use fewer object pointers.
    /// [`usize::MAX`] for a stream, whose frames come once and forwards.
    pub num_frames: usize,
}

impl VideoInfo {
    /// A video of `num_frames` frames of `width` × `height` pixels.
    pub fn new(width: usize, height: usize, num_frames: usize) -> Self {
        Self { width, height, num_frames }
    }
}

/// Data kept of tracked frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retention {
    /// Data that tracking reads when it continues, when it starts at a prompted frame, in either direction,
    /// and when the last frame or a prompted one is corrected. A prompt on any other frame is a first prompt,
    /// as if the frame had not been tracked. Memory does not grow with the length of the video, and that of a
    /// stream not with the number of prompts either; see [`VideoOptions::kept_prompted_frames`].
    #[default]
    Needed,
    /// All data, as in the reference: about 0.8 MB per frame and object.
    Everything,
}

/// Options that change results. [`VideoOptions::default`] differs from [`VideoOptions::reference`] where
/// Meta's predictor loses a prompt.
///
/// ```
/// use sam2_model::video::{MemoryPolicyKind, VideoOptions};
///
/// let options = VideoOptions::default().fill_hole_area(8).memory(MemoryPolicyKind::Samurai);
/// assert_eq!(options.fill_hole_area, 8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VideoOptions {
    /// Holes in a mask of at most this many pixels of the low-resolution logits are filled. Meta fills 8 on a
    /// GPU and none on a CPU. Default 0.
    pub fill_hole_area: usize,
    /// Every pixel belongs to one object at most. Default false.
    pub non_overlap: bool,
    /// Masks of prompted frames are binarised for the memory encoder. Meta's builder does so by default; its
    /// `vos_inference.py` only with post-processing. Default true.
    pub binarize_mask_from_pts_for_mem_enc: bool,
    /// A prompt on a tracked frame becomes a conditioning memory, like a first prompt. If false, as in the
    /// reference, it is a correction that the next pass over the frame replaces. Default true.
    pub add_all_frames_to_correct_as_cond: bool,
    /// When a prompt is added, and when tracking passes a prompted frame, memories of the tracked frames
    /// around it are dropped: they may contain the corrected error. In the reference this crashes. Default
    /// false.
    pub clear_non_cond_mem_around_input: bool,
    /// Number of prompted frames that memory attention reads, the closest ones; at least 2. [`None`]: the
    /// number in the model's configuration, which is all of them for the published models.
    pub max_cond_frames_in_attn: Option<usize>,
    /// Default [`Retention::Needed`].
    pub keep: Retention,
    /// Number of prompted frames of an object that a stream keeps and attends to, with
    /// [`Retention::Needed`]: the first one and the last ones, at least 2. A prompted frame of a published
    /// model takes 0.8 MB, and time. Clips keep all prompted frames. Default 64.
    #[serde(default = "kept_prompted_frames")]
    pub kept_prompted_frames: usize,
    /// Default [`MemoryPolicyKind::Sam2`].
    pub memory: MemoryPolicyKind,
}

fn kept_prompted_frames() -> usize {
    64
}

impl Default for VideoOptions {
    fn default() -> Self {
        Self {
            fill_hole_area: 0,
            non_overlap: false,
            binarize_mask_from_pts_for_mem_enc: true,
            add_all_frames_to_correct_as_cond: true,
            clear_non_cond_mem_around_input: false,
            max_cond_frames_in_attn: None,
            keep: Retention::default(),
            kept_prompted_frames: kept_prompted_frames(),
            memory: MemoryPolicyKind::default(),
        }
    }
}

setters! {
    VideoOptions {
        fill_hole_area: usize,
        non_overlap: bool,
        binarize_mask_from_pts_for_mem_enc: bool,
        add_all_frames_to_correct_as_cond: bool,
        clear_non_cond_mem_around_input: bool,
        max_cond_frames_in_attn: impl Into<Option<usize>>,
        keep: Retention,
        kept_prompted_frames: usize,
        memory: MemoryPolicyKind,
    }
}

impl VideoOptions {
    /// The options of Meta's predictor on a CPU with its defaults.
    ///
    /// ```
    /// use sam2_model::video::{Retention, VideoOptions};
    ///
    /// let options = VideoOptions::reference();
    /// assert_eq!(options.keep, Retention::Everything);
    /// assert!(!options.add_all_frames_to_correct_as_cond);
    /// ```
    pub fn reference() -> Self {
        Self { add_all_frames_to_correct_as_cond: false, keep: Retention::Everything, ..Self::default() }
    }

    /// The defaults of a model: what its configuration says, else [`Self::default`]. A configuration with
    /// `samurai_mode` tracks with [`MemoryPolicyKind::Samurai`].
    ///
    /// ```
    /// use sam2_model::video::VideoOptions;
    ///
    /// let model = sam2_micro::model(); // its configuration says nothing about tracking
    /// assert_eq!(VideoOptions::of(model.config()), VideoOptions::default());
    /// ```
    pub fn of(config: &Config) -> Self {
        let (default, said) = (Self::default(), &config.video);
        Self {
            fill_hole_area: said.fill_hole_area.unwrap_or(default.fill_hole_area),
            non_overlap: said.non_overlap_masks.unwrap_or(default.non_overlap),
            binarize_mask_from_pts_for_mem_enc: said
                .binarize_mask_from_pts_for_mem_enc
                .unwrap_or(default.binarize_mask_from_pts_for_mem_enc),
            add_all_frames_to_correct_as_cond: said
                .add_all_frames_to_correct_as_cond
                .unwrap_or(default.add_all_frames_to_correct_as_cond),
            clear_non_cond_mem_around_input: said
                .clear_non_cond_mem_around_input
                .unwrap_or(default.clear_non_cond_mem_around_input),
            memory: if said.samurai_mode == Some(true) { MemoryPolicyKind::Samurai } else { default.memory },
            ..default
        }
    }

    pub(crate) fn recall_options(&self, config: &Config) -> RecallOptions {
        RecallOptions {
            max_cond_frames_in_attn: self.max_cond_frames_in_attn.or(config.max_cond_frames_in_attn),
            memory_temporal_stride_for_eval: config.memory_temporal_stride_for_eval,
            only_obj_ptrs_in_the_past_for_eval: config.only_obj_ptrs_in_the_past_for_eval,
        }
    }
}
