//! Linear layer and layer norm.

use kernels::gemm::bf16::{self, PackedB16};
use kernels::gemm::int8::{self, PackedB8};
use kernels::gemm::{Activation, Epilogue, PackedB, gemm, gemm_block};
use kernels::{Isa, rows};

use crate::error::LoadError;
use crate::weights::{Loader, Storage};

/// `x · Wᵀ + b`.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    weight: Weight,
    pub bias: Vec<f32>,
}

#[derive(Clone, Debug)]
enum Weight {
    F32(PackedB),
    Bf16(PackedB16),
    Int8(PackedB8),
}

impl Linear {
    /// From `weight`, `[out, in]`, and `bias`, `[out]`, in the storage of the loader's table.
    pub fn load(loader: &Loader, out: usize, input: usize) -> Result<Self, LoadError> {
        let (weight, bias) = loader.linear(out, input)?;
        Ok(Self::pack(loader, &weight, bias, input))
    }

    /// As [`Self::load`], of a layer without a bias.
    pub fn load_unbiased(loader: &Loader, out: usize, input: usize) -> Result<Self, LoadError> {
        Ok(Self::pack(loader, &loader.values("weight", &[out, input])?, vec![0.0; out], input))
    }

    /// As [`Self::load`], from a 1×1 convolution, `[out, in, 1, 1]`.
    pub fn load_conv1x1(loader: &Loader, out: usize, input: usize) -> Result<Self, LoadError> {
        let (weight, bias) = loader.conv(out, input, 1)?;
        Ok(Self::pack(loader, &weight, bias, input))
    }

    /// From `weight`, `[out, in]`, and `bias`, `[out]`, stored as the layer at the loader's path.
    pub fn pack(loader: &Loader, weight: &[f32], bias: Vec<f32>, input: usize) -> Self {
        let (isa, out) = (loader.isa(), bias.len());
        let weight = match loader.storage() {
            Storage::Single => Weight::F32(PackedB::from_nk(isa, weight, out, input)),
            Storage::Compact => Weight::F32(PackedB::compact_from_nk(isa, weight, out, input)),
            Storage::Bf16 => Weight::Bf16(PackedB16::from_nk(isa, weight, out, input)),
            Storage::Int8 => Weight::Int8(PackedB8::from_nk(isa, weight, out, input)),
        };
        Self { weight, bias }
    }

    /// Input channels.
    pub fn inputs(&self) -> usize {
        match &self.weight {
            Weight::F32(weight) => weight.k(),
            Weight::Bf16(weight) => weight.k(),
            Weight::Int8(weight) => weight.k(),
        }
    }

    /// `x`, `(m, in)`, to `out`, `(m, out)`.
    pub fn forward(&self, isa: Isa, x: &[f32], m: usize, out: &mut [f32]) {
        self.apply(isa, x, m, out, &self.epilogue());
    }

    /// [`Self::forward`] plus `residual`.
    pub fn forward_add(&self, isa: Isa, x: &[f32], m: usize, residual: &[f32], out: &mut [f32]) {
        self.apply(isa, x, m, out, &self.epilogue().residual(residual));
    }

    /// [`Self::forward`] into a new buffer, for few rows.
    pub fn rows(&self, isa: Isa, x: &[f32], activation: Activation) -> Vec<f32> {
        let m = x.len() / self.inputs();
        let mut out = vec![0.0; m * self.bias.len()];
        self.apply(isa, x, m, &mut out, &self.epilogue().activation(activation));
        out
    }

    /// The epilogue of the product: adds the bias.
    pub fn epilogue(&self) -> Epilogue<'_> {
        Epilogue::bias(&self.bias)
    }

    /// The activation to fuse before this layer; approximate if the layer quantises its input anyway.
    pub fn input_of(&self, activation: Activation) -> Activation {
        match (&self.weight, activation) {
            (Weight::Int8(_), Activation::Gelu) => Activation::GeluCoarse,
            _ => activation,
        }
    }

    fn apply(&self, isa: Isa, x: &[f32], m: usize, out: &mut [f32], epilogue: &Epilogue) {
        match &self.weight {
            Weight::F32(weight) => gemm(isa, x, m, weight, out, epilogue),
            Weight::Bf16(weight) => bf16::gemm(isa, x, m, weight, out, epilogue),
            Weight::Int8(weight) => int8::gemm(isa, x, m, weight, out, epilogue),
        }
    }

    /// `x · Wᵀ`, then `epilogue`, on the calling thread.
    pub fn apply_block(&self, isa: Isa, x: &[f32], m: usize, out: &mut [f32], epilogue: &Epilogue) {
        match &self.weight {
            Weight::F32(weight) => gemm_block(isa, x, m, weight, out, epilogue),
            Weight::Bf16(weight) => bf16::gemm_block(isa, x, m, weight, out, epilogue),
            Weight::Int8(weight) => int8::gemm_block(isa, x, m, weight, out, epilogue),
        }
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
    pub fn load(loader: &Loader, channels: usize, eps: f32) -> Result<Self, LoadError> {
        let (weight, bias) = (loader.tensor("weight", &[channels])?, loader.tensor("bias", &[channels])?);
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
