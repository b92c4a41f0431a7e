//! Row-wise and element-wise operations.

mod activation;
mod elementwise;
mod layer_norm;
mod softmax;

pub use activation::{gelu, gelu_block, relu, sigmoid};
pub use elementwise::{add, add_block, add_scaled, sum_block};
pub use layer_norm::{layer_norm, layer_norm_block, layer_norm_gelu, layer_norm_gelu_block};
pub use softmax::softmax2_interleaved_block;

pub(crate) use activation::{Gelu, GeluCoarse, Identity, Relu};
pub(crate) use elementwise::{Lanewise, Scale, map};
pub(crate) use softmax::{exp2_minus_max, row_max};

/// Elements per parallel task of an element-wise operation.
const TASK: usize = 1 << 15;
