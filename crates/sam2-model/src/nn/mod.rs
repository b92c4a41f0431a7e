//! Layers: weights and their forward pass, with no knowledge of SAM.

mod attention;
mod compose;
mod conv_bn;
mod layers;
mod mlp;
pub(crate) mod position;
mod squeeze_excite;
#[cfg(test)]
mod test_checkpoint;

pub(crate) use attention::Attention;
pub(crate) use compose::{compose, fold_values};
pub(crate) use conv_bn::load_conv_bn;
pub(crate) use layers::{LayerNorm, Linear};
pub(crate) use mlp::{FeedForward, Mlp};
pub(crate) use squeeze_excite::SqueezeExcite;
