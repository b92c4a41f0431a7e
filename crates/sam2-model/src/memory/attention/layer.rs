//! One layer: self-attention, cross-attention over the memories, MLP, each after a layer norm.
//!
//! Values are linear in what is attended to, and the weights of a softmax sum to one, so that itself is averaged and
//! projected afterwards: `Σ pᵢ (Wv mᵢ + bv) = Wv (Σ pᵢ mᵢ) + bv`. `Wv` and the output projection are then one matrix, multiplied in
//! double precision when loaded. For the memories that also means averaging at their own small width.
//!
//! From two memories up their keys are never formed either: see [`kernels::attention::GridKeys`].

use kernels::Isa;
use kernels::attention::{self, GridKeys, Shape};
use kernels::gemm::{Activation, Rows};
use kernels::rope::Rope;

use super::{EPS, Memory};
use crate::config::Config;
use crate::error::LoadError;
use crate::nn::{LayerNorm, Linear, Mlp, compose};
use crate::precision::Precision;
use crate::weights::Scope;
use crate::workspace::{Buffer, Run};

#[derive(Clone, Debug)]
pub(crate) struct Layer {
    norm1: LayerNorm,
    self_q: Linear,
    self_k: Linear,
    /// Output projection after value projection.
    self_out: Linear,
    norm2: LayerNorm,
    cross_q: Linear,
    cross_k: Linear,
    /// The same with its rotation, for keys that are not formed.
    cross_grid_keys: GridKeys,
    /// Output projection after value projection, m → D.
    cross_out: Linear,
    mlp: Mlp,
    /// Of the scores.
    precision: Precision,
}

impl Layer {
    pub fn load(scope: &Scope, isa: Isa, config: &Config, rope: &Rope) -> Result<Self, LoadError> {
        let (d, m) = (config.d_model, config.mem_dim);
        let own = scope.at("self_attn");
        let cross = scope.at("cross_attn_image");
        let folded = |scope: &Scope, width: usize| -> Result<Linear, LoadError> {
            let (value, value_bias) = scope.at("v_proj").linear(d, width)?;
            let (out, out_bias) = scope.at("out_proj").linear(d, d)?;
            Ok(compose(isa, scope.precision(), (&out, &out_bias), (&value, &value_bias)))
        };
        let (key, key_bias) = cross.at("k_proj").linear(d, m)?;
        Ok(Self {
            norm1: LayerNorm::load(&scope.at("norm1"), d, EPS)?,
            self_q: Linear::load_quantized(&own.at("q_proj"), isa, d, d)?,
            self_k: Linear::load_quantized(&own.at("k_proj"), isa, d, d)?,
            self_out: folded(&own, d)?,
            norm2: LayerNorm::load(&scope.at("norm2"), d, EPS)?,
            cross_q: Linear::load_quantized(&cross.at("q_proj"), isa, d, d)?,
            cross_grid_keys: match scope.precision() {
                Precision::F32 => GridKeys::new(&key, &key_bias, scale(d), rope),
                Precision::Int8 => GridKeys::int16(&key, &key_bias, scale(d), rope),
            },
            cross_k: Linear::quantized(isa, scope.precision(), &key, key_bias, m),
            cross_out: folded(&cross, m)?,
            mlp: Mlp {
                norm: LayerNorm::load(&scope.at("norm3"), d, EPS)?,
                first: Linear::load_quantized(&scope.at("linear1"), isa, config.dim_feedforward, d)?,
                second: Linear::load_quantized(&scope.at("linear2"), isa, d, config.dim_feedforward)?,
                activation: Activation::Relu,
            },
            precision: scope.precision(),
        })
    }

    fn attend(&self, isa: Isa, shape: Shape, q: Rows, k: Rows, v: Rows, out: &mut [f32]) {
        let attend = match self.precision {
            Precision::F32 => attention::attention,
            Precision::Int8 => attention::int8::attention,
        };
        attend(isa, shape, scale(shape.d), q, k, v, out);
    }

    /// Width of a memory token.
    pub fn memory_width(&self) -> usize {
        self.cross_k.inputs()
    }

    /// Self-attention with its residual: `x`, `(N, D)`, in place.
    pub fn attend_to_self(&self, run: &mut Run, x: &mut [f32], rope: &Rope, index: usize) {
        let (isa, d) = (run.isa, self.norm1.weight.len());
        let n = x.len() / d;
        // One of the large buffers that the encoder has left, in place of four more.
        let mut buffer = run.take(4 * x.len());
        let (normed, rest) = buffer.split_at_mut(x.len());
        let (q, rest) = rest.split_at_mut(x.len());
        let (k, mixed) = rest.split_at_mut(x.len());
        self.norm1.forward(isa, x, normed);
        self.self_q.forward(isa, normed, n, q);
        self.self_k.forward(isa, normed, n, k);
        rope.apply(isa, q);
        rope.apply(isa, k);
        run.tap.tap(|| format!("memory_attention.layers.{index}.self_attn.q_rope"), &[n, d], q);
        run.tap.tap(|| format!("memory_attention.layers.{index}.self_attn.k_rope"), &[n, d], k);
        let shape = Shape { batch: 1, heads: 1, nq: n, nk: n, d, dv: d };
        self.attend(isa, shape, Rows::new(q, d), Rows::new(k, d), Rows::new(normed, d), mixed);
        self.self_out.forward_add(isa, mixed, n, x, q);
        x.copy_from_slice(q);
        run.give(buffer);
        run.tap.tap(|| format!("memory_attention.layers.{index}.self_attn"), &[n, d], x);
    }

    /// What looks at the memories, `(N, D)`, rotated: from `x` to `q`, with room for as much in `normed`.
    pub fn queries(
        &self,
        run: &mut Run,
        x: &[f32],
        rope: &Rope,
        index: usize,
        normed: &mut [f32],
        q: &mut [f32],
    ) {
        let d = self.norm2.weight.len();
        let n = x.len() / d;
        self.norm2.forward(run.isa, x, normed);
        self.cross_q.forward(run.isa, normed, n, q);
        rope.apply(run.isa, q);
        run.tap.tap(|| format!("memory_attention.layers.{index}.cross_attn.q_rope"), &[n, d], q);
    }

    /// The keys of all tokens, `(M, D)`.
    fn keys(&self, run: &mut Run, memory: &Memory, rope: &Rope, index: usize) -> Buffer {
        let (d, tokens) = (self.norm1.weight.len(), memory.keys_in.len() / self.memory_width());
        let mut keys = run.take(tokens * d);
        self.cross_k.forward(run.isa, &memory.keys_in, tokens, &mut keys);
        rope.apply(run.isa, &mut keys[..(tokens - memory.pointers) * d]);
        run.tap.tap(|| format!("memory_attention.layers.{index}.cross_attn.k_rope"), &[tokens, d], &keys);
        keys
    }

    /// The rest of the layer: from the stream `x` and its queries `q`, both `(N, D)`, to the stream after it, `out`.
    #[allow(clippy::too_many_arguments)]
    pub fn attend_to_memory(
        &self,
        run: &mut Run,
        x: &[f32],
        q: &[f32],
        memory: &Memory,
        rope: &Rope,
        index: usize,
        out: &mut [f32],
    ) {
        let (isa, d, m) = (run.isa, self.norm1.weight.len(), self.memory_width());
        let n = x.len() / d;
        let mut mixed = run.take(n * m);
        match &memory.grids {
            Some(grids) => {
                if run.tap.enabled() {
                    let keys = self.keys(run, memory, rope, index);
                    run.give(keys);
                }
                let pointers = &memory.keys_in[memory.keys_in.len() - memory.pointers * m..];
                let mut keys = run.take(pointers.len() / m * d);
                self.cross_k.forward(isa, pointers, pointers.len() / m, &mut keys);
                self.cross_grid_keys.attend(isa, q, grids, &keys, &mut mixed);
                run.give(keys);
            }
            None => {
                let keys = self.keys(run, memory, rope, index);
                let shape = Shape { batch: 1, heads: 1, nq: n, nk: keys.len() / d, d, dv: m };
                let (q, k, v) = (Rows::new(q, d), Rows::new(&keys, d), Rows::new(&memory.values, m));
                self.attend(isa, shape, q, k, v, &mut mixed);
                run.give(keys);
            }
        }
        self.cross_out.forward_add(isa, &mixed, n, x, out);
        run.give(mixed);
        run.tap.tap(|| format!("memory_attention.layers.{index}.cross_attn"), &[n, d], out);
        self.mlp.forward(isa, out);
        run.tap.tap(|| format!("memory_attention.layers.{index}.ffn"), &[n, d], out);
    }
}

fn scale(d: usize) -> f32 {
    1.0 / (d as f32).sqrt()
}
