//! The state of one object.

use std::collections::{BTreeMap, BTreeSet};

use super::{ObjectOutput, VideoOptions};
use crate::image_encoder::Features;
use crate::memory_bank::{MemoryBank, StoredOutput, to_bf16};
use crate::memory_encoder::MaskInput;
use crate::model::Model;
use crate::predictor::image::LOGIT_LIMIT;
use crate::predictor::video::output::fill_holes;
use crate::prompt_encoder::ModelPoint;
use crate::sam_heads::{HeadOutput, NO_OBJ_SCORE};
use crate::shared_frame::SharedFrame;
use crate::workspace::Run;

/// What the user says about the object on one frame, in the model's terms.
pub(super) enum Prompt {
    /// Clicks and corners of a box.
    Points(Vec<ModelPoint>),
    /// `[S, S]` of 0 and 1.
    Mask(Vec<f32>),
}

#[derive(Debug)]
pub(super) struct Object {
    pub id: u32,
    pub bank: MemoryBank,
    /// Outputs of prompts since tracking last ran: of first prompts on a frame, and of corrections.
    fresh_cond: Vec<(usize, StoredOutput)>,
    fresh_non_cond: Vec<(usize, StoredOutput)>,
    /// Frames that tracking has passed, prompted ones included.
    pub tracked: BTreeSet<usize>,
}

fn find(list: &[(usize, StoredOutput)], frame: usize) -> Option<&StoredOutput> {
    list.iter().find(|(f, _)| *f == frame).map(|(_, output)| output)
}

impl Object {
    pub fn new(id: u32) -> Self {
        let (bank, fresh_cond, fresh_non_cond, tracked) = Default::default();
        Self { id, bank, fresh_cond, fresh_non_cond, tracked }
    }

    /// Frames with a first prompt.
    pub fn prompted_frames(&self) -> impl Iterator<Item = usize> {
        self.fresh_cond.iter().chain(&self.bank.cond).map(|(frame, _)| *frame)
    }

    /// Answers a prompt. Its memory is encoded when tracking next runs.
    #[allow(clippy::too_many_arguments)]
    pub fn prompt(
        &mut self,
        model: &Model,
        run: &mut Run,
        features: &Features,
        frame: usize,
        num_frames: usize,
        prompt: &Prompt,
        options: VideoOptions,
    ) {
        let first = !self.tracked.contains(&frame);
        let conditions = first || options.add_all_frames_to_correct_as_cond;
        let fresh = if conditions { &self.fresh_cond } else { &self.fresh_non_cond };
        let previous =
            find(fresh, frame).or_else(|| self.bank.cond(frame)).or_else(|| self.bank.non_cond.get(&frame));
        let head = match prompt {
            Prompt::Mask(mask) => model.use_mask_as_output(run, features, mask),
            Prompt::Points(points) => {
                let logits: Option<Vec<f32>> = previous.map(|output| {
                    output.low_res.iter().map(|x| x.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)).collect()
                });
                let embed = if first {
                    model.without_memory(run, &features.level2)
                } else {
                    let tokens = self.bank.tokens(model, frame, num_frames);
                    SharedFrame::new(&features.level2).condition(model, run, &tokens)
                };
                let head = model.forward_sam_heads(
                    run,
                    &embed,
                    features,
                    points,
                    logits.as_deref(),
                    points.len() <= 1,
                );
                run.give(embed);
                head
            }
        };
        let mut output = StoredOutput::without_memory(head);
        fill_holes(&mut output.low_res, model.low_res_size(), options.fill_hole_area);
        let fresh = if conditions { &mut self.fresh_cond } else { &mut self.fresh_non_cond };
        match fresh.iter_mut().find(|(f, _)| *f == frame) {
            Some((_, old)) => *old = output,
            None => fresh.push((frame, output)),
        }
    }

    /// Encodes the memories of fresh prompts from their stored logits, binarised, and moves them to the bank.
    pub fn remember_prompts(&mut self, model: &Model, run: &mut Run, level2: &BTreeMap<usize, Vec<f32>>) {
        let mut encode = |frame: usize, mut output: StoredOutput| {
            let mut frame = SharedFrame::new(&level2[&frame]);
            let memory =
                model.encode_memory(run, &mut frame, &output.low_res, output.object_score, MaskInput::Binary);
            frame.recycle(run);
            output.memory = Some(to_bf16(&memory));
            output
        };
        for (frame, output) in self.fresh_non_cond.drain(..) {
            self.bank.non_cond.insert(frame, encode(frame, output));
        }
        for (frame, output) in self.fresh_cond.drain(..) {
            self.bank.set_cond(frame, encode(frame, output));
        }
        for (frame, _) in &self.bank.cond {
            self.bank.non_cond.remove(frame);
        }
    }

    /// The object on a frame without a prompt, from its memories.
    #[allow(clippy::too_many_arguments)]
    pub fn track(
        &self,
        model: &Model,
        run: &mut Run,
        features: &Features,
        shared: &mut SharedFrame,
        frame: usize,
        num_frames: usize,
        options: VideoOptions,
    ) -> StoredOutput {
        let tokens = self.bank.tokens(model, frame, num_frames);
        let embed = shared.condition(model, run, &tokens);
        let head = model.forward_sam_heads(run, &embed, features, &[], None, true);
        run.give(embed);
        let memory = model.encode_memory(run, shared, &head.low_res, head.object_score, MaskInput::Soft);
        let mut output = StoredOutput::without_memory(head);
        output.memory = Some(to_bf16(&memory));
        // After the memory: it is made from the mask as predicted.
        fill_holes(&mut output.low_res, model.low_res_size(), options.fill_hole_area);
        output
    }

    /// What is known of the object on a frame; everywhere absent if nothing is.
    pub fn output(&self, frame: usize, side: usize) -> ObjectOutput {
        let stored = find(&self.fresh_cond, frame)
            .or_else(|| find(&self.fresh_non_cond, frame))
            .or_else(|| self.bank.cond(frame))
            .or_else(|| self.bank.non_cond.get(&frame));
        match stored {
            Some(output) => ObjectOutput {
                obj_id: self.id,
                object_score: output.object_score,
                predicted_iou: output.iou,
                low_res: output.low_res.clone(),
            },
            None => ObjectOutput {
                obj_id: self.id,
                object_score: NO_OBJ_SCORE,
                predicted_iou: 0.0,
                low_res: vec![NO_OBJ_SCORE; side * side],
            },
        }
    }
}

impl StoredOutput {
    fn without_memory(head: HeadOutput) -> Self {
        Self {
            memory: None,
            low_res: head.low_res,
            obj_ptr: head.obj_ptr,
            object_score: head.object_score,
            iou: head.iou,
        }
    }
}
