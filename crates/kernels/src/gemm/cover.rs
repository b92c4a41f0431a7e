//! Covering an output with register tiles.

/// A computation of one output tile at a time, on the vectors of the token `T`: a [`Simd`](crate::simd::Simd)
/// or a [`Dot`](crate::simd::Dot).
pub(crate) trait Tiles<T> {
    /// Rows `i .. i + MR` of the first `NV` vectors of panel `panel`.
    fn tile<const MR: usize, const NV: usize>(&mut self, token: T, panel: usize, i: usize);
}

/// Covers `m` rows of every panel of `n` columns, `NV` vectors of `lanes` each, with tiles; the last panel
/// only as wide as its columns need.
#[inline(always)]
pub(crate) fn cover<T: Copy, const MR: usize, const NV: usize>(
    token: T,
    lanes: usize,
    (m, n): (usize, usize),
    body: &mut impl Tiles<T>,
) {
    for panel in 0..n.div_ceil(NV * lanes) {
        cover_panel::<T, MR, NV>(token, lanes, (m, n), panel, body);
    }
}

/// One panel of [`cover`].
#[inline(always)]
pub(super) fn cover_panel<T: Copy, const MR: usize, const NV: usize>(
    token: T,
    lanes: usize,
    (m, n): (usize, usize),
    panel: usize,
    body: &mut impl Tiles<T>,
) {
    match (n.div_ceil(lanes) - panel * NV).min(NV) {
        1 if const { NV > 1 } => cover_rows::<T, MR, 1>(token, m, panel, body),
        2 if const { NV > 2 } => cover_rows::<T, MR, 2>(token, m, panel, body),
        _ => cover_rows::<T, MR, NV>(token, m, panel, body),
    }
}

/// Covers `m` rows with tiles of `MR`, and the remaining ones with smaller tiles, so that a short block
/// wastes no multiply-adds.
#[inline(always)]
pub(crate) fn cover_rows<T: Copy, const MR: usize, const NV: usize>(
    token: T,
    m: usize,
    panel: usize,
    body: &mut impl Tiles<T>,
) {
    let mut i = 0;
    while i + MR <= m {
        body.tile::<MR, NV>(token, panel, i);
        i += MR;
    }
    if const { MR > 8 } && i + 8 <= m {
        body.tile::<8, NV>(token, panel, i);
        i += 8;
    }
    if const { MR > 4 } && i + 4 <= m {
        body.tile::<4, NV>(token, panel, i);
        i += 4;
    }
    if i + 2 <= m {
        body.tile::<2, NV>(token, panel, i);
        i += 2;
    }
    if i < m {
        body.tile::<1, NV>(token, panel, i);
    }
}
