//! The state of one object.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ObjectEvent, ObjectOutput, VideoInfo, VideoOptions};
use crate::features::Features;
use crate::heads::{HeadOutput, HeadPrompt, NO_OBJ_SCORE};
use crate::memory::bank::{
    Direction, FrameSet, FrameTime, Kept, MemoryBank, RecallContext, StoredOutput, to_bf16,
};
use crate::memory::encoder::MaskInput;
use crate::memory::policy::{CustomPolicies, HypothesisMasks, MemoryPolicy, Selection};
use crate::memory::recall::RecallOptions;
use crate::model::Model;
use crate::predictor::image::LOGIT_LIMIT;
use crate::predictor::video::output::fill_holes;
use crate::prompt_encoder::ModelPoint;
use crate::scores::stability_score;
use crate::shared_frame::SharedFrame;
use crate::workspace::Run;

/// Offset of the reported stability score.
const STABILITY_OFFSET: f32 = 1.0;

/// A user's prompt for the object on one frame, in model coordinates.
pub(super) enum Prompt {
    /// Clicks and corners of a box.
    Points(Vec<ModelPoint>),
    /// `[S, S]` of 0 and 1.
    Mask(Vec<f32>),
}

/// Model, video and options: shared by all objects.
#[derive(Debug)]
pub(super) struct Setting {
    pub model: Arc<Model>,
    pub info: VideoInfo,
    pub options: VideoOptions,
    /// Policies of the caller's, in place of those that the options name.
    pub policies: Option<CustomPolicies>,
}

impl Setting {
    fn recall_options(&self) -> RecallOptions {
        self.options.recall_options(&self.model.config)
    }

    pub fn time(&self, frame: usize, direction: Direction) -> FrameTime {
        FrameTime { frame, num_frames: self.info.num_frames, direction }
    }

    /// Whether frames come once and forwards, so that no pass starts at an earlier one.
    pub fn is_stream(&self) -> bool {
        self.info.num_frames == usize::MAX
    }

    /// Drops the memories of frames around a prompted one, if that option is set.
    fn clear_around(&self, bank: &mut MemoryBank, prompted: usize) {
        if self.options.clear_non_cond_mem_around_input {
            let reach = self.model.config.num_maskmem * self.recall_options().memory_temporal_stride_for_eval;
            bank.non_cond.retain(|&frame, _| frame == prompted || frame.abs_diff(prompted) > reach);
        }
    }
}

/// A hypothesis about the object's masks. Most policies have one.
#[derive(Clone, Debug, Default)]
pub(super) struct Hypothesis {
    pub bank: MemoryBank,
    pub score: f64,
}

#[derive(Debug)]
pub(super) struct Object {
    pub id: u32,
    /// Best first; never empty.
    pub hypotheses: Vec<Hypothesis>,
    pub policy: Box<dyn MemoryPolicy>,
    /// Outputs of prompts since the last tracked frame: of first prompts on a frame, and of corrections.
    pub fresh_cond: Vec<(usize, StoredOutput)>,
    pub fresh_non_cond: Vec<(usize, StoredOutput)>,
    /// Clicks and boxes by frame.
    pub points: BTreeMap<usize, Vec<ModelPoint>>,
    /// Frames whose last pass was forward, or reverse, prompted ones included.
    pub forward: FrameSet,
    pub reverse: FrameSet,
    /// Tracked frames whose masks and memories were dropped.
    pub lost: FrameSet,
    /// Whether the object was in view on the last tracked frame.
    pub in_view: Option<bool>,
}

fn find(list: &[(usize, StoredOutput)], frame: usize) -> Option<&StoredOutput> {
    list.iter().find(|(f, _)| *f == frame).map(|(_, output)| output)
}

impl Object {
    pub fn new(id: u32, setting: &Setting) -> Self {
        let policy = match &setting.policies {
            Some(policies) => policies.create(),
            None => setting.options.memory.create(&setting.model.config),
        };
        let (fresh_cond, fresh_non_cond, points, forward, reverse, lost, in_view) = Default::default();
        let hypotheses = vec![Hypothesis::default()];
        Self { id, hypotheses, policy, fresh_cond, fresh_non_cond, points, forward, reverse, lost, in_view }
    }

    /// The memory bank of the best hypothesis.
    pub fn bank(&self) -> &MemoryBank {
        &self.hypotheses[0].bank
    }

    /// Keeps only the best hypothesis: a prompt resolves the ambiguity.
    fn settle(&mut self) -> &mut MemoryBank {
        self.hypotheses.truncate(1);
        self.hypotheses[0].score = 0.0;
        &mut self.hypotheses[0].bank
    }

    /// Frames with a prompt that conditions tracking.
    pub fn prompted_frames(&self) -> impl Iterator<Item = usize> {
        self.fresh_cond.iter().chain(&self.bank().cond).map(|(frame, _)| *frame)
    }

    /// The direction of the last pass over a frame whose output is still stored.
    fn tracked(&self, frame: usize) -> Option<Direction> {
        if self.lost.contains(frame) {
            None
        } else if self.reverse.contains(frame) {
            Some(Direction::Reverse)
        } else {
            self.forward.contains(frame).then_some(Direction::Forward)
        }
    }

    fn mark_tracked(&mut self, at: FrameTime) {
        let (now, other) = match at.direction {
            Direction::Forward => (&mut self.forward, &mut self.reverse),
            Direction::Reverse => (&mut self.reverse, &mut self.forward),
        };
        now.insert(at.frame);
        other.remove(at.frame);
        self.lost.remove(at.frame);
    }

    /// Decodes a prompt. Its memory is encoded when tracking runs next.
    pub fn prompt(
        &mut self,
        setting: &Setting,
        run: &mut Run,
        features: &Features,
        frame: usize,
        prompt: &Prompt,
    ) {
        let model = &*setting.model;
        let tracked = self.tracked(frame);
        let conditions = tracked.is_none() || setting.options.add_all_frames_to_correct_as_cond;
        let fresh = if conditions { &self.fresh_cond } else { &self.fresh_non_cond };
        let bank = self.bank();
        let previous = find(fresh, frame).or_else(|| bank.cond(frame)).or_else(|| bank.non_cond.get(&frame));
        let presence = self.policy.presence_threshold();
        let (head, motion) = match prompt {
            Prompt::Mask(mask) => (model.use_mask_as_output(run, features, mask, presence), None),
            Prompt::Points(points) => {
                let logits: Option<Vec<f32>> =
                    previous.filter(|output| !output.low_res.is_empty()).map(|output| {
                        output.low_res.iter().map(|x| x.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)).collect()
                    });
                let embed = match tracked {
                    None => model.without_memory(run, &features.level2),
                    Some(direction) => {
                        let at = setting.time(frame, direction);
                        let mut shared = SharedFrame::new(&features.level2);
                        shared.share(model, run);
                        let tokens =
                            model.recall.tokens(run, bank, at, &setting.recall_options(), &*self.policy);
                        let embed = shared.condition(model, run, tokens);
                        shared.recycle(run);
                        embed
                    }
                };
                let ambiguous = points.len() <= 1;
                let prompt = HeadPrompt { points, mask: logits.as_deref(), multimask: ambiguous };
                let candidates = model.forward_sam_heads(run, &embed, features, &prompt, presence);
                run.give(embed);
                let selection =
                    if ambiguous { self.policy.select_prompted(&candidates) } else { Selection::single(0) };
                (model.answer(run, &candidates, selection.candidate), selection.motion)
            }
        };
        self.in_view = Some(head.object_score > presence);
        let mut output = StoredOutput::new(head, motion, None);
        output.fill_holes(model.low_res_size(), setting.options.fill_hole_area);
        let fresh = if conditions { &mut self.fresh_cond } else { &mut self.fresh_non_cond };
        match fresh.iter_mut().find(|(f, _)| *f == frame) {
            Some((_, old)) => *old = output,
            None => fresh.push((frame, output)),
        }
        match prompt {
            Prompt::Points(points) => self.points.insert(frame, points.clone()),
            Prompt::Mask(_) => self.points.remove(&frame),
        };
    }

    /// Encodes the memories of fresh prompts from their stored logits and moves them to the bank.
    pub fn remember_prompts(&mut self, setting: &Setting, run: &mut Run, level2: &BTreeMap<usize, Vec<f32>>) {
        if self.fresh_cond.is_empty() && self.fresh_non_cond.is_empty() {
            return;
        }
        let binary = setting.options.binarize_mask_from_pts_for_mem_enc;
        let input = if binary { MaskInput::Binary } else { MaskInput::Soft };
        let mut encode = |frame: usize, mut output: StoredOutput| {
            let mut frame = SharedFrame::new(&level2[&frame]);
            let (mask, score) = (&output.low_res, output.object_score);
            let memory = setting.model.encode_memory(run, &mut frame, mask, score, input);
            frame.recycle(run);
            output.memory = Some(to_bf16(&memory));
            output
        };
        let (corrections, prompts) =
            (std::mem::take(&mut self.fresh_non_cond), std::mem::take(&mut self.fresh_cond));
        let bank = self.settle();
        for (frame, output) in corrections {
            bank.non_cond.insert(frame, encode(frame, output));
            setting.clear_around(bank, frame);
        }
        for (frame, output) in prompts {
            bank.set_cond(frame, encode(frame, output));
            setting.clear_around(bank, frame);
        }
        for (frame, _) in &bank.cond {
            bank.non_cond.remove(frame);
        }
    }

    /// Output of the object on a frame: the prompt's, else tracked from its memories. `features` is absent if
    /// every object has a prompt there.
    pub fn track(
        &mut self,
        setting: &Setting,
        run: &mut Run,
        features: Option<(&Features, &mut SharedFrame)>,
        at: FrameTime,
    ) {
        if self.bank().cond(at.frame).is_some() {
            self.hypotheses
                .iter_mut()
                .for_each(|hypothesis| setting.clear_around(&mut hypothesis.bank, at.frame));
        } else if let Some((features, shared)) = features {
            self.follow(setting, run, features, shared, at);
        }
        self.mark_tracked(at);
    }

    fn follow(
        &mut self,
        setting: &Setting,
        run: &mut Run,
        features: &Features,
        shared: &mut SharedFrame,
        at: FrameTime,
    ) {
        let model = &*setting.model;
        let presence = self.policy.presence_threshold();
        shared.share(model, run);
        run.tap.stage("memory_attention");
        let mut masks = Vec::with_capacity(self.hypotheses.len());
        for Hypothesis { bank, score } in &self.hypotheses {
            let tokens = model.recall.tokens(run, bank, at, &setting.recall_options(), &*self.policy);
            run.tap.stage("memory_tokens");
            let embed = shared.condition(model, run, tokens);
            run.tap.stage("memory_attention");
            let candidates = model.forward_sam_heads(run, &embed, features, &HeadPrompt::TRACKED, presence);
            run.give(embed);
            run.tap.stage("decode");
            masks.push(HypothesisMasks { candidates, score: *score });
        }
        let selections = self.policy.select(at, &masks);
        let mut next = Vec::with_capacity(selections.len());
        for selection in &selections {
            let head = model.answer(run, &masks[selection.hypothesis].candidates, selection.candidate);
            let memory = model.encode_memory(run, shared, &head.low_res, head.object_score, MaskInput::Soft);
            run.tap.stage("memory_encoder");
            let mut output = StoredOutput::new(head, selection.motion, Some(to_bf16(&memory)));
            // After the memory encoder, which takes the predicted mask.
            output.fill_holes(model.low_res_size(), setting.options.fill_hole_area);
            if next.is_empty() {
                self.policy.on_stored(at, &output);
            }
            // Shares all entries but the new one.
            let mut bank = self.hypotheses[selection.hypothesis].bank.clone();
            bank.non_cond.insert(at.frame, output);
            next.push(Hypothesis { bank, score: selection.score });
        }
        self.hypotheses = next;
    }

    /// Drops what no later frame can read; see [`super::Retention::Needed`]. `anchors`: all prompted frames
    /// of the video.
    pub fn forget(&mut self, setting: &Setting, at: FrameTime, anchors: &[usize]) {
        let config = &setting.model.config;
        let stride = setting.recall_options().memory_temporal_stride_for_eval;
        let (memories, pointers) = (config.num_maskmem * stride, config.max_obj_ptrs_in_encoder);
        let near = |frame: usize, reach: usize| {
            frame.abs_diff(at.frame) < reach || anchors.iter().any(|&f| frame.abs_diff(f) < reach)
        };
        for (i, hypothesis) in self.hypotheses.iter_mut().enumerate() {
            let next = FrameTime {
                frame: match at.direction {
                    Direction::Forward => at.frame.saturating_add(1),
                    Direction::Reverse => at.frame.saturating_sub(1),
                },
                ..at
            };
            let kept = self.policy.frames_to_keep(&RecallContext::new(
                &hypothesis.bank,
                next,
                config.num_maskmem - 1,
                stride,
            ));
            let lost = hypothesis.bank.retain(|frame| {
                if near(frame, memories) || kept.contains(&frame) {
                    Kept::All
                } else if near(frame, pointers) {
                    Kept::Pointer
                } else {
                    Kept::Nothing
                }
            });
            if i == 0 {
                lost.into_iter().for_each(|frame| self.lost.insert(frame));
            }
        }
    }

    /// Drops the prompted frames of a stream that are beyond the limit, and the clicks on frames before
    /// `last`, on which there will be no more; see [`VideoOptions::kept_prompted_frames`].
    pub fn forget_prompts(&mut self, setting: &Setting, last: usize) {
        let kept = setting.options.kept_prompted_frames.max(2);
        self.points.retain(|&frame, _| frame >= last);
        for (i, Hypothesis { bank, .. }) in self.hypotheses.iter_mut().enumerate() {
            // In the order in which they were prompted; the first one shows the object as it was chosen.
            while bank.cond.len() > kept {
                let (frame, _) = bank.cond.remove(1);
                if i == 0 {
                    self.lost.insert(frame);
                }
            }
        }
    }

    /// Removes the prompts on a frame. Returns whether there were any.
    pub fn clear(&mut self, frame: usize) -> bool {
        let known = self.points.remove(&frame).is_some();
        let before = self.fresh_cond.len() + self.fresh_non_cond.len();
        self.fresh_cond.retain(|(f, _)| *f != frame);
        self.fresh_non_cond.retain(|(f, _)| *f != frame);
        let fresh = before > self.fresh_cond.len() + self.fresh_non_cond.len();
        let Some(i) = self.bank().cond.iter().position(|(f, _)| *f == frame) else { return known || fresh };
        let bank = self.settle();
        let (_, output) = bank.cond.remove(i);
        bank.non_cond.insert(frame, output);
        self.forward.remove(frame);
        self.reverse.remove(frame);
        true
    }

    /// Stored output of the object on a frame; absent if there is none.
    pub fn output(&self, frame: usize, side: usize) -> ObjectOutput {
        let stored = find(&self.fresh_cond, frame)
            .or_else(|| find(&self.fresh_non_cond, frame))
            .or_else(|| self.bank().cond(frame))
            .or_else(|| self.bank().non_cond.get(&frame))
            .filter(|output| !output.low_res.is_empty());
        let Some(output) = stored else {
            return ObjectOutput {
                obj_id: self.id,
                object_score: NO_OBJ_SCORE,
                predicted_iou: 0.0,
                stability_score: 0.0,
                event: None,
                low_res: vec![NO_OBJ_SCORE; side * side],
            };
        };
        let shown = output.object_score > self.policy.presence_threshold();
        ObjectOutput {
            obj_id: self.id,
            object_score: output.object_score,
            predicted_iou: output.iou,
            stability_score: if shown {
                stability_score(&output.low_res, 0.0, STABILITY_OFFSET, 1.0)
            } else {
                0.0
            },
            event: None,
            low_res: output.low_res.to_vec(),
        }
    }

    /// [`Self::output`] of the frame that was just tracked, with its event.
    pub fn tracked_output(&mut self, frame: usize, side: usize) -> ObjectOutput {
        let mut output = self.output(frame, side);
        let in_view = output.object_score > self.policy.presence_threshold();
        output.event = match (self.in_view.replace(in_view), in_view) {
            (Some(true), false) => Some(ObjectEvent::Lost),
            (Some(false), true) => Some(ObjectEvent::Found),
            _ => None,
        };
        output
    }
}

impl StoredOutput {
    fn new(head: HeadOutput, motion: Option<f64>, memory: Option<Arc<[half::bf16]>>) -> Self {
        Self {
            memory,
            low_res: head.low_res.into(),
            obj_ptr: head.obj_ptr.into(),
            object_score: head.object_score,
            iou: head.iou,
            motion,
        }
    }

    fn fill_holes(&mut self, side: usize, area: usize) {
        if area > 0 {
            let mut logits = self.low_res.to_vec();
            fill_holes(&mut logits, side, area);
            self.low_res = logits.into();
        }
    }
}
