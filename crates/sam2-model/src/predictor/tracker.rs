//! Tracking in a stream: one frame at a time, of unknown length, with prompts at any time.

use std::path::Path;
use std::sync::Arc;

use super::video::{FrameOutput, VideoInfo, VideoOptions, VideoPredictor, read_session_file};
use crate::error::{SessionError, VideoError};
use crate::memory::policy::{CustomPolicies, CustomPolicy};
use crate::model::Model;
use crate::types::{Frame, FrameView, Mask, Points};

/// Tracks objects through a stream: a [`VideoPredictor`] that takes only the next frame; prompts apply to the
/// last frame.
///
/// ```
/// use sam2_model::video::VideoOptions;
/// use sam2_model::{FrameView, PixelFormat, Points, Tracker};
///
/// let model = sam2_micro::model(); // or Model::open("sam2.1_hiera_tiny.pt")?
/// let mut tracker = Tracker::new(model, 96, 64, VideoOptions::default())?;
/// for frame_idx in 0..3 {
///     let pixels = vec![90; 96 * 64 * 4]; // from a camera
///     let output = tracker.push(FrameView::new(&pixels, 96, 64, PixelFormat::Bgra8)?)?;
///     if frame_idx == 0 {
///         tracker.add_points(1, &Points::click(48.0, 32.0))?; // may come at any time
///     } else {
///         println!("frame {frame_idx}: {} pixels", output.mask(0).area());
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Tracker {
    pub(super) predictor: VideoPredictor,
    pub(super) last: Option<Frame>,
    /// Number of frames so far.
    pub(super) frames: usize,
}

impl Tracker {
    /// A tracker without objects, for frames of `width` × `height` pixels. As many object pointers are used
    /// as in a clip of 16 frames or more.
    ///
    /// # Errors
    /// If there is no pixel, or an option is out of range.
    pub fn new(
        model: Arc<Model>,
        width: usize,
        height: usize,
        options: VideoOptions,
    ) -> Result<Self, VideoError> {
        Self::create(model, width, height, options, None)
    }

    /// A tracker with a memory policy of the caller's; see [`VideoPredictor::with_policy`].
    ///
    /// ```
    /// use sam2_model::Tracker;
    /// use sam2_model::policy::{MaskCandidates, MemoryPolicy};
    /// use sam2_model::video::VideoOptions;
    ///
    /// /// The first of the masks, whatever their estimates.
    /// #[derive(Debug)]
    /// struct First;
    ///
    /// impl MemoryPolicy for First {
    ///     fn select(&mut self, _: &MaskCandidates) -> usize {
    ///         0
    ///     }
    /// }
    ///
    /// Tracker::with_policy(sam2_micro::model(), 96, 64, VideoOptions::default(), || First)?;
    /// # Ok::<(), sam2_model::error::VideoError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_policy<P: CustomPolicy + 'static>(
        model: Arc<Model>,
        width: usize,
        height: usize,
        options: VideoOptions,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Result<Self, VideoError> {
        Self::create(model, width, height, options, Some(CustomPolicies::new(make)))
    }

    fn create(
        model: Arc<Model>,
        width: usize,
        height: usize,
        options: VideoOptions,
        policies: Option<CustomPolicies>,
    ) -> Result<Self, VideoError> {
        let info = VideoInfo { width, height, num_frames: usize::MAX };
        let predictor = VideoPredictor::create(model, info, options, policies)?;
        Ok(Self { predictor, last: None, frames: 0 })
    }

    /// Index of the last frame, counted from 0.
    pub fn frame_idx(&self) -> Option<usize> {
        self.frames.checked_sub(1)
    }

    /// Object ids, in the order in which they were first prompted.
    pub fn object_ids(&self) -> Vec<u32> {
        self.predictor.object_ids()
    }

    /// Tracks all objects into the next frame. Its pixels are copied into a buffer of the tracker, for later
    /// prompts on it.
    ///
    /// # Errors
    /// If the frame has another size, or an object has no prompt left; the frame is then not counted.
    pub fn push<'f>(&mut self, frame: impl Into<FrameView<'f>>) -> Result<FrameOutput, VideoError> {
        let (frame_idx, frame) = (self.frames, frame.into());
        let output = if self.predictor.object_ids().is_empty() {
            self.predictor.check(frame_idx, frame)?;
            self.predictor.output_on(frame_idx)
        } else {
            self.predictor.track_frame(frame_idx, frame)?
        };
        match &mut self.last {
            Some(last) => last.copy_from(frame),
            None => self.last = Some(frame.into()),
        }
        self.frames += 1;
        Ok(output)
    }

    /// Clicks or a box on the last frame: the first prompt of a new object, or a correction. Returns the
    /// masks of all objects on this frame. See [`VideoPredictor::add_points`].
    ///
    /// # Errors
    /// If there is no frame yet, or the prompt is empty, outside the image or malformed.
    pub fn add_points(&mut self, obj_id: u32, points: &Points) -> Result<FrameOutput, VideoError> {
        let (frame_idx, frame) = current(&self.last, self.frames)?;
        self.predictor.add_points(frame_idx, frame, obj_id, points)
    }

    /// [`Self::add_points`] with clicks added to the earlier ones on this frame.
    ///
    /// ```
    /// # use sam2_model::{Frame, Points, Tracker, video::VideoOptions};
    /// # let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
    /// # let mut tracker = Tracker::new(sam2_micro::model(), 96, 64, VideoOptions::default())?;
    /// tracker.push(&picture)?;
    /// tracker.add_points(1, &Points::click(48.0, 32.0))?;
    /// let output = tracker.add_more_points(1, &Points::new().off(90.0, 5.0))?;
    /// assert_eq!(output.objects.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::add_points`], and if there is a box.
    pub fn add_more_points(&mut self, obj_id: u32, points: &Points) -> Result<FrameOutput, VideoError> {
        let (frame_idx, frame) = current(&self.last, self.frames)?;
        self.predictor.add_more_points(frame_idx, frame, obj_id, points)
    }

    /// A mask prompt on the last frame, of any size; see [`VideoPredictor::add_mask`].
    ///
    /// ```
    /// # use sam2_model::{Frame, Mask, Tracker, video::VideoOptions};
    /// # let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
    /// # let mut tracker = Tracker::new(sam2_micro::model(), 96, 64, VideoOptions::default())?;
    /// tracker.push(&picture)?;
    /// let half = Mask::new(2, 1, vec![true, false])?; // the left half, at any resolution
    /// let output = tracker.add_mask(1, &half)?;
    /// assert!(output.mask(0).area().abs_diff(96 * 64 / 2) < 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no frame yet.
    pub fn add_mask(&mut self, obj_id: u32, mask: &Mask) -> Result<FrameOutput, VideoError> {
        let (frame_idx, frame) = current(&self.last, self.frames)?;
        self.predictor.add_mask(frame_idx, frame, obj_id, mask)
    }

    /// Width and height of the frames.
    pub fn size(&self) -> (usize, usize) {
        let VideoInfo { width, height, .. } = self.predictor.info();
        (width, height)
    }

    /// All objects on the last frame, with the prompts since then.
    ///
    /// ```
    /// # use sam2_model::{Frame, Points, Tracker, video::VideoOptions};
    /// # let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
    /// # let mut tracker = Tracker::new(sam2_micro::model(), 96, 64, VideoOptions::default())?;
    /// assert_eq!((tracker.frame_idx(), tracker.size()), (None, (96, 64)));
    /// tracker.push(&picture)?;
    /// tracker.add_points(7, &Points::click(48.0, 32.0))?;
    /// assert_eq!((tracker.frame_idx(), tracker.object_ids()), (Some(0), vec![7]));
    /// assert_eq!(tracker.output().objects[0].obj_id, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn output(&self) -> FrameOutput {
        self.predictor.output_on(self.frame_idx().unwrap_or(0))
    }

    /// Removes an object. Returns whether it existed.
    pub fn remove_object(&mut self, obj_id: u32) -> bool {
        self.predictor.remove_object(obj_id)
    }

    /// Removes all objects; the frame count continues.
    ///
    /// ```
    /// # use sam2_model::{Frame, Points, Tracker, video::VideoOptions};
    /// # let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
    /// # let mut tracker = Tracker::new(sam2_micro::model(), 96, 64, VideoOptions::default())?;
    /// tracker.push(&picture)?;
    /// tracker.add_points(1, &Points::click(48.0, 32.0))?;
    /// tracker.add_points(2, &Points::click(10.0, 10.0))?;
    /// assert!(tracker.remove_object(1) && !tracker.remove_object(1));
    /// assert_eq!(tracker.object_ids(), [2]);
    /// tracker.reset();
    /// assert_eq!((tracker.object_ids(), tracker.frame_idx()), (vec![], Some(0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(&mut self) {
        self.predictor.reset();
    }

    /// All state that later frames and prompts depend on, as the contents of a safetensors file; see
    /// [`VideoPredictor::save_session`].
    pub fn save_session(&self) -> Vec<u8> {
        self.predictor.session(Some(self))
    }

    /// [`Self::resume_session`] from a file.
    ///
    /// ```
    /// # use sam2_model::{Frame, Points, Tracker, video::VideoOptions};
    /// # let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
    /// # let mut tracker = Tracker::new(sam2_micro::model(), 96, 64, VideoOptions::default())?;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("session.safetensors");
    /// tracker.push(&picture)?;
    /// tracker.add_points(1, &Points::click(48.0, 32.0))?;
    /// std::fs::write(&path, tracker.save_session())?;
    /// assert_eq!(Tracker::open_session(sam2_micro::model(), &path)?.object_ids(), [1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read, and as [`Self::resume_session`].
    pub fn open_session(model: Arc<Model>, path: impl AsRef<Path>) -> Result<Self, SessionError> {
        let path = path.as_ref();
        let io = |source| SessionError::Io { path: path.to_owned(), source };
        let bytes = read_session_file(path).map_err(io)?;
        Self::resume_session(model, &bytes, &path.display().to_string())
    }

    /// A tracker from the bytes of [`Self::save_session`]: its results have the same bits as those of an
    /// uninterrupted one. `origin` names the source in errors.
    ///
    /// ```
    /// # use sam2_model::{Frame, Points, Tracker, video::VideoOptions};
    /// # let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
    /// # let mut tracker = Tracker::new(sam2_micro::model(), 96, 64, VideoOptions::default())?;
    /// tracker.push(&picture)?;
    /// tracker.add_points(1, &Points::click(48.0, 32.0))?;
    /// let session = tracker.save_session(); // bytes of a file
    ///
    /// let mut later = Tracker::resume_session(sam2_micro::model(), &session, "session.safetensors")?;
    /// assert_eq!(later.push(&picture)?.mask(0), tracker.push(&picture)?.mask(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the contents are damaged, of another model or program, or not of a stream.
    pub fn resume_session(model: Arc<Model>, bytes: &[u8], origin: &str) -> Result<Self, SessionError> {
        Self::resume(model, bytes, origin, None)
    }

    /// [`Self::resume_session`] of a tracker that was made with [`Self::with_policy`].
    ///
    /// # Errors
    /// As [`Self::resume_session`], and if a policy does not accept its saved state.
    pub fn resume_session_with_policy<P: CustomPolicy + 'static>(
        model: Arc<Model>,
        bytes: &[u8],
        origin: &str,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Result<Self, SessionError> {
        Self::resume(model, bytes, origin, Some(CustomPolicies::new(make)))
    }

    fn resume(
        model: Arc<Model>,
        bytes: &[u8],
        origin: &str,
        policies: Option<CustomPolicies>,
    ) -> Result<Self, SessionError> {
        let (predictor, stream) = VideoPredictor::resume(model, bytes, origin, policies)?;
        let (frames, last) = stream.ok_or_else(|| SessionError::Damaged {
            origin: origin.to_owned(),
            reason: "it is of a clip, not of a stream".to_owned(),
        })?;
        Ok(Self { predictor, last, frames })
    }
}

/// The last frame and its index.
fn current(last: &Option<Frame>, frames: usize) -> Result<(usize, &Frame), VideoError> {
    let frame_idx = frames.checked_sub(1).ok_or(VideoError::NoFrame)?;
    Ok((frame_idx, last.as_ref().ok_or(VideoError::NoFrame)?))
}
