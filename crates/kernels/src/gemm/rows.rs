//! Rows of the left operand.

/// Rows of a matrix that need not be contiguous: row `i` is `data[i · stride ..][.. width]`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T = f32> {
    data: &'a [T],
    stride: usize,
}

impl<'a, T> Rows<'a, T> {
    /// Rows that start every `stride` elements of `data`.
    pub fn new(data: &'a [T], stride: usize) -> Self {
        Self { data, stride }
    }

    /// Elements `from .. to` of row `i`.
    #[inline(always)]
    pub fn part(&self, i: usize, from: usize, to: usize) -> &'a [T] {
        &self.data[i * self.stride + from..i * self.stride + to]
    }

    /// The same rows without their first `n` elements.
    pub fn columns(&self, n: usize) -> Self {
        Self { data: &self.data[n.min(self.data.len())..], stride: self.stride }
    }

    /// The same rows without the first `n`.
    pub fn skip(&self, n: usize) -> Self {
        Self { data: &self.data[(n * self.stride).min(self.data.len())..], stride: self.stride }
    }
}

/// The rows of the left operand: from memory, or from a computation such as im2col.
pub trait RowSource: Sync {
    /// Writes elements `from .. from + out.len()` of row `row`.
    fn copy_row(&self, row: usize, from: usize, out: &mut [f32]);
}

impl RowSource for Rows<'_> {
    #[inline(always)]
    fn copy_row(&self, row: usize, from: usize, out: &mut [f32]) {
        out.copy_from_slice(self.part(row, from, from + out.len()));
    }
}
