//! The masks of one prompt.

use sam2_media::prompts::{BoxPrompt, Click};
use sam2_model::Mask;
use sam2_model::image::Prediction;

/// The masks of one prompt.
pub struct Answer {
    /// In pixels.
    pub clicks: Vec<Click>,
    /// In pixels.
    pub bbox: Option<BoxPrompt>,
    pub prediction: Prediction,
    pub masks: Vec<Mask>,
}

impl Answer {
    /// The mask with the highest predicted IoU.
    pub fn best(&self) -> &Mask {
        &self.masks[self.prediction.best()]
    }
}
