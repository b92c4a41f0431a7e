//! Shape arithmetic, checked against overflow.

use std::fmt;
use std::ops::Deref;

/// The largest number of axes a [`Shape`] holds.
pub const MAX_RANK: usize = 8;

/// The extents of a row-major tensor, outermost first; `Copy`, so views need no allocation.
///
/// Dereferences to `[usize]`. Rank 0 is a scalar with one element.
///
/// ```
/// use tensor::Shape;
///
/// let shape = Shape::new(&[2, 3, 4]);
/// assert_eq!((shape.len(), shape.checked_len()), (3, Some(24)));
/// assert_eq!((&shape.tail()[..], &shape.with_first(9)[..]), (&[3, 4][..], &[9, 3, 4][..]));
/// assert!(shape.check("example", 23).is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    // Extents past `rank` are 0, so that the derived equality is right.
    dims: [usize; MAX_RANK],
    rank: u8,
}

impl Shape {
    /// A shape from its extents.
    ///
    /// # Panics
    /// If there are more than [`MAX_RANK`] axes.
    #[track_caller]
    pub fn new(dims: &[usize]) -> Self {
        assert!(dims.len() <= MAX_RANK, "Shape::new: {dims:?} has more than {MAX_RANK} axes");
        let mut shape = Self { dims: [0; MAX_RANK], rank: dims.len() as u8 };
        shape.dims[..dims.len()].copy_from_slice(dims);
        shape
    }

    /// The number of elements, or `None` if the product does not fit in `usize`.
    ///
    /// A zero extent makes the product zero even if the other extents would overflow.
    pub fn checked_len(&self) -> Option<usize> {
        if self.contains(&0) {
            return Some(0);
        }
        self.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
    }

    /// The shape without its first axis.
    ///
    /// # Panics
    /// If the rank is 0.
    #[track_caller]
    pub fn tail(&self) -> Self {
        assert!(!self.is_empty(), "Shape::tail: a scalar has no axes");
        Self::new(&self[1..])
    }

    /// The shape with its first axis replaced.
    ///
    /// # Panics
    /// If the rank is 0.
    #[track_caller]
    pub fn with_first(&self, extent: usize) -> Self {
        assert!(!self.is_empty(), "Shape::with_first: a scalar has no axes");
        let mut shape = *self;
        shape.dims[0] = extent;
        shape
    }

    /// Checks that the shape has `found` elements.
    ///
    /// # Errors
    /// [`ShapeError`] naming `op` if they are not.
    pub fn check(&self, op: &'static str, found: usize) -> Result<(), ShapeError> {
        let expected = self.checked_len();
        if expected == Some(found) { Ok(()) } else { Err(ShapeError { op, shape: *self, expected, found }) }
    }

    /// [`Shape::check`] that panics with the error's text.
    #[track_caller]
    pub(crate) fn expect_len(&self, op: &'static str, found: usize) {
        if let Err(error) = self.check(op, found) {
            panic!("{error}");
        }
    }
}

impl Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.dims[..usize::from(self.rank)]
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self[..])
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

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

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(n) => write!(f, "{n}"),
            None => f.write_str("more than usize::MAX"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn len_is_the_product() {
        assert_eq!(Shape::new(&[]).checked_len(), Some(1));
        assert_eq!(Shape::new(&[2, 3, 4]).checked_len(), Some(24));
        assert_eq!(Shape::new(&[usize::MAX, 2]).checked_len(), None);
        assert_eq!(Shape::new(&[usize::MAX, 2, 0]).checked_len(), Some(0));
    }

    #[test]
    fn equality_ignores_unused_axes() {
        assert_eq!(Shape::new(&[5, 2, 3]).tail(), Shape::new(&[2, 3]));
        assert_eq!(Shape::new(&[5, 2]).with_first(7), Shape::new(&[7, 2]));
        assert_ne!(Shape::new(&[2]), Shape::new(&[2, 0]));
    }

    #[test]
    fn error_names_operation_and_counts() {
        let error = Shape::new(&[2, 3]).check("op", 5).unwrap_err();
        assert_eq!(error.to_string(), "op: shape [2, 3] needs 6 elements, got 5");
        let error = Shape::new(&[usize::MAX, 3]).check("op", 5).unwrap_err();
        assert!(error.to_string().contains("more than usize::MAX"));
    }
}
