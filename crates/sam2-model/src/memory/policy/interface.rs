//! The interface of memory policies, with Meta's policy as default, and the selections that several
//! policies share.

use std::fmt::Debug;

use super::{Candidates, HypothesisMasks, Selection};
use crate::memory::bank::{FrameTime, RecallContext, SpatialMemory, StoredOutput};
use crate::scores::argmax;

/// Selects the memories that an object's frames attend to, and the masks with which tracking continues. Every
/// object has its own.
pub(crate) trait MemoryPolicy: Debug + Send + Sync {
    /// Object score above which the object counts as in view.
    fn presence_threshold(&self) -> f32 {
        0.0
    }

    /// The memories of tracked frames that a frame attends to, in the order of the tokens.
    fn recent<'a>(&self, context: &RecallContext<'a>) -> Vec<SpatialMemory<'a>> {
        recent_frames(context)
    }

    /// Selects among the candidates of a tracked frame; the first selection is shown to the user. Neither
    /// `hypotheses` nor the result is empty.
    fn select(&mut self, _at: FrameTime, hypotheses: &[HypothesisMasks]) -> Vec<Selection> {
        vec![Selection::single(argmax(&hypotheses[0].candidates.ious))]
    }

    /// Selects among the candidates of an ambiguous click.
    fn select_prompted(&mut self, candidates: &Candidates) -> Selection {
        Selection::single(argmax(&candidates.ious))
    }

    /// Called after a tracked frame's output was stored.
    fn on_stored(&mut self, _at: FrameTime, _output: &StoredOutput) {}

    /// Frames of a hypothesis whose memories a later frame may attend to, besides those that are near in
    /// time.
    fn frames_to_keep(&self, _context: &RecallContext) -> Vec<usize> {
        Vec::new()
    }

    /// Its state, for [`Self::resume`].
    fn save(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Replaces its state by one that [`Self::save`] returned.
    fn resume(&mut self, _state: serde_json::Value) -> Result<(), serde_json::Error> {
        Ok(())
    }
}

/// The last frames of the pass, oldest first.
pub(super) fn recent_frames<'a>(context: &RecallContext<'a>) -> Vec<SpatialMemory<'a>> {
    let slots = (1..=context.slots).rev();
    let found = slots.filter_map(|back| {
        let output = context.output(context.at.recent(back, context.stride)?)?;
        Some(SpatialMemory { output, slot: back - 1, weight: 1.0 })
    });
    found.collect()
}

/// Memories of `frames`, ascending in the order of the pass, as the newest ones: slots are assigned by rank,
/// not by distance.
pub(super) fn by_rank<'a>(context: &RecallContext<'a>, frames: &[usize]) -> Vec<SpatialMemory<'a>> {
    let newest = &frames[frames.len().saturating_sub(context.slots)..];
    let ranked = newest.iter().enumerate();
    let found = ranked.filter_map(|(i, &frame)| {
        let output = context.output(frame)?;
        Some(SpatialMemory { output, slot: newest.len() - 1 - i, weight: 1.0 })
    });
    found.collect()
}

/// The tracked frames that the pass has visited, newest first.
pub(super) fn visited<'a>(context: &RecallContext<'a>) -> Vec<(usize, &'a StoredOutput)> {
    let mut frames: Vec<_> = context
        .bank
        .non_cond
        .iter()
        .map(|(&f, output)| (f, output))
        .filter(|(f, _)| context.at.since(*f) > 0)
        .collect();
    frames.sort_by_key(|(f, _)| context.at.since(*f));
    frames
}
