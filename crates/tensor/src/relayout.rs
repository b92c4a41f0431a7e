//! Changes of memory layout: between PyTorch's channels-first maps and the channels-last maps of the kernels.
//!
//! Legend: `c` channels, `h`, `w` grid; `hwc` channels-last, `chw` channels-first.

/// Side of a tile of [`transpose`]: two tiles of 4-byte elements are 8 KiB and stay in L1.
const TILE: usize = 32;

/// `[C, H, W]` → `[H, W, C]`.
///
/// ```
/// # use tensor::relayout::{chw_to_hwc, hwc_to_chw};
/// let hwc = chw_to_hwc(&[1, 2, 10, 20], 2, 1, 2); // two channels of two pixels
/// assert_eq!(hwc, [1, 10, 2, 20]);
/// assert_eq!(hwc_to_chw(&hwc, 1, 2, 2), [1, 2, 10, 20]);
/// ```
///
/// # Panics
/// If `chw` does not have `c·h·w` elements.
#[track_caller]
pub fn chw_to_hwc<T: Copy + Default>(chw: &[T], c: usize, h: usize, w: usize) -> Vec<T> {
    assert_eq!(chw.len(), c * h * w, "chw_to_hwc: [{c}, {h}, {w}]");
    transpose(chw, c, h * w)
}

/// `[H, W, C]` → `[C, H, W]`.
///
/// # Panics
/// If `hwc` does not have `h·w·c` elements.
#[track_caller]
pub fn hwc_to_chw<T: Copy + Default>(hwc: &[T], h: usize, w: usize, c: usize) -> Vec<T> {
    assert_eq!(hwc.len(), h * w * c, "hwc_to_chw: [{h}, {w}, {c}]");
    transpose(hwc, h * w, c)
}

/// `[rows, cols]` → `[cols, rows]`.
///
/// ```
/// assert_eq!(tensor::relayout::transpose(&[1, 2, 3, 4, 5, 6], 2, 3), [1, 4, 2, 5, 3, 6]);
/// ```
///
/// # Panics
/// If `x` does not have `rows·cols` elements.
#[track_caller]
pub fn transpose<T: Copy + Default>(x: &[T], rows: usize, cols: usize) -> Vec<T> {
    assert_eq!(x.len(), rows * cols, "transpose: [{rows}, {cols}]");
    let mut out = vec![T::default(); x.len()];
    for r0 in (0..rows).step_by(TILE) {
        let r1 = (r0 + TILE).min(rows);
        for c0 in (0..cols).step_by(TILE) {
            let c1 = (c0 + TILE).min(cols);
            for c in c0..c1 {
                for (r, o) in (r0..r1).zip(&mut out[c * rows + r0..c * rows + r1]) {
                    *o = x[r * cols + c];
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn iota(n: usize) -> Vec<u32> {
        (1..=n as u32).collect()
    }

    #[test]
    fn transpose_matches_definition_across_tiles() {
        let (rows, cols) = (TILE + 3, 2 * TILE + 1);
        let x = iota(rows * cols);
        let t = transpose(&x, rows, cols);
        for r in 0..rows {
            for c in 0..cols {
                assert_eq!(t[c * rows + r], x[r * cols + c]);
            }
        }
    }

    proptest! {
        #[test]
        fn chw_hwc_round_trip(c in 0usize..5, h in 0usize..40, w in 0usize..5) {
            let x = iota(c * h * w);
            let hwc = chw_to_hwc(&x, c, h, w);
            if c * h * w > 0 {
                prop_assert_eq!(hwc[c * (h * w - 1)], x[h * w - 1]);
            }
            prop_assert_eq!(hwc_to_chw(&hwc, h, w, c), x);
        }
    }
}
