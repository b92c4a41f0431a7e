//! Segmenting one image. Meta: `sam2/sam2_image_predictor.py`, class `SAM2ImagePredictor`.

use std::sync::Arc;

use kernels::image::resize_bilinear;
use tensor::Tensor;

use super::mask::Mask;
use super::prompt::{Frame, Points};
use crate::error::PromptError;
use crate::image_encoder::Features;
use crate::mask_decoder::{argmax, stability_score};
use crate::model::Model;
use crate::prompt_encoder::ModelPoint;
use crate::tap::{NoTap, Tap};
use crate::transforms;
use crate::workspace::Workspace;

/// Logits are returned and fed back within this range.
pub(crate) const LOGIT_LIMIT: f32 = 32.0;
/// Offset of the stability score that is reported.
const STABILITY_OFFSET: f32 = 1.0;

/// What to segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImagePrompt {
    /// Clicks and a box.
    pub points: Points,
    /// Logits of an earlier prediction, `[s, s]` with s = [`Model::low_res_size`], to refine.
    pub mask_logits: Option<Vec<f32>>,
}

/// Segments one image at a time: [`ImagePredictor::set_image`] is slow, every [`ImagePredictor::predict`] quick.
#[derive(Debug)]
pub struct ImagePredictor {
    model: Arc<Model>,
    workspace: Workspace,
    image: Option<EncodedImage>,
}

#[derive(Debug)]
struct EncodedImage {
    width: usize,
    height: usize,
    features: Features,
    /// Level 2 with the embedding of "no memory".
    image_embed: Vec<f32>,
}

/// The masks that answer one prompt.
#[derive(Clone, Debug)]
pub struct Prediction {
    model: Arc<Model>,
    width: usize,
    height: usize,
    ious: Vec<f32>,
    object_score: f32,
    /// `[K, s, s]`, before clamping: masks are made from these.
    logits: Vec<f32>,
    low_res: Tensor,
}

impl ImagePredictor {
    /// A predictor without an image.
    pub fn new(model: Arc<Model>) -> Self {
        Self { model, workspace: Workspace::default(), image: None }
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Encodes `image`; later predictions are about it.
    pub fn set_image(&mut self, image: &Frame) {
        self.set_image_tapped(image, &mut NoTap);
    }

    /// [`Self::set_image`] with a tap on the intermediate results.
    pub fn set_image_tapped(&mut self, image: &Frame, tap: &mut dyn Tap) {
        let input = transforms::image(self.model.isa, image, self.model.config.image_size);
        let features = self.model.encode(&mut self.workspace, tap, &input);
        let mut run = self.model.run(&mut self.workspace, tap);
        let image_embed = self.model.without_memory(&mut run, &features.level2);
        self.image =
            Some(EncodedImage { width: image.width(), height: image.height(), features, image_embed });
    }

    /// Masks for `prompt`: three candidates with `multimask`, for prompts that may mean several things, else one.
    ///
    /// # Errors
    /// If no image was set, or the prompt is empty, off the image or malformed.
    pub fn predict(&mut self, prompt: &ImagePrompt, multimask: bool) -> Result<Prediction, PromptError> {
        self.predict_tapped(prompt, multimask, &mut NoTap)
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
        let prediction = self.decode(prompt, multimask, f32::NEG_INFINITY, tap)?;
        Ok(prediction.expect("no estimate is at most minus infinity"))
    }

    /// [`Self::predict`], or nothing if no estimate of a mask's IoU exceeds `least_iou`.
    pub(crate) fn predict_above(
        &mut self,
        prompt: &ImagePrompt,
        multimask: bool,
        least_iou: f32,
    ) -> Result<Option<Prediction>, PromptError> {
        self.decode(prompt, multimask, least_iou, &mut NoTap)
    }

    fn decode(
        &mut self,
        prompt: &ImagePrompt,
        multimask: bool,
        least_iou: f32,
        tap: &mut dyn Tap,
    ) -> Result<Option<Prediction>, PromptError> {
        let model = &self.model;
        let image = self.image.as_ref().ok_or(PromptError::NoImage)?;
        if prompt.points.is_empty() && prompt.mask_logits.is_none() {
            return Err(PromptError::Empty);
        }
        let side = model.low_res_size();
        if let Some(logits) = &prompt.mask_logits {
            if logits.len() != side * side {
                let found = logits.len();
                return Err(PromptError::BadMaskLogits(format!(
                    "needs {side}x{side} logits, got {found} values"
                )));
            }
            if !logits.iter().all(|x| x.is_finite()) {
                return Err(PromptError::BadMaskLogits("the logits are not all finite numbers".into()));
            }
        }
        let mut points = prompt.points.to_model(image.width, image.height, model.config.image_size)?;
        if !points.is_empty() {
            points.push(ModelPoint::PADDING);
        }
        let mut run = model.run(&mut self.workspace, tap);
        let mask = prompt.mask_logits.as_deref();
        let decoded = model.decode(&mut run, &image.image_embed, &image.features, &points, mask, least_iou);
        if decoded.masks.is_empty() {
            return Ok(None);
        }
        let selected = decoded.select(multimask);
        let clamped = selected.masks.iter().map(|x| x.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)).collect();
        Ok(Some(Prediction {
            model: Arc::clone(model),
            width: image.width,
            height: image.height,
            low_res: Tensor::from_vec(&[selected.ious.len(), side, side], clamped),
            ious: selected.ious,
            object_score: decoded.object_score,
            logits: selected.masks,
        }))
    }
}

impl Prediction {
    /// Number of masks.
    pub fn len(&self) -> usize {
        self.ious.len()
    }

    /// Never: there is at least one mask.
    pub fn is_empty(&self) -> bool {
        self.ious.is_empty()
    }

    /// The model's own estimate of each mask's IoU with the object, 0 ..= 1.
    pub fn ious(&self) -> &[f32] {
        &self.ious
    }

    /// Index of the mask with the best estimate.
    pub fn best(&self) -> usize {
        argmax(&self.ious)
    }

    /// Logit of there being an object at all.
    pub fn object_score(&self) -> f32 {
        self.object_score
    }

    /// `[K, s, s]` logits within ±32, as Meta's predictor returns them; a later prompt can refine one of them.
    pub fn low_res(&self) -> &Tensor {
        &self.low_res
    }

    /// Logits of mask `k` at the size of the image, row-major.
    ///
    /// # Panics
    /// If there is no mask `k`.
    pub fn mask_logits(&self, k: usize) -> Vec<f32> {
        let side = self.model.low_res_size();
        let logits = &self.logits[k * side * side..(k + 1) * side * side];
        resize_bilinear(self.model.isa, logits, (side, side), 1, (self.height, self.width))
    }

    /// Mask `k` at the size of the image.
    ///
    /// # Panics
    /// If there is no mask `k`.
    pub fn mask(&self, k: usize) -> Mask {
        Mask::above(&self.mask_logits(k), self.width, self.height, 0.0)
    }

    /// How little mask `k` changes when its threshold moves by ±1, 0 ..= 1, at the size of the image.
    ///
    /// # Panics
    /// If there is no mask `k`.
    pub fn stability_score(&self, k: usize) -> f32 {
        stability_score(&self.mask_logits(k), 0.0, STABILITY_OFFSET)
    }
}
