//! Videos: frames and prompts out of order, objects without prompts.

use super::PromptError;

/// A frame or a prompt of a video cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VideoError {
    /// A frame of another size than the video.
    #[error("frame {frame_idx} is {found:?} pixels (width, height), the video {expected:?}")]
    FrameMismatch {
        /// Index of the frame.
        frame_idx: usize,
        /// Width and height.
        expected: (usize, usize),
        /// Width and height.
        found: (usize, usize),
    },
    /// A frame index past the end of the video.
    #[error("frame {frame_idx} is past the end of the video ({num_frames} frames)")]
    FrameIndex {
        /// Requested.
        frame_idx: usize,
        /// Frames of the video.
        num_frames: usize,
    },
    /// An object whose prompts were all cleared.
    #[error("object {0} has no prompt; add a point, box or mask, or remove the object")]
    Unprompted(u32),
    /// A prompt in a stream before its first frame.
    #[error("give a frame first")]
    NoFrame,
    /// A box after clicks on the same frame.
    #[error("a box must come before clicks on the same frame; give it together with them")]
    LateBox,
    /// A limit on prompted frames below 2.
    #[error("max_cond_frames_in_attn is {0}, at least 2 are needed")]
    TooFewFrames(usize),
    /// Tracking without an object.
    #[error("no object to track; add a point, box or mask first")]
    NoObject,
    /// Frames must come in order.
    #[error("frame {found} was given where frame {expected} is next")]
    FrameOrder {
        /// Next frame.
        expected: usize,
        /// Given.
        found: usize,
    },
    /// An empty video.
    #[error("a video needs at least one frame of at least one pixel")]
    EmptyVideo,
    /// The prompt itself cannot be used.
    #[error(transparent)]
    Prompt(#[from] PromptError),
}
