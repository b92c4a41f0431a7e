//! Sessions: the state of a predictor as a safetensors file, with tensors for outputs of the model and JSON
//! metadata for the rest.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use half::bf16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::objects::{Hypothesis, Object, Setting};
use super::{VideoInfo, VideoOptions, VideoPredictor};
use crate::error::SessionError;
use crate::memory::bank::{Direction, FrameSet, MemoryBank, StoredOutput};
use crate::memory::policy::{CustomPolicies, CustomPolicy};
use crate::model::Model;
use crate::predictor::tracker::Tracker;
use crate::prompt_encoder::ModelPoint;
use crate::text::message;
use crate::types::{Frame, Points};

/// Key of the metadata.
const KEY: &str = "sam2.session";
/// Format version; raised when older programs cannot read newer files.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    /// See [`Model::fingerprint`]; as text, because some JSON readers round 64-bit numbers.
    model: String,
    info: VideoInfo,
    options: VideoOptions,
    reverse: bool,
    next: Option<usize>,
    pending: Vec<usize>,
    objects: Vec<ObjectHeader>,
    /// Number of frames so far, for a stream.
    frames: Option<usize>,
    /// Whether the memory policy is the caller's.
    #[serde(default, skip_serializing_if = "is_false")]
    custom_policy: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Limits of what a session may hold: far above any use, so that its cost is that of its bytes.
const MAX_SIDE: usize = 1 << 16;
const MAX_PIXELS: usize = 1 << 28;
const MAX_FRAMES: usize = usize::MAX >> (usize::BITS / 4);
const MAX_HYPOTHESES: usize = 16;

impl Header {
    /// Fails if the header alone is impossible.
    fn check(&self) -> Result<(), String> {
        let VideoInfo { width, height, .. } = self.info;
        if width.max(height) > MAX_SIDE || width.saturating_mul(height) > MAX_PIXELS {
            return Err(format!("a video has not {width}x{height} pixels"));
        }
        if self.frames.is_some_and(|frames| frames > MAX_FRAMES) {
            return Err("it is of more frames than there can be".to_owned());
        }
        for object in &self.objects {
            let id = object.id;
            if object.hypotheses.is_empty() || object.hypotheses.len() > MAX_HYPOTHESES {
                return Err(format!("object {id} has {} hypotheses", object.hypotheses.len()));
            }
            if object.hypotheses.iter().any(|hypothesis| !hypothesis.score.is_finite()) {
                return Err(format!("a hypothesis of object {id} has no score"));
            }
            let mut lists = vec![&object.fresh_cond, &object.fresh_non_cond];
            lists.extend(object.hypotheses.iter().flat_map(|of| [&of.cond, &of.non_cond]));
            if lists.into_iter().any(|frames| frames.iter().collect::<BTreeSet<_>>().len() < frames.len()) {
                return Err(format!("object {id} has two outputs on one frame"));
            }
            for points in object.points.values() {
                let is_one = |(x, y, label): &(f32, f32, i32)| {
                    x.is_finite() && y.is_finite() && (-1..=3).contains(label)
                };
                if points.len() > Points::MAX || !points.iter().all(is_one) {
                    return Err(format!("object {id} has impossible clicks"));
                }
            }
        }
        Ok(())
    }
}

/// Tensor with the last frame of a stream, `[h, w, 3]`.
const LAST_FRAME: &str = "last_frame";

#[derive(Serialize, Deserialize)]
struct ObjectHeader {
    id: u32,
    policy: serde_json::Value,
    points: BTreeMap<usize, Vec<(f32, f32, i32)>>,
    forward: Vec<(usize, usize)>,
    reverse: Vec<(usize, usize)>,
    lost: Vec<(usize, usize)>,
    in_view: Option<bool>,
    /// Frames of the fresh outputs.
    fresh_cond: Vec<usize>,
    fresh_non_cond: Vec<usize>,
    hypotheses: Vec<HypothesisHeader>,
}

#[derive(Serialize, Deserialize)]
struct HypothesisHeader {
    score: f64,
    cond: Vec<usize>,
    non_cond: Vec<usize>,
}

fn frames<'a>(list: impl IntoIterator<Item = &'a (usize, StoredOutput)>) -> Vec<usize> {
    list.into_iter().map(|(frame, _)| *frame).collect()
}

impl VideoPredictor {
    /// All state that later frames and prompts depend on, as the contents of a safetensors file: a predictor
    /// resumed from it gives the same bits as an uninterrupted one.
    pub fn save_session(&self) -> Vec<u8> {
        self.session(None)
    }

    /// [`Self::save_session`], with the additional state of a stream.
    pub(in crate::predictor) fn session(&self, stream: Option<&Tracker>) -> Vec<u8> {
        let mut tensors = Tensors::default();
        let objects = self
            .objects
            .iter()
            .enumerate()
            .map(|(i, object)| tensors.object(&format!("objects.{i}"), object));
        let objects = objects.collect();
        for (frame, level2) in &self.pending {
            tensors.floats(format!("pending.{frame}"), level2);
        }
        if let Some(frame) = stream.and_then(|stream| stream.last.as_ref()) {
            tensors.0.push((LAST_FRAME.to_owned(), Dtype::U8, frame.rgb().len(), frame.rgb().to_vec()));
        }
        let header = Header {
            version: VERSION,
            model: format!("{:016x}", self.setting.model.fingerprint()),
            info: self.setting.info,
            options: self.setting.options,
            reverse: self.direction == Direction::Reverse,
            next: self.next,
            pending: self.pending.keys().copied().collect(),
            objects,
            frames: stream.map(|stream| stream.frames),
            custom_policy: self.setting.policies.is_some(),
        };
        tensors.serialize(&header)
    }

    /// A predictor from the bytes of [`Self::save_session`]; `origin` names the source in errors.
    ///
    /// ```
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # use sam2_model::{Frame, Points, VideoPredictor};
    /// # let clip = vec![Frame::new(96, 64, vec![90; 96 * 64 * 3])?; 2];
    /// # let info = VideoInfo::new(96, 64, 2);
    /// # let mut predictor = VideoPredictor::new(sam2_micro::model(), info, VideoOptions::default())?;
    /// predictor.add_points(0, &clip[0], 1, &Points::click(48.0, 32.0))?;
    /// predictor.track_frame(0, &clip[0])?;
    /// let session = predictor.save_session(); // bytes of a file
    ///
    /// let mut later = VideoPredictor::resume_session(sam2_micro::model(), &session, "session.safetensors")?;
    /// assert_eq!(later.track_frame(1, &clip[1])?.mask(0), predictor.track_frame(1, &clip[1])?.mask(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the contents are damaged, or are of another model or program.
    pub fn resume_session(model: Arc<Model>, bytes: &[u8], origin: &str) -> Result<Self, SessionError> {
        Ok(Self::resume(model, bytes, origin, None)?.0)
    }

    /// [`Self::resume_session`] of a predictor that was made with [`Self::with_policy`].
    ///
    /// ```
    /// # use sam2_model::VideoPredictor;
    /// # use sam2_model::policy::MemoryPolicy;
    /// # use sam2_model::video::{VideoInfo, VideoOptions};
    /// # #[derive(Debug)]
    /// # struct Own;
    /// # impl MemoryPolicy for Own {}
    /// let (model, info) = (sam2_micro::model(), VideoInfo::new(96, 64, 30));
    /// let predictor = VideoPredictor::with_policy(model.clone(), info, VideoOptions::default(), || Own)?;
    /// let (session, name) = (predictor.save_session(), "session.safetensors");
    /// assert!(VideoPredictor::resume_session_with_policy(model.clone(), &session, name, || Own).is_ok());
    /// assert!(VideoPredictor::resume_session(model, &session, name).is_err());
    /// # Ok::<(), sam2_model::error::VideoError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::resume_session`], and if a policy does not accept its saved state.
    pub fn resume_session_with_policy<P: CustomPolicy + 'static>(
        model: Arc<Model>,
        bytes: &[u8],
        origin: &str,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Result<Self, SessionError> {
        Ok(Self::resume(model, bytes, origin, Some(CustomPolicies::new(make)))?.0)
    }

    /// [`Self::resume_session`]; for a stream also the number of frames and the last one.
    #[allow(clippy::type_complexity)]
    pub(in crate::predictor) fn resume(
        model: Arc<Model>,
        bytes: &[u8],
        origin: &str,
        policies: Option<CustomPolicies>,
    ) -> Result<(Self, Option<(usize, Option<Frame>)>), SessionError> {
        let damaged = |reason: String| SessionError::Damaged { origin: origin.to_owned(), reason };
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(message(&e)))?;
        let text = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
        let text = text.ok_or_else(|| damaged(format!("it has no metadata {KEY}")))?;
        let header: Header = serde_json::from_str(text).map_err(|e| damaged(message(&e)))?;
        if header.version != VERSION {
            return Err(SessionError::Version { origin: origin.to_owned(), found: header.version });
        }
        if header.model != format!("{:016x}", model.fingerprint()) {
            let model = model.summary().variant.clone();
            return Err(SessionError::OtherModel { origin: origin.to_owned(), model });
        }
        if header.custom_policy != policies.is_some() {
            let origin = origin.to_owned();
            return Err(SessionError::OtherPolicy { origin, custom: header.custom_policy });
        }
        header.check().map_err(damaged)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| damaged(message(&e)))?;
        let file = File { tensors, model: &model, read: Cell::new(0) };
        let mut predictor = Self::create(Arc::clone(&model), header.info, header.options, policies)
            .map_err(|e| damaged(e.to_string()))?;
        for (i, object) in header.objects.into_iter().enumerate() {
            let object = file.object(&format!("objects.{i}"), object, &predictor.setting).map_err(damaged)?;
            predictor.objects.push(object);
        }
        for frame in header.pending {
            let level2 = file.floats(&format!("pending.{frame}"), file.level2_len()).map_err(damaged)?;
            predictor.pending.insert(frame, level2);
        }
        predictor.direction = if header.reverse { Direction::Reverse } else { Direction::Forward };
        predictor.next = header.next;
        let last = match file.tensors.tensor(LAST_FRAME) {
            Ok(tensor) if tensor.dtype() == Dtype::U8 => {
                let VideoInfo { width, height, .. } = header.info;
                Some(Frame::new(width, height, tensor.data().to_vec()).map_err(|e| damaged(e.to_string()))?)
            }
            _ => None,
        };
        if file.read.get() + usize::from(last.is_some()) != file.tensors.len() {
            return Err(damaged("some of its tensors belong to nothing".to_owned()));
        }
        if header.frames.is_some_and(|frames| (frames > 0) != last.is_some()) {
            return Err(damaged("the last frame of the stream is missing".to_owned()));
        }
        predictor.check_resumed(header.frames).map_err(damaged)?;
        Ok((predictor, header.frames.map(|frames| (frames, last))))
    }

    /// Checks that the parts of an undamaged file are consistent: later frames rely on it. `frames` is the
    /// number of frames so far of a stream.
    fn check_resumed(&self, frames: Option<usize>) -> Result<(), String> {
        let ids: BTreeSet<u32> = self.objects.iter().map(|object| object.id).collect();
        if ids.len() < self.objects.len() {
            return Err("it has an object twice".to_owned());
        }
        let stored = self.objects.iter().flat_map(|object| {
            let banks = object.hypotheses.iter().map(|hypothesis| &hypothesis.bank);
            let stored = banks.flat_map(|bank| {
                bank.cond.iter().map(|(frame, _)| *frame).chain(bank.non_cond.keys().copied())
            });
            let fresh = object.fresh_cond.iter().chain(&object.fresh_non_cond).map(|(frame, _)| *frame);
            let passed =
                [&object.forward, &object.reverse, &object.lost].into_iter().filter_map(FrameSet::last);
            stored.chain(fresh).chain(passed).chain(object.points.keys().copied())
        });
        let known = frames.unwrap_or(self.setting.info.num_frames).min(MAX_FRAMES);
        if let Some(frame) = stored.chain(self.pending.keys().copied()).find(|frame| *frame >= known) {
            return Err(format!("it knows frame {frame} of {known}"));
        }
        let next = self.next.filter(|next| match frames {
            Some(frames) => *next != frames,
            None => *next >= known,
        });
        if let Some(next) = next {
            return Err(format!("it goes on at frame {next}, after {known}"));
        }
        for object in &self.objects {
            let fresh = || object.fresh_cond.iter().chain(&object.fresh_non_cond);
            if let Some((frame, _)) = fresh().find(|(frame, _)| !self.pending.contains_key(frame)) {
                return Err(format!("frame {frame} is prompted, but its features are missing"));
            }
            let prompted = object.hypotheses.iter().flat_map(|hypothesis| &hypothesis.bank.cond);
            let remembered = prompted.map(|(frame, output)| (frame, output, output.memory.is_some()));
            let mut all = remembered.chain(fresh().map(|(frame, output)| (frame, output, true)));
            if let Some((frame, ..)) = all.find(|(_, output, whole)| !whole || output.low_res.is_empty()) {
                return Err(format!("frame {frame} is prompted, but its mask or memory is missing"));
            }
        }
        Ok(())
    }
}

/// Writer of the tensors.
#[derive(Default)]
struct Tensors(Vec<(String, Dtype, usize, Vec<u8>)>);

impl Tensors {
    fn floats(&mut self, name: String, values: &[f32]) {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.0.push((name, Dtype::F32, values.len(), bytes));
    }

    fn output(&mut self, name: &str, output: &StoredOutput) {
        self.floats(format!("{name}.low_res"), &output.low_res);
        self.floats(format!("{name}.obj_ptr"), &output.obj_ptr);
        self.floats(format!("{name}.scores"), &[output.object_score, output.iou]);
        if let Some(memory) = &output.memory {
            let bytes = memory.iter().flat_map(|x| x.to_bits().to_le_bytes()).collect();
            self.0.push((format!("{name}.memory"), Dtype::BF16, memory.len(), bytes));
        }
        if let Some(motion) = output.motion {
            self.0.push((format!("{name}.motion"), Dtype::F64, 1, motion.to_le_bytes().to_vec()));
        }
    }

    fn object(&mut self, name: &str, object: &Object) -> ObjectHeader {
        for (kind, outputs) in
            [("fresh_cond", &object.fresh_cond), ("fresh_non_cond", &object.fresh_non_cond)]
        {
            outputs.iter().for_each(|(frame, output)| self.output(&format!("{name}.{kind}.{frame}"), output));
        }
        let mut hypotheses = Vec::new();
        for (i, Hypothesis { bank, score }) in object.hypotheses.iter().enumerate() {
            let name = format!("{name}.hypotheses.{i}");
            bank.cond.iter().for_each(|(frame, output)| self.output(&format!("{name}.cond.{frame}"), output));
            bank.non_cond
                .iter()
                .for_each(|(frame, output)| self.output(&format!("{name}.non_cond.{frame}"), output));
            hypotheses.push(HypothesisHeader {
                score: *score,
                cond: frames(&bank.cond),
                non_cond: bank.non_cond.keys().copied().collect(),
            });
        }
        let points = object
            .points
            .iter()
            .map(|(&frame, points)| (frame, points.iter().map(|p| (p.x, p.y, p.label)).collect()));
        ObjectHeader {
            id: object.id,
            policy: object.policy.save(),
            points: points.collect(),
            forward: object.forward.pairs().to_vec(),
            reverse: object.reverse.pairs().to_vec(),
            lost: object.lost.pairs().to_vec(),
            in_view: object.in_view,
            fresh_cond: frames(&object.fresh_cond),
            fresh_non_cond: frames(&object.fresh_non_cond),
            hypotheses,
        }
    }

    fn serialize(&self, header: &Header) -> Vec<u8> {
        let text = serde_json::to_string(header).expect("the header is plain data with text keys");
        let views = self.0.iter().map(|(name, dtype, len, bytes)| {
            (name, TensorView::new(*dtype, vec![*len], bytes).expect("the bytes are of the shape"))
        });
        let metadata = HashMap::from([(KEY.to_owned(), text)]);
        safetensors::serialize(views, Some(metadata)).expect("names are unique and all sizes fit")
    }
}

fn not_finite(name: &str) -> String {
    format!("tensor {name} holds values that are not numbers")
}

/// Reader of the tensors.
struct File<'a> {
    tensors: SafeTensors<'a>,
    model: &'a Model,
    /// Number of tensors read.
    read: Cell<usize>,
}

impl File<'_> {
    fn level2_len(&self) -> usize {
        self.model.config.grid().pow(2) * self.model.config.d_model
    }

    fn bytes(&self, name: &str, dtype: Dtype, width: usize, lens: &[usize]) -> Result<&[u8], String> {
        let tensor = self.tensors.tensor(name).map_err(|_| format!("tensor {name} is missing"))?;
        let len = tensor.data().len();
        if tensor.dtype() != dtype || !lens.iter().any(|n| n * width == len) {
            return Err(format!("tensor {name} has the wrong type or size"));
        }
        self.read.set(self.read.get() + 1);
        // A tensor that is read twice is in no session, and could be read any number of times.
        if self.read.get() > self.tensors.len() {
            return Err("some of its tensors belong to several outputs".to_owned());
        }
        Ok(tensor.data())
    }

    fn floats(&self, name: &str, len: usize) -> Result<Vec<f32>, String> {
        self.floats_of(name, &[len])
    }

    fn floats_of(&self, name: &str, lens: &[usize]) -> Result<Vec<f32>, String> {
        let bytes = self.bytes(name, Dtype::F32, 4, lens)?;
        let values: Vec<f32> = bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        if values.iter().all(|x| x.is_finite()) { Ok(values) } else { Err(not_finite(name)) }
    }

    fn output(&self, name: &str) -> Result<StoredOutput, String> {
        let config = &self.model.config;
        let scores = self.floats(&format!("{name}.scores"), 2)?;
        let has = |part: &str| self.tensors.tensor(&format!("{name}.{part}")).is_ok();
        let memory = if has("memory") {
            let len = self.model.recall.layout().spatial_len();
            let bytes = self.bytes(&format!("{name}.memory"), Dtype::BF16, 2, &[len])?;
            let values: Arc<[bf16]> = bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b)).collect();
            if !values.iter().all(|x| x.is_finite()) {
                return Err(not_finite(&format!("{name}.memory")));
            }
            Some(values)
        } else {
            None
        };
        let motion = if has("motion") {
            let bytes = self.bytes(&format!("{name}.motion"), Dtype::F64, 8, &[1])?;
            let motion = bytes.try_into().ok().map(f64::from_le_bytes);
            Some(motion.filter(|x| x.is_finite()).ok_or_else(|| not_finite(&format!("{name}.motion")))?)
        } else {
            None
        };
        let low_res = config.low_res_size().pow(2);
        Ok(StoredOutput {
            memory,
            low_res: self.floats_of(&format!("{name}.low_res"), &[low_res, 0])?.into(),
            obj_ptr: self.floats(&format!("{name}.obj_ptr"), config.d_model)?.into(),
            object_score: scores[0],
            iou: scores[1],
            motion,
        })
    }

    fn outputs(&self, name: &str, frames: Vec<usize>) -> Result<Vec<(usize, StoredOutput)>, String> {
        frames.into_iter().map(|frame| Ok((frame, self.output(&format!("{name}.{frame}"))?))).collect()
    }

    fn object(&self, name: &str, header: ObjectHeader, setting: &Setting) -> Result<Object, String> {
        let mut object = Object::new(header.id, setting);
        object.policy.resume(header.policy).map_err(|e| e.to_string())?;
        for (frame, points) in header.points {
            let points = points.into_iter().map(|(x, y, label)| ModelPoint { x, y, label }).collect();
            object.points.insert(frame, points);
        }
        let spans = |pairs| {
            FrameSet::from_pairs(pairs).ok_or_else(|| format!("{name} has a span that ends before it begins"))
        };
        object.forward = spans(header.forward)?;
        object.reverse = spans(header.reverse)?;
        object.lost = spans(header.lost)?;
        object.in_view = header.in_view;
        object.fresh_cond = self.outputs(&format!("{name}.fresh_cond"), header.fresh_cond)?;
        object.fresh_non_cond = self.outputs(&format!("{name}.fresh_non_cond"), header.fresh_non_cond)?;
        object.hypotheses.clear();
        for (i, hypothesis) in header.hypotheses.into_iter().enumerate() {
            let name = format!("{name}.hypotheses.{i}");
            let cond = self.outputs(&format!("{name}.cond"), hypothesis.cond)?;
            let non_cond = self.outputs(&format!("{name}.non_cond"), hypothesis.non_cond)?;
            let bank = MemoryBank { cond, non_cond: non_cond.into_iter().collect() };
            object.hypotheses.push(Hypothesis { bank, score: hypothesis.score });
        }
        Ok(object)
    }
}
