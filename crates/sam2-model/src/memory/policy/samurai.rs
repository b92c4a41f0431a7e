//! SAMURAI: motion-aware masks and memories (arXiv 2411.11922).
//!
//! Section 4.1: of the three masks the one is taken that is best by a mean of its predicted IoU and its overlap with
//! where a Kalman filter expects the object. Section 4.2: of the past only frames with a good mask are looked at.
//! Constants are in the configuration, by default as published with its code. Unlike there, every object has a filter of
//! its own, and passes may begin at any prompted frame and go either way.

use serde::{Deserialize, Serialize};

use super::kalman::Kalman;
use super::{Candidates, Choice, MemoryPolicy, Offer, by_rank, seen};
use crate::config::SamuraiConfig;
use crate::memory::bank::{Moment, Spatial, StoredOutput, View};
use crate::scores::argmax;

/// The first frames after the one where the object was first seen are never looked at as memories, the last one apart.
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

    /// The mask, and its overlap with the expected place once that has a say.
    fn decide(&mut self, candidates: &Candidates) -> Choice {
        let State { filter, stable_frames } = &mut self.state;
        let best = argmax(&candidates.ious);
        let filter = match filter {
            Some(filter) if *stable_frames > 0 => filter,
            _ => {
                *filter = Some(Kalman::new(candidates.bbox(best)));
                *stable_frames += 1;
                return Choice::single(best);
            }
        };
        filter.predict();
        if *stable_frames < self.config.stable_frames_threshold {
            if candidates.ious[best] > self.config.stable_ious_threshold {
                filter.update(candidates.bbox(best));
                *stable_frames += 1;
            } else {
                *stable_frames = 0;
            }
            return Choice::single(best);
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
        Choice { motion: Some(overlaps[chosen]), ..Choice::single(chosen) }
    }

    /// Whether a frame shows the object well enough to be looked at later.
    fn is_good(&self, output: &StoredOutput) -> bool {
        output.iou > self.config.memory_bank_iou_threshold
            && output.object_score > self.config.memory_bank_obj_score_threshold
            && output.motion.is_none_or(|motion| motion > self.config.memory_bank_kf_score_threshold)
    }

    /// The frames to look at, in the order of the pass: the last good ones, and the last one in any case.
    fn good_frames(&self, view: &View) -> Vec<usize> {
        // Where the pass has seen the object first.
        let first =
            view.bank.cond.iter().map(|(f, _)| view.at.since(*f)).filter(|&distance| distance > 0).max();
        let is_skipped = |frame: usize| first.is_some_and(|first| view.at.since(frame) >= first - SKIPPED);
        let seen = seen(view).into_iter();
        let good =
            seen.filter(|(f, output)| !is_skipped(*f) && output.memory.is_some() && self.is_good(output));
        let mut frames: Vec<usize> = good.map(|(f, _)| f).take(view.slots).collect();
        frames.reverse();
        if let Some(last) = view.at.ago(1).filter(|last| frames.last() != Some(last)) {
            frames.push(last);
        }
        frames
    }
}

impl MemoryPolicy for Samurai {
    fn presence_threshold(&self) -> f32 {
        self.config.min_obj_score_logits
    }

    fn recent<'a>(&self, view: &View<'a>) -> Vec<Spatial<'a>> {
        by_rank(view, &self.good_frames(view))
    }

    fn choose(&mut self, _at: Moment, offers: &[Offer]) -> Vec<Choice> {
        vec![self.decide(&offers[0].candidates)]
    }

    fn choose_prompted(&mut self, candidates: &Candidates) -> Choice {
        self.decide(candidates)
    }

    fn keeps(&self, view: &View) -> Vec<usize> {
        self.good_frames(view)
    }

    fn save(&self) -> serde_json::Value {
        serde_json::json!(self.state)
    }

    fn resume(&mut self, state: serde_json::Value) -> Result<(), serde_json::Error> {
        self.state = serde_json::from_value(state)?;
        Ok(())
    }
}
