//! PyTorch's `.pt` files, read without executing anything and written as `torch.save` does.

mod pickle;
mod reader;
mod sink;
mod writer;
mod zip;

pub(super) use reader::{read, recognised};
pub(super) use writer::write;

#[cfg(test)]
mod tests;
