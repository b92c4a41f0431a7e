//! Tensors by their state-dict path, with what layers need to pack them: instruction set and precision.

use std::borrow::Cow;

use kernels::Isa;

use super::checkpoint::Checkpoint;
use super::precision_plan::{Storage, storage};
use crate::error::LoadError;
use crate::precision::Precision;

/// A weight, borrowed or read, and a bias.
type WeightAndBias<'c> = (Cow<'c, [f32]>, Vec<f32>);

/// A prefix in the tree of tensor names.
#[derive(Clone)]
pub(crate) struct Loader<'c> {
    checkpoint: &'c Checkpoint<'c>,
    /// Without a final dot; empty at the root.
    path: String,
    isa: Isa,
    precision: Precision,
}

impl<'c> Loader<'c> {
    /// The root of the tree, for a model in `precision`.
    pub fn new(checkpoint: &'c Checkpoint<'c>, isa: Isa, precision: Precision) -> Self {
        Self { checkpoint, path: String::new(), isa, precision }
    }

    /// One level down.
    pub fn at(&self, segment: impl std::fmt::Display) -> Self {
        Self { path: self.path_of(segment), ..self.clone() }
    }

    fn path_of(&self, segment: impl std::fmt::Display) -> String {
        if self.path.is_empty() { segment.to_string() } else { format!("{}.{segment}", self.path) }
    }

    /// The instruction set for which weights are packed.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Precision of the layers that tolerate quantisation.
    pub fn model_precision(&self) -> Precision {
        self.precision
    }

    /// Storage of the weights of the layer at this path; see [`super::precision_plan`].
    pub fn storage(&self) -> Storage {
        storage(self.precision, &self.path)
    }

    /// Precision of the scores of the attention at this path; see [`super::precision_plan`].
    pub fn precision(&self) -> Precision {
        if self.storage() == Storage::Int8 { Precision::Int8 } else { Precision::F32 }
    }

    /// A tensor of exactly this shape, as `f32`.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        Ok(self.values(name, shape)?.into_owned())
    }

    /// As [`Self::tensor`], borrowed if it is in memory as `f32`: for large tensors.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Cow<'c, [f32]>, LoadError> {
        self.checkpoint.read(&self.path_of(name), shape)
    }

    /// The error for a tensor with a value that no trained model has.
    pub fn bad_value(&self, name: &str, value: f32) -> LoadError {
        let (origin, name) = (self.checkpoint.origin.clone(), self.path_of(name));
        LoadError::BadValue { origin, name, value }
    }

    /// Counts a tensor as read that no forward pass uses.
    pub fn ignore(&self, name: &str) {
        self.checkpoint.ignore(&self.path_of(name));
    }

    /// `weight` and `bias` of a linear layer, `[out, in]` and `[out]`.
    pub fn linear(&self, out: usize, input: usize) -> Result<WeightAndBias<'c>, LoadError> {
        Ok((self.values("weight", &[out, input])?, self.tensor("bias", &[out])?))
    }

    /// `weight` and `bias` of a square convolution, `[out, in, k, k]` and `[out]`.
    pub fn conv(&self, out: usize, input: usize, kernel: usize) -> Result<WeightAndBias<'c>, LoadError> {
        Ok((self.values("weight", &[out, input, kernel, kernel])?, self.tensor("bias", &[out])?))
    }
}
