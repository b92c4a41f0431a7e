//! Tracking objects through a video. Meta: `sam2/sam2_video_predictor.py`, class `SAM2VideoPredictor` (every object
//! has a state of its own), and `track_step` in `sam2/modeling/sam2_base.py`.
//!
//! Prompts come first, each with its frame; then the frames stream through once, in order. Of the frames nothing is
//! kept; of every object, what a later frame can still read.

mod objects;
mod output;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use output::{FrameOutput, ObjectOutput};

use super::mask::Mask;
use super::prompt::{Frame, Points};
use crate::error::PromptError;
use crate::image_encoder::Features;
use crate::memory_bank::StoredOutput;
use crate::model::Model;
use crate::shared_frame::SharedFrame;
use crate::tap::{NoTap, Tap};
use crate::transforms;
use crate::workspace::Workspace;
use objects::{Object, Prompt};

/// Encoded frames that are kept: the one being prompted or tracked, and the one before.
const CACHED_FRAMES: usize = 2;

/// The video that is going to be tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoInfo {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Number of frames. It matters: clips shorter than 16 frames use fewer object pointers.
    pub num_frames: usize,
}

/// Choices that change results. The defaults are those of Meta's predictor on a CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoOptions {
    /// Holes in a mask of at most this many pixels of the low-resolution logits are filled. Meta fills 8 on a
    /// GPU and none on a CPU.
    pub fill_hole_area: usize,
    /// Every pixel belongs to one object at most.
    pub non_overlap: bool,
    /// A prompt on a frame that was tracked before is remembered like a first prompt. Without it, as in the
    /// reference, it is a correction that the next pass over the frame forgets.
    pub add_all_frames_to_correct_as_cond: bool,
}

/// Tracks objects through one video.
#[derive(Debug)]
pub struct VideoPredictor {
    model: Arc<Model>,
    info: VideoInfo,
    options: VideoOptions,
    workspace: Workspace,
    objects: Vec<Object>,
    /// Most recently used last.
    cache: Vec<(usize, Arc<Features>)>,
    /// Raw level-2 features of prompted frames whose memory is still to be encoded.
    pending: BTreeMap<usize, Vec<f32>>,
    /// The frame that tracking expects next, once it has begun.
    next: Option<usize>,
}

impl VideoPredictor {
    /// A predictor without objects.
    ///
    /// # Errors
    /// If the video has no frame or no pixel.
    pub fn new(model: Arc<Model>, info: VideoInfo, options: VideoOptions) -> Result<Self, PromptError> {
        if info.width == 0 || info.height == 0 || info.num_frames == 0 {
            return Err(PromptError::EmptyVideo);
        }
        let workspace = Workspace::default();
        let (objects, cache, pending) = Default::default();
        Ok(Self { model, info, options, workspace, objects, cache, pending, next: None })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Object ids, in the order in which they were first prompted.
    pub fn object_ids(&self) -> Vec<u32> {
        self.objects.iter().map(|object| object.id).collect()
    }

    /// The first frame with a prompt: where tracking begins.
    pub fn first_prompted_frame(&self) -> Option<usize> {
        self.objects.iter().flat_map(Object::prompted_frames).min()
    }

    /// Clicks or a box on object `obj_id` in `frame`. They replace earlier ones of the same object and frame,
    /// whose mask still guides the new one. Returns the masks of all objects on this frame.
    ///
    /// # Errors
    /// If the frame is not of this video, or the prompt is empty, off the image or malformed.
    pub fn add_points(
        &mut self,
        frame_idx: usize,
        frame: &Frame,
        obj_id: u32,
        points: &Points,
    ) -> Result<FrameOutput, PromptError> {
        self.check(frame_idx, frame)?;
        if points.is_empty() {
            return Err(PromptError::Empty);
        }
        let side = self.model.config.image_size;
        let points = points.to_model(self.info.width, self.info.height, side)?;
        Ok(self.add(frame_idx, frame, obj_id, &Prompt::Points(points)))
    }

    /// The mask of object `obj_id` in `frame`, taken as it is.
    ///
    /// # Errors
    /// If the frame is not of this video or the mask not of its size.
    pub fn add_mask(
        &mut self,
        frame_idx: usize,
        frame: &Frame,
        obj_id: u32,
        mask: &Mask,
    ) -> Result<FrameOutput, PromptError> {
        self.check(frame_idx, frame)?;
        let expected = (self.info.width, self.info.height);
        let found = (mask.width(), mask.height());
        if found != expected {
            return Err(PromptError::MaskSize { expected, found });
        }
        let square = mask.to_square(self.model.isa, self.model.config.image_size);
        Ok(self.add(frame_idx, frame, obj_id, &Prompt::Mask(square)))
    }

    /// Tracks every object into the next frame. The first call may name any frame, usually
    /// [`Self::first_prompted_frame`]; after it frames must follow one another.
    ///
    /// # Errors
    /// If there is no object, or the frame is not of this video or out of turn.
    pub fn track_frame(&mut self, frame_idx: usize, frame: &Frame) -> Result<FrameOutput, PromptError> {
        self.track_frame_tapped(frame_idx, frame, &mut NoTap)
    }

    /// [`Self::track_frame`] with a tap on the intermediate results.
    ///
    /// # Errors
    /// As [`Self::track_frame`].
    pub fn track_frame_tapped(
        &mut self,
        frame_idx: usize,
        frame: &Frame,
        tap: &mut dyn Tap,
    ) -> Result<FrameOutput, PromptError> {
        self.check(frame_idx, frame)?;
        if self.objects.is_empty() {
            return Err(PromptError::NoObject);
        }
        if let Some(expected) = self.next.filter(|&next| next != frame_idx) {
            return Err(PromptError::FrameOrder { expected, found: frame_idx });
        }
        self.remember_prompts();
        // A frame that is prompted for every object needs no features.
        let known = self.objects.iter().all(|object| object.bank.cond(frame_idx).is_some());
        let features = if known { None } else { Some(self.features(frame_idx, frame, tap)) };
        let mut shared = features.as_ref().map(|features| SharedFrame::new(&features.level2));
        for object in &mut self.objects {
            let mut run = self.model.run(&mut self.workspace, tap);
            let to_track = features.as_ref().zip(shared.as_mut());
            if let Some((features, shared)) = to_track.filter(|_| object.bank.cond(frame_idx).is_none()) {
                let output = object.track(
                    &self.model,
                    &mut run,
                    features,
                    shared,
                    frame_idx,
                    self.info.num_frames,
                    self.options,
                );
                object.bank.non_cond.insert(frame_idx, output);
            }
            object.tracked.insert(frame_idx);
            let config = &self.model.config;
            object.bank.forget_before(frame_idx, config.num_maskmem, config.max_obj_ptrs_in_encoder);
        }
        if let Some(shared) = shared {
            shared.recycle(&mut self.model.run(&mut self.workspace, tap));
        }
        self.next = Some(frame_idx + 1);
        Ok(self.output(frame_idx))
    }

    /// [`Self::track_frame`] for every frame of an iterator, which must begin at
    /// [`Self::first_prompted_frame`] or where tracking left off.
    pub fn propagate<E: From<PromptError>>(
        &mut self,
        frames: impl Iterator<Item = Result<(usize, Frame), E>>,
    ) -> impl Iterator<Item = Result<FrameOutput, E>> {
        frames.map(|frame| {
            let (frame_idx, frame) = frame?;
            Ok(self.track_frame(frame_idx, &frame)?)
        })
    }

    /// Lets tracking begin anew at any frame. Prompts and what is remembered stay.
    pub fn restart(&mut self) {
        self.next = None;
    }

    pub(crate) fn stored(&self, obj_id: u32, frame_idx: usize) -> Option<&StoredOutput> {
        let bank = &self.objects.iter().find(|object| object.id == obj_id)?.bank;
        bank.cond(frame_idx).or_else(|| bank.non_cond.get(&frame_idx))
    }

    fn check(&self, frame_idx: usize, frame: &Frame) -> Result<(), PromptError> {
        let VideoInfo { width, height, num_frames } = self.info;
        if frame_idx >= num_frames {
            return Err(PromptError::FrameIndex { frame_idx, num_frames });
        }
        let (expected, found) = ((width, height), (frame.width(), frame.height()));
        if expected != found {
            return Err(PromptError::FrameMismatch { frame_idx, expected, found });
        }
        Ok(())
    }

    fn features(&mut self, frame_idx: usize, frame: &Frame, tap: &mut dyn Tap) -> Arc<Features> {
        let cached = self.cache.iter().position(|(f, _)| *f == frame_idx);
        let features = match cached {
            Some(i) => self.cache.remove(i).1,
            None => {
                // Makes room first, so that the peak does not count one frame more.
                if self.cache.len() == CACHED_FRAMES {
                    self.cache.remove(0);
                }
                let input = transforms::video(frame, self.model.config.image_size);
                Arc::new(self.model.encode(&mut self.workspace, tap, &input))
            }
        };
        self.cache.push((frame_idx, Arc::clone(&features)));
        features
    }

    fn add(&mut self, frame_idx: usize, frame: &Frame, obj_id: u32, prompt: &Prompt) -> FrameOutput {
        let features = self.features(frame_idx, frame, &mut NoTap);
        self.pending.entry(frame_idx).or_insert_with(|| features.level2.clone());
        let index = self.objects.iter().position(|object| object.id == obj_id).unwrap_or_else(|| {
            self.objects.push(Object::new(obj_id));
            self.objects.len() - 1
        });
        let mut tap = NoTap;
        let mut run = self.model.run(&mut self.workspace, &mut tap);
        self.objects[index].prompt(
            &self.model,
            &mut run,
            &features,
            frame_idx,
            self.info.num_frames,
            prompt,
            self.options,
        );
        self.output(frame_idx)
    }

    /// Encodes the memories of prompted frames, which tracking reads.
    fn remember_prompts(&mut self) {
        let mut tap = NoTap;
        let mut run = self.model.run(&mut self.workspace, &mut tap);
        for object in &mut self.objects {
            object.remember_prompts(&self.model, &mut run, &self.pending);
        }
        self.pending.clear();
    }

    fn output(&self, frame_idx: usize) -> FrameOutput {
        let objects =
            self.objects.iter().map(|object| object.output(frame_idx, self.model.low_res_size())).collect();
        FrameOutput {
            frame_idx,
            objects,
            size: (self.info.width, self.info.height),
            isa: self.model.isa,
            non_overlap: self.options.non_overlap,
        }
    }
}
