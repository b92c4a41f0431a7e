//! DAM4SAM: a distractor-aware memory (arXiv 2411.17576, section 3; arXiv 2509.13864).
//!
//! The recent appearance memory (RAM) holds a few spread-out recent frames with the object in view, for
//! accurate outlines; the distractor-resolving memory (DRM) holds frames on which the object was
//! distinguished from a distractor nearby. A distractor is detected from the candidate masks that were not
//! selected: one of them extends beyond the selected one. Frames of the DRM have the temporal index of
//! prompted frames: they carry no distance in time.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::candidates::{Candidates, HypothesisMasks, Selection};
use super::interface::{MemoryPolicy, by_rank};
use crate::components::Components;
use crate::memory::bank::{FrameTime, RecallContext, SpatialMemory, StoredOutput};
use crate::scores::argmax;

/// Slots of either memory.
const SLOTS: usize = 3;
/// Frames between two entries of the same memory (Δ).
const INTERVAL: u64 = 5;
/// A distractor is near if the object's box is less than this fraction of the box around both (θ_anc).
const DISTRACTOR_RATIO: f64 = 0.7;
/// Predicted IoU above which the selected mask is trusted (θ_IoU).
const TRUSTED_IOU: f32 = 0.8;
/// Relative change of area from the median up to which a mask is trusted (θ_area).
const AREA_CHANGE: f64 = 0.2;
/// Number of frames in the median of areas (N_med).
const AREAS: usize = 10;

#[derive(Clone, Debug, Default)]
pub(super) struct Dam4sam {
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    /// Frames of the RAM without the newest frame, and of the DRM, in the order in which they were entered.
    recent: VecDeque<usize>,
    resolving: VecDeque<usize>,
    /// Areas of the last masks of the object in view, newest last.
    areas: VecDeque<usize>,
    /// Whether a distractor was detected on the frame that is about to be stored.
    distractor: bool,
}

/// Whether a mask that was not selected extends to another object.
fn shows_distractor(candidates: &Candidates, selected: usize) -> bool {
    let side = candidates.side();
    let Some(object) = Area::of(candidates.mask(selected).iter().map(|&x| x > 0.0), side) else {
        return false;
    };
    (0..candidates.ious.len()).filter(|&k| k != selected).any(|k| {
        let component = largest_component(candidates.mask(k), side);
        Area::of(component.into_iter(), side)
            .is_some_and(|other| object.size() / object.join(&other).size() < DISTRACTOR_RATIO)
    })
}

/// The largest 8-connected part of a mask.
fn largest_component(logits: &[f32], side: usize) -> Vec<bool> {
    let inside: Vec<bool> = logits.iter().map(|&x| x > 0.0).collect();
    let components = Components::of(&inside, side);
    let areas = &components.areas;
    let largest = (0..areas.len()).reduce(|best, i| if areas[i] > areas[best] { i } else { best });
    (0..inside.len()).map(|pixel| inside[pixel] && components.at(pixel) == largest).collect()
}

/// A box of pixels, inclusive.
struct Area([usize; 4]);

impl Area {
    fn of(mask: impl Iterator<Item = bool>, width: usize) -> Option<Self> {
        let inside = mask.enumerate().filter(|(_, inside)| *inside).map(|(i, _)| (i % width, i / width));
        inside.fold(None, |area, (x, y)| {
            let Self([x0, y0, x1, y1]) = area.unwrap_or(Self([x, y, x, y]));
            Some(Self([x0.min(x), y0.min(y), x1.max(x), y1.max(y)]))
        })
    }

    fn join(&self, other: &Self) -> Self {
        let ([ax0, ay0, ax1, ay1], [bx0, by0, bx1, by1]) = (self.0, other.0);
        Self([ax0.min(bx0), ay0.min(by0), ax1.max(bx1), ay1.max(by1)])
    }

    fn size(&self) -> f64 {
        let [x0, y0, x1, y1] = self.0;
        ((x1 - x0 + 1) * (y1 - y0 + 1)) as f64
    }
}

impl State {
    /// Whether enough frames have passed since the last entry.
    fn is_due(entries: &VecDeque<usize>, at: FrameTime) -> bool {
        entries.back().is_none_or(|&frame| at.since(frame).unsigned_abs() >= INTERVAL)
    }

    fn enter(entries: &mut VecDeque<usize>, frame: usize) {
        entries.retain(|&f| f != frame);
        entries.push_back(frame);
        if entries.len() > SLOTS {
            entries.pop_front();
        }
    }

    /// Whether `area` is close to the median of the last ones.
    fn is_usual(&self, area: usize) -> bool {
        let mut areas: Vec<usize> = self.areas.iter().copied().collect();
        areas.sort_unstable();
        let Some(&median) = areas.get(areas.len() / 2) else { return false };
        (area as f64 - median as f64).abs() <= AREA_CHANGE * median as f64
    }
}

impl MemoryPolicy for Dam4sam {
    fn recent<'a>(&self, context: &RecallContext<'a>) -> Vec<SpatialMemory<'a>> {
        let resolving = self.state.resolving.iter().filter_map(|&frame| context.output(frame));
        let mut memories: Vec<_> =
            resolving.map(|output| SpatialMemory { output, slot: context.slots, weight: 1.0 }).collect();
        let mut recent: Vec<usize> = self.state.recent.iter().copied().collect();
        let last = context.at.ago(1).filter(|f| !recent.contains(f));
        recent.extend(last.filter(|&f| context.output(f).is_some_and(|output| output.object_score > 0.0)));
        recent.sort_by_key(|&f| -context.at.since(f));
        memories.extend(by_rank(context, &recent[recent.len().saturating_sub(SLOTS)..]));
        memories
    }

    fn select(&mut self, _at: FrameTime, hypotheses: &[HypothesisMasks]) -> Vec<Selection> {
        let candidates = &hypotheses[0].candidates;
        let best = argmax(&candidates.ious);
        self.state.distractor = shows_distractor(candidates, best);
        vec![Selection::single(best)]
    }

    fn on_stored(&mut self, at: FrameTime, output: &StoredOutput) {
        let area = output.low_res.iter().filter(|&&x| x > 0.0).count();
        // A frame without the object carries no appearance.
        if output.object_score <= 0.0 || area == 0 {
            return;
        }
        let state = &mut self.state;
        if State::is_due(&state.recent, at) {
            State::enter(&mut state.recent, at.frame);
        }
        let trusted = output.iou > TRUSTED_IOU && state.is_usual(area);
        if state.distractor && trusted && State::is_due(&state.resolving, at) {
            State::enter(&mut state.resolving, at.frame);
        }
        state.areas.push_back(area);
        if state.areas.len() > AREAS {
            state.areas.pop_front();
        }
    }

    fn frames_to_keep(&self, _context: &RecallContext) -> Vec<usize> {
        self.state.recent.iter().chain(&self.state.resolving).copied().collect()
    }

    fn save(&self) -> serde_json::Value {
        serde_json::json!(self.state)
    }

    fn resume(&mut self, state: serde_json::Value) -> Result<(), serde_json::Error> {
        let state: State = serde_json::from_value(state)?;
        let frames = state.recent.len().max(state.resolving.len());
        if frames > SLOTS || state.areas.len() > AREAS {
            return Err(serde::de::Error::custom("the memory policy has more entries than it keeps"));
        }
        if state.recent.iter().chain(&state.resolving).any(|&frame| i64::try_from(frame).is_err()) {
            return Err(serde::de::Error::custom("the memory policy knows a frame that there cannot be"));
        }
        self.state = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernels::Isa;

    const SIDE: usize = 16;

    /// Rectangles `x0, y0, x1, y1`, inclusive, of logit 5 over −5.
    fn mask(rectangles: &[[usize; 4]]) -> Vec<f32> {
        let inside = |x: usize, y: usize| {
            rectangles.iter().any(|&[x0, y0, x1, y1]| (x0..=x1).contains(&x) && (y0..=y1).contains(&y))
        };
        (0..SIDE * SIDE).map(|i| if inside(i % SIDE, i / SIDE) { 5.0 } else { -5.0 }).collect()
    }

    fn candidates(masks: [&[[usize; 4]]; 3]) -> Candidates {
        Candidates {
            masks: masks.into_iter().flat_map(mask).collect(),
            ious: vec![0.9, 0.5, 0.4],
            tokens: Vec::new(),
            object_score: 5.0,
            in_view: true,
            input_size: 64,
            isa: Isa::best(),
        }
    }

    #[test]
    fn a_distractor_is_detected_in_the_alternatives() {
        let object = [2, 2, 9, 9];
        let near = candidates([&[object], &[object], &[[1, 2, 9, 10]]]);
        assert!(!shows_distractor(&near, 0), "alternatives of the same object");
        let far = candidates([&[object], &[object], &[[11, 9, 14, 12]]]);
        assert!(shows_distractor(&far, 0), "one alternative is elsewhere");
        let both = candidates([&[object], &[object, [11, 9, 12, 10]], &[object]]);
        assert!(!shows_distractor(&both, 0), "the largest component is the object");
        let empty = candidates([&[], &[object], &[object]]);
        assert!(!shows_distractor(&empty, 0), "nothing was chosen");
    }

    #[test]
    fn frames_are_entered_when_trusted_and_not_too_often() {
        let object: &[[usize; 4]] = &[[2, 2, 5, 5]];
        let mut policy = Dam4sam::default();
        let mut store = |frame: usize, iou: f32, score: f32, distractor: bool| {
            policy.state.distractor = distractor;
            let output = StoredOutput {
                memory: None,
                low_res: mask(object).into(),
                obj_ptr: [0.0].into(),
                object_score: score,
                iou,
                motion: None,
            };
            let at = FrameTime { frame, num_frames: 100, direction: crate::memory::bank::Direction::Forward };
            policy.on_stored(at, &output);
            (policy.state.recent.clone(), policy.state.resolving.clone())
        };
        for frame in 1..=3 {
            store(frame, 0.9, 5.0, false);
        }
        assert_eq!(store(4, 0.9, 5.0, true), ([1].into(), [4].into()));
        assert_eq!(store(6, 0.9, 5.0, true), ([1, 6].into(), [4].into()), "too soon for the second");
        assert_eq!(store(9, 0.7, 5.0, true).1, [4], "not trusted");
        assert_eq!(store(11, 0.9, -5.0, true), ([1, 6].into(), [4].into()), "out of sight");
        for frame in 12..40 {
            store(frame, 0.9, 5.0, true);
        }
        let (recent, resolving) = store(40, 0.9, 5.0, false);
        assert_eq!((recent.len(), resolving.len()), (3, 3));
    }
}
