//! Pixels and prompts in, masks out.

pub(crate) mod automatic;
pub(crate) mod image;
pub(crate) mod mask;
pub(crate) mod polygon;
pub(crate) mod prompt;
pub(crate) mod tracker;
pub(crate) mod video;
