//! Reading a checkpoint: a memory-mapped safetensors or PyTorch file, every tensor checked before use.

mod hf_names;
mod mmap;
mod pickle;
mod scope;
mod stored;
mod torch;
mod zip;

pub(crate) use mmap::map_file;
pub(crate) use scope::{Checkpoint, Scope, fingerprint};

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
