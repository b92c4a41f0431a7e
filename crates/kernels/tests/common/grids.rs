//! Cases of attention over tokens on copies of a grid.

use kernels::attention::KEYS;
use proptest::prelude::*;

use super::noise;

/// Copies of a grid, its side, unplaced tokens, queries, and the widths of keys, inputs and values.
#[derive(Clone, Copy, Debug)]
pub struct Grids {
    pub copies: usize,
    pub side: usize,
    pub unplaced: usize,
    pub nq: usize,
    pub d: usize,
    pub m: usize,
    pub dv: usize,
}

/// Several tasks of queries, a grid that is no whole number of blocks.
pub const GRIDS_OF_THREADS: Grids = Grids { copies: 7, side: 9, unplaced: 12, nq: 200, d: 32, m: 16, dv: 16 };

impl Grids {
    /// Queries, inputs, values, weight, bias, keys of the unplaced tokens.
    pub fn operands(self, seed: u64) -> [Vec<f32>; 6] {
        let Self { copies, side, unplaced, nq, d, m, dv } = self;
        let tokens = copies * side * side + unplaced;
        let mut i = 0;
        [nq * d, tokens * m, tokens * dv, d * m, d, unplaced * d].map(|size| {
            i += 1;
            noise(seed ^ i, size)
        })
    }
}

/// Grids with at least one token, around the edges of groups, blocks and panels.
pub fn cases() -> impl Strategy<Value = Grids> {
    let cases = (
        0usize..20,
        1usize..9,
        prop::sample::select(vec![0usize, 1, 5, 64, KEYS + 1]),
        prop::sample::select(vec![1usize, 7, 31, 32, 33, 64, 65, 150]),
        prop::sample::select(vec![1usize, 2, 5, 8]),
        prop::sample::select(vec![1usize, 3, 16, 20]),
        prop::sample::select(vec![1usize, 5, 16, 30]),
    );
    cases
        .prop_map(|(copies, side, unplaced, nq, quarter, m, dv)| Grids {
            copies,
            side,
            unplaced,
            nq,
            d: 4 * quarter,
            m,
            dv,
        })
        .prop_filter("no tokens", |g| g.copies + g.unplaced > 0)
}
