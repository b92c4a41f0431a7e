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
use crate::nn::position::{sine_2d, sine_axis};
use crate::precision::Precision;
use crate::weights::Scope;
use crate::workspace::{Buffer, Run};
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
    /// `[grid, D/2]`: the encoding of a row or a column of the grid.
    axis: Vec<f32>,
}

/// The memory tokens of one object, in the order in which the reference concatenates them: conditioning
/// memories, recent memories, object pointers. Both buffers are the workspace's.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryTokens {
    /// `(M, m)`.
    pub values: Buffer,
    /// `(M, m)`: added to the keys only.
    pub positions: Buffer,
    /// How many of the tokens, at the end, are of object pointers; they are not rotated.
    pub pointer_tokens: usize,
}

/// [`MemoryTokens`] as every layer reads them.
struct Memory {
    /// `(M, m)`: with their positions. Only of the pointers if the others are arranged.
    keys_in: Vec<f32>,
    /// `(M, m)`, or likewise.
    values: Vec<f32>,
    /// How many of the tokens, at the end, have no place on the grid.
    pointers: usize,
    /// All of them arranged for attention without keys, where that pays.
    grids: Option<GridTokens>,
}

impl Memory {
    fn new(run: &mut Run, tokens: MemoryTokens, width: usize, cells: usize, precision: Precision) -> Self {
        let MemoryTokens { values, positions: mut keys_in, pointer_tokens: pointers } = tokens;
        rows::add(run.isa, &mut keys_in, &values);
        let placed = values.len() / width - pointers;
        let copies = placed / cells;
        let arrange = match precision {
            Precision::F32 => GridTokens::new,
            Precision::Int8 => GridTokens::int16,
        };
        let grids = (copies >= UNFORMED_FROM)
            .then(|| arrange(run.isa, (copies, cells), (&keys_in, width), (&values, width)));
        // Who looks sees keys of all of them. Else what is left is small, and the layers need the large buffers.
        let first = if grids.is_some() && !run.tap.enabled() { placed * width } else { 0 };
        let left = |all: &[f32]| all[first..].to_vec();
        let memory = Self { keys_in: left(&keys_in), values: left(&values), pointers, grids };
        run.give(keys_in);
        run.give(values);
        memory
    }
}

/// The first layer as far as it has not looked at a memory: the same for every object of a frame.
#[derive(Clone, Debug)]
pub(crate) struct SharedQueries {
    /// The stream after self-attention, `(N, D)`, then what looks at the memories, `(N, D)`.
    both: Buffer,
}

impl SharedQueries {
    /// Gives its buffer back.
    pub fn recycle(self, run: &mut Run) {
        run.give(self.both);
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
            axis: sine_axis(config.grid(), config.d_model / 2),
        })
    }

    /// The encoding of the grid's positions, `[grid, grid, D]`.
    pub fn position(&self) -> Vec<f32> {
        sine_2d(self.rope.cells().isqrt(), self.norm.weight.len())
    }

    /// The part that does not depend on the object. `level2`, `[grid, grid, D]`, are the raw features of the frame.
    pub fn share(&self, run: &mut Run, level2: &[f32]) -> SharedQueries {
        let mut both = run.take(2 * level2.len());
        let (x, queries) = both.split_at_mut(level2.len());
        x.copy_from_slice(level2);
        self.add_position(run.isa, x);
        self.layers[0].attend_to_self(run, x, &self.rope, 0);
        let mut normed = run.take(level2.len());
        self.layers[0].queries(run, x, &self.rope, 0, &mut normed, queries);
        run.give(normed);
        SharedQueries { both }
    }

    /// To `x`, `(N, D)`. Whole, the encoding would be as large as that.
    fn add_position(&self, isa: Isa, x: &mut [f32]) {
        let half = self.norm.weight.len() / 2;
        let side = self.axis.len() / half;
        parallel::for_each_chunk_mut(x, side * 2 * half, |y, x| {
            for (cell, column) in x.chunks_exact_mut(2 * half).zip(self.axis.chunks_exact(half)) {
                let (for_row, for_column) = cell.split_at_mut(half);
                rows::add_scaled(isa, for_row, &self.axis[y * half..][..half], POS_AT_INPUT);
                rows::add_scaled(isa, for_column, column, POS_AT_INPUT);
            }
        });
    }

    /// The features of a frame conditioned on the memories of an object, `[grid, grid, D]`.
    pub fn forward(&self, run: &mut Run, shared: &SharedQueries, memory: MemoryTokens) -> Buffer {
        let (isa, d) = (run.isa, self.norm.weight.len());
        let width = self.layers[0].memory_width();
        let tokens = memory.values.len() / width;
        run.tap.tap(|| "memory_attention.memory".into(), &[tokens, width], &memory.values);
        run.tap.tap(|| "memory_attention.memory_pos".into(), &[tokens, width], &memory.positions);
        let memory = Memory::new(run, memory, width, self.rope.cells(), self.precision);
        let len = shared.both.len() / 2;
        let mut buffer = run.take(3 * len);
        let (x, rest) = buffer.split_at_mut(len);
        let (queries, spare) = rest.split_at_mut(len);
        let (before, shared) = shared.both.split_at(len);
        self.layers[0].attend_to_memory(run, before, shared, &memory, &self.rope, 0, x);
        for (i, layer) in self.layers.iter().enumerate().skip(1) {
            layer.attend_to_self(run, x, &self.rope, i);
            layer.queries(run, x, &self.rope, i, spare, queries);
            layer.attend_to_memory(run, x, queries, &memory, &self.rope, i, spare);
            x.copy_from_slice(spare);
        }
        self.norm.forward(isa, x, spare);
        x.copy_from_slice(spare);
        buffer.truncate(len);
        let side = (len / d).isqrt();
        run.tap.tap(|| "memory_attention.out".into(), &[side, side, d], &buffer);
        buffer
    }
}
