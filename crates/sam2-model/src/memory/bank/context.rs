//! Inputs of a memory policy that selects which stored frames are attended to.

use super::{FrameTime, MemoryBank, StoredOutput};

/// A selected spatial memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpatialMemory<'a> {
    pub output: &'a StoredOutput,
    /// Index of its temporal encoding: 0 for the newest memory, the last for prompted frames.
    pub slot: usize,
    /// Factor of its values.
    pub weight: f32,
}

/// The tracked frames among which a policy selects.
#[derive(Debug)]
pub(crate) struct RecallContext<'a> {
    pub bank: &'a MemoryBank,
    pub at: FrameTime,
    /// Number of memories besides those of prompted frames; also the temporal index of a prompted frame.
    pub slots: usize,
    pub stride: usize,
    /// Prompted frames beyond the limit on prompted frames; they may serve as recent ones.
    unselected: Vec<&'a (usize, StoredOutput)>,
}

impl<'a> RecallContext<'a> {
    /// The tracked frames of `bank`.
    pub fn new(bank: &'a MemoryBank, at: FrameTime, slots: usize, stride: usize) -> Self {
        Self { bank, at, slots, stride, unselected: Vec::new() }
    }

    /// Adds prompted frames that are not attended to as such.
    pub fn with_unselected(self, unselected: Vec<&'a (usize, StoredOutput)>) -> Self {
        Self { unselected, ..self }
    }

    /// The output of a tracked frame, or of an unselected prompted one.
    pub fn output(&self, frame: usize) -> Option<&'a StoredOutput> {
        let unselected = || self.unselected.iter().find(|(f, _)| *f == frame).map(|(_, output)| output);
        self.bank.non_cond.get(&frame).or_else(unselected)
    }
}
