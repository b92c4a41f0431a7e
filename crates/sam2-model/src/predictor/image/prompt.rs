//! The prompts of the image predictor, and its options.

use crate::types::{Points, setters};

/// Options of the masks, with Meta's names.
///
/// ```
/// use sam2_model::image::ImageOptions;
///
/// let options = ImageOptions::default().max_hole_area(8);
/// assert_eq!(options.max_hole_area, 8);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ImageOptions {
    /// Logits above this are inside a mask.
    pub mask_threshold: f32,
    /// Holes of at most this many pixels of the low-resolution logits, a quarter of the model's input a side,
    /// are filled; 0 fills none. Meta's code does this on GPUs only.
    pub max_hole_area: usize,
    /// Likewise, specks of at most this many pixels are removed.
    pub max_sprinkle_area: usize,
}

setters! { ImageOptions { mask_threshold: f32, max_hole_area: usize, max_sprinkle_area: usize } }

/// Number of masks per prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Multimask {
    /// [`Self::Three`] for one click without box or mask, which may mean a part or the whole, else
    /// [`Self::One`].
    #[default]
    Auto,
    /// Three candidates of different sizes. Meta: `multimask_output=True`.
    Three,
    /// The decoder's single mask, or the best candidate where it is unstable. Meta: `multimask_output=False`.
    One,
}

/// The object to segment.
///
/// ```
/// use sam2_model::image::{ImagePrompt, Multimask};
/// use sam2_model::Points;
///
/// let prompt = ImagePrompt::from(Points::click(120.0, 80.0)).multimask(Multimask::One);
/// assert!(prompt.mask_logits.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ImagePrompt {
    /// Clicks and a box.
    pub points: Points,
    /// Mask prompt: logits `[s, s]` of an earlier prediction, see
    /// [`Prediction::low_res_mask`](super::Prediction::low_res_mask), or of a given mask, see
    /// [`Model::mask_logits`](crate::Model::mask_logits).
    pub mask_logits: Option<Vec<f32>>,
    /// Number of masks in the prediction.
    pub multimask: Multimask,
}

setters! { ImagePrompt { points: Points, mask_logits: impl Into<Option<Vec<f32>>>, multimask: Multimask } }

impl ImagePrompt {
    /// One prompt per box, `[x0, y0, x1, y1]` each, for
    /// [`ImagePredictor::predict_batch`](super::ImagePredictor::predict_batch).
    ///
    /// ```
    /// use sam2_model::image::ImagePrompt;
    ///
    /// assert_eq!(ImagePrompt::boxes(&[[0.0, 0.0, 9.0, 9.0], [5.0, 5.0, 20.0, 20.0]]).len(), 2);
    /// ```
    pub fn boxes(boxes: &[[f32; 4]]) -> Vec<Self> {
        boxes.iter().map(|&corners| Points::new().within(corners).into()).collect()
    }

    /// Whether three masks are predicted.
    pub(super) fn is_multimask(&self) -> bool {
        match self.multimask {
            Multimask::Auto => {
                self.points.len() == 1 && self.points.corners().is_none() && self.mask_logits.is_none()
            }
            Multimask::Three => true,
            Multimask::One => false,
        }
    }
}

impl From<Points> for ImagePrompt {
    fn from(points: Points) -> Self {
        Self { points, ..Self::default() }
    }
}
