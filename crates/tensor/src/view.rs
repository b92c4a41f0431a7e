//! Borrowed tensors: contiguous, so a view is a shape and a slice.

use crate::shape::Shape;
use std::fmt;
use std::ops::Range;

/// A read-only contiguous row-major view.
///
/// ```
/// use tensor::TensorRef;
///
/// let rows = TensorRef::new(&[3, 2], &[0, 1, 2, 3, 4, 5]);
/// assert_eq!(rows.slice(1..3).data(), [2, 3, 4, 5]);
/// assert_eq!(rows.index(1).data(), [2, 3]);
/// assert_eq!(rows.reshape(&[2, 3]).to_owned().shape(), [2, 3]);
/// ```
pub struct TensorRef<'a, T = f32> {
    shape: Shape,
    data: &'a [T],
}

impl<T> Clone for TensorRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for TensorRef<'_, T> {}

impl<'a, T> TensorRef<'a, T> {
    /// A view of `data` as `shape`.
    ///
    /// # Panics
    /// If `shape` does not have exactly `data.len()` elements.
    #[track_caller]
    pub fn new(shape: &[usize], data: &'a [T]) -> Self {
        let shape = Shape::new(shape);
        shape.expect_len("TensorRef::new", data.len());
        Self { shape, data }
    }

    pub(crate) fn from_parts(shape: Shape, data: &'a [T]) -> Self {
        Self { shape, data }
    }

    /// The extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The extent of axis `axis`.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn dim(&self, axis: usize) -> usize {
        self.shape[axis]
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The elements, row-major; they outlive the view itself.
    pub fn data(&self) -> &'a [T] {
        self.data
    }

    /// The `i`-th slice along the first axis, one rank lower.
    ///
    /// # Panics
    /// If the rank is 0 or `i` is out of bounds.
    #[track_caller]
    pub fn index(&self, i: usize) -> TensorRef<'a, T> {
        let range = span(&self.shape, "TensorRef::index", i..i + 1, self.data.len());
        Self { shape: self.shape.tail(), data: &self.data[range] }
    }

    /// The slices `range` along the first axis, same rank.
    ///
    /// # Panics
    /// If the rank is 0 or the range is out of bounds or reversed.
    #[track_caller]
    pub fn slice(&self, range: Range<usize>) -> TensorRef<'a, T> {
        let extent = range.len();
        let range = span(&self.shape, "TensorRef::slice", range, self.data.len());
        Self { shape: self.shape.with_first(extent), data: &self.data[range] }
    }

    /// The same elements under another shape.
    ///
    /// # Panics
    /// If `shape` has another number of elements.
    #[track_caller]
    pub fn reshape(&self, shape: &[usize]) -> TensorRef<'a, T> {
        let shape = Shape::new(shape);
        shape.expect_len("TensorRef::reshape", self.data.len());
        Self { shape, data: self.data }
    }
}

impl<T: fmt::Debug> fmt::Debug for TensorRef<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "{}{} ", std::any::type_name::<T>(), self.shape)?;
        f.debug_list().entries(self.data.iter().take(SHOWN)).finish()?;
        if self.len() > SHOWN { f.write_str("…") } else { Ok(()) }
    }
}

/// The element range of `rows` along the first axis.
#[track_caller]
fn span(shape: &Shape, op: &str, rows: Range<usize>, len: usize) -> Range<usize> {
    assert!(!shape.is_empty(), "{op}: a scalar has no axes");
    let extent = shape[0];
    assert!(rows.start <= rows.end && rows.end <= extent, "{op}: {rows:?} is outside axis 0 of {shape}");
    let row = len.checked_div(extent).unwrap_or(0);
    rows.start * row..rows.end * row
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    #[should_panic(expected = "TensorRef::index: 2..3 is outside axis 0 of [2, 2]")]
    fn index_refuses_out_of_bounds() {
        TensorRef::new(&[2, 2], &[0, 1, 2, 3]).index(2);
    }

    #[test]
    fn slice_of_zero_extent_is_empty() {
        let view = TensorRef::<f32>::new(&[0, 5], &[]);
        assert_eq!(view.slice(0..0).shape(), [0, 5]);
    }

    proptest! {
        #[test]
        fn slices_and_indices_tile_the_data(n in 1usize..6, m in 0usize..5, cut in 0usize..6) {
            let data: Vec<usize> = (0..n * m).collect();
            let view = TensorRef::new(&[n, m], &data);
            let cut = cut.min(n);
            prop_assert_eq!([view.slice(0..cut).data(), view.slice(cut..n).data()].concat(), data.clone());
            let rows: Vec<usize> = (0..n).flat_map(|i| view.index(i).data().to_vec()).collect();
            prop_assert_eq!(rows, data);
        }
    }
}
