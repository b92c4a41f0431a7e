//! Memory attention: the current frame looks at the memories of the object. Meta:
//! `sam2/modeling/memory_attention.py` and `RoPEAttention` in `sam2/modeling/sam/transformer.py`.
//!
//! N = grid² positions of the frame · M memory tokens · D channels · m = `mem_dim`.

mod layer;

use kernels::attention::GridTokens;
use kernels::rope::Rope;
use kernels::rows;
use kernels::{Isa, parallel};

use crate::config::Config;
use crate::error::LoadError;
use crate::nn::LayerNorm;
use crate::position_encoding::sine_2d;
use crate::precision::Precision;
use crate::weights::Scope;
use crate::workspace::Run;
use layer::Layer;

const EPS: f32 = 1e-5;
const ROPE_THETA: f64 = 10_000.0;
/// From this many spatial memories on, their keys are not formed: the cost of doing without does not depend on the number.
const UNFORMED_FROM: usize = 2;
/// Share of the position encoding that is added to the input.
const POS_AT_INPUT: f32 = 0.1;

#[derive(Clone, Debug)]
pub(crate) struct MemoryAttention {
    layers: Vec<Layer>,
    norm: LayerNorm,
    rope: Rope,
    precision: Precision,
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

/// [`MemoryTokens`] as every layer reads them.
struct Memory<'a> {
    /// `(M, m)`: with their positions.
    keys_in: Vec<f32>,
    /// `(M, m)`.
    values: &'a [f32],
    /// How many of the tokens, at the front, have a place on the grid.
    placed: usize,
    /// Both arranged for attention without keys, where that pays.
    grids: Option<GridTokens>,
}

impl<'a> Memory<'a> {
    fn new(
        run: &mut Run,
        tokens: &'a MemoryTokens,
        width: usize,
        cells: usize,
        precision: Precision,
    ) -> Self {
        let values = &tokens.values;
        let mut keys_in = run.take(values.len());
        keys_in.copy_from_slice(values);
        rows::add(run.isa, &mut keys_in, &tokens.positions);
        let placed = values.len() / width - tokens.pointer_tokens;
        let copies = placed / cells;
        let arrange = match precision {
            Precision::F32 => GridTokens::new,
            Precision::Int8 => GridTokens::int16,
        };
        let grids = (copies >= UNFORMED_FROM)
            .then(|| arrange(run.isa, (copies, cells), (&keys_in, width), (values, width)));
        Self { keys_in, values, placed, grids }
    }
}

/// The first layer as far as it has not looked at a memory: the same for every object of a frame.
#[derive(Clone, Debug)]
pub(crate) struct SharedQueries {
    /// The stream after self-attention, `(N, D)`.
    x: Vec<f32>,
    /// What looks at the memories, `(N, D)`.
    queries: Vec<f32>,
}

impl SharedQueries {
    /// Gives its buffers back.
    pub fn recycle(self, run: &mut Run) {
        run.give(self.x);
        run.give(self.queries);
    }
}

impl MemoryAttention {
    pub fn load(scope: &Scope, isa: Isa, config: &Config) -> Result<Self, LoadError> {
        let rope = Rope::new(config.grid(), config.d_model, ROPE_THETA);
        let layers = parallel::map(config.memory_attention_layers, |i| {
            Layer::load(&scope.at("layers").at(i), isa, config, &rope)
        });
        Ok(Self {
            layers: layers.into_iter().collect::<Result<_, _>>()?,
            norm: LayerNorm::load(&scope.at("norm"), config.d_model, EPS)?,
            rope,
            precision: scope.precision(),
            position: sine_2d(config.grid(), config.d_model),
        })
    }

    /// The encoding of the grid's positions, `[grid, grid, D]`.
    pub fn position(&self) -> &[f32] {
        &self.position
    }

    /// The part that does not depend on the object. `level2`, `[grid, grid, D]`, are the raw features of the frame.
    pub fn share(&self, run: &mut Run, level2: &[f32]) -> SharedQueries {
        let mut x = run.take(level2.len());
        x.copy_from_slice(level2);
        rows::add_scaled(run.isa, &mut x, &self.position, POS_AT_INPUT);
        self.layers[0].attend_to_self(run, &mut x, &self.rope, 0);
        let queries = self.layers[0].queries(run, &x, &self.rope, 0);
        SharedQueries { x, queries }
    }

    /// The features of a frame conditioned on the memories of an object, `[grid, grid, D]`.
    pub fn forward(&self, run: &mut Run, shared: &SharedQueries, memory: &MemoryTokens) -> Vec<f32> {
        let (isa, d) = (run.isa, self.norm.weight.len());
        let width = self.layers[0].memory_width();
        let tokens = memory.values.len() / width;
        run.tap.tap(|| "memory_attention.memory".into(), &[tokens, width], &memory.values);
        run.tap.tap(|| "memory_attention.memory_pos".into(), &[tokens, width], &memory.positions);
        let memory = Memory::new(run, memory, width, self.rope.cells(), self.precision);
        let first = &self.layers[0];
        let mut x = first.attend_to_memory(run, &shared.x, &shared.queries, &memory, &self.rope, 0);
        for (i, layer) in self.layers.iter().enumerate().skip(1) {
            layer.attend_to_self(run, &mut x, &self.rope, i);
            let queries = layer.queries(run, &x, &self.rope, i);
            let next = layer.attend_to_memory(run, &x, &queries, &memory, &self.rope, i);
            run.give(queries);
            run.give(std::mem::replace(&mut x, next));
        }
        run.give(memory.keys_in);
        let mut out = run.take(x.len());
        self.norm.forward(isa, &x, &mut out);
        let side = (x.len() / d).isqrt();
        run.give(x);
        run.tap.tap(|| "memory_attention.out".into(), &[side, side, d], &out);
        out
    }
}
