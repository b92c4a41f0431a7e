//! Scratch memory of a block of queries: an allocation for each type of numbers, and their layout.

use half::f16;

#[cfg(target_arch = "aarch64")]
use super::halves::padded;
use super::products::Products;
use crate::gemm::KC;

/// The sizes that determine the layout.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// [`GridKeys::split_scratch`](super::GridKeys): rows that the split of a panel takes.
    pub split_scratch: usize,
    /// Width of an input of the keys.
    pub m: usize,
    /// Width of a value.
    pub dv: usize,
    /// Side of the grid.
    pub side: usize,
    /// Queries per panel.
    pub width: usize,
    pub panels: usize,
    pub products: Products,
}

impl Sizes {
    /// Elements of `a`, and of `b`, per panel: `(side, m + 1, width)`.
    fn split(&self) -> usize {
        self.side * (self.m + 1) * self.width
    }

    /// Elements of `a` and `b` as integers per panel: `(2, side, m / 2, width, 2)`.
    fn split_i16(&self) -> usize {
        let integers = 2 * self.side * self.m.next_multiple_of(2) * self.width;
        if self.products == Products::I16 { integers } else { 0 }
    }

    /// Floats of a [`Scratch`].
    pub fn floats(&self) -> usize {
        let per_panel = 2 * self.split() + (self.dv + 3) * self.width;
        self.panels * per_panel + (KC + 2 + self.split_scratch) * self.width
    }

    /// Integers of a [`Scratch`].
    pub fn integers(&self) -> usize {
        self.panels * self.split_i16() + self.weights_i16()
    }

    /// Halves of a [`Scratch`].
    pub fn halves(&self) -> usize {
        self.panels * self.split_f16()
    }

    /// Elements of `a` and `b` as halves per panel: `(2, side, padded m, width)`.
    fn split_f16(&self) -> usize {
        #[cfg(target_arch = "aarch64")]
        if self.products == Products::F16 {
            return 2 * self.side * padded(self.m) * self.width;
        }
        0
    }

    fn weights_i16(&self) -> usize {
        if self.products == Products::I16 { KC * self.width } else { 0 }
    }
}

/// Scratch memory of a block of queries. The part of each panel is contiguous in every buffer.
pub(super) struct Scratch<'a> {
    pub sizes: Sizes,
    /// `(side, m + 1, width)` per panel: `a`.
    pub by_column: &'a mut [f32],
    /// `(side, m + 1, width)` per panel: `b`.
    pub by_row: &'a mut [f32],
    /// `(2, side, m / 2, width, 2)` per panel: both as integers, if the scores are products of integers.
    split_i16: &'a mut [i16],
    /// `(2, side, padded m, width)` per panel: both as halves, if the scores are products of halves.
    split_f16: &'a mut [f16],
    /// `(width)` per panel: the scales of `split_i16` or of `split_f16`.
    scales: &'a mut [f32],
    /// `(dv, width)` per panel: the weighted sums of the values.
    pub sums: &'a mut [f32],
    /// `(width)` per panel: the largest score.
    max: &'a mut [f32],
    /// `(width)` per panel: the sum of the weights.
    pub total: &'a mut [f32],
    /// `(split_scratch, width)`: shared by all panels in turn.
    pub split: &'a mut [f32],
    /// Likewise: see [`Panel`].
    scores: &'a mut [f32],
    weights_i16: &'a mut [i16],
    correction: &'a mut [f32],
    block_max: &'a mut [f32],
}

/// The scratch memory of one panel of queries.
pub(super) struct Panel<'a> {
    pub by_column: &'a mut [f32],
    pub by_row: &'a mut [f32],
    pub split_i16: &'a mut [i16],
    #[cfg_attr(not(target_arch = "aarch64"), expect(dead_code, reason = "only ARM has such products"))]
    pub split_f16: &'a mut [f16],
    pub scales: &'a mut [f32],
    pub sums: &'a mut [f32],
    pub max: &'a mut [f32],
    pub total: &'a mut [f32],
    /// `(KC, width)`: the scores of a block of tokens, then their weights.
    pub scores: &'a mut [f32],
    /// `(KC / 2, width, 2)`: the weights as integers, if the values are integers.
    pub weights_i16: &'a mut [i16],
    /// `(width)`: the factor of the sums so far.
    pub correction: &'a mut [f32],
    /// `(width)`: the largest score of a block of tokens.
    pub block_max: &'a mut [f32],
}

impl<'a> Scratch<'a> {
    /// Divides `floats`, [`Sizes::floats`], and `integers`, [`Sizes::integers`]; `halves` is not divided.
    pub fn new(
        sizes: Sizes,
        mut floats: &'a mut [f32],
        mut integers: &'a mut [i16],
        halves: &'a mut [f16],
    ) -> Self {
        let Sizes { split_scratch, dv, width, panels, .. } = sizes;
        let floats = &mut floats;
        let integers = &mut integers;
        Self {
            sizes,
            scores: take(floats, KC * width),
            correction: take(floats, width),
            block_max: take(floats, width),
            split: take(floats, split_scratch * width),
            by_column: take(floats, panels * sizes.split()),
            by_row: take(floats, panels * sizes.split()),
            scales: take(floats, panels * width),
            sums: take(floats, panels * dv * width),
            max: take(floats, panels * width),
            total: take(floats, panels * width),
            weights_i16: take(integers, sizes.weights_i16()),
            split_i16: take(integers, panels * sizes.split_i16()),
            split_f16: halves,
        }
    }

    /// Before the first token.
    pub fn reset(&mut self) {
        self.sums.fill(0.0);
        self.max.fill(f32::NEG_INFINITY);
        self.total.fill(0.0);
    }

    /// The memory of panel `i`.
    pub fn panel(&mut self, i: usize) -> Panel<'_> {
        let Sizes { dv, width, .. } = self.sizes;
        let (split, split_i16) = (self.sizes.split(), self.sizes.split_i16());
        let split_f16 = self.sizes.split_f16();
        Panel {
            by_column: &mut self.by_column[i * split..][..split],
            by_row: &mut self.by_row[i * split..][..split],
            split_i16: &mut self.split_i16[i * split_i16..][..split_i16],
            split_f16: &mut self.split_f16[i * split_f16..][..split_f16],
            scales: &mut self.scales[i * width..][..width],
            sums: &mut self.sums[i * dv * width..][..dv * width],
            max: &mut self.max[i * width..][..width],
            total: &mut self.total[i * width..][..width],
            scores: self.scores,
            weights_i16: self.weights_i16,
            correction: self.correction,
            block_max: self.block_max,
        }
    }
}

/// Splits the first `len` elements off `rest`.
fn take<'a, T>(rest: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    rest.split_off_mut(..len).expect("the buffers have the lengths of `Sizes`")
}
