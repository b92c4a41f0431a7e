//! Reading a checkpoint: a memory-mapped safetensors or PyTorch file, every tensor checked before use.

mod export;
mod hf_names;
mod mmap;
mod pickle;
mod scope;
mod stored;
mod torch;
mod torch_writer;
mod zip;

pub use export::{ConvertOptions, ConvertReport, DType, Naming, convert};
pub(crate) use mmap::{MappedFile, map_file};
pub(crate) use scope::{Checkpoint, Scope, fingerprint};

/// Where a file says how its model is built: in the metadata of a safetensors file, next to the model in a `.pt`.
pub(crate) const CONFIG_KEY: &str = "sam2.config";

/// Text from a file, for a message: in quotes, on one line, not long.
fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(100).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    format!("{shown:?}")
}

#[cfg(test)]
mod tests;
