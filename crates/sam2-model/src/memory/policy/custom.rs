//! Policies of the caller's: a small interface over the internal one, for one hypothesis per object.

use std::fmt;
use std::sync::Arc;

use super::interface::{self, by_rank, recent_frames, visited};
use super::{Candidates, HypothesisMasks, Selection};
use crate::memory::bank::{FrameTime, RecallContext, SpatialMemory, StoredOutput};
use crate::scores::argmax;

/// Selects the mask and the memories of one object; every object has a policy of its own. The defaults are
/// Meta's choices, so a policy overrides what it changes. See
/// [`VideoPredictor::with_policy`](crate::VideoPredictor::with_policy).
///
/// ```
/// use sam2_model::VideoPredictor;
/// use sam2_model::policy::{History, MemoryPolicy};
/// use sam2_model::video::{VideoInfo, VideoOptions};
///
/// /// Attends to frames with a sure mask only.
/// #[derive(Debug)]
/// struct Sure;
///
/// impl MemoryPolicy for Sure {
///     fn recall(&self, history: &History) -> Option<Vec<usize>> {
///         let sure = history.frames().filter(|frame| frame.predicted_iou() > 0.8);
///         Some(sure.take(history.slots()).map(|frame| frame.frame_idx()).collect())
///     }
/// }
///
/// let info = VideoInfo::new(96, 64, 30);
/// VideoPredictor::with_policy(sam2_micro::model(), info, VideoOptions::default(), || Sure)?;
/// # Ok::<(), sam2_model::error::VideoError>(())
/// ```
pub trait MemoryPolicy: fmt::Debug + Send + Sync {
    /// Object score above which the object counts as in view.
    fn presence_threshold(&self) -> f32 {
        0.0
    }

    /// Index of the mask that a tracked frame, or a frame with one ambiguous click, gets. An index past the
    /// last mask counts as the last.
    fn select(&mut self, candidates: &MaskCandidates) -> usize {
        candidates.best()
    }

    /// Tracked frames whose memories the frame attends to besides those of prompted frames, in any order. Of
    /// more than [`History::slots`] the newest are used; frames that are not in the history are left out.
    /// `None` selects the last frames, as Meta does.
    fn recall(&self, _history: &History) -> Option<Vec<usize>> {
        None
    }

    /// Its state as text, for a saved session.
    fn save(&self) -> String {
        String::new()
    }

    /// Replaces its state by one that [`Self::save`] returned.
    ///
    /// # Errors
    /// If the text is not such a state.
    fn resume(&mut self, _state: &str) -> Result<(), String> {
        Ok(())
    }
}

/// The masks that the decoder predicts for one frame.
///
/// ```
/// use sam2_model::policy::{MaskCandidates, MemoryPolicy};
///
/// /// The largest mask with a good estimate, on a click the best one.
/// #[derive(Debug)]
/// struct Largest;
///
/// impl MemoryPolicy for Largest {
///     fn select(&mut self, masks: &MaskCandidates) -> usize {
///         let area = |&k: &usize| masks.low_res(k).iter().filter(|&&x| x > 0.0).count();
///         let good = (0..masks.len()).filter(|&k| masks.ious()[k] > 0.7 && masks.frame_idx().is_some());
///         good.max_by_key(area).unwrap_or(masks.best())
///     }
/// }
/// ```
#[derive(Debug)]
pub struct MaskCandidates<'a> {
    candidates: &'a Candidates,
    frame_idx: Option<usize>,
}

impl MaskCandidates<'_> {
    /// The tracked frame; `None` for a click.
    pub fn frame_idx(&self) -> Option<usize> {
        self.frame_idx
    }

    /// Number of masks.
    pub fn len(&self) -> usize {
        self.candidates.ious.len()
    }

    /// Never: there is at least one mask.
    pub fn is_empty(&self) -> bool {
        self.candidates.ious.is_empty()
    }

    /// The model's estimate of each mask's IoU with the object.
    pub fn ious(&self) -> &[f32] {
        &self.candidates.ious
    }

    /// Index of the mask with the best estimate.
    pub fn best(&self) -> usize {
        argmax(&self.candidates.ious)
    }

    /// Object score: logit of the object being present.
    pub fn object_score(&self) -> f32 {
        self.candidates.object_score
    }

    /// Logits of mask `k`, `[s, s]` with s = [`Model::low_res_size`](crate::Model::low_res_size).
    ///
    /// # Panics
    /// If there is no mask `k`.
    pub fn low_res(&self, k: usize) -> &[f32] {
        self.candidates.mask(k)
    }

    /// `[x0, y0, x1, y1]` of the outermost pixels of mask `k`, inclusive, in pixels of the model's input;
    /// zeros if it is empty.
    ///
    /// # Panics
    /// If there is no mask `k`.
    pub fn bbox_xyxy(&self, k: usize) -> [f64; 4] {
        self.candidates.bbox(k)
    }
}

/// The tracked frames of a pass whose memories are stored.
#[derive(Debug)]
pub struct History<'a>(&'a RecallContext<'a>);

impl<'a> History<'a> {
    /// The frame that is about to be tracked.
    pub fn frame_idx(&self) -> usize {
        self.0.at.frame
    }

    /// Number of memories that a frame attends to besides those of prompted frames: 6 for the published
    /// models.
    pub fn slots(&self) -> usize {
        self.0.slots
    }

    /// The frames, newest first. With [`Retention::Needed`](crate::video::Retention::Needed) these are the
    /// last ones, those around prompted frames, and those that the policy selected for the frame before.
    pub fn frames(&self) -> impl Iterator<Item = TrackedFrame<'a>> {
        let stored = visited(self.0).into_iter().filter(|(_, output)| output.memory.is_some());
        stored.map(|(frame_idx, output)| TrackedFrame { frame_idx, output })
    }
}

/// A tracked frame of an object.
///
/// ```
/// use sam2_model::policy::{History, MemoryPolicy, TrackedFrame};
///
/// /// Attends to frames on which the object was certainly present, the last 100 only.
/// #[derive(Debug)]
/// struct Present;
///
/// impl MemoryPolicy for Present {
///     fn recall(&self, history: &History) -> Option<Vec<usize>> {
///         let age = |frame: &TrackedFrame| history.frame_idx().abs_diff(frame.frame_idx());
///         let sure = |frame: &TrackedFrame| frame.object_score() > 1.0 && age(frame) <= 100;
///         let frames = history.frames().filter(sure).take(history.slots());
///         Some(frames.map(|frame| frame.frame_idx()).collect())
///     }
/// }
/// ```
#[derive(Debug)]
pub struct TrackedFrame<'a> {
    frame_idx: usize,
    output: &'a StoredOutput,
}

impl TrackedFrame<'_> {
    /// Index of the frame.
    pub fn frame_idx(&self) -> usize {
        self.frame_idx
    }

    /// The model's estimate of the mask's IoU with the object.
    pub fn predicted_iou(&self) -> f32 {
        self.output.iou
    }

    /// Object score: logit of the object being present.
    pub fn object_score(&self) -> f32 {
        self.output.object_score
    }

    /// Logits of the mask, `[s, s]` with s = [`Model::low_res_size`](crate::Model::low_res_size).
    pub fn low_res(&self) -> &[f32] {
        &self.output.low_res
    }
}

/// A custom policy behind the internal interface.
#[derive(Debug)]
struct Custom<P>(P);

impl<P: MemoryPolicy> Custom<P> {
    fn choose(&mut self, candidates: &Candidates, frame_idx: Option<usize>) -> Selection {
        let chosen = self.0.select(&MaskCandidates { candidates, frame_idx });
        Selection::single(chosen.min(candidates.ious.len() - 1))
    }

    /// The selected frames, ascending in the order of the pass.
    fn frames(&self, context: &RecallContext) -> Option<Vec<usize>> {
        let mut frames = self.0.recall(&History(context))?;
        frames.retain(|&frame| context.at.since(frame) > 0 && context.output(frame).is_some());
        frames.sort_by_key(|&frame| -context.at.since(frame));
        frames.dedup();
        Some(frames)
    }
}

impl<P: MemoryPolicy> interface::MemoryPolicy for Custom<P> {
    fn presence_threshold(&self) -> f32 {
        self.0.presence_threshold()
    }

    fn recent<'a>(&self, context: &RecallContext<'a>) -> Vec<SpatialMemory<'a>> {
        self.frames(context).map_or_else(|| recent_frames(context), |frames| by_rank(context, &frames))
    }

    fn select(&mut self, at: FrameTime, hypotheses: &[HypothesisMasks]) -> Vec<Selection> {
        vec![self.choose(&hypotheses[0].candidates, Some(at.frame))]
    }

    fn select_prompted(&mut self, candidates: &Candidates) -> Selection {
        self.choose(candidates, None)
    }

    fn frames_to_keep(&self, context: &RecallContext) -> Vec<usize> {
        self.frames(context).unwrap_or_default()
    }

    fn save(&self) -> serde_json::Value {
        serde_json::Value::String(self.0.save())
    }

    fn resume(&mut self, state: serde_json::Value) -> Result<(), serde_json::Error> {
        let state: String = serde_json::from_value(state)?;
        self.0.resume(&state).map_err(serde::de::Error::custom)
    }
}

/// Makes a policy for every object.
#[derive(Clone)]
pub(crate) struct CustomPolicies(Arc<dyn Fn() -> Box<dyn interface::MemoryPolicy> + Send + Sync>);

impl CustomPolicies {
    pub fn new<P: MemoryPolicy + 'static>(make: impl Fn() -> P + Send + Sync + 'static) -> Self {
        Self(Arc::new(move || Box::new(Custom(make()))))
    }

    /// A policy for one object.
    pub fn create(&self) -> Box<dyn interface::MemoryPolicy> {
        self.0()
    }
}

impl fmt::Debug for CustomPolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomPolicies")
    }
}
