//! The inner loop: one register tile over the depth of a block.

#![allow(unsafe_code)]

use super::KC;
use crate::simd::{F32s, Simd};

/// `MR × NV` vectors of `A · B` over `depth` steps of `k`.
///
/// `a` holds `MR` rows with stride [`KC`], `b` a panel of `depth` rows of `NV · LANES` floats.
///
/// # Panics
/// If either is too short.
#[inline(always)]
pub(crate) fn tile<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    depth: usize,
    a: &[f32],
    b: &[f32],
) -> [[S::F32; NV]; MR] {
    let lanes = S::F32::LANES;
    assert!(depth <= KC && a.len() >= (MR - 1) * KC + depth && b.len() >= depth * NV * lanes);
    let mut acc = [[S::F32::splat(s, 0.0); NV]; MR];
    let mut a_ptr = a.as_ptr();
    let mut b_ptr = b.as_ptr();
    for _ in 0..depth {
        let mut b_row = [S::F32::splat(s, 0.0); NV];
        for (v, b) in b_row.iter_mut().enumerate() {
            // SAFETY: row `p < depth` of the panel; `b.len() >= depth · NV · lanes` is asserted above.
            *b = unsafe { S::F32::load_ptr(s, b_ptr.add(v * lanes)) };
        }
        for (r, acc) in acc.iter_mut().enumerate() {
            // SAFETY: `r < MR`, column `p < depth`; `a.len() >= (MR − 1) · KC + depth` is asserted above.
            let x = S::F32::splat(s, unsafe { *a_ptr.add(r * KC) });
            for (acc, b) in acc.iter_mut().zip(b_row) {
                *acc = x.mul_add(b, *acc);
            }
        }
        // SAFETY: both stay within one element past the part that is read, asserted above.
        unsafe {
            a_ptr = a_ptr.add(1);
            b_ptr = b_ptr.add(NV * lanes);
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
