//! Tensors by their state-dict path, and the audit that every tensor was used.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors};

use crate::error::LoadError;

/// Largest magnitude that a weight may have. Trained weights stay far below; a flipped exponent bit does not.
const LARGEST: f32 = 1e6;

/// A parsed checkpoint and the record of what was read.
pub(crate) struct Checkpoint<'a> {
    pub origin: String,
    /// Name of the model being loaded, for error messages.
    pub variant: String,
    tensors: SafeTensors<'a>,
    metadata: Option<std::collections::HashMap<String, String>>,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Checkpoint<'a> {
    /// Parses the header; nothing else is read yet.
    pub fn parse(bytes: &'a [u8], origin: &str) -> Result<Self, LoadError> {
        if bytes.starts_with(b"PK\x03\x04") {
            return Err(LoadError::PyTorchArchive { origin: origin.to_owned() });
        }
        let format = |e: safetensors::SafeTensorError| LoadError::Format {
            origin: origin.to_owned(),
            reason: e.to_string(),
        };
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(format)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(format)?;
        Ok(Self {
            origin: origin.to_owned(),
            variant: "SAM 2".to_owned(),
            tensors,
            metadata: metadata.metadata().clone(),
            used: RefCell::default(),
        })
    }

    /// An entry of the header's metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.as_ref()?.get(key).map(String::as_str)
    }

    /// Shape of a tensor, if it is there.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.tensors.tensor(name).ok()?.shape().to_vec())
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|(name, _)| name)
    }

    /// Number of tensors, of elements, and of tensors per type.
    pub fn totals(&self) -> (usize, u64, BTreeMap<String, usize>) {
        let mut types = BTreeMap::new();
        let mut elements = 0;
        for (_, view) in self.tensors.iter() {
            elements += view.shape().iter().map(|&n| n as u64).product::<u64>();
            *types.entry(format!("{:?}", view.dtype())).or_default() += 1;
        }
        (self.tensors.len(), elements, types)
    }

    /// The top of the tree of names.
    pub fn root(&self) -> Scope<'_> {
        Scope { checkpoint: self, prefix: String::new() }
    }

    /// Fails if a tensor was never read.
    pub fn finish(&self) -> Result<(), LoadError> {
        let used = self.used.borrow();
        let left: Vec<&str> = self.names().filter(|&name| !used.contains(name)).collect();
        if left.is_empty() {
            return Ok(());
        }
        let mut some = left.clone();
        some.sort_unstable();
        some.truncate(3);
        Err(LoadError::UnexpectedTensors {
            origin: self.origin.clone(),
            count: left.len(),
            names: some.join(", "),
            variant: self.variant.clone(),
        })
    }

    fn read(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, LoadError> {
        let origin = || self.origin.clone();
        let view = self.tensors.tensor(name).map_err(|_| LoadError::MissingTensor {
            origin: origin(),
            name: name.to_owned(),
            variant: self.variant.clone(),
        })?;
        if view.shape() != expected {
            return Err(LoadError::ShapeMismatch {
                origin: origin(),
                name: name.to_owned(),
                variant: self.variant.clone(),
                expected: expected.to_vec(),
                found: view.shape().to_vec(),
            });
        }
        let bytes = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Dtype::F16 => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
            Dtype::BF16 => bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
            other => {
                return Err(LoadError::DType {
                    origin: origin(),
                    name: name.to_owned(),
                    dtype: format!("{other:?}"),
                });
            }
        };
        // NaN lies in no range.
        if let Some(&value) = values.iter().find(|v| !(-LARGEST..=LARGEST).contains(*v)) {
            return Err(LoadError::BadValue { origin: origin(), name: name.to_owned(), value });
        }
        self.used.borrow_mut().insert(name.to_owned());
        Ok(values)
    }
}

/// A place in the tree of names.
#[derive(Clone)]
pub(crate) struct Scope<'c> {
    checkpoint: &'c Checkpoint<'c>,
    prefix: String,
}

impl Scope<'_> {
    /// One level down.
    pub fn at(&self, segment: impl std::fmt::Display) -> Self {
        Self { checkpoint: self.checkpoint, prefix: format!("{}{segment}.", self.prefix) }
    }

    /// A tensor of exactly this shape, as `f32`.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        self.checkpoint.read(&format!("{}{name}", self.prefix), shape)
    }

    /// `weight` and `bias` of a linear layer, `[out, in]` and `[out]`.
    pub fn linear(&self, out: usize, input: usize) -> Result<(Vec<f32>, Vec<f32>), LoadError> {
        Ok((self.tensor("weight", &[out, input])?, self.tensor("bias", &[out])?))
    }

    /// `weight` and `bias` of a square convolution, `[out, in, k, k]` and `[out]`.
    pub fn conv(&self, out: usize, input: usize, kernel: usize) -> Result<(Vec<f32>, Vec<f32>), LoadError> {
        Ok((self.tensor("weight", &[out, input, kernel, kernel])?, self.tensor("bias", &[out])?))
    }
}
