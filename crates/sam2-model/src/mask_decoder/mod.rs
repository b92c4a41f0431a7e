//! Mask decoder. Meta: `sam2/modeling/sam/mask_decoder.py`.
//!
//! T = 6 + n tokens: object score, IoU, four masks, n of the prompt · N image positions · D channels.

mod cross_attention;
#[cfg(test)]
mod tests;
mod transformer;
mod upscale;

use kernels::rows;

use crate::config::{Config, DynamicMultimask};
use crate::error::LoadError;
use crate::features::HighRes;
use crate::nn::Mlp;
use crate::scores::{argmax, stability_score};
use crate::weights::Loader;
use crate::workspace::Run;
use transformer::TwoWayTransformer;
use upscale::Upscaling;

/// Mask tokens: one for unambiguous prompts, three for ambiguous ones.
const MASK_TOKENS: usize = 4;

#[derive(Clone, Debug)]
pub(crate) struct MaskDecoder {
    transformer: TwoWayTransformer,
    /// `(6, D)`: object score, IoU and mask tokens, in this order.
    output_tokens: Vec<f32>,
    upscaling: Upscaling,
    hypernetworks: [Mlp; MASK_TOKENS],
    iou_head: Mlp,
    object_score_head: Mlp,
}

/// Output of the prompt encoder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PromptEmbedding<'a> {
    /// `(n, D)`: clicks and box corners.
    pub sparse: &'a [f32],
    /// Mask embedding `[grid, grid, D]`, or `no_mask_embed`, `[D]`, for every cell.
    pub dense: &'a [f32],
    /// `[grid, grid, D]`: the encoding of the grid's cells.
    pub dense_pe: &'a [f32],
}

/// Thresholds below which the decoder skips the masks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    /// Minimum of the best predicted IoU.
    pub min_iou: f32,
    /// Minimum object-score logit.
    pub presence: f32,
}

impl Default for Gate {
    /// Always.
    fn default() -> Self {
        Self { min_iou: f32::NEG_INFINITY, presence: f32::NEG_INFINITY }
    }
}

impl Gate {
    fn is_shut(&self, ious: &[f32], object_score: f32) -> bool {
        ious.iter().all(|&iou| iou <= self.min_iou) || object_score <= self.presence
    }
}

/// Output of the decoder for one prompt.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    /// `[4, s, s]` logits: the single mask, then the three of an ambiguous prompt; empty if below the gate.
    pub masks: Vec<f32>,
    /// Predicted IoU of each, 0 ..= 1.
    pub ious: [f32; MASK_TOKENS],
    /// The mask tokens after the transformer, `(4, D)`.
    pub mask_tokens: Vec<f32>,
    /// Object score: logit of the object being present.
    pub object_score: f32,
}

/// The selected masks of a prompt.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    /// `[K, s, s]` logits.
    pub masks: Vec<f32>,
    /// Predicted IoU of each.
    pub ious: Vec<f32>,
    /// Mask tokens, the input of the object pointers, `(K, D)`.
    pub tokens: Vec<f32>,
}

impl MaskDecoder {
    pub fn load(loader: &Loader, config: &Config) -> Result<Self, LoadError> {
        let d = config.d_model;
        let mut output_tokens = loader.at("obj_score_token").tensor("weight", &[1, d])?;
        output_tokens.extend(loader.at("iou_token").tensor("weight", &[1, d])?);
        output_tokens.extend(loader.at("mask_tokens").tensor("weight", &[MASK_TOKENS, d])?);
        let hyper = |i: usize| Mlp::load(&loader.at("output_hypernetworks_mlps").at(i), &[d, d, d, d / 8]);
        Ok(Self {
            transformer: TwoWayTransformer::load(&loader.at("transformer"), d)?,
            output_tokens,
            upscaling: Upscaling::load(&loader.at("output_upscaling"), d)?,
            hypernetworks: [hyper(0)?, hyper(1)?, hyper(2)?, hyper(3)?],
            iou_head: Mlp::load(&loader.at("iou_prediction_head"), &[d, 256, 256, MASK_TOKENS])?,
            object_score_head: Mlp::load(&loader.at("pred_obj_score_head"), &[d, d, d, 1])?,
        })
    }

    /// `image_embed`, `[grid, grid, D]`, includes the no-memory embedding or is conditioned on memories.
    /// Predicted IoUs and object score are computed first; the masks only if these pass `gate`.
    pub fn forward(
        &self,
        run: &mut Run,
        image_embed: &[f32],
        high_res: Option<&HighRes>,
        prompt: &PromptEmbedding,
        gate: &Gate,
    ) -> Decoded {
        let PromptEmbedding { sparse, dense, dense_pe } = *prompt;
        let isa = run.isa;
        let d = self.output_tokens.len() / (MASK_TOKENS + 2);
        let mut tokens = self.output_tokens.clone();
        tokens.extend_from_slice(sparse);
        let mut source = run.take(image_embed.len());
        // The prompt's own tokens are not needed after the transformer.
        let wanted = if run.tap.enabled() { tokens.len() / d } else { MASK_TOKENS + 2 };
        let image = (image_embed, dense);
        let hs = self.transformer.forward(run, &tokens, image, &mut source, dense_pe, wanted);
        run.tap.tap(|| "sam_mask_decoder.hs".into(), &[hs.len() / d, d], &hs);

        let mut ious = self.iou_head.forward(isa, &hs[d..2 * d]);
        rows::sigmoid(isa, &mut ious);
        run.tap.tap(|| "sam_mask_decoder.iou".into(), &[MASK_TOKENS], &ious);
        let object_score = self.object_score_head.forward(isa, &hs[..d])[0];
        run.tap.tap(|| "sam_mask_decoder.object_score".into(), &[1], &[object_score]);
        let mask_tokens = hs[2 * d..(2 + MASK_TOKENS) * d].to_vec();
        let masks = if gate.is_shut(&ious, object_score) {
            Vec::new()
        } else {
            self.masks(run, &source, high_res, &mask_tokens)
        };
        run.give(source);
        let ious = ious.try_into().expect("the IoU head has four outputs");
        Decoded { masks, ious, mask_tokens, object_score }
    }

    /// The logits of all four masks, `[4, s, s]`.
    fn masks(
        &self,
        run: &mut Run,
        source: &[f32],
        high_res: Option<&HighRes>,
        mask_tokens: &[f32],
    ) -> Vec<f32> {
        let isa = run.isa;
        let d = mask_tokens.len() / MASK_TOKENS;
        let width = d / 8;
        let hyper: Vec<f32> = self
            .hypernetworks
            .iter()
            .zip(mask_tokens.chunks_exact(d))
            .flat_map(|(mlp, token)| mlp.forward(isa, token))
            .collect();
        run.tap.tap(|| "sam_mask_decoder.hyper_in".into(), &[MASK_TOKENS, width], &hyper);
        let masks = self.upscaling.masks(run, source, high_res, &hyper);
        let side = (masks.len() / MASK_TOKENS).isqrt();
        run.tap.tap(|| "sam_mask_decoder.mask_logits".into(), &[MASK_TOKENS, side, side], &masks);
        masks
    }
}

impl Decoded {
    /// The three masks of an ambiguous prompt, or the single mask of an unambiguous one. An unstable single
    /// mask is replaced by the best of three, if `dynamic` says so, but keeps its token for the object
    /// pointer.
    pub fn select(&self, multimask: bool, dynamic: &DynamicMultimask) -> Selected {
        let area = self.masks.len() / MASK_TOKENS;
        let d = self.mask_tokens.len() / MASK_TOKENS;
        if multimask {
            return Selected {
                masks: self.masks[area..].to_vec(),
                ious: self.ious[1..].to_vec(),
                tokens: self.mask_tokens[d..].to_vec(),
            };
        }
        let stability = || stability_score(&self.masks[..area], 0.0, dynamic.stability_delta, 1.0);
        let stable = !dynamic.via_stability || stability() >= dynamic.stability_thresh;
        let k = if stable { 0 } else { 1 + argmax(&self.ious[1..]) };
        Selected {
            masks: self.masks[k * area..(k + 1) * area].to_vec(),
            ious: vec![self.ious[k]],
            tokens: self.mask_tokens[..d].to_vec(),
        }
    }
}
