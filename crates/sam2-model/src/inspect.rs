//! Access to single modules, for golden tests and benchmarks. Not part of the stable interface.

use crate::features::Features;
use crate::heads::{HeadOutput, HeadPrompt};
use crate::mask_decoder::Gate;
use crate::memory::bank::{Direction, FrameTime, MemoryBank, StoredOutput};
use crate::memory::encoder::MaskInput;
use crate::memory::policy::{Kalman, MemoryPolicyKind};
use crate::memory::tokens::{MemoryTokens, Place};
use crate::model::Model;
use crate::predictor::video::{VideoOptions, VideoPredictor};
use crate::prompt_encoder::ModelPoint;
use crate::scores::argmax;
use crate::shared_frame::SharedFrame;
use crate::tap::{NoTap, Tap};
use crate::types::Frame;
use crate::workspace::{Run, Workspace};
use half::bf16;

/// A stored output of one frame, for [`memory_tokens`] and [`track`].
#[derive(Clone, Debug)]
pub struct Stored {
    /// Frame index.
    pub frame: usize,
    /// Whether the frame was prompted.
    pub cond: bool,
    /// `[g, g, mem_dim]`; rounded to bf16 on the way in.
    pub memory: Vec<f32>,
    /// `[D]`.
    pub obj_ptr: Vec<f32>,
}

/// Output of the heads.
#[derive(Clone, Debug)]
pub struct Heads {
    /// `[s, s]`.
    pub low_res: Vec<f32>,
    /// Predicted IoU.
    pub iou: f32,
    /// `[D]`.
    pub obj_ptr: Vec<f32>,
    /// Logit.
    pub object_score: f32,
    /// `[g, g, mem_dim]`, if it was encoded; before rounding to bf16.
    pub memory: Vec<f32>,
}

impl Heads {
    fn new(head: HeadOutput, memory: Vec<f32>) -> Self {
        let HeadOutput { low_res, iou, obj_ptr, object_score } = head;
        Self { low_res, iou, obj_ptr, object_score, memory }
    }
}

/// The pixels of the video path, normalised.
pub fn video_input(model: &Model, frame: &Frame) -> Vec<f32> {
    let side = model.config.image_size;
    let mut pixels = vec![0.0; side * side * 3];
    crate::transforms::video(model.isa, frame.into(), side, &mut pixels);
    pixels
}

/// The pixels of the image path, normalised.
pub fn image_input(model: &Model, frame: &Frame) -> Vec<f32> {
    let side = model.config.image_size;
    let mut pixels = vec![0.0; side * side * 3];
    crate::transforms::image(model.isa, frame.into(), side, &mut pixels);
    pixels
}

/// Transformer block `index` of the trunk on `x`, `[h, w, Cin]`.
///
/// # Panics
/// If the trunk has none.
pub fn trunk_block(
    model: &Model,
    tap: &mut dyn Tap,
    index: usize,
    x: Vec<f32>,
    size: (usize, usize),
) -> Vec<f32> {
    let mut workspace = Workspace::default();
    let mut run = model.run(&mut workspace, tap);
    let block = model.image_encoder.trunk.block(index).expect("a transformer has this block");
    block.forward(&mut run, x.into(), size, index).0.to_vec()
}

/// The spatial perceiver of EdgeTAM on a memory, `[g, g, mem_dim]`.
///
/// # Panics
/// If the model has none.
pub fn perceiver(model: &Model, tap: &mut dyn Tap, memory: &[f32]) -> Vec<f32> {
    let mut workspace = Workspace::default();
    let perceiver = model.perceiver.as_ref().expect("the model has a perceiver");
    perceiver.forward(&mut model.run(&mut workspace, tap), memory)
}

fn model_points(points: &[(f32, f32, i32)]) -> Vec<ModelPoint> {
    points.iter().map(|&(x, y, label)| ModelPoint { x, y, label }).collect()
}

/// Prompt encoder and mask decoder on given features; `points` are `(x, y, label)` in model coordinates,
/// padding included.
pub fn decode(
    model: &Model,
    tap: &mut dyn Tap,
    features: &Features,
    points: &[(f32, f32, i32)],
    mask: Option<&[f32]>,
) {
    let mut workspace = Workspace::default();
    let points = model_points(points);
    model.decode(
        &mut model.run(&mut workspace, tap),
        &features.level2,
        features,
        &points,
        mask,
        &Gate::default(),
    );
}

/// The heads of the video path on given features, `level2` taken as already conditioned.
pub fn sam_heads(
    model: &Model,
    tap: &mut dyn Tap,
    features: &Features,
    points: &[(f32, f32, i32)],
    mask: Option<&[f32]>,
    multimask: bool,
) -> Heads {
    let mut workspace = Workspace::default();
    let points = model_points(points);
    let mut run = model.run(&mut workspace, tap);
    let prompt = HeadPrompt { points: &points, mask, multimask };
    let candidates = model.forward_sam_heads(&mut run, &features.level2, features, &prompt, 0.0);
    let head = model.answer(&mut run, &candidates, argmax(&candidates.ious));
    Heads::new(head, Vec::new())
}

/// A mask prompt as the output: `mask` is `[S, S]` of 0 and 1.
pub fn mask_as_output(model: &Model, tap: &mut dyn Tap, features: &Features, mask: &[f32]) -> Heads {
    let mut workspace = Workspace::default();
    let head = model.use_mask_as_output(&mut model.run(&mut workspace, tap), features, mask, 0.0);
    Heads::new(head, Vec::new())
}

/// The memory encoder on raw features and `[S, S]` logits, binarised or not.
pub fn memory_encoder(
    model: &Model,
    tap: &mut dyn Tap,
    level2: &[f32],
    mut mask: Vec<f32>,
    binary: bool,
) -> Vec<f32> {
    let mut workspace = Workspace::default();
    let input = if binary { MaskInput::Binary } else { MaskInput::Soft };
    let mut run = model.run(&mut workspace, tap);
    let projected = model.memory_encoder.project(&mut run, level2);
    model.memory_encoder.forward(&mut run, &projected, &mut mask, input)
}

fn bank(stored: &[Stored]) -> MemoryBank {
    let mut bank = MemoryBank::default();
    for item in stored {
        let output = StoredOutput {
            memory: Some(item.memory.iter().map(|&x| bf16::from_f32(x)).collect()),
            low_res: [].into(),
            obj_ptr: item.obj_ptr.clone().into(),
            object_score: 1.0,
            iou: 1.0,
            motion: None,
        };
        if item.cond {
            bank.set_cond(item.frame, output);
        } else {
            bank.non_cond.insert(item.frame, output);
        }
    }
    bank
}

/// The tokens that `frame` attends to, with the configuration's limits.
fn tokens(
    run: &mut Run,
    model: &Model,
    stored: &[Stored],
    frame: usize,
    num_frames: usize,
    reverse: bool,
) -> MemoryTokens {
    let direction = if reverse { Direction::Reverse } else { Direction::Forward };
    let policy = MemoryPolicyKind::Sam2.create(&model.config);
    let options = VideoOptions::default().recall_options(&model.config);
    let at = FrameTime { frame, num_frames, direction };
    model.recall.tokens(run, &bank(stored), at, &options, &*policy)
}

/// Values, positions and number of pointer tokens that `frame` attends to.
pub fn memory_tokens(
    model: &Model,
    stored: &[Stored],
    frame: usize,
    num_frames: usize,
) -> (Vec<f32>, Vec<f32>, usize) {
    let (mut workspace, mut tap) = (Workspace::default(), NoTap);
    let mut run = model.run(&mut workspace, &mut tap);
    let tokens = tokens(&mut run, model, stored, frame, num_frames, false);
    let pointers = tokens.spans.iter().filter(|span| span.place == Place::Unplaced);
    let pointer_tokens = pointers.map(|span| span.tokens).sum();
    (tokens.values.to_vec(), tokens.positions.to_vec(), pointer_tokens)
}

/// Memory attention over the tokens that a frame attends to: its index, frames of the video, direction of the
/// pass.
pub fn memory_attention(
    model: &Model,
    workspace: &mut Workspace,
    tap: &mut dyn Tap,
    level2: &[f32],
    stored: &[Stored],
    (frame, num_frames, reverse): (usize, usize, bool),
) -> Vec<f32> {
    let mut run = model.run(workspace, tap);
    let tokens = tokens(&mut run, model, stored, frame, num_frames, reverse);
    condition(model, &mut run, level2, tokens)
}

/// Memory attention over explicit tokens.
pub fn memory_attention_over(
    model: &Model,
    tap: &mut dyn Tap,
    level2: &[f32],
    values: Vec<f32>,
    positions: Vec<f32>,
    pointer_tokens: usize,
) -> Vec<f32> {
    let (d, m) = (model.config.d_model, model.config.mem_dim);
    let memories = (values.len() - pointer_tokens * m) / model.recall.layout().spatial_len();
    let spans = model.recall.layout().spans(memories, pointer_tokens / (d / m));
    let tokens = MemoryTokens { values: values.into(), positions: positions.into(), spans };
    condition(model, &mut model.run(&mut Workspace::default(), tap), level2, tokens)
}

fn condition(model: &Model, run: &mut Run, level2: &[f32], tokens: MemoryTokens) -> Vec<f32> {
    let mut frame = SharedFrame::new(level2);
    let out = frame.condition(model, run, tokens);
    frame.recycle(run);
    out.to_vec()
}

/// Tracks one frame of one object over given memories (teacher forcing).
pub fn track(
    model: &Model,
    workspace: &mut Workspace,
    tap: &mut dyn Tap,
    features: &Features,
    stored: &[Stored],
    frame: usize,
    num_frames: usize,
) -> Heads {
    let mut run = model.run(workspace, tap);
    let tokens = tokens(&mut run, model, stored, frame, num_frames, false);
    let mut frame = SharedFrame::new(&features.level2);
    let embed = frame.condition(model, &mut run, tokens);
    let candidates = model.forward_sam_heads(&mut run, &embed, features, &HeadPrompt::TRACKED, 0.0);
    let head = model.answer(&mut run, &candidates, argmax(&candidates.ious));
    run.give(embed);
    let memory = model.encode_memory(&mut run, &mut frame, &head.low_res, head.object_score, MaskInput::Soft);
    frame.recycle(&mut run);
    Heads::new(head, memory)
}

/// The stored memory, `[g, g, mem_dim]`, and pointer, `[D]`, of a frame.
pub fn remembered(predictor: &VideoPredictor, obj_id: u32, frame: usize) -> Option<(Vec<f32>, Vec<f32>)> {
    let output = predictor.stored(obj_id, frame)?;
    let memory = output.memory.as_ref()?.iter().map(|x| x.to_f32()).collect();
    Some((memory, output.obj_ptr.to_vec()))
}

/// The state of an object's memory policy, as saved in sessions, and the tracked frames whose memories
/// `frame` would attend to in a forward pass, in order.
pub fn memory_policy(
    predictor: &VideoPredictor,
    obj_id: u32,
    frame: usize,
) -> Option<(serde_json::Value, Vec<usize>)> {
    predictor.policy(obj_id, frame)
}

/// Runs the Kalman filter of the SAMURAI policy over boxes: initiate, then per box predict and, where `seen`,
/// update. Returns mean, `[8]`, and covariance, `[8][8]`, after each, and the prediction's IoU with each of
/// `compared`.
#[allow(clippy::type_complexity)]
pub fn kalman(boxes: &[([f64; 4], bool, [[f64; 4]; 2])]) -> Vec<([f64; 8], [[f64; 8]; 8], [f64; 2])> {
    let mut filter: Option<Kalman> = None;
    let step = |&(bbox, seen, compared): &([f64; 4], bool, [[f64; 4]; 2])| {
        let (filter, ious) = match &mut filter {
            None => (filter.insert(Kalman::new(bbox)), [f64::NAN; 2]),
            Some(filter) => {
                filter.predict();
                let ious = compared.map(|other| filter.iou(other));
                if seen {
                    filter.update(bbox);
                }
                (filter, ious)
            }
        };
        (filter.mean, filter.covariance, ious)
    };
    boxes.iter().map(step).collect()
}

/// Position encoding of the memory attention's input, `[g, g, D]`, and of a spatial memory,
/// `[g, g, mem_dim]`.
pub fn position_encodings(model: &Model) -> (Vec<f32>, &[f32]) {
    (model.memory_attention.position(), model.recall.position())
}
