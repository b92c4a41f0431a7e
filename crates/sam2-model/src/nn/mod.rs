//! Layers: weights and their forward pass, with no knowledge of SAM.

mod attention;
mod compose;
mod layers;
mod mlp;
pub(crate) mod position;

pub(crate) use attention::Attention;
pub(crate) use compose::{compose, fold_values};
pub(crate) use layers::{LayerNorm, Linear};
pub(crate) use mlp::{FeedForward, Mlp};
