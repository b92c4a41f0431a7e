//! Rows of the left operand.

use super::KC;
use crate::simd::{F32s, Isa, Simd, SimdOp};

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

    /// Writes elements `from .. from + depth` of the rows from `first` on to rows with stride [`KC`].
    fn copy_rows(&self, isa: Isa, first: usize, (from, depth): (usize, usize), out: &mut [f32]) {
        let _ = isa;
        for (i, row) in out.chunks_exact_mut(KC).enumerate() {
            self.copy_row(first + i, from, &mut row[..depth]);
        }
    }
}

impl RowSource for Rows<'_> {
    #[inline(always)]
    fn copy_row(&self, row: usize, from: usize, out: &mut [f32]) {
        out.copy_from_slice(self.part(row, from, from + out.len()));
    }

    fn copy_rows(&self, isa: Isa, first: usize, (from, depth): (usize, usize), out: &mut [f32]) {
        isa.dispatch(CopyRows { rows: self.skip(first), from, depth, out });
    }
}

/// Copies rows a vector at a time: most are short, and a call per row would take longer than the copy.
struct CopyRows<'a> {
    rows: Rows<'a>,
    from: usize,
    depth: usize,
    out: &'a mut [f32],
}

impl SimdOp for CopyRows<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let lanes = S::F32::LANES;
        for (i, out) in self.out.chunks_exact_mut(KC).enumerate() {
            let row = self.rows.part(i, self.from, self.from + self.depth);
            let vectors = row.chunks_exact(lanes);
            let rest = vectors.remainder();
            let whole = row.len() - rest.len();
            for (x, out) in vectors.zip(out.chunks_exact_mut(lanes)) {
                S::F32::load(s, x).store(out);
            }
            if !rest.is_empty() {
                S::F32::load_partial(s, rest).store_partial(&mut out[whole..row.len()]);
            }
        }
    }
}
