//! Trunks: backbones that turn an image into feature maps of falling resolution.

pub(crate) mod hiera;
