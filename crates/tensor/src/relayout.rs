//! The only place where data is permuted, padded, cropped or concatenated.
//!
//! Legend: `c` channels, `h`, `w` grid; `hwc` channels-last, `chw` channels-first.

/// Cache-blocking edge of [`transpose`]: two tiles of 4-byte elements are 8 KiB.
const TILE: usize = 32;

/// `[C, H, W]` → `[H, W, C]`.
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

/// `[H, W, C]` → `[out_h, out_w, C]` with zeros (`T::default()`) at the bottom and on the right.
///
/// # Panics
/// If `hwc` does not have `h·w·c` elements or the output is smaller than the input.
#[track_caller]
pub fn pad_bottom_right<T: Copy + Default>(
    hwc: &[T],
    (h, w): (usize, usize),
    c: usize,
    (out_h, out_w): (usize, usize),
) -> Vec<T> {
    assert_eq!(hwc.len(), h * w * c, "pad_bottom_right: [{h}, {w}, {c}]");
    assert!(out_h >= h && out_w >= w, "pad_bottom_right: [{h}, {w}] does not fit in [{out_h}, {out_w}]");
    let mut out = vec![T::default(); out_h * out_w * c];
    if w * c > 0 {
        for (row, src) in out.chunks_exact_mut(out_w * c).zip(hwc.chunks_exact(w * c)) {
            row[..w * c].copy_from_slice(src);
        }
    }
    out
}

/// `[H, W, C]` → the top-left `[out_h, out_w, C]`.
///
/// # Panics
/// If `hwc` does not have `h·w·c` elements or the output is larger than the input.
#[track_caller]
pub fn crop<T: Copy>(hwc: &[T], (h, w): (usize, usize), c: usize, (out_h, out_w): (usize, usize)) -> Vec<T> {
    assert_eq!(hwc.len(), h * w * c, "crop: [{h}, {w}, {c}]");
    assert!(out_h <= h && out_w <= w, "crop: [{out_h}, {out_w}] is larger than [{h}, {w}]");
    let mut out = Vec::with_capacity(out_h * out_w * c);
    for y in 0..out_h {
        out.extend_from_slice(&hwc[y * w * c..][..out_w * c]);
    }
    out
}

/// Stacks `[N_i, cols]` matrices into `[ΣN_i, cols]`.
///
/// # Panics
/// If a part is not a whole number of rows.
#[track_caller]
pub fn concat_rows<T: Copy>(parts: &[&[T]], cols: usize) -> Vec<T> {
    for (i, part) in parts.iter().enumerate() {
        let whole = if cols == 0 { part.is_empty() } else { part.len().is_multiple_of(cols) };
        assert!(whole, "concat_rows: part {i} has {} elements, not rows of {cols}", part.len());
    }
    parts.concat()
}

/// `[H, W, C]` → `[nh·nw, window, window, C]`, zero padded at the bottom and on the right; returns `(windows, nh, nw)`.
///
/// Windows are row-major over the grid, and row-major inside: `window_partition` of
/// `sam2/modeling/backbones/utils.py`.
///
/// # Panics
/// If `x_hwc` does not have `h·w·c` elements or `window` is 0.
#[track_caller]
pub fn window_partition<T: Copy + Default>(
    x_hwc: &[T],
    h: usize,
    w: usize,
    c: usize,
    window: usize,
) -> (Vec<T>, usize, usize) {
    assert!(window > 0, "window_partition: window is 0");
    assert_eq!(x_hwc.len(), h * w * c, "window_partition: [{h}, {w}, {c}]");
    let (nh, nw) = (h.div_ceil(window), w.div_ceil(window));
    let mut out = vec![T::default(); nh * nw * window * window * c];
    for_each_run(h, w, c, window, |image, windows, len| {
        out[windows..windows + len].copy_from_slice(&x_hwc[image..image + len]);
    });
    (out, nh, nw)
}

/// The inverse of [`window_partition`]: `[nh·nw, window, window, C]` → `[H, W, C]`, cropping the padding.
///
/// # Panics
/// If `windows` does not have `⌈h/window⌉·⌈w/window⌉·window²·c` elements or `window` is 0.
#[track_caller]
pub fn window_unpartition<T: Copy + Default>(
    windows: &[T],
    h: usize,
    w: usize,
    c: usize,
    window: usize,
) -> Vec<T> {
    assert!(window > 0, "window_unpartition: window is 0");
    let count = h.div_ceil(window) * w.div_ceil(window);
    assert_eq!(
        windows.len(),
        count * window * window * c,
        "window_unpartition: {count} windows of {window}² × {c} for [{h}, {w}, {c}]"
    );
    let mut out = vec![T::default(); h * w * c];
    for_each_run(h, w, c, window, |image, start, len| {
        out[image..image + len].copy_from_slice(&windows[start..start + len]);
    });
    out
}

/// Calls `f(image offset, window offset, len)` for every run that is contiguous in both layouts.
fn for_each_run(h: usize, w: usize, c: usize, window: usize, mut f: impl FnMut(usize, usize, usize)) {
    let nw = w.div_ceil(window);
    for y in 0..h {
        for wx in 0..nw {
            let x0 = wx * window;
            let len = window.min(w - x0) * c;
            let index = y / window * nw + wx;
            f((y * w + x0) * c, (index * window + y % window) * window * c, len);
        }
    }
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

    #[test]
    fn partition_pads_with_zeros() {
        // 3×3 grid, window 2: the second row of windows has one real row.
        let (windows, nh, nw) = window_partition(&iota(9), 3, 3, 1, 2);
        assert_eq!((nh, nw), (2, 2));
        assert_eq!(windows, [1, 2, 4, 5, 3, 0, 6, 0, 7, 8, 0, 0, 9, 0, 0, 0]);
    }

    #[test]
    #[should_panic(expected = "concat_rows: part 1 has 3 elements, not rows of 2")]
    fn concat_refuses_ragged_rows() {
        concat_rows(&[&[1, 2][..], &[1, 2, 3][..]], 2);
    }

    #[test]
    fn concat_keeps_order() {
        assert_eq!(concat_rows(&[&[1, 2][..], &[][..], &[3, 4, 5, 6][..]], 2), [1, 2, 3, 4, 5, 6]);
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

        #[test]
        fn pad_then_crop_is_identity(h in 0usize..5, w in 0usize..5, c in 0usize..4, ph in 0usize..3, pw in 0usize..3) {
            let x = iota(h * w * c);
            let padded = pad_bottom_right(&x, (h, w), c, (h + ph, w + pw));
            prop_assert_eq!(padded.iter().filter(|&&v| v == 0).count(), ((h + ph) * (w + pw) - h * w) * c);
            prop_assert_eq!(crop(&padded, (h + ph, w + pw), c, (h, w)), x);
        }

        #[test]
        fn windows_round_trip(h in 1usize..12, w in 1usize..12, c in 1usize..4, window in 1usize..6) {
            let x = iota(h * w * c);
            let (windows, nh, nw) = window_partition(&x, h, w, c, window);
            // Padding then slicing is the definition; the runs are only a faster way to say it.
            let padded = pad_bottom_right(&x, (h, w), c, (nh * window, nw * window));
            for (i, chunk) in windows.chunks(c).enumerate() {
                let (win, y, x) = (i / (window * window), i / window % window, i % window);
                let at = ((win / nw * window + y) * nw * window + win % nw * window + x) * c;
                prop_assert_eq!(chunk, &padded[at..at + c]);
            }
            prop_assert_eq!(window_unpartition(&windows, h, w, c, window), x);
        }
    }
}
