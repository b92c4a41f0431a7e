//! Two-way transformer: cross-attention of tokens over the image and of the image over the tokens. Meta:
//! `sam2/modeling/sam/transformer.py`, classes `TwoWayTransformer` and `TwoWayAttentionBlock`.
//!
//! Position encodings are added to queries and keys, never to values. The tokens' position encodings are the
//! input tokens, learned ones included.

use kernels::gemm::Activation;
use kernels::{Isa, rows};

use super::cross_attention::{ImageToToken, Source, TokenToImage, pass};
use crate::error::LoadError;
use crate::nn::{Attention, LayerNorm, Linear};
use crate::weights::Loader;
use crate::workspace::Run;

const DEPTH: usize = 2;
const HEADS: usize = 8;
const MLP_DIM: usize = 2048;
const EPS: f32 = 1e-5;

#[derive(Clone, Debug)]
pub(crate) struct TwoWayTransformer {
    layers: Vec<Layer>,
    final_attn_token_to_image: TokenToImage,
    norm_final_attn: LayerNorm,
}

#[derive(Clone, Debug)]
struct Layer {
    self_attn: Attention,
    norm1: LayerNorm,
    token_to_image: TokenToImage,
    norm2: LayerNorm,
    mlp: [Linear; 2],
    norm3: LayerNorm,
    norm4: LayerNorm,
    image_to_token: ImageToToken,
}

impl TwoWayTransformer {
    pub fn load(loader: &Loader, d: usize) -> Result<Self, LoadError> {
        let to_image = |loader: &Loader| TokenToImage::load(loader, d, d / 2, HEADS);
        let layer = |i: usize| -> Result<Layer, LoadError> {
            let loader = loader.at("layers").at(i);
            let mlp = loader.at("mlp").at("layers");
            Ok(Layer {
                self_attn: Attention::load(&loader.at("self_attn"), d, d, HEADS)?,
                norm1: LayerNorm::load(&loader.at("norm1"), d, EPS)?,
                token_to_image: to_image(&loader.at("cross_attn_token_to_image"))?,
                norm2: LayerNorm::load(&loader.at("norm2"), d, EPS)?,
                mlp: [Linear::load(&mlp.at(0), MLP_DIM, d)?, Linear::load(&mlp.at(1), d, MLP_DIM)?],
                norm3: LayerNorm::load(&loader.at("norm3"), d, EPS)?,
                norm4: LayerNorm::load(&loader.at("norm4"), d, EPS)?,
                image_to_token: ImageToToken::load(&loader.at("cross_attn_image_to_token"), d, d / 2, HEADS)?,
            })
        };
        Ok(Self {
            layers: (0..DEPTH).map(layer).collect::<Result<_, _>>()?,
            final_attn_token_to_image: to_image(&loader.at("final_attn_token_to_image"))?,
            norm_final_attn: LayerNorm::load(&loader.at("norm_final_attn"), d, EPS)?,
        })
    }

    /// Runs the transformer on `tokens`, `(T, D)`, and the image features plus `dense`. Writes the image
    /// stream to `image`, `(N, D)`; returns the first `wanted` tokens, `(wanted, D)`.
    pub fn forward(
        &self,
        run: &mut Run,
        tokens: &[f32],
        (features, dense): (&[f32], &[f32]),
        image: &mut [f32],
        image_pe: &[f32],
        wanted: usize,
    ) -> Vec<f32> {
        let isa = run.isa;
        let d = self.norm_final_attn.weight.len();
        let pe = tokens;
        let mut tokens = tokens.to_vec();
        let mut source = Source::Sum(features, dense);
        for (i, layer) in self.layers.iter().enumerate() {
            let tap = |run: &mut Run, i: usize, part: &str, x: &[f32]| {
                let name = || format!("sam_mask_decoder.transformer.layers.{i}.{part}");
                run.tap.tap(name, &[x.len() / d, d], x);
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
            tap(run, i, "norm1", &tokens);

            // One pass applies the previous layer's image update and attends over the result.
            let queries = layer.token_to_image.queries(isa, &sum(isa, &tokens, pe));
            let attended = pass(run, image, image_pe, &source, &queries);
            if i > 0 {
                tap(run, i - 1, "norm4", image);
            }
            tokens = layer.norm2.rows(isa, &layer.token_to_image.project_out(isa, &attended, &tokens));
            tap(run, i, "norm2", &tokens);

            let hidden = layer.mlp[0].rows(isa, &tokens, Activation::Relu);
            layer.mlp[1].forward_add(isa, &hidden, tokens.len() / d, &tokens, &mut out);
            tokens = layer.norm3.rows(isa, &out);
            tap(run, i, "norm3", &tokens);
            let keys = sum(isa, &tokens, pe);
            source = Source::Update(layer.image_to_token.update(isa, &keys, &tokens, &layer.norm4));
        }
        tokens.truncate(wanted * d);
        let queries = self.final_attn_token_to_image.queries(isa, &sum(isa, &tokens, &pe[..wanted * d]));
        let attended = pass(run, image, image_pe, &source, &queries);
        let last = DEPTH - 1;
        run.tap.tap(
            || format!("sam_mask_decoder.transformer.layers.{last}.norm4"),
            &[image.len() / d, d],
            image,
        );
        self.norm_final_attn.rows(isa, &self.final_attn_token_to_image.project_out(isa, &attended, &tokens))
    }
}

fn sum(isa: Isa, a: &[f32], b: &[f32]) -> Vec<f32> {
    let mut out = a.to_vec();
    rows::add(isa, &mut out, b);
    out
}
