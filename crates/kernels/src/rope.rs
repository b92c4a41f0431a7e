//! Axial rotary position encoding over a square grid, adjacent pairs.
//!
//! Meta: `sam2/modeling/position_encoding.py`, `compute_axial_cis` and `apply_rotary_enc`.

use crate::parallel;
use crate::simd::{Isa, Simd, SimdOp};

/// Cosines and sines for the coordinates of a `side × side` grid: the first half of the pairs turns with the column, the
/// second with the row.
#[derive(Clone, Debug)]
pub struct Rope {
    dim: usize,
    side: usize,
    /// `(side, dim / 2)`: the cosine of each pair, twice.
    cos: Vec<f32>,
    /// `(side, dim / 2)`: of each pair, minus the sine, then the sine.
    sin: Vec<f32>,
}

impl Rope {
    /// For vectors of `dim` elements. The angle of pair `m` of an axis is `coordinate · theta^(−4m / dim)`,
    /// rounded to single precision where the reference rounds.
    ///
    /// # Panics
    /// If `dim` is not a multiple of 4.
    pub fn new(side: usize, dim: usize, theta: f64) -> Self {
        assert!(dim.is_multiple_of(4), "Rope::new: dim {dim} is not a multiple of 4");
        let frequencies: Vec<f32> =
            (0..dim / 4).map(|m| 1.0 / theta.powf(f64::from((4 * m) as f32 / dim as f32)) as f32).collect();
        let mut cos = Vec::with_capacity(side * dim / 2);
        let mut sin = Vec::with_capacity(side * dim / 2);
        for coordinate in 0..side {
            for f in &frequencies {
                let (s, c) = f64::from(coordinate as f32 * f).sin_cos();
                cos.extend([c as f32, c as f32]);
                sin.extend([-s as f32, s as f32]);
            }
        }
        Self { dim, side, cos, sin }
    }

    /// Cells of the grid.
    pub fn cells(&self) -> usize {
        self.side * self.side
    }

    /// Width of the vectors.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Rotates `x`, `(dim)`, as if it were at `cell`.
    ///
    /// # Panics
    /// If there is no such cell.
    pub fn turn(&self, cell: usize, x: &mut [f32]) {
        assert!(cell < self.cells(), "Rope::turn: cell {cell} of {}", self.cells());
        self.turn_block(cell, x);
    }

    /// Rotates every row of `x`, `(N, dim)`, in place; row `i` is at cell `i mod cells`.
    ///
    /// # Panics
    /// If `x` is not whole grids.
    pub fn apply(&self, isa: Isa, x: &mut [f32]) {
        let grid = self.cells() * self.dim;
        assert!(x.len().is_multiple_of(grid), "Rope::apply: {} elements, grid {grid}", x.len());
        let rows = parallel::rows_per_task(self.cells(), 1, 256);
        for grid in x.chunks_exact_mut(grid) {
            parallel::for_each_chunk_mut(grid, rows * self.dim, |i, x| {
                isa.dispatch(Rotate { rope: self, first: i * rows, x });
            });
        }
    }

    /// Rows at cell `first` and the following.
    #[inline(always)]
    fn turn_block(&self, first: usize, x: &mut [f32]) {
        let half = self.dim / 2;
        for (i, x) in x.chunks_exact_mut(self.dim).enumerate() {
            let cell = first + i;
            let (by_column, by_row) = x.split_at_mut(half);
            for (x, coordinate) in [(by_column, cell % self.side), (by_row, cell / self.side)] {
                let at = coordinate * half..(coordinate + 1) * half;
                rotate(x, &self.cos[at.clone()], &self.sin[at]);
            }
        }
    }
}

struct Rotate<'a> {
    rope: &'a Rope,
    first: usize,
    x: &'a mut [f32],
}

impl SimdOp for Rotate<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, _: S) {
        self.rope.turn_block(self.first, self.x);
    }
}

#[inline(always)]
fn rotate(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    for ((x, c), s) in x.chunks_exact_mut(2).zip(cos.chunks_exact(2)).zip(sin.chunks_exact(2)) {
        let (a, b) = (x[0], x[1]);
        x[0] = a * c[0] + b * s[0];
        x[1] = b * c[1] + a * s[1];
    }
}
