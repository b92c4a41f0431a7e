//! Linear layer and layer norm.

use kernels::gemm::{Activation, Epilogue, PackedB, gemm};
use kernels::{Isa, rows};

use crate::error::LoadError;
use crate::weights::Scope;

/// `x · Wᵀ + b`.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub weight: PackedB,
    pub bias: Vec<f32>,
}

impl Linear {
    /// From `weight`, `[out, in]`, and `bias`, `[out]`.
    pub fn load(scope: &Scope, isa: Isa, out: usize, input: usize) -> Result<Self, LoadError> {
        let (weight, bias) = scope.linear(out, input)?;
        Ok(Self::new(isa, &weight, bias, input))
    }

    /// From a 1×1 convolution, `[out, in, 1, 1]`.
    pub fn load_conv1x1(scope: &Scope, isa: Isa, out: usize, input: usize) -> Result<Self, LoadError> {
        let (weight, bias) = scope.conv(out, input, 1)?;
        Ok(Self::new(isa, &weight, bias, input))
    }

    pub fn new(isa: Isa, weight: &[f32], bias: Vec<f32>, input: usize) -> Self {
        Self { weight: PackedB::from_nk(isa, weight, bias.len(), input), bias }
    }

    /// `x`, `(m, in)`, to `out`, `(m, out)`.
    pub fn forward(&self, isa: Isa, x: &[f32], m: usize, out: &mut [f32]) {
        gemm(isa, x, m, &self.weight, out, &Epilogue::bias(&self.bias));
    }

    /// [`Self::forward`] plus `residual`.
    pub fn forward_add(&self, isa: Isa, x: &[f32], m: usize, residual: &[f32], out: &mut [f32]) {
        gemm(isa, x, m, &self.weight, out, &Epilogue::bias(&self.bias).residual(residual));
    }

    /// [`Self::forward`] into a new buffer, for few rows.
    pub fn rows(&self, isa: Isa, x: &[f32], activation: Activation) -> Vec<f32> {
        let m = x.len() / self.weight.k();
        let mut out = vec![0.0; m * self.weight.n()];
        gemm(isa, x, m, &self.weight, &mut out, &Epilogue::bias(&self.bias).activation(activation));
        out
    }
}

/// Layer norm over the last axis.
#[derive(Clone, Debug)]
pub(crate) struct LayerNorm {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub eps: f32,
}

impl LayerNorm {
    /// From `weight` and `bias`, `[channels]`.
    pub fn load(scope: &Scope, channels: usize, eps: f32) -> Result<Self, LoadError> {
        let (weight, bias) = (scope.tensor("weight", &[channels])?, scope.tensor("bias", &[channels])?);
        Ok(Self { weight, bias, eps })
    }

    pub fn forward(&self, isa: Isa, x: &[f32], out: &mut [f32]) {
        rows::layer_norm(isa, x, &self.weight, &self.bias, self.eps, out);
    }

    /// Into a new buffer, for few rows.
    pub fn rows(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; x.len()];
        self.forward(isa, x, &mut out);
        out
    }

    /// Then GELU, in place.
    pub fn gelu_in_place(&self, isa: Isa, x: &mut [f32]) {
        rows::layer_norm_gelu(isa, x, &self.weight, &self.bias, self.eps);
    }
}
