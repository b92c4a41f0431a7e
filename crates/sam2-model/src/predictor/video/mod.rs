//! Tracking objects through a video. Meta: `sam2/sam2_video_predictor.py`, class `SAM2VideoPredictor` (every
//! object has a state of its own), and `track_step` in `sam2/modeling/sam2_base.py`.
//!
//! Prompts name their frame and may be added at any time; frames are passed one by one, in passes. The
//! predictor keeps the features of the last frame (of the last two while prompting) and, per object, the
//! outputs that a later frame can read.

#[cfg(feature = "inspect")]
mod inspect;
mod objects;
mod options;
mod output;
mod session;
mod session_file;
mod track_range;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use options::{Retention, VideoInfo, VideoOptions};
pub use output::{FrameOutput, ObjectEvent, ObjectOutput, suppress_overlap};
pub(super) use session_file::read as read_session_file;
pub use track_range::TrackRange;

use crate::error::{PromptError, VideoError};
use crate::features::Features;
use crate::memory::bank::Direction;
use crate::memory::policy::{CustomPolicies, CustomPolicy};
use crate::model::Model;
use crate::prompt_encoder::ModelPoint;
use crate::shared_frame::SharedFrame;
use crate::tap::{NoTap, Tap};
use crate::transforms;
use crate::types::{Frame, FrameView, Mask, Points};
use crate::workspace::Workspace;
use objects::{Object, Prompt, Setting};

/// Number of encoded frames kept while prompts are added. Tracking keeps one.
const CACHED_FRAMES: usize = 2;

/// Tracks objects through one video: prompts on any frame, then passes over the frames.
///
/// ```
/// use sam2_model::video::{Direction, VideoInfo, VideoOptions};
/// use sam2_model::{Frame, Points, VideoPredictor};
///
/// let model = sam2_micro::model(); // or Model::open("sam2.1_hiera_tiny.pt")?
/// let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 3];
/// let mut predictor = VideoPredictor::new(model, VideoInfo::new(96, 64, 3), VideoOptions::default())?;
/// predictor.add_points(0, &clip[0], 1, &Points::click(48.0, 32.0))?;
/// for frame_idx in predictor.begin(None, None, Direction::Forward)? {
///     let output = predictor.track_frame(frame_idx, &clip[frame_idx])?;
///     println!("frame {frame_idx}: {} pixels", output.mask(0).area());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VideoPredictor {
    setting: Setting,
    workspace: Workspace,
    objects: Vec<Object>,
    /// Most recently used last.
    cache: Vec<(usize, Arc<Features>)>,
    /// Raw level-2 features of prompted frames whose memory is not encoded yet.
    pending: BTreeMap<usize, Vec<f32>>,
    direction: Direction,
    /// The next frame of the current pass.
    next: Option<usize>,
}

impl VideoPredictor {
    /// A predictor without objects.
    ///
    /// # Errors
    /// If the video has no frame or no pixel, or an option is out of range.
    pub fn new(model: Arc<Model>, info: VideoInfo, options: VideoOptions) -> Result<Self, VideoError> {
        Self::create(model, info, options, None)
    }

    /// A predictor whose objects have memory policies of the caller's, made by `make` for every new object,
    /// in place of [`VideoOptions::memory`].
    ///
    /// ```
    /// use sam2_model::VideoPredictor;
    /// use sam2_model::policy::MemoryPolicy;
    /// use sam2_model::video::{VideoInfo, VideoOptions};
    ///
    /// /// Objects count as present even if the model is in doubt.
    /// #[derive(Debug)]
    /// struct Lenient;
    ///
    /// impl MemoryPolicy for Lenient {
    ///     fn presence_threshold(&self) -> f32 {
    ///         -1.0
    ///     }
    /// }
    ///
    /// let info = VideoInfo::new(96, 64, 30);
    /// VideoPredictor::with_policy(sam2_micro::model(), info, VideoOptions::default(), || Lenient)?;
    /// # Ok::<(), sam2_model::error::VideoError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_policy<P: CustomPolicy + 'static>(
        model: Arc<Model>,
        info: VideoInfo,
        options: VideoOptions,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Result<Self, VideoError> {
        Self::create(model, info, options, Some(CustomPolicies::new(make)))
    }

    pub(super) fn create(
        model: Arc<Model>,
        info: VideoInfo,
        options: VideoOptions,
        policies: Option<CustomPolicies>,
    ) -> Result<Self, VideoError> {
        if info.width == 0 || info.height == 0 || info.num_frames == 0 {
            return Err(VideoError::EmptyVideo);
        }
        if let Some(max) = options.max_cond_frames_in_attn.filter(|&max| max < 2) {
            return Err(VideoError::TooFewFrames(max));
        }
        let (workspace, objects, cache, pending, direction, next) = Default::default();
        let setting = Setting { model, info, options, policies };
        Ok(Self { setting, workspace, objects, cache, pending, direction, next })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.setting.model
    }

    /// The video.
    pub fn info(&self) -> VideoInfo {
        self.setting.info
    }

    /// Object ids, in the order in which they were first prompted.
    pub fn object_ids(&self) -> Vec<u32> {
        self.objects.iter().map(|object| object.id).collect()
    }

    /// The first frame with a prompt, where tracking starts by default.
    ///
    /// ```
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # use sam2_model::{Frame, Points, VideoPredictor};
    /// # let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 3];
    /// # let info = VideoInfo::new(96, 64, 3);
    /// # let mut predictor = VideoPredictor::new(sam2_micro::model(), info, VideoOptions::default())?;
    /// assert_eq!((predictor.info().num_frames, predictor.first_prompted_frame()), (3, None));
    /// predictor.add_points(2, &clip[2], 7, &Points::click(48.0, 32.0))?;
    /// assert_eq!((predictor.object_ids(), predictor.first_prompted_frame()), (vec![7], Some(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_prompted_frame(&self) -> Option<usize> {
        self.objects.iter().flat_map(Object::prompted_frames).min()
    }

    /// Clicks or a box on object `obj_id`, new or existing, in `frame`. They replace earlier ones of the same
    /// object and frame; the earlier mask is still a mask prompt. On a tracked frame they correct the mask.
    /// Returns the masks of all objects on this frame; other frames change when they are tracked again.
    ///
    /// ```
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # use sam2_model::{Frame, Points, VideoPredictor};
    /// # let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 3];
    /// # let info = VideoInfo::new(96, 64, 3);
    /// # let mut predictor = VideoPredictor::new(sam2_micro::model(), info, VideoOptions::default())?;
    /// predictor.add_points(0, &clip[0], 1, &Points::bbox(20.0, 10.0, 70.0, 55.0))?;
    /// let output = predictor.add_points(0, &clip[0], 2, &Points::click(5.0, 5.0))?;
    /// assert_eq!(output.objects.len(), 2); // both objects on frame 0
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the frame is not of this video, or the prompt is empty, outside the image or malformed.
    pub fn add_points<'f>(
        &mut self,
        frame_idx: usize,
        frame: impl Into<FrameView<'f>>,
        obj_id: u32,
        points: &Points,
    ) -> Result<FrameOutput, VideoError> {
        let frame = frame.into();
        let points = self.check_points(frame_idx, frame, points, 0)?;
        Ok(self.add(frame_idx, frame, obj_id, &Prompt::Points(points)))
    }

    /// [`Self::add_points`] with clicks, without a box, added to the earlier ones.
    ///
    /// ```
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # use sam2_model::{Frame, Points, VideoPredictor};
    /// # let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 3];
    /// # let info = VideoInfo::new(96, 64, 3);
    /// # let mut predictor = VideoPredictor::new(sam2_micro::model(), info, VideoOptions::default())?;
    /// predictor.add_points(0, &clip[0], 1, &Points::bbox(20.0, 10.0, 70.0, 55.0))?;
    /// let refined = predictor.add_more_points(0, &clip[0], 1, &Points::new().off(22.0, 12.0))?;
    /// assert_eq!(refined.objects[0].obj_id, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::add_points`], and if there is a box: it must come first.
    pub fn add_more_points<'f>(
        &mut self,
        frame_idx: usize,
        frame: impl Into<FrameView<'f>>,
        obj_id: u32,
        points: &Points,
    ) -> Result<FrameOutput, VideoError> {
        let frame = frame.into();
        if points.corners().is_some() {
            return Err(VideoError::LateBox);
        }
        let object = self.objects.iter().find(|object| object.id == obj_id);
        let mut all = object.and_then(|object| object.points.get(&frame_idx)).cloned().unwrap_or_default();
        all.extend(self.check_points(frame_idx, frame, points, all.len())?);
        Ok(self.add(frame_idx, frame, obj_id, &Prompt::Points(all)))
    }

    /// The mask of object `obj_id` in `frame`. It may have any size and is resized to the model's input, as
    /// in Meta's code: bilinear with antialiasing, then inside from one half on.
    ///
    /// ```
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # use sam2_model::{Frame, Mask, VideoPredictor};
    /// # let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 3];
    /// # let info = VideoInfo::new(96, 64, 3);
    /// # let mut predictor = VideoPredictor::new(sam2_micro::model(), info, VideoOptions::default())?;
    /// let half = Mask::new(2, 1, vec![true, false])?; // the left half, at any resolution
    /// let output = predictor.add_mask(0, &clip[0], 1, &half)?;
    /// assert!(output.mask(0).area().abs_diff(96 * 64 / 2) < 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the frame is not of this video.
    pub fn add_mask<'f>(
        &mut self,
        frame_idx: usize,
        frame: impl Into<FrameView<'f>>,
        obj_id: u32,
        mask: &Mask,
    ) -> Result<FrameOutput, VideoError> {
        let frame = frame.into();
        self.check(frame_idx, frame)?;
        let square = mask.to_square(self.setting.model.isa, self.setting.model.config.image_size);
        Ok(self.add(frame_idx, frame, obj_id, &Prompt::Mask(square)))
    }

    /// Removes the prompts of an object on a frame. The frame becomes a tracked frame and keeps its memory.
    /// Returns whether there were prompts.
    ///
    /// ```
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # use sam2_model::{Frame, Points, VideoPredictor};
    /// # let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 3];
    /// # let info = VideoInfo::new(96, 64, 3);
    /// # let mut predictor = VideoPredictor::new(sam2_micro::model(), info, VideoOptions::default())?;
    /// predictor.add_points(0, &clip[0], 1, &Points::click(48.0, 32.0))?;
    /// predictor.add_points(2, &clip[2], 1, &Points::click(48.0, 32.0))?;
    /// assert!(predictor.clear_prompts(0, 1));
    /// assert_eq!(predictor.first_prompted_frame(), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_prompts(&mut self, frame_idx: usize, obj_id: u32) -> bool {
        let object = self.objects.iter_mut().find(|object| object.id == obj_id);
        object.is_some_and(|object| object.clear(frame_idx))
    }

    /// Removes an object. Returns whether it existed.
    pub fn remove_object(&mut self, obj_id: u32) -> bool {
        let before = self.objects.len();
        self.objects.retain(|object| object.id != obj_id);
        if self.objects.is_empty() {
            self.reset();
        }
        self.objects.len() < before
    }

    /// Removes all objects and their state.
    ///
    /// ```
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # use sam2_model::{Frame, Points, VideoPredictor};
    /// # let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 3];
    /// # let info = VideoInfo::new(96, 64, 3);
    /// # let mut predictor = VideoPredictor::new(sam2_micro::model(), info, VideoOptions::default())?;
    /// predictor.add_points(0, &clip[0], 1, &Points::click(48.0, 32.0))?;
    /// predictor.add_points(0, &clip[0], 2, &Points::click(10.0, 10.0))?;
    /// assert!(predictor.remove_object(1) && !predictor.remove_object(1));
    /// assert_eq!(predictor.object_ids(), [2]);
    /// predictor.reset();
    /// assert!(predictor.object_ids().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(&mut self) {
        self.objects.clear();
        self.pending.clear();
        self.next = None;
    }

    /// Starts a pass and returns its frames, which [`Self::track_frame`] requires in this order; by default
    /// from the first prompted frame to the end of the video. `max_frames` is the distance from the first
    /// frame to the last one of the pass.
    ///
    /// A pass also attends to prompted frames that it has not reached.
    ///
    /// ```
    /// use sam2_model::video::Direction;
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # use sam2_model::{Frame, Points, VideoPredictor};
    /// # let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 6];
    /// # let info = VideoInfo::new(96, 64, 6);
    /// # let mut predictor = VideoPredictor::new(sam2_micro::model(), info, VideoOptions::default())?;
    ///
    /// predictor.add_points(3, &clip[3], 1, &Points::click(48.0, 32.0))?;
    /// assert!(predictor.begin(None, None, Direction::Forward)?.eq([3, 4, 5]));
    /// assert!(predictor.begin(None, Some(2), Direction::Reverse)?.eq([3, 2, 1]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no object, one of them has no prompt, or `start` is not of this video.
    pub fn begin(
        &mut self,
        start: Option<usize>,
        max_frames: Option<usize>,
        direction: Direction,
    ) -> Result<TrackRange, VideoError> {
        let VideoInfo { num_frames, .. } = self.setting.info;
        self.check_objects()?;
        let start = start.or_else(|| self.first_prompted_frame()).ok_or(VideoError::NoObject)?;
        if start >= num_frames {
            return Err(VideoError::FrameIndex { frame_idx: start, num_frames });
        }
        let reach = max_frames.unwrap_or(num_frames);
        let frames = match direction {
            Direction::Forward => start..start.saturating_add(reach).saturating_add(1).min(num_frames),
            // Meta's reverse pass from the first frame is empty.
            Direction::Reverse if start == 0 => 0..0,
            Direction::Reverse => start.saturating_sub(reach)..start + 1,
        };
        let pass = TrackRange { frames, direction };
        (self.direction, self.next) = (direction, pass.clone().next());
        Ok(pass)
    }

    /// Tracks every object into the next frame. Without [`Self::begin`], the first call may name any frame,
    /// usually [`Self::first_prompted_frame`], and starts a forward pass.
    ///
    /// ```
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # use sam2_model::{Frame, Points, VideoPredictor};
    /// # let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 3];
    /// # let info = VideoInfo::new(96, 64, 3);
    /// # let mut predictor = VideoPredictor::new(sam2_micro::model(), info, VideoOptions::default())?;
    /// predictor.add_points(0, &clip[0], 1, &Points::click(48.0, 32.0))?;
    /// for (frame_idx, frame) in clip.iter().enumerate() {
    ///     let output = predictor.track_frame(frame_idx, frame)?;
    ///     println!("frame {frame_idx}: object score {}", output.objects[0].object_score);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no object, one of them has no prompt, or the frame is not of this video or not the next
    /// one.
    pub fn track_frame<'f>(
        &mut self,
        frame_idx: usize,
        frame: impl Into<FrameView<'f>>,
    ) -> Result<FrameOutput, VideoError> {
        self.track_frame_tapped(frame_idx, frame, &mut NoTap)
    }

    /// [`Self::track_frame`] with a tap on the intermediate results.
    ///
    /// ```
    /// use sam2_model::advanced::Tap;
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # use sam2_model::{Frame, Points, VideoPredictor};
    /// # let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 2];
    /// # let info = VideoInfo::new(96, 64, 2);
    /// # let mut predictor = VideoPredictor::new(sam2_micro::model(), info, VideoOptions::default())?;
    ///
    /// /// The stages of a frame, in the order in which they end; a profiler would note the time.
    /// #[derive(Default)]
    /// struct Stages(Vec<&'static str>);
    ///
    /// impl Tap for Stages {
    ///     fn enabled(&self) -> bool {
    ///         false
    ///     }
    ///     fn record(&mut self, _name: &str, _shape: &[usize], _data: &[f32]) {}
    ///     fn stage(&mut self, name: &'static str) {
    ///         self.0.push(name);
    ///     }
    /// }
    ///
    /// predictor.add_points(0, &clip[0], 1, &Points::click(48.0, 32.0))?;
    /// predictor.track_frame(0, &clip[0])?;
    /// let mut stages = Stages::default();
    /// predictor.track_frame_tapped(1, &clip[1], &mut stages)?;
    /// assert_eq!(stages.0[..2], ["resize", "encode"]);
    /// assert!(stages.0.contains(&"memory_attention"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::track_frame`].
    pub fn track_frame_tapped<'f>(
        &mut self,
        frame_idx: usize,
        frame: impl Into<FrameView<'f>>,
        tap: &mut dyn Tap,
    ) -> Result<FrameOutput, VideoError> {
        let frame = frame.into();
        self.check(frame_idx, frame)?;
        self.check_objects()?;
        match self.next {
            Some(expected) if expected != frame_idx => {
                return Err(VideoError::FrameOrder { expected, found: frame_idx });
            }
            Some(_) => {}
            None => self.direction = Direction::Forward,
        }
        self.remember_prompts();
        // A frame that is prompted for every object needs no features.
        let known = self.objects.iter().all(|object| object.bank().cond(frame_idx).is_some());
        let features = if known { None } else { Some(self.features(frame_idx, frame, 1, tap)) };
        let setting = &self.setting;
        let at = setting.time(frame_idx, self.direction);
        let mut shared = features.as_ref().map(|features| SharedFrame::new(&features.level2));
        // A pass may start at every prompted frame of a clip.
        let anchored = self.objects.iter().filter(|_| !setting.is_stream());
        let anchors: Vec<usize> = anchored.flat_map(Object::prompted_frames).collect();
        for object in &mut self.objects {
            let mut run = self.setting.model.run(&mut self.workspace, tap);
            object.track(setting, &mut run, features.as_deref().zip(shared.as_mut()), at);
            if self.setting.options.keep == Retention::Needed {
                object.forget(setting, at, &anchors);
                if setting.is_stream() {
                    object.forget_prompts(setting, frame_idx);
                }
            }
        }
        if let Some(shared) = shared {
            shared.recycle(&mut self.setting.model.run(&mut self.workspace, tap));
        }
        self.next = match self.direction {
            Direction::Forward => Some(frame_idx + 1).filter(|&next| next < self.setting.info.num_frames),
            Direction::Reverse => frame_idx.checked_sub(1),
        };
        let side = self.setting.model.low_res_size();
        let objects = self.objects.iter_mut().map(|object| object.tracked_output(frame_idx, side)).collect();
        Ok(self.output(frame_idx, objects))
    }

    /// [`Self::track_frame`] for every frame of an iterator, in the order of [`Self::begin`].
    ///
    /// ```
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # use sam2_model::{Frame, Points, VideoPredictor};
    /// # let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 3];
    /// # let info = VideoInfo::new(96, 64, 3);
    /// # let mut predictor = VideoPredictor::new(sam2_micro::model(), info, VideoOptions::default())?;
    /// # type Error = Box<dyn std::error::Error>;
    /// predictor.add_points(0, &clip[0], 1, &Points::click(48.0, 32.0))?;
    /// let frames = clip.into_iter().enumerate().map(Ok::<_, Error>); // or of a decoder
    /// for output in predictor.propagate(frames) {
    ///     println!("{} pixels", output?.mask(0).area());
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn propagate<E: From<VideoError>>(
        &mut self,
        frames: impl Iterator<Item = Result<(usize, Frame), E>>,
    ) -> impl Iterator<Item = Result<FrameOutput, E>> {
        frames.map(|frame| {
            let (frame_idx, frame) = frame?;
            Ok(self.track_frame(frame_idx, &frame)?)
        })
    }

    /// The stored masks of all objects on a frame; an object without a stored output is absent.
    ///
    /// ```
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # use sam2_model::{Frame, Points, VideoPredictor};
    /// # let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 3];
    /// # let info = VideoInfo::new(96, 64, 3);
    /// # let mut predictor = VideoPredictor::new(sam2_micro::model(), info, VideoOptions::default())?;
    /// predictor.add_points(0, &clip[0], 1, &Points::click(48.0, 32.0))?;
    /// assert!(predictor.output_on(0).mask(0).area() > 0);
    /// assert_eq!(predictor.output_on(1).mask(0).area(), 0); // not tracked yet
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn output_on(&self, frame_idx: usize) -> FrameOutput {
        let side = self.setting.model.low_res_size();
        self.output(frame_idx, self.objects.iter().map(|object| object.output(frame_idx, side)).collect())
    }

    pub(super) fn check(&self, frame_idx: usize, frame: FrameView) -> Result<(), VideoError> {
        let VideoInfo { width, height, num_frames } = self.setting.info;
        if frame_idx >= num_frames {
            return Err(VideoError::FrameIndex { frame_idx, num_frames });
        }
        let (expected, found) = ((width, height), (frame.width(), frame.height()));
        if expected != found {
            return Err(VideoError::FrameMismatch { frame_idx, expected, found });
        }
        Ok(())
    }

    fn check_objects(&self) -> Result<(), VideoError> {
        if self.objects.is_empty() {
            return Err(VideoError::NoObject);
        }
        match self.objects.iter().find(|object| object.prompted_frames().next().is_none()) {
            Some(object) => Err(VideoError::Unprompted(object.id)),
            None => Ok(()),
        }
    }

    fn check_points(
        &self,
        frame_idx: usize,
        frame: FrameView,
        points: &Points,
        earlier: usize,
    ) -> Result<Vec<ModelPoint>, VideoError> {
        self.check(frame_idx, frame)?;
        if points.is_empty() {
            return Err(PromptError::Empty.into());
        }
        let size = (self.setting.info.width, self.setting.info.height);
        Ok(transforms::points(points, earlier, size, self.setting.model.config.image_size)?)
    }

    /// Features of `frame_idx`, from a cache of the last `kept` frames.
    fn features(
        &mut self,
        frame_idx: usize,
        frame: FrameView,
        kept: usize,
        tap: &mut dyn Tap,
    ) -> Arc<Features> {
        let cached = self.cache.iter().position(|(f, _)| *f == frame_idx);
        let features = match cached {
            Some(i) => self.cache.remove(i).1,
            None => {
                // Evicts first, so that the peak memory does not include one more frame.
                self.cache.drain(..(self.cache.len() + 1).saturating_sub(kept));
                let side = self.setting.model.config.image_size;
                let mut run = self.setting.model.run(&mut self.workspace, tap);
                let mut pixels = run.take(side * side * 3);
                transforms::video(run.isa, frame, side, &mut pixels);
                run.tap.stage("resize");
                let features = self.setting.model.image_encoder.forward(&mut run, pixels);
                run.tap.stage("encode");
                Arc::new(features)
            }
        };
        self.cache.push((frame_idx, Arc::clone(&features)));
        features
    }

    fn add(&mut self, frame_idx: usize, frame: FrameView, obj_id: u32, prompt: &Prompt) -> FrameOutput {
        let features = self.features(frame_idx, frame, CACHED_FRAMES, &mut NoTap);
        self.pending.entry(frame_idx).or_insert_with(|| features.level2.clone());
        let setting = &self.setting;
        let index = self.objects.iter().position(|object| object.id == obj_id).unwrap_or_else(|| {
            self.objects.push(Object::new(obj_id, setting));
            self.objects.len() - 1
        });
        let mut tap = NoTap;
        let mut run = self.setting.model.run(&mut self.workspace, &mut tap);
        self.objects[index].prompt(setting, &mut run, &features, frame_idx, prompt);
        self.output_on(frame_idx)
    }

    /// Encodes the memories of prompted frames, which tracking reads.
    fn remember_prompts(&mut self) {
        let setting = &self.setting;
        let mut tap = NoTap;
        let mut run = self.setting.model.run(&mut self.workspace, &mut tap);
        for object in &mut self.objects {
            object.remember_prompts(setting, &mut run, &self.pending);
        }
        self.pending.clear();
    }

    fn output(&self, frame_idx: usize, objects: Vec<ObjectOutput>) -> FrameOutput {
        FrameOutput {
            frame_idx,
            objects,
            size: (self.setting.info.width, self.setting.info.height),
            isa: self.setting.model.isa,
            non_overlap: self.setting.options.non_overlap,
        }
    }
}
