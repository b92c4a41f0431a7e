//! The innermost loops: one register tile of sums over the depth of a k-block.

#![allow(unsafe_code)]

#[cfg(target_arch = "aarch64")]
use half::f16;

use super::KC;
use crate::simd::{AHEAD, Dot, F32s, FloatsOf, LINE, SLICE, Simd, lhs_group};

/// Unroll factor over `k`. With hyper-threading, instruction issue is the bottleneck and not the FMA units.
const UNROLL: usize = 4;

/// Calls `step` `count` times, unrolled. `step` advances its own pointers: an index multiplication would be
/// overflow-checked in test builds and spill the tile. Not for integer sums: there the compiler adds up the
/// products of the unrolled steps first, and has no registers for those.
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

/// Prefetches every cache line of the `bytes` at `x`; any address is valid.
#[inline(always)]
fn prefetch<F: F32s>(s: F::Token, x: *const u8, bytes: usize) {
    for at in (0..bytes).step_by(LINE) {
        F::prefetch(s, x.wrapping_add(at).cast());
    }
}

/// A region that is prefetched a few lines per iteration of other work. The hardware does not: a tile reads
/// its rows side by side, and each is too short for a prefetcher to detect the stream.
pub(crate) struct Prefetch<'a, T> {
    rest: &'a [T],
    piece: usize,
}

impl<'a, T> Prefetch<'a, T> {
    /// All of `x` in `iterations`.
    pub fn new(x: &'a [T], iterations: usize) -> Self {
        Self { rest: x, piece: x.len().div_ceil(iterations.max(1)) }
    }

    /// Prefetches the next piece, if any is left.
    #[inline(always)]
    pub fn advance<F: F32s>(&mut self, s: F::Token) {
        let (now, rest) = self.rest.split_at(self.piece.min(self.rest.len()));
        prefetch::<F>(s, now.as_ptr().cast(), size_of_val(now));
        self.rest = rest;
    }
}

/// `MR × NV` vectors of `A · B` over `depth` steps of `k`.
///
/// `a` has `MR` rows with stride [`KC`]; `b` has `depth` rows of `NV` vectors with stride `stride`, in
/// floats.
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
    // SAFETY: `A` has `MR` rows of `depth` floats, the panel has `depth` rows of `NV` vectors, both asserted
    // above.
    if let Some(acc) = unsafe { S::F32::tile(s, depth, (a.as_ptr(), KC), (b.as_ptr(), stride)) } {
        return acc;
    }
    let mut acc = [[S::F32::splat(s, 0.0); NV]; MR];
    let (mut a, mut b) = (a.as_ptr(), b.as_ptr());
    unrolled(
        depth,
        #[inline(always)]
        || {
            prefetch::<S::F32>(s, b.cast::<u8>().wrapping_add(AHEAD), NV * lanes * size_of::<f32>());
            // SAFETY: the panel has `depth` rows of `NV` vectors, and `A` has `depth` columns of `MR` rows,
            // both asserted above.
            unsafe { add_products(s, (a, KC), load_row(s, b), &mut acc) };
            (a, b) = (a.wrapping_add(1), b.wrapping_add(stride));
        },
    );
    acc
}

/// As [`tile`], of numbers in half precision, where the instruction set multiplies those:
/// [`F32s::tile_of_halves`]. `depth` is a multiple of eight.
///
/// # Panics
/// If either operand is too short, or the host does not compute in half precision.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(crate) fn tile_of_halves<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    depth: usize,
    a: &[f16],
    (b, stride): (&[f16], usize),
) -> [[S::F32; NV]; MR] {
    assert!(depth.is_multiple_of(8) && depth <= KC && a.len() >= (MR - 1) * KC + depth);
    assert!(NV * S::F32::LANES <= stride && b.len() >= depth * stride);
    // SAFETY: `A` has `MR` rows of `depth` numbers, the panel has `depth` rows of `NV` vectors, both asserted
    // above.
    let acc = unsafe { S::F32::tile_of_halves(s, depth, (a.as_ptr(), KC), (b.as_ptr(), stride)) };
    acc.expect("the host computes in half precision")
}

/// `NV` vectors from `x`.
///
/// # Safety
/// `x` must be valid for reads of `NV · LANES` floats.
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
/// Both must be valid for reads of `NV · LANES` floats.
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
/// `a` must be valid for reads of `MR` floats, `stride` apart.
#[inline(always)]
unsafe fn add_products<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    (a, stride): (*const f32, usize),
    row: [S::F32; NV],
    acc: &mut [[S::F32; NV]; MR],
) {
    for (r, acc) in acc.iter_mut().enumerate() {
        // SAFETY: the caller promises `MR` floats, and `r < MR`.
        let x = S::F32::splat(s, unsafe { *a.add(r * stride) });
        for (acc, y) in acc.iter_mut().zip(row) {
            *acc = x.mul_add(y, *acc);
        }
    }
}

/// `T × NV` vectors: row `t` is `a[depth] + b[depth] + Σ (a[p] + b[p]) · z[p][t]`.
///
/// `a` and `b` have `depth + 1` rows of `NV · LANES` floats, `z` has `depth` rows of `T`.
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
    // SAFETY: `a` and `b` have `depth + 1` rows of `NV` vectors, `z` has `depth` rows of `T`, asserted above.
    if let Some(acc) = unsafe { S::F32::tile_of_sum(s, depth, [a.as_ptr(), b.as_ptr()], z.as_ptr()) } {
        return acc;
    }
    // SAFETY: both hold `depth + 1` rows of `width`, asserted above.
    let mut acc = [unsafe { load_sum(s, a.as_ptr().add(depth * width), b.as_ptr().add(depth * width)) }; T];
    let (mut a, mut b, mut z) = (a.as_ptr(), b.as_ptr(), z.as_ptr());
    unrolled(
        depth,
        #[inline(always)]
        || {
            // SAFETY: one of `depth` rows, which all three have, asserted above.
            unsafe { add_products(s, (z, 1), load_sum(s, a, b), &mut acc) };
            (a, b, z) = (a.wrapping_add(width), b.wrapping_add(width), z.wrapping_add(T));
        },
    );
    acc
}

/// As [`tile_of_sum`], of numbers in half precision, where the instruction set multiplies those, and without
/// row `depth`: [`F32s::tile_of_sum_of_halves`]. `depth` is a multiple of eight.
///
/// # Panics
/// If an operand is too short, or the host does not compute in half precision.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(crate) fn tile_of_sum_of_halves<S: Simd, const T: usize, const NV: usize>(
    s: S,
    depth: usize,
    a: &[f16],
    b: &[f16],
    z: &[f16],
) -> [[S::F32; NV]; T] {
    let width = NV * S::F32::LANES;
    assert!(depth.is_multiple_of(8) && z.len() >= depth * T);
    assert!(a.len() >= depth * width && b.len() >= depth * width);
    // SAFETY: `a` and `b` have `depth` rows of `NV` vectors, `z` has `depth` rows of `T`, asserted above.
    let acc = unsafe { S::F32::tile_of_sum_of_halves(s, depth, [a.as_ptr(), b.as_ptr()], z.as_ptr()) };
    acc.expect("the host computes in half precision")
}

/// `MR × NV` vectors of `A · B` over `pairs` pairs of bf16 numbers, each the bits of a float:
/// [`F32s::tile_of_pairs`], which the host must have. Operands as those of [`tile`].
///
/// # Panics
/// If either is too short.
#[inline(always)]
pub(super) fn bf16_tile<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    pairs: usize,
    a: &[f32],
    (b, stride): (&[f32], usize),
) -> [[S::F32; NV]; MR] {
    assert!(pairs <= KC && a.len() >= (MR - 1) * KC + pairs);
    assert!(NV * S::F32::LANES <= stride && b.len() >= pairs * stride);
    // SAFETY: `A` has `MR` rows of `pairs` pairs, the panel has `pairs` rows of `NV` vectors, both asserted
    // above.
    let tile = unsafe { S::F32::tile_of_pairs(s, pairs, (a.as_ptr(), KC), (b.as_ptr(), stride)) };
    tile.expect("pairs are packed where the host multiplies them")
}

/// `MR × NV` vectors of `Aᵀ · B` over `depth` rows of both, each with its row stride.
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
            // SAFETY: `b` has `depth` rows of `NV` vectors and `a` has `depth` rows of `MR` floats, both
            // asserted above.
            unsafe { add_products(s, (a, 1), load_row(s, b), &mut acc) };
            (a, b) = (a.wrapping_add(a_stride), b.wrapping_add(b_stride));
        },
    );
    acc
}

/// `MR × NV` vectors of sums of products of bytes over `groups` groups: [`Dot::tile`].
///
/// # Panics
/// If `groups` is 0, or one of the operands is too short.
#[inline(always)]
pub(crate) fn dot_tile<D: Dot, const MR: usize, const NV: usize>(
    d: D,
    groups: usize,
    (a, a_stride): (&[u8], usize),
    (b, b_stride): (&[i8], usize),
) -> [[D::Sums; NV]; MR] {
    let width = D::GROUP * FloatsOf::<D>::LANES;
    let slices = groups.div_ceil(const { SLICE / lhs_group(D::GROUP) });
    let rows = MR.next_multiple_of(D::ROWS);
    assert!(groups > 0 && a.len() >= (slices - 1) * a_stride + rows * SLICE);
    assert!(NV * width <= b_stride && b.len() >= groups * b_stride);
    // SAFETY: `a` has whole slices of whole `ROWS` of rows for all groups, `b` has `groups` rows of at least
    // `NV` vectors, both asserted above.
    unsafe { d.tile(groups, (a.as_ptr(), a_stride), (b.as_ptr(), b_stride)) }
}

/// `MR × NV` vectors of sums of products of 16-bit integers over `pairs` pairs.
///
/// `a` has `MR` rows with stride [`KC`]; `b` has `pairs` rows of `NV` vectors of pairs with stride `stride`,
/// in integers.
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
            // SAFETY: `r < MR` at pair `p < pairs`; the last is `a[(MR − 1) · KC + 2 · pairs − 1]`, asserted
            // above.
            let x = unsafe { d.splat_pair(a.add(r * KC + 2 * p)) };
            for (acc, b) in acc.iter_mut().zip(b_row) {
                *acc = d.dot_pairs(*acc, x, b);
            }
        }
    }
    acc
}

/// [`tile_of_sum`] of 16-bit integers, the products only: row `t` is `Σ (a[p] + b[p]) · z[p][t]` over `pairs`
/// pairs of `p`.
///
/// `a` and `b` have `pairs` rows of `NV` vectors of pairs with stride `stride`, in integers; `z` has `pairs`
/// rows of `T` pairs.
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
            // SAFETY: `p < pairs` and `v < NV`; the lengths of both are asserted above.
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
