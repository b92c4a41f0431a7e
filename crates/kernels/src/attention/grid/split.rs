//! `a` and `b` of queries.

use crate::gemm::{KC, Prefetch, Tiles, cover_rows, tile};
use crate::simd::{F32s, Simd, TileOp};

/// Rows of weights that all panels of a block use before the next ones, so that they stay in L1 and L2.
pub(super) const WEIGHT_ROWS: usize = 54;

/// The split of some panels of queries. The part of each panel is contiguous in every buffer.
pub(super) struct Split<'a> {
    /// Rows with stride [`KC`].
    pub weights: &'a [f32],
    pub d: usize,
    pub width: usize,
    /// `(d, width)` per panel.
    pub queries: &'a [f32],
    /// One row for every row of the weights, per panel; so is `by_row`.
    pub by_column: &'a mut [f32],
    pub by_row: &'a mut [f32],
}

impl TileOp for Split<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) {
        let Self { weights, d, width, queries, by_column, by_row } = self;
        let (rows, half) = (weights.len() / KC, d / 2);
        let panels = queries.len() / (d * width);
        for first in (0..rows).step_by(WEIGHT_ROWS) {
            let count = WEIGHT_ROWS.min(rows - first);
            let next = (first + count) * KC..(first + count + WEIGHT_ROWS).min(rows) * KC;
            let mut prefetch = Prefetch::new(&weights[next], 2 * panels * count.div_ceil(MR));
            for (panel, queries) in queries.chunks_exact(d * width).enumerate() {
                let (first_half, second_half) = queries.split_at(half * width);
                let at = (panel * rows + first) * width;
                let left = &weights[first * KC..];
                for (left, right, out) in [
                    (left, first_half, &mut by_column[at..]),
                    (&left[half..], second_half, &mut by_row[at..]),
                ] {
                    let mut product = Product { depth: half, left, right, prefetch: &mut prefetch, out };
                    cover_rows::<S, MR, NV>(s, count, 0, &mut product);
                }
            }
        }
    }
}

/// `out ← left · right`: rows of `left` with stride [`KC`], `right` one panel.
pub(super) struct Product<'a, 'b> {
    pub depth: usize,
    pub left: &'a [f32],
    pub right: &'a [f32],
    /// The operand of the next product.
    pub prefetch: &'a mut Prefetch<'b, f32>,
    pub out: &'a mut [f32],
}

impl<S: Simd> Tiles<S> for Product<'_, '_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, s: S, _: usize, i: usize) {
        let lanes = S::F32::LANES;
        self.prefetch.advance::<S::F32>(s);
        let sums = tile::<S, MR, NV>(s, self.depth, &self.left[i * KC..], (self.right, NV * lanes));
        let out = self.out[i * NV * lanes..(i + MR) * NV * lanes].chunks_exact_mut(NV * lanes);
        for (sums, out) in sums.into_iter().zip(out) {
            for (x, out) in sums.into_iter().zip(out.chunks_exact_mut(lanes)) {
                x.store(out);
            }
        }
    }
}
