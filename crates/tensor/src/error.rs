//! The one error of shape arithmetic.

use crate::shape::Shape;

/// A shape whose number of elements is not that of the data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{op}: shape {shape} needs {} elements, got {found}", Needed(*.expected))]
pub struct ShapeError {
    /// The operation, e.g. `"Tensor::from_vec"`.
    pub op: &'static str,
    /// The requested shape.
    pub shape: Shape,
    /// Elements the shape needs; `None` if the product does not fit in `usize`.
    pub expected: Option<usize>,
    /// Number of elements of the data.
    pub found: usize,
}

struct Needed(Option<usize>);

impl std::fmt::Display for Needed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(n) => write!(f, "{n}"),
            None => f.write_str("more than usize::MAX"),
        }
    }
}
