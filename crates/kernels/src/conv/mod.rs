//! Convolutions over channels-last maps. Weights come in the field's layout and are rearranged once.

mod depthwise;
mod im2col;
mod transpose;

pub use depthwise::Depthwise;
pub use im2col::Conv2d;
pub use transpose::ConvTranspose2x2;

/// Height and width of a map.
pub type Size = (usize, usize);
