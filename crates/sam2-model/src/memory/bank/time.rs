//! A frame's place in a pass over a video.

/// Order in which a pass visits frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From a frame to later ones.
    #[default]
    Forward,
    /// From a frame to earlier ones.
    Reverse,
}

/// A frame in a pass over a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameTime {
    pub frame: usize,
    /// Frames of the video: short ones use fewer object pointers.
    pub num_frames: usize,
    pub direction: Direction,
}

impl FrameTime {
    /// The frame that the pass visited `distance` frames before this one.
    pub fn ago(&self, distance: usize) -> Option<usize> {
        match self.direction {
            Direction::Forward => self.frame.checked_sub(distance),
            Direction::Reverse => self.frame.checked_add(distance).filter(|&f| f < self.num_frames),
        }
    }

    /// Distance from `frame` to this one along the pass; negative if the pass has not reached `frame`.
    pub fn since(&self, frame: usize) -> i64 {
        let (a, b) = (self.frame as i64, frame as i64);
        match self.direction {
            Direction::Forward => a - b,
            Direction::Reverse => b - a,
        }
    }

    /// The frame in slot `back` (1 is the newest) of the recent memories. Only every `stride`-th frame has a
    /// slot, plus the frame just before this one.
    pub fn recent(&self, back: usize, stride: usize) -> Option<usize> {
        if back == 1 || stride == 1 {
            return self.ago(back);
        }
        let (frame, back, stride) = (self.frame as i64, back as i64, stride as i64);
        let found = match self.direction {
            Direction::Forward => (frame - 2).div_euclid(stride) * stride - (back - 2) * stride,
            Direction::Reverse => -(-(frame + 2)).div_euclid(stride) * stride + (back - 2) * stride,
        };
        usize::try_from(found).ok().filter(|&f| f < self.num_frames)
    }
}
