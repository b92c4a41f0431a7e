//! Reading a checkpoint: a memory-mapped safetensors or PyTorch file, every tensor checked before use.

mod checkpoint;
mod contents;
mod export;
mod fingerprint;
mod loader;
mod mmap;
mod names;
mod output;
mod precision_plan;
mod pt;
mod safetensors;
mod stored;
mod text;

pub(crate) use checkpoint::Checkpoint;
pub use export::{ConvertOptions, ConvertReport, convert};
pub(crate) use fingerprint::fingerprint;
pub(crate) use loader::Loader;
pub(crate) use mmap::map_file;
pub use names::Naming;
pub use output::DType;
pub(crate) use precision_plan::Storage;
