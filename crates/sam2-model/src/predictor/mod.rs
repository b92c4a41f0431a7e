//! Predictors: pixels and prompts in, masks out.

pub(crate) mod automatic;
pub(crate) mod image;
pub(crate) mod tracker;
pub(crate) mod video;
