//! The thread that answers clicks about single pictures and frames.

use std::sync::Arc;
use std::time::Instant;

use sam2_media::protocol::CocoRle;
use sam2_model::image::{ImageEmbedding, ImagePrompt, Multimask, Prediction};
use sam2_model::{Frame, ImagePredictor, Mask, Points};
use serde_json::json;

use super::work::{Pools, guarded};
use crate::app::App;
use crate::error::ApiError;
use crate::jobs::{Click, Task};
use crate::limits;
use crate::media::Media;
use crate::queue::Urgency;
use crate::state::{MaskEntry, Prompt, read_rle};
use crate::wire::{
    Candidate, Predict, PredictObject, Predicted, PredictedObject, PromptAnswer, PromptRequest,
};

/// Works until the queue is closed.
pub fn run(app: &App, pools: Pools) {
    let mut thread = Interactive {
        app,
        pools,
        predictor: ImagePredictor::new(Arc::clone(&app.model)),
        embeddings: Vec::new(),
    };
    while let Some(job) = app.clicks.pop() {
        match job {
            Click::Predict { media, request, reply, .. } => {
                if !reply.is_closed() {
                    drop(reply.send(guarded(|| thread.predict(&media, &request))));
                }
            }
            Click::Prompt { media, request, reply } => {
                drop(reply.send(guarded(|| thread.prompt(&media, &request))));
            }
            Click::Choose { media, frame, prompt, choice, reply } => {
                let chosen = guarded(|| thread.mask(&media, frame, &prompt, Some(choice)));
                drop(reply.send(chosen));
            }
            Click::Once { picture, points, reply } => {
                drop(reply.send(guarded(|| thread.once(&picture, points))));
            }
            Click::Encode { media, frame } => thread.encode(&media, frame),
        }
    }
}

struct Interactive<'a> {
    app: &'a App,
    pools: Pools,
    predictor: ImagePredictor,
    /// Most recently used last.
    embeddings: Vec<((String, usize), Arc<ImageEmbedding>)>,
}

impl Interactive<'_> {
    fn embedding(&mut self, media: &Media, frame: usize) -> Result<Arc<ImageEmbedding>, ApiError> {
        let key = (media.id.clone(), frame);
        if let Some(at) = self.embeddings.iter().position(|(known, _)| *known == key) {
            let entry = self.embeddings.remove(at);
            let embedding = Arc::clone(&entry.1);
            self.embeddings.push(entry);
            return Ok(embedding);
        }
        let picture = self.app.frames.frame(media, frame)?;
        // Before the next one is made.
        let excess = (self.embeddings.len() + 1).saturating_sub(limits::EMBEDDINGS);
        self.embeddings.drain(..excess);
        let start = Instant::now();
        let predictor = &self.predictor;
        let embedding = self.pools.install(self.app, || predictor.encode(&*picture));
        self.embeddings.push((key, Arc::clone(&embedding)));
        self.announce(media, frame, start);
        Ok(embedding)
    }

    fn announce(&self, media: &Media, frame: usize, start: Instant) {
        let ms = start.elapsed().as_secs_f64() * 1e3;
        self.app.hub.send("encoded", &json!({ "id": media.id, "frame": frame, "ms": ms }));
    }

    fn encode(&mut self, media: &Media, frame: usize) {
        let known = self.embeddings.iter().any(|((id, at), _)| *id == media.id && *at == frame);
        if known {
            return self.announce(media, frame, Instant::now());
        }
        if let Err(e) = guarded(|| self.embedding(media, frame).map(drop)) {
            let data = json!({ "job": null, "clip": media.id, "message": e.message });
            self.app.hub.send("failed", &data);
        }
    }

    fn predict(&mut self, media: &Media, request: &Predict) -> Result<Predicted, ApiError> {
        let start = Instant::now();
        let embedding = self.embedding(media, request.frame)?;
        let multimask = if request.multimask { Multimask::Three } else { Multimask::One };
        let prompt = |object: &PredictObject| {
            let (points, labels) = (object.points.clone(), object.labels.clone());
            let prompt = Prompt { points, labels, bbox: object.bbox, ..Prompt::default() };
            ImagePrompt::from(prompt.to_points()).multimask(multimask)
        };
        let prompts: Vec<ImagePrompt> = request.objects.iter().map(prompt).collect();
        let predictor = &self.predictor;
        let objects = self.pools.install(self.app, || -> Result<Vec<PredictedObject>, ApiError> {
            let predictions = predictor.predict_batch_on(&embedding, &prompts)?;
            let ids = request.objects.iter().map(|object| object.obj_id);
            Ok(ids.zip(&predictions).map(|(obj_id, prediction)| predicted(obj_id, prediction)).collect())
        })?;
        Ok(Predicted { seq: request.seq, objects, ms: start.elapsed().as_secs_f64() * 1e3 })
    }

    /// The mask of a prompt: the model's choice, or one of three.
    fn mask(
        &mut self,
        media: &Media,
        frame: usize,
        prompt: &Prompt,
        choice: Option<usize>,
    ) -> Result<MaskEntry, ApiError> {
        if let (Some(rle), None) = (&prompt.rle, choice) {
            return given(media, rle);
        }
        let embedding = self.embedding(media, frame)?;
        let multimask = if choice.is_some() { Multimask::Three } else { Multimask::Auto };
        let prompt = ImagePrompt::from(prompt.to_points()).multimask(multimask);
        let predictor = &self.predictor;
        self.pools.install(self.app, || {
            let prediction = predictor.predict_on(&embedding, &prompt)?;
            let k = choice.unwrap_or(prediction.best()).min(prediction.len() - 1);
            let Candidate { rle, predicted_iou, stability } = candidate(&prediction, k);
            Ok(MaskEntry { rle, predicted_iou, stability, object_score: prediction.object_score() })
        })
    }

    fn once(&self, picture: &Frame, points: Points) -> Result<(Mask, f32), ApiError> {
        let predictor = &self.predictor;
        self.pools.install(self.app, || {
            let embedding = predictor.encode(picture);
            let prediction = predictor.predict_on(&embedding, &points.into())?;
            let best = prediction.best();
            Ok((prediction.mask(best), prediction.ious()[best]))
        })
    }

    /// A prompt about a picture, or a preview of one about a frame while a clip is being tracked.
    fn prompt(&mut self, media: &Arc<Media>, request: &PromptRequest) -> Result<PromptAnswer, ApiError> {
        let (frame, obj_id) = (request.frame, request.obj_id);
        let after = media.state().after(request)?;
        let set = match after {
            None => None,
            Some(mut prompt) => {
                let choice = prompt.candidate.filter(|_| prompt.is_single_click());
                prompt.candidate = choice;
                let mask = self.mask(media, frame, &prompt, choice)?;
                if choice.is_some() && media.is_clip() {
                    prompt.rle = Some(mask.rle.clone());
                }
                Some((prompt, mask))
            }
        };
        let objects = self.app.set_prompt(media, (frame, obj_id), set)?;
        let preview = media.is_clip();
        if preview {
            let task = Task::Follow { media: Arc::clone(media), frame, obj_id };
            self.app.tasks.push(Urgency::Now, task)?;
        }
        Ok(PromptAnswer { frame, objects, preview })
    }
}

/// A given mask is what it says.
fn given(media: &Media, rle: &CocoRle) -> Result<MaskEntry, ApiError> {
    let rle = CocoRle::from(&read_rle(rle, media.size)?);
    Ok(MaskEntry { rle, predicted_iou: 1.0, stability: 1.0, object_score: 10.0 })
}

fn candidate(prediction: &Prediction, k: usize) -> Candidate {
    Candidate {
        rle: CocoRle::from(&prediction.mask(k).rle()),
        predicted_iou: prediction.ious()[k],
        stability: prediction.stability_score(k),
    }
}

fn predicted(obj_id: u32, prediction: &Prediction) -> PredictedObject {
    let candidates = (0..prediction.len()).map(|k| candidate(prediction, k)).collect();
    PredictedObject { obj_id, candidates, best: prediction.best(), object_score: prediction.object_score() }
}
