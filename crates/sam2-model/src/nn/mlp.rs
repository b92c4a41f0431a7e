//! Multi-layer perceptrons.

use kernels::gemm::Activation;
use kernels::{Isa, parallel, rows};

use super::{LayerNorm, Linear};
use crate::error::LoadError;
use crate::weights::Scope;

/// `x + W₂ · act(W₁ · norm(x))`: the second half of a transformer block, a few rows at a time so that the hidden
/// activations stay in the cache.
#[derive(Clone, Debug)]
pub(crate) struct Mlp {
    pub norm: LayerNorm,
    pub first: Linear,
    pub second: Linear,
    pub activation: Activation,
}

impl Mlp {
    /// `x`, `(N, C)`, to `out`, `(N, C)`.
    pub fn forward(&self, isa: Isa, x: &[f32], out: &mut [f32]) {
        self.run(isa, x, out, true);
    }

    /// Without adding `x`.
    pub fn branch(&self, isa: Isa, x: &[f32], out: &mut [f32]) {
        self.run(isa, x, out, false);
    }

    fn run(&self, isa: Isa, x: &[f32], out: &mut [f32], residual: bool) {
        const ROWS: usize = 112;
        let (c, hidden) = (self.norm.weight.len(), self.first.bias.len());
        let rows_per_task = parallel::rows_per_task(x.len() / c, isa.tile_shape().0, ROWS);
        parallel::for_each_chunk_mut(out, rows_per_task * c, |i, out| {
            let x = &x[i * rows_per_task * c..][..out.len()];
            let m = out.len() / c;
            parallel::with_scratch(m * (c + hidden), |scratch| {
                let (normed, h) = scratch.split_at_mut(m * c);
                rows::layer_norm_block(isa, x, &self.norm.weight, &self.norm.bias, self.norm.eps, normed);
                let epilogue = self.first.epilogue().activation(self.activation);
                self.first.apply_block(isa, normed, m, h, &epilogue);
                let epilogue = self.second.epilogue();
                let epilogue = if residual { epilogue.residual(x) } else { epilogue };
                self.second.apply_block(isa, h, m, out, &epilogue);
            });
        });
    }
}

/// Linear layers with ReLU in between, for few rows. Meta: `sam2/modeling/sam2_utils.py`, class `MLP`.
#[derive(Clone, Debug)]
pub(crate) struct RowMlp {
    layers: Vec<Linear>,
}

impl RowMlp {
    /// `layers.0`, `layers.1`, … of widths `widths[0] → widths[1] → …`.
    pub fn load(scope: &Scope, isa: Isa, widths: &[usize]) -> Result<Self, LoadError> {
        let scope = scope.at("layers");
        let layers = widths
            .windows(2)
            .enumerate()
            .map(|(i, w)| Linear::load(&scope.at(i), isa, w[1], w[0]))
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
