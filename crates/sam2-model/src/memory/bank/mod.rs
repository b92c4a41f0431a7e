//! The memory bank: the stored outputs of one object.

mod context;
mod frame_set;
mod time;

use std::collections::BTreeMap;
use std::sync::Arc;

use half::bf16;

pub(crate) use context::{RecallContext, SpatialMemory};
pub(crate) use frame_set::FrameSet;
pub use time::Direction;
pub(crate) use time::FrameTime;

/// The stored output of one object on one frame. Cheap to clone: hypotheses about an object share equal
/// outputs.
#[derive(Clone)]
pub(crate) struct StoredOutput {
    /// The tokens of a spatial memory, `[grid, grid, mem_dim]` or those of the perceiver, rounded to bf16 as
    /// the reference stores it, also in single precision runs. `None` until it is encoded, and again when no
    /// later frame can read it.
    pub memory: Option<Arc<[bf16]>>,
    /// `[s, s]` logits; empty when only the pointer is still kept.
    pub low_res: Arc<[f32]>,
    /// `[D]`.
    pub obj_ptr: Arc<[f32]>,
    /// Object score: logit of the object being present.
    pub object_score: f32,
    /// Predicted IoU of the mask.
    pub iou: f32,
    /// Agreement of the mask with the motion of the object so far, if the memory policy models it.
    pub motion: Option<f64>,
}

impl std::fmt::Debug for StoredOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the maps.
        let Self { object_score, iou, motion, .. } = self;
        f.debug_struct("StoredOutput")
            .field("object_score", object_score)
            .field("iou", iou)
            .field("motion", motion)
            .finish_non_exhaustive()
    }
}

/// The outputs of one object.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryBank {
    /// Frames with a prompt, in the order in which they were prompted.
    pub cond: Vec<(usize, StoredOutput)>,
    /// Tracked frames.
    pub non_cond: BTreeMap<usize, StoredOutput>,
}

/// Rounds to bf16, ties to even.
pub(crate) fn to_bf16(memory: &[f32]) -> Arc<[bf16]> {
    memory.iter().map(|&x| bf16::from_f32(x)).collect()
}

impl MemoryBank {
    /// The conditioning output of a frame.
    pub fn cond(&self, frame: usize) -> Option<&StoredOutput> {
        self.cond.iter().find(|(f, _)| *f == frame).map(|(_, output)| output)
    }

    /// Stores a conditioning output, in place of an earlier one of the same frame.
    pub fn set_cond(&mut self, frame: usize, output: StoredOutput) {
        match self.cond.iter_mut().find(|(f, _)| *f == frame) {
            Some((_, old)) => *old = output,
            None => self.cond.push((frame, output)),
        }
    }

    /// Drops the outputs of tracked frames for which `keep` returns [`Kept::Nothing`], and memory and mask of
    /// those for which it returns [`Kept::Pointer`]. Returns the frames that lost their memory.
    pub fn retain(&mut self, keep: impl Fn(usize) -> Kept) -> Vec<usize> {
        let mut lost = Vec::new();
        self.non_cond.retain(|&frame, output| {
            let kept = keep(frame);
            if kept != Kept::All && output.memory.is_some() {
                (output.memory, output.low_res) = (None, Arc::new([]));
                lost.push(frame);
            }
            kept != Kept::Nothing
        });
        lost
    }
}

/// How much of a tracked frame is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Memory, mask and pointer.
    All,
    /// Scores and pointer.
    Pointer,
    /// Nothing.
    Nothing,
}
