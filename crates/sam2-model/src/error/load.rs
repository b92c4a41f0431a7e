//! Checkpoints and configurations that cannot be loaded.

use std::path::PathBuf;

/// A checkpoint or a configuration cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The weights do not fit into the memory that is left.
    #[error("{0}")]
    Memory(String),
    /// The file cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// No checkpoint has this name.
    #[error("there is no checkpoint {name}: {advice}")]
    NotFound {
        /// The name or path.
        name: String,
        /// Where it was looked for, and where to get it.
        advice: String,
    },
    /// Truncated or damaged.
    #[error("{origin}: a damaged or incomplete {kind} file ({reason}); download it again")]
    Format {
        /// File name.
        origin: String,
        /// Format by its first bytes: `safetensors`, `PyTorch`, `index`, or `checkpoint` if it has too few.
        kind: &'static str,
        /// The cause.
        reason: String,
    },
    /// A checkpoint without weights that are averaged over the training, which were asked for.
    #[error(
        "{origin}: it holds no averaged weights (ema, swa, …) beside {}; --weights raw reads those",
        if under.is_empty() { "its weights" } else { under }
    )]
    NotAveraged {
        /// File name.
        origin: String,
        /// The key and prefix of its weights; empty if there is none.
        under: String,
    },
    /// A whole file, but without a model, or in a form that is not read.
    #[error(
        "{origin}: {found}; the tensors of a SAM 2 model were looked for, in a PyTorch .pt (alone, or under \
         a key such as model or state_dict) or in a safetensors file"
    )]
    NotACheckpoint {
        /// File or folder name.
        origin: String,
        /// What it is.
        found: String,
    },
    /// Another program wrote to the file, or shortened it, while it was read.
    #[error("{origin}: another program changed the file while it was read; try again when it is complete")]
    Changed {
        /// File name.
        origin: String,
    },
    /// The tensors are not of a supported model.
    #[error("{origin}: not a SAM 2 checkpoint that this program knows ({reason})")]
    UnknownModel {
        /// File name.
        origin: String,
        /// Cause.
        reason: String,
    },
    /// Several published models have the tensors of this file, and neither its name nor its metadata says
    /// which of them it is.
    #[error(
        "{origin}: its tensors are those of each of {names}, and its name is none of these: name the right \
         one with --variant NAME, or give its --config"
    )]
    Variant {
        /// File name.
        origin: String,
        /// Names of the models, see [`Config::named`](crate::config::Config::named).
        names: String,
    },
    /// A text that is not a configuration.
    #[error(
        "{origin}: not a configuration ({reason}); one of Meta's YAML files, or the same as JSON, is needed"
    )]
    ConfigText {
        /// File name.
        origin: String,
        /// The cause.
        reason: String,
    },
    /// A key has a value that this program does not support.
    #[error("{origin}: configuration key {key}: {reason}")]
    Config {
        /// File name.
        origin: String,
        /// Path of the key.
        key: String,
        /// The cause.
        reason: String,
    },
    /// A tensor that the model needs is absent.
    #[error(
        "{origin}: tensor {name} is missing; the file is not the checkpoint of a {variant} model, or is \
         incomplete{advice}"
    )]
    MissingTensor {
        /// File name.
        origin: String,
        /// First missing tensor.
        name: String,
        /// The model that was being loaded.
        variant: String,
        /// What the names tell about the file, behind a semicolon; may be empty.
        advice: String,
    },
    /// A tensor has another shape than the model needs.
    #[error("{origin}: tensor {name} has shape {found:?}, the {variant} model needs {expected:?}")]
    ShapeMismatch {
        /// File name.
        origin: String,
        /// Tensor.
        name: String,
        /// The model that was being loaded.
        variant: String,
        /// Needed.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A tensor is stored in a type that is not read.
    #[error(
        "{origin}: tensor {name} is stored as {dtype}; F64, F32, F16 and BF16 are read: convert it first \
         (tensor.float() in PyTorch)"
    )]
    DType {
        /// File name.
        origin: String,
        /// Tensor.
        name: String,
        /// In the file.
        dtype: String,
    },
    /// A tensor has values that are not finite or out of range.
    #[error(
        "{origin}: tensor {name} holds {value}, which no trained model does; the file is damaged, or the \
         training that wrote it diverged"
    )]
    BadValue {
        /// File name.
        origin: String,
        /// Tensor.
        name: String,
        /// First such value.
        value: f32,
    },
    /// Tensors that the model does not use.
    #[error("{origin}: {count} tensors do not belong to a {variant} model, among them {names}{advice}")]
    UnexpectedTensors {
        /// File name.
        origin: String,
        /// Their number.
        count: usize,
        /// Some of them.
        names: String,
        /// The model that was being loaded.
        variant: String,
        /// What to do, behind a semicolon.
        advice: String,
    },
}
