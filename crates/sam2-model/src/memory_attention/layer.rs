//! One layer: self-attention, cross-attention over the memories, MLP, each after a layer norm.
//!
//! The values of the cross-attention are linear in the memory, and the weights of a softmax sum to one, so the
//! memory itself is averaged, at its own small width, and projected afterwards: `Σ pᵢ (Wv mᵢ + bv) = Wv (Σ pᵢ mᵢ) + bv`.
//! `Wv` and the output projection are then one matrix, multiplied in double precision when loaded.

use kernels::Isa;
use kernels::attention::{Shape, attention};
use kernels::gemm::{Activation, Rows};
use kernels::rope::Rope;

use super::{EPS, MemoryTokens};
use crate::config::Config;
use crate::error::LoadError;
use crate::image_encoder::compose;
use crate::nn::{LayerNorm, Linear, Mlp};
use crate::weights::Scope;
use crate::workspace::Run;

#[derive(Clone, Debug)]
pub(crate) struct Layer {
    norm1: LayerNorm,
    self_q: Linear,
    self_k: Linear,
    self_v: Linear,
    self_out: Linear,
    norm2: LayerNorm,
    cross_q: Linear,
    cross_k: Linear,
    /// Output projection after value projection, m → D.
    cross_out: Linear,
    mlp: Mlp,
}

impl Layer {
    pub fn load(scope: &Scope, isa: Isa, config: &Config) -> Result<Self, LoadError> {
        let (d, m) = (config.d_model, config.mem_dim);
        let own = scope.at("self_attn");
        let cross = scope.at("cross_attn_image");
        let (value, value_bias) = cross.at("v_proj").linear(d, m)?;
        let (out, out_bias) = cross.at("out_proj").linear(d, d)?;
        Ok(Self {
            norm1: LayerNorm::load(&scope.at("norm1"), d, EPS)?,
            self_q: Linear::load(&own.at("q_proj"), isa, d, d)?,
            self_k: Linear::load(&own.at("k_proj"), isa, d, d)?,
            self_v: Linear::load(&own.at("v_proj"), isa, d, d)?,
            self_out: Linear::load(&own.at("out_proj"), isa, d, d)?,
            norm2: LayerNorm::load(&scope.at("norm2"), d, EPS)?,
            cross_q: Linear::load(&cross.at("q_proj"), isa, d, d)?,
            cross_k: Linear::load(&cross.at("k_proj"), isa, d, m)?,
            cross_out: compose(isa, (&out, &out_bias), (&value, &value_bias)),
            mlp: Mlp {
                norm: LayerNorm::load(&scope.at("norm3"), d, EPS)?,
                first: Linear::load(&scope.at("linear1"), isa, config.dim_feedforward, d)?,
                second: Linear::load(&scope.at("linear2"), isa, d, config.dim_feedforward)?,
                activation: Activation::Relu,
            },
        })
    }

    /// Width of a memory token.
    pub fn memory_width(&self) -> usize {
        self.cross_k.weight.k()
    }

    /// Updates the residual stream `x`, `(N, D)`; `keys_in` is the memory with its positions added.
    pub fn forward(
        &self,
        run: &mut Run,
        x: &mut Vec<f32>,
        keys_in: &[f32],
        memory: &MemoryTokens,
        rope: &Rope,
        index: usize,
    ) {
        let d = self.norm1.weight.len();
        let n = x.len() / d;
        let mut normed = run.take(x.len());
        let mut next = run.take(x.len());
        self.norm1.forward(run.isa, x, &mut normed);
        self.attend_to_self(run, &normed, x, rope, &mut next, index);
        std::mem::swap(x, &mut next);
        run.tap.tap(|| format!("memory_attention.layers.{index}.self_attn"), &[n, d], x);
        self.norm2.forward(run.isa, x, &mut normed);
        self.attend_to_memory(run, &normed, x, keys_in, memory, rope, &mut next, index);
        std::mem::swap(x, &mut next);
        run.tap.tap(|| format!("memory_attention.layers.{index}.cross_attn"), &[n, d], x);
        self.mlp.forward(run.isa, x, &mut next);
        std::mem::swap(x, &mut next);
        run.tap.tap(|| format!("memory_attention.layers.{index}.ffn"), &[n, d], x);
        run.give(normed);
        run.give(next);
    }

    fn attend_to_self(
        &self,
        run: &mut Run,
        normed: &[f32],
        x: &[f32],
        rope: &Rope,
        out: &mut [f32],
        index: usize,
    ) {
        let (isa, d) = (run.isa, self.norm1.weight.len());
        let n = x.len() / d;
        let [mut q, mut k, mut v, mut mixed] = std::array::from_fn(|_| run.take(x.len()));
        self.self_q.forward(isa, normed, n, &mut q);
        self.self_k.forward(isa, normed, n, &mut k);
        self.self_v.forward(isa, normed, n, &mut v);
        rope.apply(isa, &mut q);
        rope.apply(isa, &mut k);
        run.tap.tap(|| format!("memory_attention.layers.{index}.self_attn.q_rope"), &[n, d], &q);
        run.tap.tap(|| format!("memory_attention.layers.{index}.self_attn.k_rope"), &[n, d], &k);
        let shape = Shape { batch: 1, heads: 1, nq: n, nk: n, d, dv: d };
        let rows = |x| Rows::new(x, d);
        attention(isa, shape, scale(d), rows(&q), rows(&k), rows(&v), &mut mixed);
        self.self_out.forward_add(isa, &mixed, n, x, out);
        for buffer in [q, k, v, mixed] {
            run.give(buffer);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn attend_to_memory(
        &self,
        run: &mut Run,
        normed: &[f32],
        x: &[f32],
        keys_in: &[f32],
        memory: &MemoryTokens,
        rope: &Rope,
        out: &mut [f32],
        index: usize,
    ) {
        let (isa, d, m) = (run.isa, self.norm1.weight.len(), self.memory_width());
        let (n, tokens) = (x.len() / d, keys_in.len() / m);
        let mut q = run.take(x.len());
        let mut k = run.take(tokens * d);
        let mut mixed = run.take(n * m);
        self.cross_q.forward(isa, normed, n, &mut q);
        self.cross_k.forward(isa, keys_in, tokens, &mut k);
        rope.apply(isa, &mut q);
        rope.apply(isa, &mut k[..(tokens - memory.pointer_tokens) * d]);
        run.tap.tap(|| format!("memory_attention.layers.{index}.cross_attn.q_rope"), &[n, d], &q);
        run.tap.tap(|| format!("memory_attention.layers.{index}.cross_attn.k_rope"), &[tokens, d], &k);
        let shape = Shape { batch: 1, heads: 1, nq: n, nk: tokens, d, dv: m };
        attention(
            isa,
            shape,
            scale(d),
            Rows::new(&q, d),
            Rows::new(&k, d),
            Rows::new(&memory.values, m),
            &mut mixed,
        );
        self.cross_out.forward_add(isa, &mixed, n, x, out);
        for buffer in [q, k, mixed] {
            run.give(buffer);
        }
    }
}

fn scale(d: usize) -> f32 {
    1.0 / (d as f32).sqrt()
}
