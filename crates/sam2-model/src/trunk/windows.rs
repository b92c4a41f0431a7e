//! A map in square windows.

use std::ops::Range;

use kernels::{Isa, parallel, rows};

/// Height and width.
pub(super) type Size = (usize, usize);

/// A map partitioned into square windows, row by row; those at the right and bottom may extend beyond it.
/// Window order: the tokens inside the map, window after window.
#[derive(Clone, Copy)]
pub(super) struct Windows {
    pub size: Size,
    pub side: usize,
    across: usize,
    down: usize,
}

impl Windows {
    pub fn new(size: Size, side: usize) -> Self {
        Self { size, side, across: size.1.div_ceil(side), down: size.0.div_ceil(side) }
    }

    /// The same for the map of half the size.
    pub fn halved(&self) -> Self {
        Self::new((self.size.0 / 2, self.size.1 / 2), self.side / 2)
    }

    /// The same for some rows of the map.
    pub fn band(&self, rows: &Range<usize>) -> Self {
        Self::new((rows.len(), self.size.1), self.side)
    }

    /// Range of these rows in the map of `c` channels, in floats.
    pub fn of_rows(&self, rows: &Range<usize>, c: usize) -> Range<usize> {
        rows.start * self.size.1 * c..rows.end * self.size.1 * c
    }

    /// Partitions the rows into at most `count` bands of whole windows of similar height.
    pub fn bands(&self, count: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (step, h) = (self.down.div_ceil(count.max(1)) * self.side, self.size.0);
        (0..h).step_by(step).map(move |start| start..(start + step).min(h))
    }

    pub fn count(&self) -> usize {
        self.across * self.down
    }

    /// Top and left of window `i`.
    pub fn corner(&self, i: usize) -> (usize, usize) {
        (i / self.across * self.side, i % self.across * self.side)
    }

    /// Height and width of window `i` inside the map.
    pub fn inside(&self, i: usize) -> (usize, usize) {
        let (top, left) = self.corner(i);
        (self.side.min(self.size.0 - top), self.side.min(self.size.1 - left))
    }

    /// Tokens of window `i` inside the map.
    pub fn tokens(&self, i: usize) -> usize {
        let (h, w) = self.inside(i);
        h * w
    }

    /// Tokens of window `i` outside the map.
    pub fn padded(&self, i: usize) -> usize {
        self.side * self.side - self.tokens(i)
    }

    /// Tokens of window `i` that are attended to: those inside the map, and one padded token if there are
    /// any.
    pub fn keys(&self, i: usize) -> usize {
        self.tokens(i) + self.padded(i).min(1)
    }

    /// Tokens of all windows before window `i`.
    pub fn start(&self, i: usize) -> usize {
        let (top, left) = self.corner(i);
        let top = top.min(self.size.0);
        top * self.size.1 + left * self.side.min(self.size.0 - top)
    }

    /// Adds `[H·W, C]` tokens in window order to `map`, `[H, W, C]`.
    pub fn add(&self, isa: Isa, windows: &[f32], c: usize, map: &mut [f32]) {
        let side = self.side;
        parallel::for_each_chunk_mut(map, self.size.1 * c, |y, row| {
            for (i, part) in row.chunks_mut(side * c).enumerate() {
                let from = self.start(y / side * self.across + i) * c + y % side * part.len();
                rows::add_block(isa, part, &windows[from..from + part.len()]);
            }
        });
    }
}
