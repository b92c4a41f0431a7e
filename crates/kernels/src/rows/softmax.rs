//! Softmax in base two.

use crate::math;
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// Base-2 softmax over interleaved groups, in place and on the calling thread: every row of `x` has `n`
/// groups of `side` elements, and each sum is over element `i` of all groups. Padding elements are −∞ and get
/// weight 0.
///
/// # Panics
/// If rows are not whole vectors, or `side` does not divide a vector into one or two.
#[track_caller]
pub fn softmax2_interleaved_block(isa: Isa, x: &mut [f32], n: usize, side: usize) {
    assert!(
        n * side > 0 && x.len().is_multiple_of(n * side),
        "softmax2_interleaved_block: {} elements in rows of {n}×{side}",
        x.len()
    );
    isa.dispatch(Interleaved { x, row: n * side, side });
}

struct Interleaved<'a> {
    x: &'a mut [f32],
    row: usize,
    side: usize,
}

impl SimdOp for Interleaved<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let lanes = S::F32::LANES;
        let halves = lanes == 2 * self.side;
        assert!(
            (halves || lanes == self.side) && self.row.is_multiple_of(lanes),
            "softmax2_interleaved_block: rows of {}, {} side by side, vectors of {lanes}",
            self.row,
            self.side
        );
        for row in self.x.chunks_exact_mut(self.row) {
            let mut max = S::F32::splat(s, f32::NEG_INFINITY);
            for v in row.chunks_exact(lanes) {
                max = max.max(S::F32::load(s, v));
            }
            if halves {
                max = max.max(max.swap_halves());
            }
            let mut sum = S::F32::splat(s, 0.0);
            for v in row.chunks_exact_mut(lanes) {
                let e = math::exp2_negative(s, S::F32::load(s, v).sub(max));
                sum = sum.add(e);
                e.store(v);
            }
            if halves {
                sum = sum.add(sum.swap_halves());
            }
            let scale = S::F32::splat(s, 1.0).div(sum);
            for v in row.chunks_exact_mut(lanes) {
                S::F32::load(s, v).mul(scale).store(v);
            }
        }
    }
}

/// Largest element of a row.
#[inline(always)]
pub(crate) fn row_max<S: Simd>(s: S, row: &[f32]) -> f32 {
    let lanes = S::F32::LANES;
    let mut max = S::F32::splat(s, f32::NEG_INFINITY);
    let chunks = row.chunks_exact(lanes);
    let tail = chunks.remainder();
    for v in chunks {
        // The operand order keeps a NaN of the row.
        max = max.max(S::F32::load(s, v));
    }
    tail.iter().fold(max.max_lane(), |m, &x| if m > x { m } else { x })
}

/// `row ← 2^(row − max)`, where `max` is at least every element; returns the sum.
#[inline(always)]
pub(crate) fn exp2_minus_max<S: Simd>(s: S, row: &mut [f32], max: f32) -> f32 {
    let lanes = S::F32::LANES;
    let shift = S::F32::splat(s, max);
    let mut sum = S::F32::splat(s, 0.0);
    let full = row.len() / lanes * lanes;
    let (body, tail) = row.split_at_mut(full);
    for v in body.chunks_exact_mut(lanes) {
        let e = math::exp2_negative(s, S::F32::load(s, v).sub(shift));
        sum = sum.add(e);
        e.store(v);
    }
    let mut total = sum.sum();
    if !tail.is_empty() {
        math::exp2_negative(s, S::F32::load_partial(s, tail).sub(shift)).store_partial(tail);
        for &e in tail.iter() {
            total += e;
        }
    }
    total
}
