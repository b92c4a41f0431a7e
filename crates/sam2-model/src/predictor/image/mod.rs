//! Segmenting one image. Meta: `sam2/sam2_image_predictor.py`, class `SAM2ImagePredictor`.

use std::path::Path;
use std::sync::Arc;

use kernels::parallel;

use crate::error::{EmbeddingError, PromptError};
use crate::mask_decoder::Gate;
use crate::model::Model;
use crate::prompt_encoder::ModelPoint;
use crate::tap::{NoTap, Tap};
use crate::transforms;
use crate::types::{Frame, Points};
use crate::workspace::Workspaces;

mod batch;
mod embedding;
mod prediction;

pub use batch::ImageBatch;
pub use embedding::ImageEmbedding;
pub(crate) use prediction::LOGIT_LIMIT;
pub use prediction::Prediction;

/// What is done to the masks, under the names that Meta gives the parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ImageOptions {
    /// Logits above this are inside a mask.
    pub mask_threshold: f32,
    /// Holes of at most this many pixels of the low-resolution logits, a quarter of the model's input a side, are filled; 0
    /// fills none. Meta's code does this on GPUs only.
    pub max_hole_area: usize,
    /// Likewise, specks of at most this many pixels are removed.
    pub max_sprinkle_area: usize,
}

/// What to segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImagePrompt {
    /// Clicks and a box.
    pub points: Points,
    /// Logits of an earlier prediction, `[s, s]` with s = [`Model::low_res_size`], to refine.
    pub mask_logits: Option<Vec<f32>>,
}

impl ImagePrompt {
    /// One prompt per box, `[x0, y0, x1, y1]` each, for [`ImagePredictor::predict_batch`].
    pub fn boxes(boxes: &[[f32; 4]]) -> Vec<Self> {
        let prompt = |&[x0, y0, x1, y1]: &[f32; 4]| Points::bbox(x0, y0, x1, y1).into();
        boxes.iter().map(prompt).collect()
    }
}

impl From<Points> for ImagePrompt {
    fn from(points: Points) -> Self {
        Self { points, mask_logits: None }
    }
}

/// Segments one image at a time: [`ImagePredictor::set_image`] is slow, every [`ImagePredictor::predict`] quick.
#[derive(Debug)]
pub struct ImagePredictor {
    model: Arc<Model>,
    options: ImageOptions,
    workspaces: Workspaces,
    image: Option<Arc<ImageEmbedding>>,
}

/// Why a prediction is there.
const FORMED: &str = "without conditions masks are always formed";

impl ImagePredictor {
    /// A predictor without an image.
    pub fn new(model: Arc<Model>) -> Self {
        Self { model, options: ImageOptions::default(), workspaces: Workspaces::default(), image: None }
    }

    /// As [`Self::new`], with masks made in another way.
    ///
    /// # Errors
    /// If the threshold is not a finite number.
    pub fn with_options(model: Arc<Model>, options: ImageOptions) -> Result<Self, PromptError> {
        if !options.mask_threshold.is_finite() {
            return Err(PromptError::BadThreshold(options.mask_threshold));
        }
        Ok(Self { options, ..Self::new(model) })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Encodes `image`; later predictions are about it.
    pub fn set_image(&mut self, image: &Frame) {
        self.set_image_tapped(image, &mut NoTap);
    }

    /// Encodes `image`, for [`Self::set_embedding`]; the predictor stays with its own.
    pub fn encode(&mut self, image: &Frame) -> Arc<ImageEmbedding> {
        self.encode_tapped(image, &mut NoTap)
    }

    /// [`Self::set_image`] with a tap on the intermediate results.
    pub fn set_image_tapped(&mut self, image: &Frame, tap: &mut dyn Tap) {
        self.image = Some(self.encode_tapped(image, tap));
    }

    fn encode_tapped(&mut self, image: &Frame, tap: &mut dyn Tap) -> Arc<ImageEmbedding> {
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

    /// What the model knows of the image: to come back to it later, or to save it.
    pub fn embedding(&self) -> Option<&Arc<ImageEmbedding>> {
        self.image.as_ref()
    }

    /// Goes back to an image that was encoded before; costs nothing.
    ///
    /// # Errors
    /// If another model encoded it.
    pub fn set_embedding(&mut self, embedding: Arc<ImageEmbedding>) -> Result<(), PromptError> {
        if embedding.fingerprint != self.model.fingerprint() {
            return Err(PromptError::OtherModel);
        }
        self.image = Some(embedding);
        Ok(())
    }

    /// Writes what the model knows of the image into a safetensors file; see [`ImageEmbedding::save`].
    ///
    /// # Errors
    /// If no image was set, or the file cannot be written.
    pub fn save_embeddings(&self, path: &Path) -> Result<(), EmbeddingError> {
        let image = self.image.as_ref().ok_or_else(|| EmbeddingError::Io {
            path: path.to_owned(),
            source: std::io::Error::other("set an image first"),
        })?;
        image.save(path, &self.model)
    }

    /// Goes back to an image whose embeddings were saved. Predictions have the same bits as with the image itself.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or is of another model.
    pub fn load_embeddings(&mut self, path: &Path) -> Result<(), EmbeddingError> {
        self.image = Some(Arc::new(ImageEmbedding::load(path, &self.model)?));
        Ok(())
    }

    /// Masks for `prompt`: three candidates with `multimask`, for prompts that may mean several things, else one.
    ///
    /// # Errors
    /// If no image was set, or the prompt is empty, off the image or malformed.
    pub fn predict(&mut self, prompt: &ImagePrompt, multimask: bool) -> Result<Prediction, PromptError> {
        self.predict_tapped(prompt, multimask, &mut NoTap)
    }

    /// [`Self::predict`] for several prompts about the image, for instance [`ImagePrompt::boxes`]; they are answered in parallel.
    ///
    /// # Errors
    /// As [`Self::predict`], for the first prompt that cannot be used; all are checked before the first is answered.
    pub fn predict_batch(
        &mut self,
        prompts: &[ImagePrompt],
        multimask: bool,
    ) -> Result<Vec<Prediction>, PromptError> {
        prompts.iter().try_for_each(|prompt| self.check(prompt).map(drop))?;
        let answer = |i: usize| self.decode(&prompts[i], multimask, &Gate::default(), &mut NoTap);
        let predictions = parallel::map_large(prompts.len(), answer);
        predictions.into_iter().map(|prediction| Ok(prediction?.expect(FORMED))).collect()
    }

    /// [`Self::predict`] with a tap on the intermediate results.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn predict_tapped(
        &mut self,
        prompt: &ImagePrompt,
        multimask: bool,
        tap: &mut dyn Tap,
    ) -> Result<Prediction, PromptError> {
        Ok(self.decode(prompt, multimask, &Gate::default(), tap)?.expect(FORMED))
    }

    /// [`Self::predict`], or nothing if no estimate of a mask's IoU exceeds `least_iou`.
    pub(crate) fn predict_above(
        &self,
        prompt: &ImagePrompt,
        multimask: bool,
        least_iou: f32,
    ) -> Result<Option<Prediction>, PromptError> {
        self.decode(prompt, multimask, &Gate { least_iou, ..Gate::default() }, &mut NoTap)
    }

    /// The points of a prompt as the prompt encoder takes them, if the prompt can be used.
    fn check(&self, prompt: &ImagePrompt) -> Result<Vec<ModelPoint>, PromptError> {
        let image = self.image.as_ref().ok_or(PromptError::NoImage)?;
        if prompt.points.is_empty() && prompt.mask_logits.is_none() {
            return Err(PromptError::Empty);
        }
        if let Some(logits) = &prompt.mask_logits {
            let (side, found) = (self.model.low_res_size(), logits.len());
            if found != side * side {
                return Err(PromptError::BadMaskLogits(format!(
                    "needs {side}x{side} logits, got {found} values"
                )));
            }
            if !logits.iter().all(|x| x.is_finite()) {
                return Err(PromptError::BadMaskLogits("the logits are not all finite numbers".into()));
            }
        }
        let mut points =
            transforms::points(&prompt.points, (image.width, image.height), self.model.config.image_size)?;
        if !points.is_empty() {
            points.push(ModelPoint::PADDING);
        }
        Ok(points)
    }

    fn decode(
        &self,
        prompt: &ImagePrompt,
        multimask: bool,
        gate: &Gate,
        tap: &mut dyn Tap,
    ) -> Result<Option<Prediction>, PromptError> {
        let points = self.check(prompt)?;
        let (model, image) = (&self.model, self.image.as_ref().ok_or(PromptError::NoImage)?);
        let mask = prompt.mask_logits.as_deref();
        let decoded = self.workspaces.with(|workspace| {
            let run = &mut model.run(workspace, tap);
            model.decode(run, &image.image_embed, &image.features, &points, mask, gate)
        });
        if decoded.masks.is_empty() {
            return Ok(None);
        }
        let selected = decoded.select(multimask);
        let size = (image.width, image.height);
        Ok(Some(Prediction::new(model, self.options, size, selected, decoded.object_score)))
    }
}
