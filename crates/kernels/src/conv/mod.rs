//! Convolutions over channels-last maps. Weights in checkpoint layout are rearranged once.

mod dense;
mod depthwise;
mod transpose;

pub use dense::Conv2d;
pub use depthwise::Depthwise;
pub use transpose::ConvTranspose2x2;

/// Height and width of a map.
pub type Size = (usize, usize);
