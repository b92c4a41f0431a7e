//! PyTorch's `.pt` files, read without executing anything and written as `torch.save` does.

mod legacy;
mod pickle;
mod reader;
mod sink;
mod values;
mod writer;
mod zip;

pub(super) use reader::{read, recognised};
pub(super) use writer::write;

#[cfg(test)]
mod tests;
