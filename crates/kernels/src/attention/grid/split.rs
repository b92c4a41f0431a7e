//! `a` and `b` of queries.
//!
//! The rotation by a column `x` is one by the middle of the grid, which is part of the weights `w`, and one
//! by the distance `u` from it. With θ the frequency of a pair of channels, `w₀` and `w₁` its weights and
//! `q₀` and `q₁` its query,
//!
//! ```text
//! a(u) = Σ cos(u θ) · (w₀ q₀ + w₁ q₁) + sin(u θ) · (w₀ q₁ − w₁ q₀)
//! ```
//!
//! The first sum is the same at `−u`, the second changes its sign, so both are computed for half of the
//! columns, as products with [`Factors`].

use super::factors::Factors;
use super::keys::GridKeys;
use crate::gemm::{KC, Tiles, cover_rows, tile};
use crate::simd::{F32s, Simd, TileOp};

/// Distances whose sums of cosines and of sines are in registers together.
const DISTANCES: usize = 4;

/// The split of some panels of queries. The part of each panel is contiguous in every buffer.
pub(super) struct Split<'a> {
    pub keys: &'a GridKeys,
    /// `(d, width)` per panel.
    pub queries: &'a [f32],
    /// [`GridKeys::split_scratch`] rows of `width`.
    pub scratch: &'a mut [f32],
    /// `(side, m + 1, width)` per panel, written; so is `by_row`.
    pub by_column: &'a mut [f32],
    pub by_row: &'a mut [f32],
}

impl TileOp for Split<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) {
        let Self { keys, queries, scratch, by_column, by_row } = self;
        let GridKeys { side, d, m, ref weights, ref cosines, ref sines, .. } = *keys;
        let (width, half) = (NV * S::F32::LANES, d / 2);
        let (even, rest) = scratch.split_at_mut(half / 2 * width);
        let (odd, rest) = rest.split_at_mut(half / 2 * width);
        let (cosine_sums, sine_sums) = rest.split_at_mut(cosines.rank * width);
        let part = side * (m + 1) * width;
        let out = by_column.chunks_exact_mut(part).zip(by_row.chunks_exact_mut(part));
        for (queries, (by_column, by_row)) in queries.chunks_exact(d * width).zip(out) {
            let halves = queries.chunks_exact(half * width).zip([by_column, by_row]).enumerate();
            for (i, (queries, out)) in halves {
                for (c, weights) in weights.chunks_exact(d).enumerate() {
                    multiply_pairs::<S, NV>(s, &weights[i * half..][..half], queries, even, odd);
                    for (factors, right, out) in
                        [(cosines, &*even, &mut *cosine_sums), (sines, &*odd, &mut *sine_sums)]
                    {
                        let mut product = Product { depth: half / 2, left: &factors.down, right, out };
                        cover_rows::<S, MR, NV>(s, factors.rank, 0, &mut product);
                    }
                    let mut sums = Sums {
                        cosines: (cosines, cosine_sums),
                        sines: (sines, sine_sums),
                        side,
                        stride: (m + 1) * width,
                        out: &mut out[c * width..],
                    };
                    cover_rows::<S, DISTANCES, NV>(s, side.div_ceil(2), 0, &mut sums);
                }
            }
        }
    }
}

/// Per pair `w₀ q₀ + w₁ q₁` and `w₀ q₁ − w₁ q₀`.
#[inline(always)]
fn multiply_pairs<S: Simd, const NV: usize>(
    s: S,
    weights: &[f32],
    queries: &[f32],
    even: &mut [f32],
    odd: &mut [f32],
) {
    let lanes = S::F32::LANES;
    let width = NV * lanes;
    let out = even.chunks_exact_mut(width).zip(odd.chunks_exact_mut(width));
    for ((w, q), (even, odd)) in weights.chunks_exact(2).zip(queries.chunks_exact(2 * width)).zip(out) {
        let [w0, w1] = [w[0], w[1]].map(|w| S::F32::splat(s, w));
        let negative = S::F32::splat(s, -w[1]);
        for v in (0..width).step_by(lanes) {
            let [q0, q1] = [v, width + v].map(|at| S::F32::load(s, &q[at..]));
            w0.mul_add(q0, w1.mul(q1)).store(&mut even[v..]);
            w0.mul_add(q1, negative.mul(q0)).store(&mut odd[v..]);
        }
    }
}

/// `out ← left · right`: rows of `left` with stride [`KC`], `right` one panel.
pub(super) struct Product<'a> {
    pub depth: usize,
    pub left: &'a [f32],
    pub right: &'a [f32],
    pub out: &'a mut [f32],
}

impl<S: Simd> Tiles<S> for Product<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, s: S, _: usize, i: usize) {
        let lanes = S::F32::LANES;
        let sums = tile::<S, MR, NV>(s, self.depth, &self.left[i * KC..], (self.right, NV * lanes));
        let out = self.out[i * NV * lanes..(i + MR) * NV * lanes].chunks_exact_mut(NV * lanes);
        for (sums, out) in sums.into_iter().zip(out) {
            for (x, out) in sums.into_iter().zip(out.chunks_exact_mut(lanes)) {
                x.store(out);
            }
        }
    }
}

/// Sums of cosines plus and minus sums of sines, one pair of columns for every distance from the middle.
struct Sums<'a> {
    /// Factors and their products so far, `(rank, width)`.
    cosines: (&'a Factors, &'a [f32]),
    sines: (&'a Factors, &'a [f32]),
    side: usize,
    /// Floats from one column to the next.
    stride: usize,
    out: &'a mut [f32],
}

impl<S: Simd> Tiles<S> for Sums<'_> {
    #[inline(always)]
    fn tile<const MR: usize, const NV: usize>(&mut self, s: S, _: usize, i: usize) {
        let lanes = S::F32::LANES;
        let cosines = sums::<S, MR, NV>(s, self.cosines, i);
        let sines = sums::<S, MR, NV>(s, self.sines, i);
        for (r, (cosines, sines)) in cosines.into_iter().zip(sines).enumerate() {
            let right = self.side / 2 + i + r;
            let left = self.side - 1 - right;
            for (v, (c, s)) in cosines.into_iter().zip(sines).enumerate() {
                c.sub(s).store(&mut self.out[left * self.stride + v * lanes..]);
                c.add(s).store(&mut self.out[right * self.stride + v * lanes..]);
            }
        }
    }
}

/// Rows `i .. i + MR` of `up · sums`.
#[inline(always)]
fn sums<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    (factors, sums): (&Factors, &[f32]),
    i: usize,
) -> [[S::F32; NV]; MR] {
    let lanes = S::F32::LANES;
    match &factors.up {
        Some(up) => tile::<S, MR, NV>(s, factors.rank, &up[i * KC..], (sums, NV * lanes)),
        None => std::array::from_fn(
            #[inline(always)]
            |r| {
                std::array::from_fn(
                    #[inline(always)]
                    |v| S::F32::load(s, &sums[((i + r) * NV + v) * lanes..]),
                )
            },
        ),
    }
}
