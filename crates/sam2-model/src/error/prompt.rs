//! Prompts that cannot be used.

/// A click, box or mask cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// A coordinate that is not a number or outside the image.
    #[error("({x}, {y}) is not on the image of {width}x{height} pixels")]
    OutsideImage {
        /// Pixels.
        x: f32,
        /// Pixels.
        y: f32,
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
    },
    /// A box whose corners are not top left and bottom right.
    #[error("box {0:?} is empty or inverted; give x0,y0,x1,y1 with x0 < x1 and y0 < y1")]
    BadBox([f32; 4]),
    /// A label without a meaning.
    #[error("label {0} is unknown: 1 is on the object, 0 off it, 2 and 3 corners of a box, -1 padding")]
    BadLabel(i32),
    /// The numbers of points and labels differ.
    #[error("{points} points but {labels} labels")]
    LabelCount {
        /// Points.
        points: usize,
        /// Labels.
        labels: usize,
    },
    /// More points than a prompt may have.
    #[error("{points} points for one object on one image; at most {most} are taken")]
    TooManyPoints {
        /// Points, with earlier ones that they are added to.
        points: usize,
        /// [`Points::MAX`](crate::types::Points::MAX).
        most: usize,
    },
    /// A prompt without a point, box or mask.
    #[error("no point, box or mask given")]
    Empty,
    /// Mask logits of another size than the model's, or not finite.
    #[error("mask prompt: {0}")]
    BadMaskLogits(String),
    /// A mask of another size than the frame.
    #[error("the mask is {found:?} pixels (width, height), the frame {expected:?}")]
    MaskSize {
        /// Width and height.
        expected: (usize, usize),
        /// Width and height.
        found: (usize, usize),
    },
}
