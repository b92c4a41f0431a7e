//! The frames of a pass.

use std::ops::Range;

use crate::memory::bank::Direction;

/// The frames of a pass over a video, in their order; see
/// [`VideoPredictor::begin`](super::VideoPredictor::begin).
#[derive(Clone, Debug)]
pub struct TrackRange {
    pub(super) frames: Range<usize>,
    pub(super) direction: Direction,
}

impl Iterator for TrackRange {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self.direction {
            Direction::Forward => self.frames.next(),
            Direction::Reverse => self.frames.next_back(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.frames.size_hint()
    }
}
