//! Segmenting one image. Meta: `sam2/sam2_image_predictor.py`, class `SAM2ImagePredictor`.

use std::path::Path;
use std::sync::Arc;

use kernels::parallel;

use crate::error::{EmbeddingError, ImageError, PromptError};
use crate::mask_decoder::Gate;
use crate::model::Model;
use crate::prompt_encoder::ModelPoint;
use crate::tap::{NoTap, Tap};
use crate::transforms;
use crate::types::{FrameView, Mask};
use crate::workspace::Workspaces;

mod batch;
mod embedding;
mod prediction;
mod prompt;

pub use batch::ImageBatch;
pub use embedding::ImageEmbedding;
pub(crate) use prediction::LOGIT_LIMIT;
pub use prediction::Prediction;
pub use prompt::{ImageOptions, ImagePrompt, Multimask};

/// Segments one image at a time: [`ImagePredictor::set_image`] is slow, every [`ImagePredictor::predict`]
/// quick. Predictions borrow the predictor, so several threads can predict at once.
///
/// ```
/// use sam2_model::image::ImagePrompt;
/// use sam2_model::{Frame, ImagePredictor, Points};
///
/// let model = sam2_micro::model(); // or Model::open("sam2.1_hiera_tiny.pt")?
/// let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
/// let mut predictor = ImagePredictor::new(model);
/// predictor.set_image(&picture);
/// let prediction = predictor.predict(&Points::click(48.0, 32.0).into())?;
/// assert_eq!(prediction.len(), 3); // one click may mean a part or the whole
/// let best = prediction.best();
/// println!("{} pixels, predicted IoU {}", prediction.mask(best).area(), prediction.ious()[best]);
/// // The best mask, refined by a second click.
/// let prompt = ImagePrompt::from(Points::new().on(48.0, 32.0).off(90.0, 5.0));
/// let refined = predictor.predict(&prompt.mask_logits(prediction.low_res_mask(best).to_vec()))?;
/// assert_eq!(refined.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ImagePredictor {
    model: Arc<Model>,
    options: ImageOptions,
    workspaces: Workspaces,
    image: Option<Arc<ImageEmbedding>>,
}

/// Message of an `expect`.
const ALWAYS_DECODED: &str = "without thresholds masks are always decoded";

impl ImagePredictor {
    /// A predictor without an image.
    pub fn new(model: Arc<Model>) -> Self {
        Self { model, options: ImageOptions::default(), workspaces: Workspaces::default(), image: None }
    }

    /// As [`Self::new`], with options.
    ///
    /// ```
    /// use sam2_model::ImagePredictor;
    /// use sam2_model::image::ImageOptions;
    ///
    /// let options = ImageOptions::default().max_hole_area(8).max_sprinkle_area(8);
    /// let predictor = ImagePredictor::with_options(sam2_micro::model(), options)?;
    /// assert!(predictor.embedding().is_none()); // no image yet
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// If the threshold is not a finite number.
    pub fn with_options(model: Arc<Model>, options: ImageOptions) -> Result<Self, ImageError> {
        if !options.mask_threshold.is_finite() {
            return Err(ImageError::BadThreshold(options.mask_threshold));
        }
        Ok(Self { options, ..Self::new(model) })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Encodes `image`, a `&Frame` or a [`FrameView`], for later predictions.
    ///
    /// ```
    /// # use sam2_model::{FrameView, ImagePredictor, PixelFormat};
    /// # let mut predictor = ImagePredictor::new(sam2_micro::model());
    /// let pixels = vec![90; 96 * 64 * 3]; // of OpenCV
    /// predictor.set_image(FrameView::new(&pixels, 96, 64, PixelFormat::Bgr8)?);
    /// assert!(predictor.embedding().is_some());
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    pub fn set_image<'f>(&mut self, image: impl Into<FrameView<'f>>) {
        self.set_image_tapped(image, &mut NoTap);
    }

    /// Encodes `image`, for [`Self::set_embedding`] or [`Self::predict_on`]; the predictor keeps its own.
    pub fn encode<'f>(&self, image: impl Into<FrameView<'f>>) -> Arc<ImageEmbedding> {
        self.encode_tapped(image.into(), &mut NoTap)
    }

    /// [`Self::set_image`] with a tap on the intermediate results.
    pub fn set_image_tapped<'f>(&mut self, image: impl Into<FrameView<'f>>, tap: &mut dyn Tap) {
        self.image = Some(self.encode_tapped(image.into(), tap));
    }

    fn encode_tapped(&self, image: FrameView, tap: &mut dyn Tap) -> Arc<ImageEmbedding> {
        let side = self.model.config.image_size;
        let (features, image_embed) = self.workspaces.with(|workspace| {
            let mut run = self.model.run(workspace, tap);
            let mut pixels = run.take(side * side * 3);
            transforms::image(self.model.isa, image, side, &mut pixels);
            let features = self.model.image_encoder.forward(&mut run, pixels);
            let embed = self.model.without_memory(&mut run, &features.level2);
            let image_embed = embed.to_vec();
            run.give(embed);
            (features, image_embed)
        });
        let (width, height) = (image.width(), image.height());
        let fingerprint = self.model.fingerprint();
        let image = embedding::hash_of(image);
        Arc::new(ImageEmbedding { width, height, features, image_embed, fingerprint, image })
    }

    /// The encoded image, to reuse or to save.
    pub fn embedding(&self) -> Option<&Arc<ImageEmbedding>> {
        self.image.as_ref()
    }

    /// Sets an image that was encoded before, at no cost.
    ///
    /// ```
    /// # use sam2_model::{Frame, ImagePredictor};
    /// # let mut predictor = ImagePredictor::new(sam2_micro::model());
    /// # let first = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
    /// # let second = Frame::new(80, 80, vec![30; 80 * 80 * 3])?;
    /// let encoded = predictor.encode(&first);
    /// predictor.set_image(&second);
    /// predictor.set_embedding(encoded)?; // back to the first
    /// assert!(predictor.embedding().is_some_and(|image| image.is_of(&first)));
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// If another model encoded it.
    pub fn set_embedding(&mut self, embedding: Arc<ImageEmbedding>) -> Result<(), ImageError> {
        self.check_embedding(&embedding)?;
        self.image = Some(embedding);
        Ok(())
    }

    /// Writes the encoded image into a safetensors file; see [`ImageEmbedding::save`].
    ///
    /// ```
    /// # use sam2_model::{Frame, ImagePredictor};
    /// # let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
    /// # let mut predictor = ImagePredictor::new(sam2_micro::model());
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("photo.safetensors");
    /// predictor.set_image(&picture);
    /// predictor.save_embeddings(&path)?;
    ///
    /// let mut later = ImagePredictor::new(sam2_micro::model()); // in another process
    /// later.load_embeddings(&path)?;
    /// assert!(later.embedding().is_some_and(|image| image.is_of(&picture)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If no image was set, or the file cannot be written.
    pub fn save_embeddings(&self, path: impl AsRef<Path>) -> Result<(), EmbeddingError> {
        let path = path.as_ref();
        let image = self.image.as_ref().ok_or_else(|| EmbeddingError::NoImage(path.to_owned()))?;
        image.save(path, &self.model)
    }

    /// Sets an image from saved embeddings. Predictions have the same bits as with the image itself.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or is of another model.
    pub fn load_embeddings(&mut self, path: impl AsRef<Path>) -> Result<(), EmbeddingError> {
        self.image = Some(Arc::new(ImageEmbedding::load(path, &self.model)?));
        Ok(())
    }

    /// Masks for `prompt`, as many as [`ImagePrompt::multimask`] says.
    ///
    /// ```
    /// # use sam2_model::{Frame, ImagePredictor, Points};
    /// # let mut predictor = ImagePredictor::new(sam2_micro::model());
    /// # predictor.set_image(&Frame::new(96, 64, vec![90; 96 * 64 * 3])?);
    /// let prediction = predictor.predict(&Points::bbox(20.0, 10.0, 70.0, 55.0).into())?;
    /// assert_eq!(prediction.len(), 1); // a box is not ambiguous
    /// let mask = prediction.mask(0);
    /// assert_eq!((mask.width(), mask.height()), (96, 64));
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// If no image was set, or the prompt is empty, outside the image or malformed.
    pub fn predict(&self, prompt: &ImagePrompt) -> Result<Prediction, ImageError> {
        self.predict_tapped(prompt, &mut NoTap)
    }

    /// [`Self::predict`] for an image that was encoded before, instead of the one that was set.
    ///
    /// ```
    /// # use sam2_model::{Frame, ImagePredictor, Points};
    /// # let predictor = ImagePredictor::new(sam2_micro::model());
    /// # let left = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
    /// # let right = Frame::new(96, 64, vec![30; 96 * 64 * 3])?;
    /// let images = [predictor.encode(&left), predictor.encode(&right)];
    /// for image in &images {
    ///     let prediction = predictor.predict_on(image, &Points::click(48.0, 32.0).into())?;
    ///     println!("{} pixels", prediction.mask(prediction.best()).area());
    /// }
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::predict`], and if another model encoded the image.
    pub fn predict_on(&self, image: &ImageEmbedding, prompt: &ImagePrompt) -> Result<Prediction, ImageError> {
        self.check_embedding(image)?;
        Ok(self.decode(image, prompt, &Gate::default(), &mut NoTap)?.expect(ALWAYS_DECODED))
    }

    /// [`Self::predict`] for several prompts, for instance [`ImagePrompt::boxes`], decoded in parallel.
    ///
    /// ```
    /// use sam2_model::image::ImagePrompt;
    /// # use sam2_model::{Frame, ImagePredictor};
    /// # let mut predictor = ImagePredictor::new(sam2_micro::model());
    /// # predictor.set_image(&Frame::new(96, 64, vec![90; 96 * 64 * 3])?);
    ///
    /// let boxes = [[10.0, 10.0, 40.0, 50.0], [50.0, 10.0, 90.0, 50.0]]; // of a detector
    /// let predictions = predictor.predict_batch(&ImagePrompt::boxes(&boxes))?;
    /// assert_eq!(predictions.len(), 2);
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::predict`], for the first prompt that cannot be used; all are checked before the first is
    /// decoded.
    pub fn predict_batch(&self, prompts: &[ImagePrompt]) -> Result<Vec<Prediction>, ImageError> {
        self.batch(self.image()?, prompts)
    }

    /// [`Self::predict_batch`] for an image that was encoded before, instead of the one that was set.
    ///
    /// ```
    /// use sam2_model::image::ImagePrompt;
    /// # use sam2_model::{Frame, ImagePredictor};
    /// # let predictor = ImagePredictor::new(sam2_micro::model());
    /// # let photo = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
    ///
    /// let image = predictor.encode(&photo);
    /// let boxes = [[10.0, 10.0, 40.0, 50.0], [50.0, 10.0, 90.0, 50.0]]; // of a detector
    /// assert_eq!(predictor.predict_batch_on(&image, &ImagePrompt::boxes(&boxes))?.len(), 2);
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::predict_batch`], and if another model encoded the image.
    pub fn predict_batch_on(
        &self,
        image: &ImageEmbedding,
        prompts: &[ImagePrompt],
    ) -> Result<Vec<Prediction>, ImageError> {
        self.check_embedding(image)?;
        self.batch(image, prompts)
    }

    fn batch(&self, image: &ImageEmbedding, prompts: &[ImagePrompt]) -> Result<Vec<Prediction>, ImageError> {
        prompts.iter().try_for_each(|prompt| self.check(image, prompt).map(drop))?;
        let answer = |i: usize| self.decode(image, &prompts[i], &Gate::default(), &mut NoTap);
        let predictions = parallel::map_large(prompts.len(), answer);
        predictions.into_iter().map(|prediction| Ok(prediction?.expect(ALWAYS_DECODED))).collect()
    }

    /// [`Self::predict`] with a tap on the intermediate results.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn predict_tapped(&self, prompt: &ImagePrompt, tap: &mut dyn Tap) -> Result<Prediction, ImageError> {
        Ok(self.decode(self.image()?, prompt, &Gate::default(), tap)?.expect(ALWAYS_DECODED))
    }

    /// [`Self::predict`], or `None` if no predicted IoU exceeds `min_iou`.
    pub(crate) fn predict_above(
        &self,
        prompt: &ImagePrompt,
        min_iou: f32,
    ) -> Result<Option<Prediction>, ImageError> {
        self.decode(self.image()?, prompt, &Gate { min_iou, ..Gate::default() }, &mut NoTap)
    }

    fn image(&self) -> Result<&ImageEmbedding, ImageError> {
        self.image.as_deref().ok_or(ImageError::NoImage)
    }

    fn check_embedding(&self, image: &ImageEmbedding) -> Result<(), ImageError> {
        if image.fingerprint == self.model.fingerprint() { Ok(()) } else { Err(ImageError::OtherModel) }
    }

    /// Validates a prompt and converts its points to model coordinates.
    fn check(&self, image: &ImageEmbedding, prompt: &ImagePrompt) -> Result<Vec<ModelPoint>, ImageError> {
        if prompt.points.is_empty() && prompt.mask_logits.is_none() {
            return Err(PromptError::Empty.into());
        }
        if let Some(logits) = &prompt.mask_logits {
            let (side, found) = (self.model.low_res_size(), logits.len());
            if found != side * side {
                return Err(PromptError::BadMaskLogits(format!(
                    "needs {side}x{side} logits, got {found} values"
                ))
                .into());
            }
            if !logits.iter().all(|x| x.is_finite()) {
                return Err(PromptError::BadMaskLogits("the logits are not all finite numbers".into()).into());
            }
        }
        let mut points =
            transforms::points(&prompt.points, 0, (image.width, image.height), self.model.config.image_size)?;
        if !points.is_empty() {
            points.push(ModelPoint::PADDING);
        }
        Ok(points)
    }

    fn decode(
        &self,
        image: &ImageEmbedding,
        prompt: &ImagePrompt,
        gate: &Gate,
        tap: &mut dyn Tap,
    ) -> Result<Option<Prediction>, ImageError> {
        let points = self.check(image, prompt)?;
        let model = &self.model;
        let mask = prompt.mask_logits.as_deref();
        let decoded = self.workspaces.with(|workspace| {
            let run = &mut model.run(workspace, tap);
            model.decode(run, &image.image_embed, &image.features, &points, mask, gate)
        });
        if decoded.masks.is_empty() {
            return Ok(None);
        }
        let selected = decoded.select(prompt.is_multimask(), &model.config.dynamic_multimask);
        let size = (image.width, image.height);
        Ok(Some(Prediction::new(model, self.options, size, selected, decoded.object_score)))
    }
}

impl Model {
    /// Logits of a given mask, `[s, s]` with s = [`Model::low_res_size`], for [`ImagePrompt::mask_logits`]:
    /// +10 inside and −10 outside, resized with antialiasing. The model was trained on its own logits, so
    /// such a mask works best together with a point or a box.
    ///
    /// ```
    /// use sam2_model::image::ImagePrompt;
    /// # use sam2_model::{Frame, ImagePredictor, Mask, Points};
    /// # let mut predictor = ImagePredictor::new(sam2_micro::model());
    /// # predictor.set_image(&Frame::new(96, 64, vec![90; 96 * 64 * 3])?);
    ///
    /// let rough = Mask::new(96, 64, (0..96 * 64).map(|i| i % 96 < 48).collect())?; // the left half
    /// let logits = predictor.model().mask_logits(&rough);
    /// let prompt = ImagePrompt::from(Points::click(20.0, 32.0)).mask_logits(logits);
    /// assert_eq!(predictor.predict(&prompt)?.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mask_logits(&self, mask: &Mask) -> Vec<f32> {
        mask.to_logits(self.isa, self.low_res_size())
    }
}
