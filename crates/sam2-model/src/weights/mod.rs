//! Reading a checkpoint: memory-mapped safetensors, every tensor checked before use.

mod mmap;
mod scope;

pub(crate) use mmap::map_file;
pub(crate) use scope::{Checkpoint, Scope};
