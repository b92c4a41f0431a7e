//! The engine behind the float resamplers: a weighted sum along rows, then a weighted sum of rows.
//!
//! ```text
//! for each block of output rows                    parallel
//!   for each source row the block needs            horizontal pass → scratch
//!   for each output row                            vertical pass: Σ weight · scratch row, along the row
//! ```
//!
//! Neighbouring blocks compute the few source rows they share twice; that is cheaper than a barrier between
//! two passes over the whole image.

use crate::parallel;
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// Largest number of output rows per block.
const MAX_ROWS: usize = 64;

/// For each output position of an axis, the input positions that it depends on and their weights.
#[derive(Clone, Debug)]
pub(super) struct Taps {
    /// Capacity in taps per output position; the first `count[i]` are used.
    width: usize,
    count: Vec<u32>,
    index: Vec<u32>,
    weight: Vec<f32>,
}

impl Taps {
    /// A table for outputs of at most `width` taps each.
    pub fn new(outputs: usize, width: usize) -> Self {
        Self {
            width,
            count: Vec::with_capacity(outputs),
            index: Vec::with_capacity(outputs * width),
            weight: Vec::with_capacity(outputs * width),
        }
    }

    /// Adds the taps `(index, weight)` of the next output position.
    ///
    /// # Panics
    /// If there are none or more than `width`.
    pub fn push(&mut self, taps: impl IntoIterator<Item = (usize, f32)>) {
        let start = self.index.len();
        for (index, weight) in taps {
            self.index.push(u32::try_from(index).expect("an axis is shorter than 2³²"));
            self.weight.push(weight);
        }
        let count = self.index.len() - start;
        assert!((1..=self.width).contains(&count), "{count} taps in a table of width {}", self.width);
        self.count.push(count as u32);
        self.index.resize(start + self.width, 0);
        self.weight.resize(start + self.width, 0.0);
    }

    #[inline(always)]
    fn at(&self, i: usize) -> (&[u32], &[f32]) {
        let count = self.count[i] as usize;
        let start = i * self.width;
        (&self.index[start..start + count], &self.weight[start..start + count])
    }

    /// The input positions that outputs `from .. to` read, as a range.
    fn span(&self, from: usize, to: usize) -> (usize, usize) {
        let used = (from..to).flat_map(|i| self.at(i).0);
        let (lo, hi) = used.fold((u32::MAX, 0), |(lo, hi), &i| (lo.min(i), hi.max(i + 1)));
        (lo as usize, hi as usize)
    }
}

/// From `size`, `(h, w)` pixels of `c` channels, to `out_size`; an axis without a table is copied.
pub(super) struct Resampling {
    size: (usize, usize),
    c: usize,
    out_size: (usize, usize),
    horizontal: Option<Taps>,
    vertical: Option<Taps>,
}

impl Resampling {
    /// With a table of `taps(input, output)` for an axis whose length changes.
    pub fn new(
        taps: fn(usize, usize) -> Taps,
        size: (usize, usize),
        c: usize,
        out_size: (usize, usize),
    ) -> Self {
        let axis = |input, output| {
            let taps = (input != output).then(|| taps(input, output));
            debug_assert!(taps.as_ref().is_none_or(|taps| taps.count.len() == output));
            taps
        };
        let (horizontal, vertical) = (axis(size.1, out_size.1), axis(size.0, out_size.0));
        Self { size, c, out_size, horizontal, vertical }
    }

    /// `src`, `(h, w, c)`, to `(out_h, out_w, c)`.
    pub fn apply(&self, isa: Isa, src: &[f32]) -> Vec<f32> {
        if self.horizontal.is_none() && self.vertical.is_none() {
            return src.to_vec();
        }
        let row = self.out_size.1 * self.c;
        let mut out = vec![0.0; self.out_size.0 * row];
        let rows = self.rows_per_task();
        parallel::for_each_chunk_mut(&mut out, (rows * row).max(1), |block, out| {
            self.rows(isa, src, block * rows, out);
        });
        out
    }

    /// Whether each element of [`Self::apply`] is above `threshold`. The elements stay in the cache.
    pub fn above(&self, isa: Isa, src: &[f32], threshold: f32) -> Vec<bool> {
        let row = self.out_size.1 * self.c;
        let mut out = vec![false; self.out_size.0 * row];
        let rows = self.rows_per_task();
        parallel::for_each_chunk_mut(&mut out, (rows * row).max(1), |block, out| {
            parallel::with_scratch(out.len(), |values| {
                self.rows(isa, src, block * rows, values);
                out.iter_mut().zip(values).for_each(|(out, x)| *out = *x > threshold);
            });
        });
        out
    }

    /// The rows of [`Self::apply`], computed one by one on demand.
    pub fn into_rows(self, isa: Isa, src: &[f32]) -> Rows {
        let (vertical, row) = (self.vertical, self.out_size.1 * self.c);
        let across = Self { out_size: (self.size.0, self.out_size.1), vertical: None, ..self };
        Rows { vertical, row, src: across.apply(isa, src) }
    }

    fn rows_per_task(&self) -> usize {
        parallel::rows_per_task(self.out_size.0, 1, MAX_ROWS)
    }

    /// The output rows that begin with row `first`.
    fn rows(&self, isa: Isa, src: &[f32], first: usize, out: &mut [f32]) {
        let (in_row, out_row, c) = (self.size.1 * self.c, self.out_size.1 * self.c, self.c);
        let last = first + out.len() / out_row;
        let (lo, hi) = self.vertical.as_ref().map_or((first, last), |t| t.span(first, last));
        let src = &src[lo * in_row..hi * in_row];
        match (&self.horizontal, &self.vertical) {
            (Some(taps), None) => isa.dispatch(Horizontal { taps, c, in_row, src, out_row, out }),
            (None, Some(taps)) => isa.dispatch(Vertical { taps, first, base: lo, row: out_row, src, out }),
            (Some(h_taps), Some(taps)) => parallel::with_scratch((hi - lo) * out_row, |mid| {
                isa.dispatch(Horizontal { taps: h_taps, c, in_row, src, out_row, out: mid });
                isa.dispatch(Vertical { taps, first, base: lo, row: out_row, src: mid, out });
            }),
            (None, None) => out.copy_from_slice(src),
        }
    }
}

/// An image resampled along its rows only; each row is resampled along the columns on demand, with the same
/// bits as in [`Resampling::apply`].
#[derive(Clone, Debug)]
pub(super) struct Rows {
    vertical: Option<Taps>,
    row: usize,
    src: Vec<f32>,
}

impl Rows {
    /// Length of a row in floats.
    pub fn len(&self) -> usize {
        self.row
    }

    /// Row `y`, `(out_w, c)`.
    pub fn row(&self, isa: Isa, y: usize, out: &mut [f32]) {
        match &self.vertical {
            Some(taps) => {
                isa.dispatch(Vertical { taps, first: y, base: 0, row: self.row, src: &self.src, out });
            }
            None => out.copy_from_slice(&self.src[y * self.row..(y + 1) * self.row]),
        }
    }
}

/// Every row of `src` resampled into a row of `out`.
struct Horizontal<'a> {
    taps: &'a Taps,
    c: usize,
    in_row: usize,
    src: &'a [f32],
    out_row: usize,
    out: &'a mut [f32],
}

impl SimdOp for Horizontal<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        for (src, out) in self.src.chunks_exact(self.in_row).zip(self.out.chunks_exact_mut(self.out_row)) {
            match self.c {
                1 if self.taps.width == 2 => pairs(self.taps, src, out),
                1 => pixels::<1>(self.taps, src, out),
                3 => pixels::<3>(self.taps, src, out),
                c => channels(s, self.taps, c, src, out),
            }
        }
    }
}

/// One channel and two taps per position, as in the bilinear tables of masks.
#[inline(always)]
fn pairs(taps: &Taps, src: &[f32], out: &mut [f32]) {
    let (index, _) = taps.index.as_chunks::<2>();
    let (weight, _) = taps.weight.as_chunks::<2>();
    for ((out, &[i0, i1]), &[w0, w1]) in out.iter_mut().zip(index).zip(weight) {
        *out = src[i0 as usize] * w0 + src[i1 as usize] * w1;
    }
}

/// Few channels: one pixel at a time, its channels in registers.
#[inline(always)]
fn pixels<const C: usize>(taps: &Taps, src: &[f32], out: &mut [f32]) {
    for (x, out) in out.chunks_exact_mut(C).enumerate() {
        let (index, weight) = taps.at(x);
        let mut sum = [0.0; C];
        for (j, (&i, &weight)) in index.iter().zip(weight).enumerate() {
            let pixel = &src[i as usize * C..][..C];
            for (sum, v) in sum.iter_mut().zip(pixel) {
                *sum = if j == 0 { v * weight } else { *sum + v * weight };
            }
        }
        out.copy_from_slice(&sum);
    }
}

/// Many channels: vectors over the channels of a pixel.
#[inline(always)]
fn channels<S: Simd>(s: S, taps: &Taps, c: usize, src: &[f32], out: &mut [f32]) {
    for (x, out) in out.chunks_exact_mut(c).enumerate() {
        let (index, weight) = taps.at(x);
        weighted_sum(s, index, weight, 0, c, src, out);
    }
}

/// Every row of `out` from the rows of `src` given by its taps; row `base` of the image is row 0 of `src`.
struct Vertical<'a> {
    taps: &'a Taps,
    first: usize,
    base: usize,
    row: usize,
    src: &'a [f32],
    out: &'a mut [f32],
}

impl SimdOp for Vertical<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        for (y, out) in self.out.chunks_exact_mut(self.row).enumerate() {
            let (index, weight) = self.taps.at(self.first + y);
            weighted_sum(s, index, weight, self.base, self.row, self.src, out);
        }
    }
}

/// `out = Σ weight[j] · row (index[j] − base)`, where rows have `out.len()` floats; summed in the order of
/// `j`.
#[inline(always)]
fn weighted_sum<S: Simd>(
    s: S,
    index: &[u32],
    weight: &[f32],
    base: usize,
    row: usize,
    src: &[f32],
    out: &mut [f32],
) {
    let lanes = S::F32::LANES;
    if let (&[i0, i1], &[w0, w1]) = (index, weight) {
        // The hot path of the bilinear upsampling of masks.
        let (w0, w1) = (S::F32::splat(s, w0), S::F32::splat(s, w1));
        let mut a = row_of(src, i0, base, row).chunks_exact(lanes);
        let mut b = row_of(src, i1, base, row).chunks_exact(lanes);
        let mut o = out.chunks_exact_mut(lanes);
        for ((a, b), o) in (&mut a).zip(&mut b).zip(&mut o) {
            S::F32::load(s, a).mul(w0).add(S::F32::load(s, b).mul(w1)).store(o);
        }
        let (a, b) = (S::F32::load_partial(s, a.remainder()), S::F32::load_partial(s, b.remainder()));
        a.mul(w0).add(b.mul(w1)).store_partial(o.into_remainder());
        return;
    }
    let full = row / lanes * lanes;
    for (block, out) in out[..full].chunks_exact_mut(lanes).enumerate() {
        let at = block * lanes;
        let mut sum = S::F32::splat(s, 0.0);
        for (j, (&i, &w)) in index.iter().zip(weight).enumerate() {
            let v = S::F32::load(s, &row_of(src, i, base, row)[at..at + lanes]).mul(S::F32::splat(s, w));
            sum = if j == 0 { v } else { sum.add(v) };
        }
        sum.store(out);
    }
    if full < row {
        let mut sum = S::F32::splat(s, 0.0);
        for (j, (&i, &w)) in index.iter().zip(weight).enumerate() {
            let v = S::F32::load_partial(s, &row_of(src, i, base, row)[full..]).mul(S::F32::splat(s, w));
            sum = if j == 0 { v } else { sum.add(v) };
        }
        sum.store_partial(&mut out[full..]);
    }
}

/// Row `index − base` of `src`.
#[inline(always)]
fn row_of(src: &[f32], index: u32, base: usize, row: usize) -> &[f32] {
    &src[(index as usize - base) * row..][..row]
}
