//! The inner loop: one register tile over the depth of a block.

#![allow(unsafe_code)]

use super::KC;
use crate::simd::{Dot, F32s, FloatsOf, Simd};

/// How many bytes of `B` ahead a tile asks for: enough to come from L3 in time.
const AHEAD: usize = 3072;
/// Bytes of a cache line.
const LINE: usize = 64;
/// Steps of `k` a turn of the inner loops. Where a core is shared with a busy neighbour, instructions are scarcer than multiply-adds.
const UNROLL: usize = 4;
/// Bytes of a row that lie together in the left operand of [`dot_tile`].
pub(crate) const SLICE: usize = LINE;

/// Calls `step` so many times, several in a turn. A step moves its own pointers on: an index that is multiplied is checked for overflow where
/// tests run, and the tile spills. Not for sums of integers: the compiler adds up the products of a turn first, for which there are no
/// registers.
#[inline(always)]
fn unrolled(count: usize, mut step: impl FnMut()) {
    for _ in 0..count / UNROLL {
        for _ in 0..UNROLL {
            step();
        }
    }
    for _ in 0..count % UNROLL {
        step();
    }
}

/// Asks for every cache line of the `bytes` at `x`; any address is fine.
#[inline(always)]
fn ask_for<F: F32s>(s: F::Token, x: *const u8, bytes: usize) {
    for at in (0..bytes).step_by(LINE) {
        F::prefetch(s, x.wrapping_add(at).cast());
    }
}

/// Memory that is asked for piece by piece beside other work, so that it is in the cache when it is read. Rows through which a tile walks
/// side by side are too short for the processor to foresee.
pub(crate) struct Ahead<'a, T> {
    rest: &'a [T],
    piece: usize,
}

impl<'a, T> Ahead<'a, T> {
    /// All of `x` in so many turns.
    pub fn new(x: &'a [T], turns: usize) -> Self {
        Self { rest: x, piece: x.len().div_ceil(turns.max(1)) }
    }

    /// Asks for the next piece, if there is one.
    #[inline(always)]
    pub fn turn<F: F32s>(&mut self, s: F::Token) {
        let (now, rest) = self.rest.split_at(self.piece.min(self.rest.len()));
        ask_for::<F>(s, now.as_ptr().cast(), size_of_val(now));
        self.rest = rest;
    }
}

/// `MR × NV` vectors of `A · B` over `depth` steps of `k`.
///
/// `a` holds `MR` rows with stride [`KC`]; `b` has `NV` vectors in each of its `depth` rows, these `stride` floats apart.
///
/// # Panics
/// If either is too short.
#[inline(always)]
pub(crate) fn tile<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    depth: usize,
    a: &[f32],
    (b, stride): (&[f32], usize),
) -> [[S::F32; NV]; MR] {
    let lanes = S::F32::LANES;
    assert!(depth <= KC && a.len() >= (MR - 1) * KC + depth);
    assert!(NV * lanes <= stride && b.len() >= depth * stride);
    let mut acc = [[S::F32::splat(s, 0.0); NV]; MR];
    let (mut a, mut b) = (a.as_ptr(), b.as_ptr());
    unrolled(
        depth,
        #[inline(always)]
        || {
            ask_for::<S::F32>(s, b.cast::<u8>().wrapping_add(AHEAD), NV * lanes * size_of::<f32>());
            // SAFETY: each of the `depth` rows of the panel has `NV` vectors, and so many columns of `A` have `MR` rows, all asserted above.
            unsafe { add_products(s, (a, KC), load_row(s, b), &mut acc) };
            (a, b) = (a.wrapping_add(1), b.wrapping_add(stride));
        },
    );
    acc
}

/// `NV` vectors from `x`.
///
/// # Safety
/// `x` must be valid for reads of so many floats.
#[inline(always)]
unsafe fn load_row<S: Simd, const NV: usize>(s: S, x: *const f32) -> [S::F32; NV] {
    let mut row = [S::F32::splat(s, 0.0); NV];
    for (v, vector) in row.iter_mut().enumerate() {
        // SAFETY: the caller promises `NV` vectors.
        *vector = unsafe { S::F32::load_ptr(s, x.add(v * S::F32::LANES)) };
    }
    row
}

/// `NV` vectors of `a + b`.
///
/// # Safety
/// Both must be valid for reads of so many floats.
#[inline(always)]
unsafe fn load_sum<S: Simd, const NV: usize>(s: S, a: *const f32, b: *const f32) -> [S::F32; NV] {
    // SAFETY: the caller promises `NV` vectors at both.
    let (mut sum, b) = unsafe { (load_row::<S, NV>(s, a), load_row::<S, NV>(s, b)) };
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum = sum.add(b);
    }
    sum
}

/// `acc[r] += a[r · stride] · row` for every row of `acc`.
///
/// # Safety
/// `a` must be valid for reads of a float every `stride`, `MR` times.
#[inline(always)]
unsafe fn add_products<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    (a, stride): (*const f32, usize),
    row: [S::F32; NV],
    acc: &mut [[S::F32; NV]; MR],
) {
    for (r, acc) in acc.iter_mut().enumerate() {
        // SAFETY: the caller promises `MR > r` of them.
        let x = S::F32::splat(s, unsafe { *a.add(r * stride) });
        for (acc, y) in acc.iter_mut().zip(row) {
            *acc = x.mul_add(y, *acc);
        }
    }
}

/// `T × NV` vectors: row `t` is `a[depth] + b[depth] + Σ (a[p] + b[p]) · z[p][t]`.
///
/// `a` and `b` hold `depth + 1` rows of `NV · LANES` floats, `z` holds `depth` rows of `T`.
///
/// # Panics
/// If one of them is too short.
#[inline(always)]
pub(crate) fn tile_of_sum<S: Simd, const T: usize, const NV: usize>(
    s: S,
    depth: usize,
    a: &[f32],
    b: &[f32],
    z: &[f32],
) -> [[S::F32; NV]; T] {
    let lanes = S::F32::LANES;
    let width = NV * lanes;
    assert!(a.len() >= (depth + 1) * width && b.len() >= (depth + 1) * width && z.len() >= depth * T);
    // SAFETY: both hold `depth + 1` rows of `width`, asserted above.
    let mut acc = [unsafe { load_sum(s, a.as_ptr().add(depth * width), b.as_ptr().add(depth * width)) }; T];
    let (mut a, mut b, mut z) = (a.as_ptr(), b.as_ptr(), z.as_ptr());
    unrolled(
        depth,
        #[inline(always)]
        || {
            // SAFETY: one of `depth` rows; all three reach there, asserted above.
            unsafe { add_products(s, (z, 1), load_sum(s, a, b), &mut acc) };
            (a, b, z) = (a.wrapping_add(width), b.wrapping_add(width), z.wrapping_add(T));
        },
    );
    acc
}

/// `MR × NV` vectors of `Aᵀ · B` over `depth` rows of both, each given with the stride of its rows.
///
/// # Panics
/// If either is too short.
#[inline(always)]
pub(crate) fn tile_transposed<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    depth: usize,
    (a, a_stride): (&[f32], usize),
    (b, b_stride): (&[f32], usize),
) -> [[S::F32; NV]; MR] {
    let lanes = S::F32::LANES;
    assert!(
        depth > 0 && a.len() >= (depth - 1) * a_stride + MR && b.len() >= (depth - 1) * b_stride + NV * lanes
    );
    let mut acc = [[S::F32::splat(s, 0.0); NV]; MR];
    let (mut a, mut b) = (a.as_ptr(), b.as_ptr());
    unrolled(
        depth,
        #[inline(always)]
        || {
            // SAFETY: each of `depth` rows of `b` has `NV` vectors, and of `a` `MR` floats, both asserted above.
            unsafe { add_products(s, (a, 1), load_row(s, b), &mut acc) };
            (a, b) = (a.wrapping_add(a_stride), b.wrapping_add(b_stride));
        },
    );
    acc
}

/// `MR × NV` vectors of sums of products of bytes over `groups` groups.
///
/// `a` holds `MR` rows of [`SLICE`] bytes for every `SLICE` bytes of a row, these `a_stride` bytes apart, a group in four; `b` has `NV` vectors
/// of groups for every group, these `b_stride` bytes apart.
///
/// # Panics
/// If either is too short.
#[inline(always)]
pub(crate) fn dot_tile<D: Dot, const MR: usize, const NV: usize>(
    d: D,
    groups: usize,
    (a, a_stride): (&[u8], usize),
    (b, b_stride): (&[i8], usize),
) -> [[D::Sums; NV]; MR] {
    let width = D::GROUP * FloatsOf::<D>::LANES;
    assert!(groups > 0 && a.len() >= (groups - 1) / (SLICE / 4) * a_stride + MR * SLICE);
    assert!(NV * width <= b_stride && b.len() >= groups * b_stride);
    let mut acc = [[d.zero(); NV]; MR];
    for first in (0..groups).step_by(SLICE / 4) {
        let slice = a.as_ptr().wrapping_add(first / (SLICE / 4) * a_stride);
        let mut row = b.as_ptr().wrapping_add(first * b_stride);
        for p in 0..(groups - first).min(SLICE / 4) {
            // SAFETY: one of the `groups` rows of the panel; `b.len() >= groups · b_stride` and `b_stride >= NV · width`, asserted above.
            let b_row: [D::Groups; NV] =
                std::array::from_fn(|v| unsafe { d.load_groups(row.add(v * width)) });
            ask_for::<FloatsOf<D>>(d.floats(), row.cast::<u8>().wrapping_add(AHEAD), NV * width);
            for (r, acc) in acc.iter_mut().enumerate() {
                // SAFETY: `r < MR` and `p < SLICE / 4` in one of the slices of `a`, which reaches there, asserted above.
                let x = unsafe { d.splat_group(slice.add(r * SLICE + 4 * p)) };
                for (acc, b) in acc.iter_mut().zip(b_row) {
                    *acc = d.dot(*acc, x, b);
                }
            }
            row = row.wrapping_add(b_stride);
        }
    }
    acc
}

/// `MR × NV` vectors of sums of products of 16-bit words over `pairs` pairs.
///
/// `a` holds `MR` rows of words with stride [`KC`]; `b` a vector of pairs for every pair, these `stride` words apart.
///
/// # Panics
/// If either is too short.
#[inline(always)]
pub(crate) fn pair_tile<D: Dot, const MR: usize, const NV: usize>(
    d: D,
    pairs: usize,
    a: &[i16],
    (b, stride): (&[i16], usize),
) -> [[D::Sums; NV]; MR] {
    let vector = 2 * FloatsOf::<D>::LANES;
    assert!(pairs > 0 && 2 * pairs <= KC && a.len() >= (MR - 1) * KC + 2 * pairs);
    assert!(b.len() >= (pairs - 1) * stride + NV * vector);
    let mut acc = [[d.zero(); NV]; MR];
    let (a, b) = (a.as_ptr(), b.as_ptr());
    for p in 0..pairs {
        // SAFETY: pair `p < pairs`; `b.len() >= (pairs − 1) · stride + NV · vector` is asserted above.
        let b_row: [D::Pairs; NV] =
            std::array::from_fn(|v| unsafe { d.load_pairs(b.add(p * stride + v * vector)) });
        for (r, acc) in acc.iter_mut().enumerate() {
            // SAFETY: `r < MR` at pair `p < pairs`; the last is `a[(MR − 1) · KC + 2 · pairs − 1]`, asserted above.
            let x = unsafe { d.splat_pair(a.add(r * KC + 2 * p)) };
            for (acc, b) in acc.iter_mut().zip(b_row) {
                *acc = d.dot_pairs(*acc, x, b);
            }
        }
    }
    acc
}

/// [`tile_of_sum`] of words, sums of products only: row `t` is `Σ (a[p] + b[p]) · z[p][t]` over `pairs` pairs of `p`.
///
/// `a` and `b` hold a vector of pairs every `stride` words, `z` a pair of each row for every pair.
///
/// # Panics
/// If one of them is too short.
#[inline(always)]
pub(crate) fn dot_tile_of_sum<D: Dot, const T: usize, const NV: usize>(
    d: D,
    pairs: usize,
    (a, b, stride): (&[i16], &[i16], usize),
    z: &[i16],
) -> [[D::Sums; NV]; T] {
    let vector = 2 * FloatsOf::<D>::LANES;
    let needed = (pairs - 1) * stride + NV * vector;
    assert!(pairs > 0 && a.len() >= needed && b.len() >= needed && z.len() >= pairs * 2 * T);
    let mut acc = [[d.zero(); NV]; T];
    for p in 0..pairs {
        let sum: [D::Pairs; NV] = std::array::from_fn(|v| {
            let at = p * stride + v * vector;
            // SAFETY: `p < pairs` and `v < NV`; both reach there, asserted above.
            unsafe { d.add_pairs(d.load_pairs(a.as_ptr().add(at)), d.load_pairs(b.as_ptr().add(at))) }
        });
        for (t, acc) in acc.iter_mut().enumerate() {
            // SAFETY: `p < pairs` and `t < T`; `z.len() >= pairs · 2 · T` is asserted above.
            let z = unsafe { d.splat_pair(z.as_ptr().add((p * T + t) * 2)) };
            for (acc, sum) in acc.iter_mut().zip(sum) {
                *acc = d.dot_pairs(*acc, sum, z);
            }
        }
    }
    acc
}

/// `c = a · b` by `matrixmultiply`, all row-major and contiguous.
pub(crate) fn matrixmultiply_sgemm(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n, "sgemm {m}×{k}×{n}");
    let (k_stride, n_stride) = (k as isize, n as isize);
    // SAFETY: the three matrices lie inside their slices, asserted above; `c` is borrowed mutably, so it
    // overlaps neither `a` nor `b`; with beta = 0 it is not read.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.as_ptr(),
            k_stride,
            1,
            b.as_ptr(),
            n_stride,
            1,
            0.0,
            c.as_mut_ptr(),
            n_stride,
            1,
        );
    }
}
