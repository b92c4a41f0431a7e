//! One layer: self-attention, cross-attention over the memories, MLP, each after a layer norm.

use kernels::attention::Shape;
use kernels::gemm::{Activation, Rows};
use kernels::rope::Rope;

use super::cross::{CrossAttention, attend};
use super::memory::Memory;
use crate::config::Config;
use crate::error::LoadError;
use crate::nn::{FeedForward, LayerNorm, Linear, fold_values};
use crate::precision::Precision;
use crate::weights::Loader;
use crate::workspace::Run;

pub(super) const EPS: f32 = 1e-5;

#[derive(Clone, Debug)]
pub(super) struct Layer {
    norm1: LayerNorm,
    self_q: Linear,
    self_k: Linear,
    /// Value and output projection in one; see [`super::cross`].
    self_out: Linear,
    norm2: LayerNorm,
    cross_attn: CrossAttention,
    feed_forward: FeedForward,
    /// Precision of the scores.
    precision: Precision,
}

impl Layer {
    pub fn load(loader: &Loader, config: &Config, rope: &Rope) -> Result<Self, LoadError> {
        let d = config.d_model;
        let own = loader.at("self_attn");
        Ok(Self {
            norm1: LayerNorm::load(&loader.at("norm1"), d, EPS)?,
            self_q: Linear::load(&own.at("q_proj"), d, d)?,
            self_k: Linear::load(&own.at("k_proj"), d, d)?,
            self_out: fold_values(&own, d, d)?,
            norm2: LayerNorm::load(&loader.at("norm2"), d, EPS)?,
            cross_attn: CrossAttention::load(&loader.at("cross_attn_image"), config, rope)?,
            feed_forward: FeedForward {
                norm: LayerNorm::load(&loader.at("norm3"), d, EPS)?,
                first: Linear::load(&loader.at("linear1"), config.dim_feedforward, d)?,
                second: Linear::load(&loader.at("linear2"), d, config.dim_feedforward)?,
                activation: Activation::Relu,
            },
            precision: own.precision(),
        })
    }

    /// Precision of the scores of the cross-attention.
    pub fn memory_precision(&self) -> Precision {
        self.cross_attn.precision()
    }

    /// Channels of a memory token.
    pub fn memory_width(&self) -> usize {
        self.cross_attn.memory_width()
    }

    /// Self-attention with its residual: `x`, `(N, D)`, in place; `q` and `mixed` are scratch of the same
    /// size.
    pub fn attend_to_self(
        &self,
        run: &mut Run,
        x: &mut [f32],
        (q, mixed): (&mut [f32], &mut [f32]),
        rope: &Rope,
        index: usize,
    ) {
        let (isa, d) = (run.isa, self.norm1.weight.len());
        let n = x.len() / d;
        let mut buffer = run.take(2 * x.len());
        let (normed, k) = buffer.split_at_mut(x.len());
        self.norm1.forward(isa, x, normed);
        self.self_q.forward(isa, normed, n, q);
        self.self_k.forward(isa, normed, n, k);
        rope.rotate_queries(isa, q);
        rope.rotate_queries(isa, k);
        run.tap.tap(|| format!("memory_attention.layers.{index}.self_attn.q_rope"), &[n, d], q);
        run.tap.tap(|| format!("memory_attention.layers.{index}.self_attn.k_rope"), &[n, d], k);
        let shape = Shape { batch: 1, heads: 1, nq: n, nk: n, d, dv: d };
        attend(self.precision, isa, shape, Rows::new(q, d), Rows::new(k, d), Rows::new(normed, d), mixed);
        self.self_out.forward_add(isa, mixed, n, x, q);
        x.copy_from_slice(q);
        run.give(buffer);
        run.tap.tap(|| format!("memory_attention.layers.{index}.self_attn"), &[n, d], x);
    }

    /// Writes the rotated queries `(N, D)` of the cross-attention to `q`; `normed` is scratch of the same
    /// size.
    pub fn queries(
        &self,
        run: &mut Run,
        x: &[f32],
        rope: &Rope,
        index: usize,
        normed: &mut [f32],
        q: &mut [f32],
    ) {
        self.norm2.forward(run.isa, x, normed);
        self.cross_attn.queries(run, normed, rope, index, q);
    }

    /// The rest of the layer: from the stream `x` and its queries `q`, both `(N, D)`, to the stream after it,
    /// `out`.
    pub fn attend_to_memory(
        &self,
        run: &mut Run,
        (x, q): (&[f32], &[f32]),
        memory: &Memory,
        rope: &Rope,
        index: usize,
        out: &mut [f32],
    ) {
        let d = self.norm1.weight.len();
        self.cross_attn.forward_add(run, (x, q), memory, rope, index, out);
        self.feed_forward.forward(run.isa, out);
        run.tap.tap(|| format!("memory_attention.layers.{index}.ffn"), &[x.len() / d, d], out);
    }
}
