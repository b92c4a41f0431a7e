//! Heads: mask, object score and object pointer from features and a prompt. Meta:
//! `sam2/modeling/sam2_base.py`, `_forward_sam_heads`, `_use_mask_as_output`, `_encode_new_memory`.

use kernels::gemm::Activation;
use kernels::image;

use crate::features::Features;
use crate::mask_decoder::{Decoded, Gate, PromptEmbedding, Selected};
use crate::memory::encoder::MaskInput;
use crate::memory::policy::Candidates;
use crate::model::Model;
use crate::prompt_encoder::ModelPoint;
use crate::shared_frame::SharedFrame;
use crate::workspace::{Buffer, Run};

/// Mask logit of absent objects.
pub const NO_OBJ_SCORE: f32 = -1024.0;
/// Logits of a mask prompt: −10 outside, +10 inside.
const MASK_SCALE: f32 = 20.0;
const MASK_BIAS: f32 = -10.0;

/// Output of one frame for one object.
#[derive(Clone, Debug)]
pub(crate) struct HeadOutput {
    /// `[s, s]` logits, s the low resolution.
    pub low_res: Vec<f32>,
    /// Predicted IoU of that mask.
    pub iou: f32,
    /// `[D]`.
    pub obj_ptr: Vec<f32>,
    /// Object score: logit of the object being present.
    pub object_score: f32,
}

/// Input of the heads about one object on one frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadPrompt<'a> {
    /// Clicks and corners of boxes, without padding.
    pub points: &'a [ModelPoint],
    /// `[s, s]` logits.
    pub mask: Option<&'a [f32]>,
    /// Three candidates in place of one.
    pub multimask: bool,
}

impl HeadPrompt<'_> {
    /// The prompt of a tracked frame.
    pub const TRACKED: Self = Self { points: &[], mask: None, multimask: true };
}

impl Model {
    /// The decoder for `points` (the padding point included) and mask logits, `[s, s]`, over `image_embed`.
    /// Computes masks if they pass `gate`.
    pub(crate) fn decode(
        &self,
        run: &mut Run,
        image_embed: &[f32],
        features: &Features,
        points: &[ModelPoint],
        mask: Option<&[f32]>,
        gate: &Gate,
    ) -> Decoded {
        let sparse = self.prompt_encoder.sparse(run, points);
        let dense = self.prompt_encoder.dense(run, mask);
        let prompt =
            PromptEmbedding { sparse: &sparse, dense: &dense, dense_pe: &self.prompt_encoder.dense_pe };
        self.mask_decoder.forward(run, image_embed, features.high_res.as_ref(), &prompt, gate)
    }

    /// The features of a frame that attends to no memory.
    pub(crate) fn without_memory(&self, run: &mut Run, level2: &[f32]) -> Buffer {
        let mut x = run.take(level2.len());
        x.copy_from_slice(level2);
        kernels::rows::add_scaled(run.isa, &mut x, &self.no_mem_embed, 1.0);
        x
    }

    /// The candidate masks for `prompt`. The object is in view if its score exceeds `presence`.
    pub(crate) fn forward_sam_heads(
        &self,
        run: &mut Run,
        image_embed: &[f32],
        features: &Features,
        prompt: &HeadPrompt,
        presence: f32,
    ) -> Candidates {
        let HeadPrompt { points, mask, multimask } = *prompt;
        let mut padded = points.to_vec();
        if padded.is_empty() {
            // "No prompt" is a padding point itself.
            padded.push(ModelPoint::PADDING);
        }
        padded.push(ModelPoint::PADDING);
        // The masks of an absent object are replaced below, so they are skipped; a single one is needed for
        // its stability.
        let skip = multimask && !run.tap.enabled();
        let gate = Gate { presence: if skip { presence } else { f32::NEG_INFINITY }, ..Gate::default() };
        let decoded = self.decode(run, image_embed, features, &padded, mask, &gate);
        let Selected { mut masks, ious, tokens } = decoded.select(multimask, &self.config.dynamic_multimask);
        let object_score = decoded.object_score;
        let in_view = object_score > presence;
        if !in_view {
            masks = vec![NO_OBJ_SCORE; ious.len() * self.low_res_size().pow(2)];
        }
        Candidates {
            masks,
            ious,
            tokens,
            object_score,
            in_view,
            input_size: self.config.image_size,
            isa: run.isa,
        }
    }

    /// Candidate `k` as the output.
    pub(crate) fn answer(&self, run: &mut Run, candidates: &Candidates, k: usize) -> HeadOutput {
        let d = self.config.d_model;
        let obj_ptr = if candidates.in_view {
            self.obj_ptr_proj.forward(run.isa, &candidates.tokens[k * d..(k + 1) * d])
        } else {
            self.no_obj_ptr.clone()
        };
        let low_res = candidates.mask(k).to_vec();
        let side = self.low_res_size();
        run.tap.tap(|| "sam_heads.low_res".into(), &[side, side], &low_res);
        run.tap.tap(|| "sam_heads.obj_ptr".into(), &[d], &obj_ptr);
        HeadOutput { low_res, iou: candidates.ious[k], obj_ptr, object_score: candidates.object_score }
    }

    /// A mask prompt, `[S, S]` of 0 and 1, as the output; the decoder only computes its pointer.
    pub(crate) fn use_mask_as_output(
        &self,
        run: &mut Run,
        features: &Features,
        mask: &[f32],
        presence: f32,
    ) -> HeadOutput {
        let (side, low) = (self.config.image_size, self.low_res_size());
        let logits: Vec<f32> = mask.iter().map(|x| x * MASK_SCALE + MASK_BIAS).collect();
        let low_res = image::resize_bilinear_antialias(run.isa, &logits, (side, side), 1, (low, low));
        let mut downsampled = run.take(low * low);
        self.mask_downsample.forward(run.isa, mask, (side, side), Activation::None, &mut downsampled);
        let prompt = HeadPrompt { points: &[], mask: Some(&downsampled), multimask: false };
        // Raw features, without `no_mem_embed`.
        let level2 = &features.level2;
        let candidates = self.forward_sam_heads(run, level2, features, &prompt, presence);
        run.give(downsampled);
        let head = self.answer(run, &candidates, 0);
        let present = mask.iter().any(|&x| x > 0.0);
        HeadOutput {
            low_res,
            iou: 1.0,
            obj_ptr: if present { head.obj_ptr } else { self.no_obj_ptr.clone() },
            object_score: if present { MASK_SCALE + MASK_BIAS } else { MASK_BIAS },
        }
    }

    /// The spatial memory of `low_res` logits on a frame: `[grid, grid, mem_dim]`, or the tokens of the
    /// perceiver.
    pub(crate) fn encode_memory(
        &self,
        run: &mut Run,
        frame: &mut SharedFrame,
        low_res: &[f32],
        object_score: f32,
        input: MaskInput,
    ) -> Vec<f32> {
        let (low, side) = (self.low_res_size(), self.config.image_size);
        let projected = frame.projected(self, run);
        // With a tap everything is computed, for the tap to record.
        let mut memory = if input.is_empty(low_res) && !run.tap.enabled() {
            self.memory_encoder.forward_empty(run, projected)
        } else {
            let mut high_res = image::resize_bilinear(run.isa, low_res, (low, low), 1, (side, side));
            run.tap.tap(|| "sam_heads.high_res".into(), &[side, side], &high_res);
            self.memory_encoder.forward(run, projected, &mut high_res, input)
        };
        if let Some(embed) = self.no_obj_embed_spatial.as_ref().filter(|_| object_score <= 0.0) {
            kernels::rows::add_scaled(run.isa, &mut memory, embed, 1.0);
        }
        if let Some(perceiver) = &self.perceiver {
            memory = perceiver.forward(run, &memory);
        }
        memory
    }
}
