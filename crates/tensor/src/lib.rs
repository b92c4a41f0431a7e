//! Owned row-major tensors, borrowed views, relayout, NumPy files and NaN-safe comparison.
//!
//! | type | owns | use |
//! |---|---|---|
//! | [`Tensor<T>`] | a `Vec<T>` | weights, results, test fixtures |
//! | [`TensorRef<T>`] | nothing (`&[T]`) | arguments; slices along the first axis |
//! | [`npy::NpyArray`] | a tensor of one of the storage types | the array of a `.npy` file |
//!
//! Everything is contiguous and row-major; there are no strides. Only [`relayout`] changes the order of axes.
//! Images and feature maps are channels-last `[H, W, C]`, token matrices `[N, C]`.
#![forbid(unsafe_code)]

pub mod compare;
pub mod element;
pub mod npy;
pub mod npz;
pub mod relayout;
pub mod shape;
mod tensor;
mod view;

pub use compare::{Comparison, Elementwise, Outliers, Tolerance, assert_close, compare};
pub use element::Element;
pub use half::{bf16, f16};
pub use shape::{MAX_RANK, Shape, ShapeError};
pub use tensor::Tensor;
pub use view::TensorRef;
