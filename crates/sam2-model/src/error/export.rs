//! Checkpoints that cannot be converted.

use std::path::PathBuf;

use super::LoadError;

/// A checkpoint cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The input cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The output cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// Writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Input and output are the same file.
    #[error("writing {} would overwrite the checkpoint that is read: choose another name", .0.display())]
    SameFile(PathBuf),
    /// A `.pt` with the names of Hugging Face, which no program reads.
    #[error("{}: a .pt has Meta's names; for those of Hugging Face write a .safetensors", .0.display())]
    TorchNaming(PathBuf),
    /// A family whose tensors have no names in the Hugging Face library.
    #[error("{}: the Hugging Face library has no names for {family}: keep its own", path.display())]
    NoNames {
        /// The checkpoint.
        path: PathBuf,
        /// The family.
        family: &'static str,
    },
    /// A value beyond the range of the new type.
    #[error("tensor {name} holds {value}, which is too large for F16; BF16 can hold it")]
    TooLarge {
        /// Tensor.
        name: String,
        /// The value.
        value: f32,
    },
    /// A tensor of a type that is not written into a `.pt`.
    #[error("tensor {name} is stored as {dtype}, which is not written into a .pt")]
    Unsupported {
        /// Tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
}
