//! Axial rotary position encoding over square grids, adjacent pairs.
//!
//! Meta: `sam2/modeling/position_encoding.py`, `compute_axial_cis` and `apply_rotary_enc`; with two grids
//! `apply_rotary_enc_v2` of EdgeTAM.

use crate::parallel;
use crate::simd::{Isa, Simd, SimdOp};

/// Cosines and sines for the coordinates of a grid of queries and one of keys: the first half of the pairs of
/// a vector is rotated by its column, the second by its row.
///
/// The angle of a coordinate does not depend on the side of the grid, so one table of the longer side serves
/// both.
///
/// ```
/// use kernels::Isa;
/// use kernels::rope::Rope;
///
/// let rope = Rope::new(2, 4, 10_000.0);
/// assert_eq!((rope.dim(), rope.query_cells(), rope.key_cells()), (4, 4, 4));
/// let mut queries = [1.0; 4 * 4];
/// rope.rotate_queries(Isa::best(), &mut queries);
/// assert_eq!(queries[..4], [1.0; 4]); // column 0, row 0
/// assert!((queries[4] - (1f32.cos() - 1f32.sin())).abs() < 1e-6); // column 1
/// ```
#[derive(Clone, Debug)]
pub struct Rope {
    dim: usize,
    query_side: usize,
    key_side: usize,
    /// Of each pair of an axis: its angle at coordinate 1.
    frequencies: Vec<f32>,
    /// `(longer side, dim / 2)`: the cosine of each pair, twice.
    cos: Vec<f32>,
    /// `(longer side, dim / 2)`: of each pair, minus the sine, then the sine.
    sin: Vec<f32>,
}

impl Rope {
    /// For vectors of `dim` elements, queries and keys on grids of `side × side` cells. The angle of pair `m`
    /// of an axis is `coordinate · theta^(−4m / dim)`, rounded to single precision where the reference
    /// rounds.
    ///
    /// # Panics
    /// If `dim` is not a multiple of 4.
    #[track_caller]
    pub fn new(side: usize, dim: usize, theta: f64) -> Self {
        Self::with_grids(side, side, dim, theta)
    }

    /// [`Self::new`] with queries on a grid of `query_side²` cells and keys on one of `key_side²`.
    ///
    /// # Panics
    /// If `dim` is not a multiple of 4.
    #[track_caller]
    pub fn with_grids(query_side: usize, key_side: usize, dim: usize, theta: f64) -> Self {
        assert!(dim.is_multiple_of(4), "Rope::new: dim {dim} is not a multiple of 4");
        let side = query_side.max(key_side);
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
        Self { dim, query_side, key_side, frequencies, cos, sin }
    }

    /// Width of the vectors.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Cells of the grid of queries.
    pub fn query_cells(&self) -> usize {
        self.query_side * self.query_side
    }

    /// Cells of the grid of keys.
    pub fn key_cells(&self) -> usize {
        self.key_side * self.key_side
    }

    /// Side of the grid of keys.
    pub(crate) fn key_side(&self) -> usize {
        self.key_side
    }

    /// The angle of each pair of an axis at coordinate 1.
    pub(crate) fn frequencies(&self) -> &[f32] {
        &self.frequencies
    }

    /// Rotates every row of queries `x`, `(N, dim)`, in place; row `i` is at cell `i mod cells` of the grid
    /// of queries.
    ///
    /// # Panics
    /// If `x` is not whole grids.
    #[track_caller]
    pub fn rotate_queries(&self, isa: Isa, x: &mut [f32]) {
        self.rotate(isa, self.query_side, x);
    }

    /// Rotates every row of keys `x`, `(N, dim)`, in place; row `i` is at cell `i mod cells` of the grid of
    /// keys.
    ///
    /// # Panics
    /// If `x` is not whole grids.
    #[track_caller]
    pub fn rotate_keys(&self, isa: Isa, x: &mut [f32]) {
        self.rotate(isa, self.key_side, x);
    }

    #[track_caller]
    fn rotate(&self, isa: Isa, side: usize, x: &mut [f32]) {
        let cells = side * side;
        let grid = cells * self.dim;
        assert!(
            if grid == 0 { x.is_empty() } else { x.len().is_multiple_of(grid) },
            "Rope: {} elements are not whole grids of {side}×{side}×{}",
            x.len(),
            self.dim
        );
        if x.is_empty() {
            return;
        }
        let rows = parallel::rows_per_task(cells, 1, 256);
        for grid in x.chunks_exact_mut(grid) {
            parallel::for_each_chunk_mut(grid, rows * self.dim, |i, x| {
                isa.dispatch(Rotate { rope: self, side, first: i * rows, x });
            });
        }
    }

    /// Rotates rows at cell `first` and the following ones of a grid of this side.
    #[inline(always)]
    fn rotate_rows(&self, side: usize, first: usize, x: &mut [f32]) {
        let half = self.dim / 2;
        for (i, x) in x.chunks_exact_mut(self.dim).enumerate() {
            let cell = first + i;
            let (by_column, by_row) = x.split_at_mut(half);
            for (x, coordinate) in [(by_column, cell % side), (by_row, cell / side)] {
                let at = coordinate * half..(coordinate + 1) * half;
                rotate_pairs(x, &self.cos[at.clone()], &self.sin[at]);
            }
        }
    }
}

struct Rotate<'a> {
    rope: &'a Rope,
    side: usize,
    first: usize,
    x: &'a mut [f32],
}

impl SimdOp for Rotate<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, _: S) {
        self.rope.rotate_rows(self.side, self.first, self.x);
    }
}

#[inline(always)]
fn rotate_pairs(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    for ((x, c), s) in x.chunks_exact_mut(2).zip(cos.chunks_exact(2)).zip(sin.chunks_exact(2)) {
        let (a, b) = (x[0], x[1]);
        x[0] = a * c[0] + b * s[0];
        x[1] = b * c[1] + a * s[1];
    }
}
