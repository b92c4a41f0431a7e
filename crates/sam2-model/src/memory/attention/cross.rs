//! Cross-attention over the memory tokens of one object.
//!
//! Values are linear in what is attended to, and the weights of a softmax sum to one, so the tokens
//! themselves are averaged, at their own small width, and projected afterwards:
//! `Σ pᵢ (Wv mᵢ + bv) = Wv (Σ pᵢ mᵢ) + bv`.

use kernels::attention::{self, GridKeys, KeysOfOneKind, Repeated, Shape};
use kernels::gemm::Rows;
use kernels::rope::Rope;
use kernels::{Isa, image};

use super::memory::{Absorbed, Memory, MemoryCrossAttention, Pooled};
use crate::config::Config;
use crate::error::LoadError;
use crate::memory::tokens::Place;
use crate::nn::{Linear, fold_values};
use crate::precision::Precision;
use crate::weights::Loader;
use crate::workspace::{Buffer, Run};

#[derive(Clone, Debug)]
pub(super) struct CrossAttention {
    q_proj: Linear,
    k_proj: Linear,
    /// The key projection with its rotation, for [`MemoryCrossAttention::UnprojectedKeys`].
    grid_keys: GridKeys,
    /// From rotated queries to queries for the inputs of unplaced keys, for
    /// [`MemoryCrossAttention::Absorbed`]: `Wₖᵀ q` and `bₖ · q`, D → m + 1.
    absorb: Option<Linear>,
    /// Value and output projection in one, m → D.
    out: Linear,
    /// Precision of the scores.
    precision: Precision,
}

impl CrossAttention {
    pub fn load(loader: &Loader, config: &Config, rope: &Rope) -> Result<Self, LoadError> {
        let (d, m) = (config.d_model, config.mem_dim);
        let (key, key_bias) = loader.at("k_proj").linear(d, m)?;
        Ok(Self {
            q_proj: Linear::load(&loader.at("q_proj"), d, d)?,
            grid_keys: GridKeys::new(&key, &key_bias, scale(d), rope),
            absorb: (loader.precision() == Precision::F32).then(|| {
                let columns = (0..m).flat_map(|c| key[c..].iter().step_by(m));
                let rows: Vec<f32> = columns.chain(&key_bias).copied().collect();
                Linear::pack(&loader.at("k_proj"), &rows, vec![0.0; m + 1], d)
            }),
            k_proj: Linear::pack(&loader.at("k_proj"), &key, key_bias, m),
            out: fold_values(loader, d, m)?,
            precision: loader.precision(),
        })
    }

    /// Channels of a memory token.
    pub fn memory_width(&self) -> usize {
        self.k_proj.inputs()
    }

    /// Precision of the scores.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Writes the rotated queries of the normed stream `x`, both `(N, D)`, to `q`.
    pub fn queries(&self, run: &mut Run, x: &[f32], rope: &Rope, index: usize, q: &mut [f32]) {
        let d = self.q_proj.inputs();
        let n = x.len() / d;
        self.q_proj.forward(run.isa, x, n, q);
        rope.rotate_queries(run.isa, q);
        run.tap.tap(|| format!("memory_attention.layers.{index}.cross_attn.q_rope"), &[n, d], q);
    }

    /// The keys of all tokens, `(M, D)`.
    fn keys(&self, run: &mut Run, memory: &Memory, rope: &Rope, index: usize) -> Buffer {
        let (d, tokens) = (self.k_proj.bias.len(), memory.keys_in.len() / self.memory_width());
        let mut keys = run.take(tokens * d);
        self.k_proj.forward(run.isa, &memory.keys_in, tokens, &mut keys);
        let mut rest = &mut keys[..];
        for span in &memory.spans {
            let (own, others) = rest.split_at_mut(span.tokens * d);
            match span.place {
                // One grid: `Rope` refuses rows that are not whole grids of its side.
                Place::Grid(_) => rope.rotate_keys(run.isa, own),
                Place::Unplaced => {}
            }
            rest = others;
        }
        run.tap.tap(|| format!("memory_attention.layers.{index}.cross_attn.k_rope"), &[tokens, d], &keys);
        keys
    }

    /// The averaged keys of the spatial memories, then the keys of the unplaced tokens, `(M', D)`. One memory
    /// at a time is projected and rotated before it is averaged.
    fn pooled_keys(
        &self,
        run: &mut Run,
        memory: &Memory,
        pooled: &Pooled,
        rope: &Rope,
        index: usize,
    ) -> Buffer {
        let (isa, d, m) = (run.isa, self.k_proj.bias.len(), self.memory_width());
        let cells = pooled.side * pooled.side;
        let (grids, unplaced) = memory.keys_in.split_at(pooled.memories * cells * m);
        let mut keys = run.take((pooled.memories * (cells / 4) + unplaced.len() / m) * d);
        let (averages, others) = keys.split_at_mut(pooled.memories * (cells / 4) * d);
        let mut whole = run.take(cells * d);
        for (grid, out) in grids.chunks_exact(cells * m).zip(averages.chunks_exact_mut(cells / 4 * d)) {
            self.k_proj.forward(isa, grid, cells, &mut whole);
            rope.rotate_keys(isa, &mut whole);
            image::average_pool_2x2(isa, &whole, (pooled.side, pooled.side), d, out);
        }
        run.give(whole);
        self.k_proj.forward(isa, unplaced, unplaced.len() / m, others);
        if pooled.shift != 0.0 {
            averages.iter_mut().for_each(|x| *x += pooled.shift);
        }
        let tokens = keys.len() / d;
        run.tap.tap(|| format!("memory_attention.layers.{index}.cross_attn.k_pooled"), &[tokens, d], &keys);
        keys
    }

    /// Attention of the queries `q`, `(N, D)`, to averaged tokens, `(N, m)`; the keys of unplaced tokens are
    /// not projected.
    fn attend_absorbed(&self, run: &mut Run, q: &[f32], tokens: &Absorbed, rope: &Rope, mixed: &mut [f32]) {
        let absorb = self.absorb.as_ref().expect("loaded with scores in single precision");
        let (isa, d, m) = (run.isa, self.q_proj.inputs(), self.memory_width());
        let (n, both) = (q.len() / d, d + m + 1);
        let [grid_inputs, grid_values, other_inputs, other_values] = tokens.parts();
        let (placed, unplaced) = (grid_values.len() / m, other_values.len() / m);
        let mut keys = run.take(placed * d);
        self.k_proj.forward(isa, grid_inputs, placed, &mut keys);
        rope.rotate_keys(isa, &mut keys);
        let mut absorbed = run.take(n * (m + 1));
        absorb.forward(isa, q, n, &mut absorbed);
        let mut queries = run.take(n * both);
        let sources = q.chunks_exact(d).zip(absorbed.chunks_exact(m + 1));
        for (out, (first, second)) in queries.chunks_exact_mut(both).zip(sources) {
            out[..d].copy_from_slice(first);
            out[d..].copy_from_slice(second);
        }
        let kind = |keys, d, values, n| KeysOfOneKind {
            keys: Rows::new(keys, d),
            values: Rows::new(values, m),
            n,
            d,
        };
        let kinds = [kind(&keys, d, grid_values, placed), kind(other_inputs, m + 1, other_values, unplaced)];
        attention::attention_of_two_kinds(isa, scale(d), Rows::new(&queries, both), kinds, m, mixed);
        for buffer in [keys, absorbed, queries] {
            run.give(buffer);
        }
    }

    /// Writes `x` plus the attention of the queries `q` over `memory`, all `(N, D)`, to `out`.
    pub fn forward_add(
        &self,
        run: &mut Run,
        (x, q): (&[f32], &[f32]),
        memory: &Memory,
        rope: &Rope,
        index: usize,
        out: &mut [f32],
    ) {
        let (isa, d, m) = (run.isa, self.q_proj.inputs(), self.memory_width());
        let n = x.len() / d;
        let mut mixed = run.take(n * m);
        match &memory.attention {
            MemoryCrossAttention::UnprojectedKeys(grids) => {
                if run.tap.enabled() {
                    let keys = self.keys(run, memory, rope, index);
                    run.give(keys);
                }
                let unplaced = memory.unplaced_keys_in(m);
                let mut keys = run.take(unplaced.len() / m * d);
                self.k_proj.forward(isa, unplaced, unplaced.len() / m, &mut keys);
                self.grid_keys.attend(isa, q, grids, &keys, &mut mixed);
                run.give(keys);
            }
            MemoryCrossAttention::Pooled(pooled) => {
                let keys = self.pooled_keys(run, memory, pooled, rope, index);
                let shape = Shape { batch: 1, heads: 1, nq: n, nk: keys.len() / d, d, dv: m };
                let operands = (Rows::new(q, d), Rows::new(&keys, d), Rows::new(&pooled.values, m));
                let averaged = pooled.memories * (pooled.side * pooled.side / 4);
                let repeated = Repeated { keys: 0..averaged, times: pooled.times };
                let attend = match self.precision {
                    Precision::F32 | Precision::Bf16 => attention::attention_repeated,
                    Precision::Int8 => attention::int8::attention_repeated,
                };
                attend(isa, shape, scale(d), operands, &repeated, &mut mixed);
                run.give(keys);
            }
            MemoryCrossAttention::Absorbed(tokens) => {
                if run.tap.enabled() {
                    let keys = self.keys(run, memory, rope, index);
                    run.give(keys);
                }
                self.attend_absorbed(run, q, tokens, rope, &mut mixed);
            }
            MemoryCrossAttention::Full => {
                let keys = self.keys(run, memory, rope, index);
                let shape = Shape { batch: 1, heads: 1, nq: n, nk: keys.len() / d, d, dv: m };
                let (q, k, v) = (Rows::new(q, d), Rows::new(&keys, d), Rows::new(&memory.values, m));
                attend(self.precision, isa, shape, q, k, v, &mut mixed);
                run.give(keys);
            }
        }
        self.out.forward_add(isa, &mixed, n, x, out);
        run.give(mixed);
        run.tap.tap(|| format!("memory_attention.layers.{index}.cross_attn"), &[n, d], out);
    }
}

/// Attention with scores in `precision`.
pub(super) fn attend(
    precision: Precision,
    isa: Isa,
    shape: Shape,
    q: Rows,
    k: Rows,
    v: Rows,
    out: &mut [f32],
) {
    let attend = match precision {
        Precision::F32 | Precision::Bf16 => attention::attention,
        Precision::Int8 => attention::int8::attention,
    };
    attend(isa, shape, scale(shape.d), q, k, v, out);
}

fn scale(d: usize) -> f32 {
    1.0 / (d as f32).sqrt()
}
