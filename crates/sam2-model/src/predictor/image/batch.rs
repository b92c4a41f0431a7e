//! Batches of images. Meta: `SAM2ImagePredictor.set_image_batch` and `predict_batch`.

use std::sync::Arc;

use super::{ImageEmbedding, ImageOptions, ImagePredictor, ImagePrompt, Prediction};
use crate::error::ImageError;
use crate::model::Model;
use crate::types::FrameView;

/// Encoded images of any sizes, ready for prompts. An image takes 20 MB with the published models.
///
/// ```
/// use sam2_model::image::{ImageBatch, ImageOptions};
/// use sam2_model::{Frame, Points};
///
/// # let left = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
/// # let right = Frame::new(80, 80, vec![30; 80 * 80 * 3])?;
/// let batch = ImageBatch::new(sam2_micro::model(), ImageOptions::default(), [&left, &right])?;
/// assert_eq!(batch.images()[1].width(), 80);
/// let click = vec![Points::click(40.0, 30.0).into()];
/// assert_eq!(batch.predict(0, &click)?.len(), 1); // about the first image
/// assert_eq!(batch.predict_all(&[click, Vec::new()])?[0].len(), 1);
/// # Ok::<(), sam2_model::error::ImageError>(())
/// ```
#[derive(Debug)]
pub struct ImageBatch {
    predictor: ImagePredictor,
    images: Vec<Arc<ImageEmbedding>>,
}

impl ImageBatch {
    /// Encodes all images, `&Frame` or [`FrameView`] each.
    ///
    /// # Errors
    /// As [`ImagePredictor::with_options`].
    pub fn new<'f, F: Into<FrameView<'f>>>(
        model: Arc<Model>,
        options: ImageOptions,
        images: impl IntoIterator<Item = F>,
    ) -> Result<Self, ImageError> {
        let predictor = ImagePredictor::with_options(model, options)?;
        let images = images.into_iter().map(|image| predictor.encode(image)).collect();
        Ok(Self { predictor, images })
    }

    /// The images.
    pub fn images(&self) -> &[Arc<ImageEmbedding>] {
        &self.images
    }

    /// Masks for several prompts about image `index`; see [`ImagePredictor::predict_batch`].
    ///
    /// # Errors
    /// As [`ImagePredictor::predict_batch`].
    ///
    /// # Panics
    /// If there is no image `index`.
    pub fn predict(&self, index: usize, prompts: &[ImagePrompt]) -> Result<Vec<Prediction>, ImageError> {
        self.predictor.batch(&self.images[index], prompts)
    }

    /// Masks for the prompts of all images: `prompts[i]` are about image `i`.
    ///
    /// # Errors
    /// If there are not as many lists of prompts as images, or as [`Self::predict`].
    pub fn predict_all(&self, prompts: &[Vec<ImagePrompt>]) -> Result<Vec<Vec<Prediction>>, ImageError> {
        let images = self.images.len();
        if prompts.len() != images {
            return Err(ImageError::BatchSize { images, prompts: prompts.len() });
        }
        (0..images).map(|i| self.predict(i, &prompts[i])).collect()
    }
}
