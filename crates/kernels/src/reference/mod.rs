//! Slow, readable twins of the fast kernels: plain loops over plain slices, sums in f64, one rounding at the
//! end.
//!
//! Nothing here is parallel, vectorised or blocked, and no code is shared with the kernels, so that a mistake
//! in one is not a mistake in both. Layouts are those of the kernels; weights are in the layout of
//! checkpoints.

mod attention;
mod conv;
mod gemm;
mod halves;
mod image;
mod rows;

pub use attention::{Grids, attention, attention_int8, attention_over_grids_int8, rope};
pub use conv::{conv_transpose_2x2, conv2d, depthwise};
pub use gemm::{gemm, linear, linear_bf16, linear_bf16_by_matrices, linear_int8};
pub use halves::mul_add_half;
pub use image::{
    average_pool_2x2, bicubic, bilinear, bilinear_antialias, max_pool_2x2, nearest_2x, pil_bicubic_u8,
};
pub use rows::{erf, gelu, layer_norm, layer_norm_2d, relu, sigmoid, softmax, softmax2};
