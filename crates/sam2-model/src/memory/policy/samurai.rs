//! SAMURAI: motion-aware masks and memories (arXiv 2411.11922).
//!
//! Section 4.1: among three masks the policy selects by a weighted mean of predicted IoU and overlap with the
//! box that a Kalman filter predicts. Section 4.2: frames attend to past frames with a good mask only.
//! Constants are in the configuration, by default as published with its code. Unlike the published code,
//! every object has a filter of its own, and passes may begin at any prompted frame and run in either
//! direction.

use serde::{Deserialize, Serialize};

use super::candidates::{Candidates, HypothesisMasks, Selection};
use super::interface::{MemoryPolicy, by_rank, visited};
use super::kalman::Kalman;
use crate::config::SamuraiConfig;
use crate::memory::bank::{FrameTime, RecallContext, SpatialMemory, StoredOutput};
use crate::scores::argmax;

/// Number of frames after the first prompted one that are never memories, except as the last frame.
const SKIPPED: i64 = 1;

#[derive(Clone, Debug)]
pub(super) struct Samurai {
    config: SamuraiConfig,
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    filter: Option<Kalman>,
    stable_frames: u32,
}

impl Samurai {
    pub fn new(config: SamuraiConfig) -> Self {
        Self { config, state: State::default() }
    }

    /// The mask, and its overlap with the predicted box once enough stable frames have passed.
    fn decide(&mut self, candidates: &Candidates) -> Selection {
        let State { filter, stable_frames } = &mut self.state;
        let best = argmax(&candidates.ious);
        let filter = match filter {
            Some(filter) if *stable_frames > 0 => filter,
            _ => {
                *filter = Some(Kalman::new(candidates.bbox(best)));
                *stable_frames = stable_frames.saturating_add(1);
                return Selection::single(best);
            }
        };
        filter.predict();
        if *stable_frames < self.config.stable_frames_threshold {
            if candidates.ious[best] > self.config.stable_ious_threshold {
                filter.update(candidates.bbox(best));
                *stable_frames = stable_frames.saturating_add(1);
            } else {
                *stable_frames = 0;
            }
            return Selection::single(best);
        }
        let boxes: Vec<_> = (0..candidates.ious.len()).map(|k| candidates.bbox(k)).collect();
        let overlaps: Vec<f64> = boxes.iter().map(|&bbox| filter.iou(bbox)).collect();
        let w = self.config.kf_score_weight;
        let score = |k: usize| w * overlaps[k] + (1.0 - w) * f64::from(candidates.ious[k]);
        let chosen = (1..boxes.len()).fold(0, |best, k| if score(k) > score(best) { k } else { best });
        if candidates.ious[chosen] < self.config.stable_ious_threshold {
            *stable_frames = 0;
        } else {
            filter.update(boxes[chosen]);
        }
        Selection { motion: Some(overlaps[chosen]), ..Selection::single(chosen) }
    }

    /// Whether later frames may attend to a frame.
    fn is_good(&self, output: &StoredOutput) -> bool {
        output.iou > self.config.memory_bank_iou_threshold
            && output.object_score > self.config.memory_bank_obj_score_threshold
            && output.motion.is_none_or(|motion| motion > self.config.memory_bank_kf_score_threshold)
    }

    /// The frames to attend to, in the order of the pass: the last good ones, and the last one in any case.
    fn good_frames(&self, context: &RecallContext) -> Vec<usize> {
        // Distance of the first prompted frame.
        let first = context
            .bank
            .cond
            .iter()
            .map(|(f, _)| context.at.since(*f))
            .filter(|&distance| distance > 0)
            .max();
        let is_skipped = |frame: usize| first.is_some_and(|first| context.at.since(frame) >= first - SKIPPED);
        let visited = visited(context).into_iter();
        let good =
            visited.filter(|(f, output)| !is_skipped(*f) && output.memory.is_some() && self.is_good(output));
        let mut frames: Vec<usize> = good.map(|(f, _)| f).take(context.slots).collect();
        frames.reverse();
        if let Some(last) = context.at.ago(1).filter(|last| frames.last() != Some(last)) {
            frames.push(last);
        }
        frames
    }
}

impl MemoryPolicy for Samurai {
    fn presence_threshold(&self) -> f32 {
        self.config.min_obj_score_logits
    }

    fn recent<'a>(&self, context: &RecallContext<'a>) -> Vec<SpatialMemory<'a>> {
        by_rank(context, &self.good_frames(context))
    }

    fn select(&mut self, _at: FrameTime, hypotheses: &[HypothesisMasks]) -> Vec<Selection> {
        vec![self.decide(&hypotheses[0].candidates)]
    }

    fn select_prompted(&mut self, candidates: &Candidates) -> Selection {
        self.decide(candidates)
    }

    fn frames_to_keep(&self, context: &RecallContext) -> Vec<usize> {
        self.good_frames(context)
    }

    fn save(&self) -> serde_json::Value {
        serde_json::json!(self.state)
    }

    fn resume(&mut self, state: serde_json::Value) -> Result<(), serde_json::Error> {
        self.state = serde_json::from_value(state)?;
        Ok(())
    }
}
