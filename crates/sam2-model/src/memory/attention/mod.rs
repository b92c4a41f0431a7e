//! Memory attention: the current frame attends to the memories of the object. Meta:
//! `sam2/modeling/memory_attention.py` and `RoPEAttention` in `sam2/modeling/sam/transformer.py`.
//!
//! N = grid² positions of the frame · M memory tokens · D channels · m = `mem_dim`.

mod cross;
mod layer;
mod memory;

use kernels::rope::Rope;
use kernels::{Isa, parallel, rows};

use crate::config::{Config, CrossAttention};
use crate::error::LoadError;
use crate::memory::tokens::{MemoryLayout, MemoryTokens};
use crate::nn::LayerNorm;
use crate::nn::position::sine_axis;
use crate::weights::Loader;
use crate::workspace::{Buffer, Run};
use layer::{EPS, Layer};
use memory::Memory;

const ROPE_THETA: f64 = 10_000.0;
/// Share of the position encoding that is added to the input.
const POS_AT_INPUT: f32 = 0.1;

#[derive(Clone, Debug)]
pub(crate) struct MemoryAttention {
    layers: Vec<Layer>,
    norm: LayerNorm,
    rope: Rope,
    /// Side of the grid of a spatial memory.
    memory_side: usize,
    cross_attention: CrossAttention,
    /// `[grid, D/2]`: the encoding of a row or a column of the grid.
    axis: Vec<f32>,
}

/// The first layer up to its cross-attention, which is the same for every object of a frame.
#[derive(Clone, Debug)]
pub(crate) struct SharedQueries {
    /// The stream after self-attention, `(N, D)`, then the queries of the cross-attention, `(N, D)`.
    both: Buffer,
}

impl SharedQueries {
    /// Returns its buffer to the workspace.
    pub fn recycle(self, run: &mut Run) {
        run.give(self.both);
    }
}

impl MemoryAttention {
    pub fn load(loader: &Loader, config: &Config) -> Result<Self, LoadError> {
        let memory_side = MemoryLayout::new(config).key_side();
        let rope = Rope::with_grids(config.grid(), memory_side, config.d_model, ROPE_THETA);
        let layers = parallel::map(config.memory_attention_layers, |i| {
            Layer::load(&loader.at("layers").at(i), config, &rope)
        });
        Ok(Self {
            layers: layers.into_iter().collect::<Result<_, _>>()?,
            norm: LayerNorm::load(&loader.at("norm"), config.d_model, EPS)?,
            rope,
            memory_side,
            cross_attention: config.cross_attention,
            axis: sine_axis(config.grid(), config.d_model / 2),
        })
    }

    /// The encoding of the grid's positions, `[grid, grid, D]`.
    #[cfg(feature = "inspect")]
    pub fn position(&self) -> Vec<f32> {
        crate::nn::position::sine_2d(self.rope.query_cells().isqrt(), self.norm.weight.len())
    }

    /// The part that does not depend on the object. `level2`, `[grid, grid, D]`, are the raw features of the
    /// frame.
    pub fn share(&self, run: &mut Run, level2: &[f32]) -> SharedQueries {
        let mut both = run.take(2 * level2.len());
        let (x, queries) = both.split_at_mut(level2.len());
        x.copy_from_slice(level2);
        self.add_position(run.isa, x);
        let mut spare = run.take(level2.len());
        self.layers[0].attend_to_self(run, x, (queries, &mut spare), &self.rope, 0);
        self.layers[0].queries(run, x, &self.rope, 0, &mut spare, queries);
        run.give(spare);
        SharedQueries { both }
    }

    /// Adds the encoding to `x`, `(N, D)`, from that of rows and columns: the encoding of all positions would
    /// be as large as `x`.
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
        let memory = {
            let precision = (self.layers[0].memory_precision(), d);
            Memory::new(run, memory, (width, self.memory_side), precision, self.cross_attention)
        };
        let len = shared.both.len() / 2;
        let mut buffer = run.take(3 * len);
        let (x, rest) = buffer.split_at_mut(len);
        let (queries, spare) = rest.split_at_mut(len);
        let (before, shared) = shared.both.split_at(len);
        self.layers[0].attend_to_memory(run, (before, shared), &memory, &self.rope, 0, x);
        for (i, layer) in self.layers.iter().enumerate().skip(1) {
            layer.attend_to_self(run, x, (queries, spare), &self.rope, i);
            layer.queries(run, x, &self.rope, i, spare, queries);
            layer.attend_to_memory(run, (x, queries), &memory, &self.rope, i, spare);
            x.copy_from_slice(spare);
        }
        memory.recycle(run);
        self.norm.forward(isa, x, spare);
        x.copy_from_slice(spare);
        buffer.truncate(len);
        let side = (len / d).isqrt();
        run.tap.tap(|| "memory_attention.out".into(), &[side, side, d], &buffer);
        buffer
    }
}
