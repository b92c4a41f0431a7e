//! The tracking state of one clip, kept in step with its prompts.

use std::collections::{BTreeMap, BTreeSet};

use sam2_media::protocol::CocoRle;
use sam2_model::VideoPredictor;
use sam2_model::video::{FrameOutput, MemoryPolicyKind, VideoInfo, VideoOptions};

use crate::app::App;
use crate::error::ApiError;
use crate::media::Media;
use crate::state::{MaskEntry, Prompt, read_rle};

/// A frame and an object.
type Place = (usize, u32);

/// A predictor and the prompts that it has.
pub struct ClipPredictor {
    pub predictor: VideoPredictor,
    pub policy: MemoryPolicyKind,
    known: BTreeMap<Place, Prompt>,
    /// Prompts since the last tracked frame: these leave no trace when they are replaced.
    fresh: BTreeSet<Place>,
    /// Whether a prompt was replaced that had been tracked from.
    stale: bool,
}

impl ClipPredictor {
    pub fn new(app: &App, media: &Media, policy: Option<MemoryPolicyKind>) -> Result<Self, ApiError> {
        let options = VideoOptions::of(app.model.config());
        let policy = policy.unwrap_or(options.memory);
        let info = VideoInfo::new(media.size.0 as usize, media.size.1 as usize, media.frames);
        let predictor = VideoPredictor::new(app.model.clone(), info, options.memory(policy))?;
        Ok(Self { predictor, policy, known: BTreeMap::new(), fresh: BTreeSet::new(), stale: false })
    }

    /// Whether replacing the prompt here would leave traces of the old one.
    pub fn would_remember(&self, place: Place) -> bool {
        self.stale || (self.known.contains_key(&place) && !self.fresh.contains(&place))
    }

    /// To be called after a frame was tracked: prompts are now part of the memory.
    pub fn tracked(&mut self) {
        self.fresh.clear();
    }

    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Gives the prompts that it does not have yet, by frame, as `sam2 track` does.
    pub fn give_all(
        &mut self,
        app: &App,
        media: &Media,
        prompts: &BTreeMap<Place, Prompt>,
    ) -> Result<(), ApiError> {
        for (&place, prompt) in prompts {
            if self.known.get(&place) != Some(prompt) {
                self.set(app, media, place, Some(prompt))?;
            }
        }
        Ok(())
    }

    /// Sets or removes a prompt. Returns its mask.
    pub fn set(
        &mut self,
        app: &App,
        media: &Media,
        place: Place,
        prompt: Option<&Prompt>,
    ) -> Result<Option<MaskEntry>, ApiError> {
        let (frame, obj_id) = place;
        self.stale |= self.would_remember(place);
        if self.known.remove(&place).is_some() {
            self.predictor.clear_prompts(frame, obj_id);
            self.fresh.remove(&place);
        }
        let Some(prompt) = prompt else {
            if !self.known.keys().any(|(_, object)| *object == obj_id) {
                self.predictor.remove_object(obj_id);
            }
            return Ok(None);
        };
        let picture = app.frames.frame(media, frame)?;
        let output = match &prompt.rle {
            Some(rle) => {
                let mask = read_rle(rle, media.size)?.mask();
                self.predictor.add_mask(frame, &*picture, obj_id, &mask)?
            }
            None => self.predictor.add_points(frame, &*picture, obj_id, &prompt.to_points())?,
        };
        self.known.insert(place, prompt.clone());
        self.fresh.insert(place);
        let entry = entries(&output).into_iter().find(|(id, _)| *id == obj_id).map(|(_, entry)| entry);
        // A given mask is shown as it was given, not at the resolution of the model.
        Ok(entry.map(|entry| match &prompt.rle {
            Some(rle) => MaskEntry { rle: rle.clone(), ..entry },
            None => entry,
        }))
    }

    /// Removes an object and its prompts.
    pub fn remove(&mut self, obj_id: u32) {
        self.predictor.remove_object(obj_id);
        self.known.retain(|(_, object), _| *object != obj_id);
        self.fresh.retain(|(_, object)| *object != obj_id);
    }
}

/// The masks of all objects.
pub fn entries(output: &FrameOutput) -> Vec<(u32, MaskEntry)> {
    let entry = |(object, mask): (&sam2_model::video::ObjectOutput, sam2_model::Mask)| {
        let entry = MaskEntry {
            rle: CocoRle::from(&mask.rle()),
            predicted_iou: object.predicted_iou,
            stability: object.stability_score,
            object_score: object.object_score,
        };
        (object.obj_id, entry)
    };
    output.objects.iter().zip(output.masks()).map(entry).collect()
}
