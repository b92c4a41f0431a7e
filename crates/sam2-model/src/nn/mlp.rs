//! Multi-layer perceptrons.

use kernels::gemm::{Activation, Epilogue};
use kernels::{Isa, parallel, rows};

use super::{LayerNorm, Linear};
use crate::error::LoadError;
use crate::weights::Loader;

/// `x + W₂ · act(W₁ · norm(x))`: the second half of a transformer block, a few rows at a time so that the
/// hidden activations stay in the cache.
#[derive(Clone, Debug)]
pub(crate) struct FeedForward {
    pub norm: LayerNorm,
    pub first: Linear,
    pub second: Linear,
    pub activation: Activation,
}

impl FeedForward {
    /// `x`, `(N, C)`, in place.
    pub fn forward(&self, isa: Isa, x: &mut [f32]) {
        parallel::for_each_chunk_mut(x, self.task(isa, x.len()), |_, x| {
            parallel::with_scratch(self.scratch(x.len()) + x.len(), |scratch| {
                let (before, scratch) = scratch.split_at_mut(x.len());
                before.copy_from_slice(x);
                self.block(isa, before, scratch, x, &self.second.epilogue().residual(before));
            });
        });
    }

    /// Without adding `x`: to `out`, `(N, C)`.
    pub fn branch(&self, isa: Isa, x: &[f32], out: &mut [f32]) {
        let task = self.task(isa, x.len());
        parallel::for_each_chunk_mut(out, task, |i, out| {
            let x = &x[i * task..][..out.len()];
            parallel::with_scratch(self.scratch(x.len()), |scratch| {
                self.block(isa, x, scratch, out, &self.second.epilogue());
            });
        });
    }

    /// Floats of the rows processed together.
    fn task(&self, isa: Isa, len: usize) -> usize {
        const ROWS: usize = 112;
        let c = self.norm.weight.len();
        parallel::rows_per_task(len / c, isa.tile_shape().0, ROWS) * c
    }

    /// Scratch floats of [`Self::block`] for an input of `len`.
    fn scratch(&self, len: usize) -> usize {
        len + len / self.norm.weight.len() * self.first.bias.len()
    }

    fn block(&self, isa: Isa, x: &[f32], scratch: &mut [f32], out: &mut [f32], epilogue: &Epilogue) {
        let LayerNorm { weight, bias, eps } = &self.norm;
        let m = x.len() / weight.len();
        let (normed, hidden) = scratch.split_at_mut(x.len());
        rows::layer_norm_block(isa, x, weight, bias, *eps, normed);
        let activated = self.first.epilogue().activation(self.second.input_of(self.activation));
        self.first.apply_block(isa, normed, m, hidden, &activated);
        self.second.apply_block(isa, hidden, m, out, epilogue);
    }
}

/// Linear layers with ReLU in between, for few rows. Meta: `sam2/modeling/sam2_utils.py`, class `MLP`.
#[derive(Clone, Debug)]
pub(crate) struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// `layers.0`, `layers.1`, … of widths `widths[0] → widths[1] → …`.
    pub fn load(loader: &Loader, widths: &[usize]) -> Result<Self, LoadError> {
        let loader = loader.at("layers");
        let layers = widths
            .windows(2)
            .enumerate()
            .map(|(i, w)| Linear::load(&loader.at(i), w[1], w[0]))
            .collect::<Result<_, _>>()?;
        Ok(Self { layers })
    }

    /// `x`, `(N, in)`, to `(N, out)`.
    pub fn forward(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(x.to_vec(), |x, (i, layer)| {
            layer.rows(isa, &x, if i < last { Activation::Relu } else { Activation::None })
        })
    }
}
