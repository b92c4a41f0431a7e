//! Reading a checkpoint: a safetensors or PyTorch file, read piece by piece, every tensor checked before use.

mod advice;
mod checkpoint;
mod contents;
mod export;
mod fault;
mod fingerprint;
mod keys;
mod kinds;
mod loader;
mod locate;
mod names;
mod output;
mod precision_plan;
mod pt;
mod safetensors;
mod select;
mod source;
mod stored;
mod text;

pub(crate) use checkpoint::Checkpoint;
pub use export::{ConvertOptions, ConvertReport, convert};
pub(crate) use fingerprint::fingerprint;
pub(crate) use loader::Loader;
pub use locate::files as checkpoint_files;
pub(crate) use locate::open as open_files;
pub use names::Naming;
pub use output::DType;
pub(crate) use precision_plan::Storage;
pub use select::WeightCopy;
