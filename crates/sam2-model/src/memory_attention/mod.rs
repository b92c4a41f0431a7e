//! Memory attention: the current frame looks at the memories of the object. Meta:
//! `sam2/modeling/memory_attention.py` and `RoPEAttention` in `sam2/modeling/sam/transformer.py`.
//!
//! N = grid² positions of the frame · M memory tokens · D channels · m = `mem_dim`.

mod layer;

use kernels::Isa;
use kernels::rope::Rope;
use kernels::rows;

use crate::config::Config;
use crate::error::LoadError;
use crate::nn::LayerNorm;
use crate::position_encoding::sine_2d;
use crate::weights::Scope;
use crate::workspace::Run;
use layer::Layer;

const EPS: f32 = 1e-5;
const ROPE_THETA: f64 = 10_000.0;
/// Share of the position encoding that is added to the input.
const POS_AT_INPUT: f32 = 0.1;

#[derive(Clone, Debug)]
pub(crate) struct MemoryAttention {
    layers: Vec<Layer>,
    norm: LayerNorm,
    rope: Rope,
    /// `[grid, grid, D]`.
    position: Vec<f32>,
}

/// The memory tokens of one object, in the order in which the reference concatenates them: conditioning
/// memories, recent memories, object pointers.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryTokens {
    /// `(M, m)`.
    pub values: Vec<f32>,
    /// `(M, m)`: added to the keys only.
    pub positions: Vec<f32>,
    /// How many of the tokens, at the end, are of object pointers; they are not rotated.
    pub pointer_tokens: usize,
}

impl MemoryAttention {
    pub fn load(scope: &Scope, isa: Isa, config: &Config) -> Result<Self, LoadError> {
        let layers = (0..config.memory_attention_layers)
            .map(|i| Layer::load(&scope.at("layers").at(i), isa, config))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            layers,
            norm: LayerNorm::load(&scope.at("norm"), config.d_model, EPS)?,
            rope: Rope::new(config.grid(), config.d_model, ROPE_THETA),
            position: sine_2d(config.grid(), config.d_model),
        })
    }

    /// The encoding of the grid's positions, `[grid, grid, D]`.
    pub fn position(&self) -> &[f32] {
        &self.position
    }

    /// `level2`, `[grid, grid, D]`, the raw features of the frame, to the conditioned features of the same shape.
    pub fn forward(&self, run: &mut Run, level2: &[f32], memory: &MemoryTokens) -> Vec<f32> {
        let (isa, d) = (run.isa, self.norm.weight.len());
        let n = level2.len() / d;
        let mut x = run.take(level2.len());
        x.copy_from_slice(level2);
        rows::add_scaled(isa, &mut x, &self.position, POS_AT_INPUT);
        let width = self.layers[0].memory_width();
        let tokens = memory.values.len() / width;
        run.tap.tap(|| "memory_attention.memory".into(), &[tokens, width], &memory.values);
        run.tap.tap(|| "memory_attention.memory_pos".into(), &[tokens, width], &memory.positions);
        let mut with_position = run.take(memory.values.len());
        with_position.copy_from_slice(&memory.values);
        rows::add(isa, &mut with_position, &memory.positions);
        for (i, layer) in self.layers.iter().enumerate() {
            layer.forward(run, &mut x, &with_position, memory, &self.rope, i);
        }
        run.give(with_position);
        let mut out = run.take(x.len());
        self.norm.forward(isa, &x, &mut out);
        run.give(x);
        let side = n.isqrt();
        run.tap.tap(|| "memory_attention.out".into(), &[side, side, d], &out);
        out
    }
}
