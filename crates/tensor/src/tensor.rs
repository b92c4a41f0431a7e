//! The owned tensor.

use crate::shape::Shape;
use crate::view::TensorRef;

/// An owned, contiguous, row-major tensor.
///
/// ```
/// use tensor::Tensor;
///
/// let t = Tensor::from_vec(&[2, 3], vec![0, 1, 2, 3, 4, 5]);
/// assert_eq!((t.shape(), t.rank(), t.dim(1), t.len()), (&[2, 3][..], 2, 3, 6));
/// assert_eq!(t.index(1).data(), [3, 4, 5]);
/// assert_eq!(t.map(|x| 2 * x).reshape(&[6]).into_vec(), [0, 2, 4, 6, 8, 10]);
/// ```
#[derive(Clone, PartialEq)]
pub struct Tensor<T = f32> {
    shape: Shape,
    data: Vec<T>,
}

impl<T> Tensor<T> {
    /// A tensor over `data`, row-major.
    ///
    /// # Panics
    /// If `shape` does not have exactly `data.len()` elements.
    #[track_caller]
    pub fn from_vec(shape: &[usize], data: Vec<T>) -> Self {
        let shape = Shape::new(shape);
        shape.expect_len("Tensor::from_vec", data.len());
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

    /// The elements, row-major.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The elements, row-major, writable.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The elements, row-major, without a copy.
    pub fn into_vec(self) -> Vec<T> {
        self.data
    }

    /// The same elements under another shape.
    ///
    /// # Panics
    /// If `shape` has another number of elements.
    #[track_caller]
    pub fn reshape(self, shape: &[usize]) -> Self {
        let shape = Shape::new(shape);
        shape.expect_len("Tensor::reshape", self.data.len());
        Self { shape, data: self.data }
    }

    /// A view of the whole tensor.
    pub fn view(&self) -> TensorRef<'_, T> {
        TensorRef::from_parts(self.shape, &self.data)
    }

    /// The `i`-th slice along the first axis, one rank lower.
    ///
    /// # Panics
    /// If the rank is 0 or `i` is out of bounds.
    #[track_caller]
    pub fn index(&self, i: usize) -> TensorRef<'_, T> {
        self.view().index(i)
    }

    /// A tensor of the same shape with `f` applied to every element.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Tensor<U> {
        Tensor { shape: self.shape, data: self.data.iter().map(f).collect() }
    }
}

impl<T: Copy + Default> Tensor<T> {
    /// A tensor with every element equal to `value`.
    ///
    /// ```
    /// # use tensor::Tensor;
    /// let mut t = Tensor::full(&[2, 2], 7.0);
    /// t.data_mut()[3] = 0.0;
    /// assert_eq!(t.data(), [7.0, 7.0, 7.0, 0.0]);
    /// ```
    ///
    /// # Panics
    /// If the number of elements does not fit in `usize`.
    #[track_caller]
    pub fn full(shape: &[usize], value: T) -> Self {
        let shape = Shape::new(shape);
        let Some(len) = shape.checked_len() else { panic!("Tensor::full: shape {shape} overflows usize") };
        Self { shape, data: vec![value; len] }
    }

    /// A tensor of `T::default()`, zero for numbers.
    ///
    /// # Panics
    /// If the number of elements does not fit in `usize`.
    #[track_caller]
    pub fn zeros(shape: &[usize]) -> Self {
        Self::full(shape, T::default())
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

impl<T: Clone> TensorRef<'_, T> {
    /// A copy that owns its elements.
    pub fn to_owned(&self) -> Tensor<T> {
        Tensor::from_vec(self.shape(), self.data().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_vec_keeps_row_major_order() {
        let t = Tensor::from_vec(&[2, 3], vec![0, 1, 2, 3, 4, 5]);
        assert_eq!((t.shape(), t.rank(), t.dim(1), t.len()), (&[2, 3][..], 2, 3, 6));
        assert_eq!(t.index(1).data(), [3, 4, 5]);
        assert_eq!(t.map(|v| v * 2).into_vec(), [0, 2, 4, 6, 8, 10]);
    }

    #[test]
    #[should_panic(expected = "Tensor::from_vec: shape [2, 3] needs 6 elements, got 5")]
    fn from_vec_refuses_wrong_length() {
        Tensor::from_vec(&[2, 3], vec![0.0f32; 5]);
    }

    #[test]
    #[should_panic(expected = "Tensor::reshape: shape [4] needs 4 elements, got 6")]
    fn reshape_refuses_other_length() {
        Tensor::<f32>::zeros(&[2, 3]).reshape(&[4]);
    }

    #[test]
    #[should_panic(expected = "overflows usize")]
    fn full_refuses_overflow() {
        Tensor::full(&[usize::MAX, 2], 1.0f32);
    }

    #[test]
    fn scalars_have_one_element() {
        assert_eq!(Tensor::full(&[], 7i64).data(), [7]);
        assert!(Tensor::<u8>::zeros(&[3, 0]).is_empty());
    }

    #[test]
    fn debug_is_bounded() {
        let text = format!("{:?}", Tensor::<f32>::zeros(&[1000, 1000]));
        assert!(text.starts_with("f32[1000, 1000]") && text.len() < 200, "{text}");
    }
}
