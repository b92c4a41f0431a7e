//! Two-way transformer: tokens look at the image, the image looks at the tokens. Meta:
//! `sam2/modeling/sam/transformer.py`, classes `TwoWayTransformer` and `TwoWayAttentionBlock`.
//!
//! Position encodings go to queries and keys, never to values. Those of the tokens are the tokens themselves as
//! they came in, the learned ones included.

use kernels::gemm::Activation;
use kernels::{Isa, rows};

use crate::error::LoadError;
use crate::nn::{Attention, LayerNorm, Linear};
use crate::weights::Scope;
use crate::workspace::Run;

const DEPTH: usize = 2;
const HEADS: usize = 8;
const MLP_DIM: usize = 2048;
const EPS: f32 = 1e-5;

#[derive(Clone, Debug)]
pub(crate) struct TwoWayTransformer {
    layers: Vec<Layer>,
    final_attn_token_to_image: Attention,
    norm_final_attn: LayerNorm,
}

#[derive(Clone, Debug)]
struct Layer {
    self_attn: Attention,
    norm1: LayerNorm,
    cross_attn_token_to_image: Attention,
    norm2: LayerNorm,
    mlp: [Linear; 2],
    norm3: LayerNorm,
    norm4: LayerNorm,
    cross_attn_image_to_token: Attention,
}

impl TwoWayTransformer {
    pub fn load(scope: &Scope, isa: Isa, d: usize) -> Result<Self, LoadError> {
        let cross = |scope: &Scope| Attention::load(scope, isa, d, d / 2, HEADS);
        let layer = |i: usize| -> Result<Layer, LoadError> {
            let scope = scope.at("layers").at(i);
            let mlp = scope.at("mlp").at("layers");
            Ok(Layer {
                self_attn: Attention::load(&scope.at("self_attn"), isa, d, d, HEADS)?,
                norm1: LayerNorm::load(&scope.at("norm1"), d, EPS)?,
                cross_attn_token_to_image: cross(&scope.at("cross_attn_token_to_image"))?,
                norm2: LayerNorm::load(&scope.at("norm2"), d, EPS)?,
                mlp: [Linear::load(&mlp.at(0), isa, MLP_DIM, d)?, Linear::load(&mlp.at(1), isa, d, MLP_DIM)?],
                norm3: LayerNorm::load(&scope.at("norm3"), d, EPS)?,
                norm4: LayerNorm::load(&scope.at("norm4"), d, EPS)?,
                cross_attn_image_to_token: cross(&scope.at("cross_attn_image_to_token"))?,
            })
        };
        Ok(Self {
            layers: (0..DEPTH).map(layer).collect::<Result<_, _>>()?,
            final_attn_token_to_image: cross(&scope.at("final_attn_token_to_image"))?,
            norm_final_attn: LayerNorm::load(&scope.at("norm_final_attn"), d, EPS)?,
        })
    }

    /// `tokens`, `(T, D)`, and `image`, `(N, D)`, which is updated in place; returns the tokens.
    pub fn forward(&self, run: &mut Run, tokens: &[f32], image: &mut [f32], image_pe: &[f32]) -> Vec<f32> {
        let isa = run.isa;
        let d = self.norm_final_attn.weight.len();
        let pe = tokens;
        let mut tokens = tokens.to_vec();
        let mut image_and_pe = run.take(image.len());
        for (i, layer) in self.layers.iter().enumerate() {
            let tap = |run: &mut Run, part: &str, x: &[f32]| {
                run.tap.tap(
                    || format!("sam_mask_decoder.transformer.layers.{i}.{part}"),
                    &[x.len() / d, d],
                    x,
                );
            };
            let mut out = vec![0.0; tokens.len()];
            if i == 0 {
                // The first layer's self-attention has no position encoding and replaces the tokens.
                layer.self_attn.forward(run, &tokens, &tokens, &tokens, None, &mut out);
            } else {
                let q = sum(isa, &tokens, pe);
                layer.self_attn.forward(run, &q, &q, &tokens, Some(&tokens), &mut out);
            }
            tokens = layer.norm1.rows(isa, &out);
            tap(run, "norm1", &tokens);

            add_into(isa, image, image_pe, &mut image_and_pe);
            let q = sum(isa, &tokens, pe);
            layer.cross_attn_token_to_image.forward(run, &q, &image_and_pe, image, Some(&tokens), &mut out);
            tokens = layer.norm2.rows(isa, &out);
            tap(run, "norm2", &tokens);

            let hidden = layer.mlp[0].rows(isa, &tokens, Activation::Relu);
            layer.mlp[1].forward_add(isa, &hidden, tokens.len() / d, &tokens, &mut out);
            tokens = layer.norm3.rows(isa, &out);
            tap(run, "norm3", &tokens);

            let k = sum(isa, &tokens, pe);
            let mut updated = run.take(image.len());
            layer.cross_attn_image_to_token.forward(
                run,
                &image_and_pe,
                &k,
                &tokens,
                Some(image),
                &mut updated,
            );
            layer.norm4.forward(isa, &updated, image);
            run.give(updated);
            tap(run, "norm4", image);
        }
        add_into(isa, image, image_pe, &mut image_and_pe);
        let q = sum(isa, &tokens, pe);
        let mut out = vec![0.0; tokens.len()];
        self.final_attn_token_to_image.forward(run, &q, &image_and_pe, image, Some(&tokens), &mut out);
        run.give(image_and_pe);
        self.norm_final_attn.rows(isa, &out)
    }
}

fn sum(isa: Isa, a: &[f32], b: &[f32]) -> Vec<f32> {
    let mut out = a.to_vec();
    rows::add(isa, &mut out, b);
    out
}

fn add_into(isa: Isa, a: &[f32], b: &[f32], out: &mut [f32]) {
    out.copy_from_slice(a);
    rows::add(isa, out, b);
}
