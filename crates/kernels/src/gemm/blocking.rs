//! Block sizes of the loop nest.

pub use crate::simd::Blocking;

/// Largest k-block, and the row stride of every left operand of the micro-kernel. A packed panel of `B` is at
/// most `KC × NR` floats (54 KiB) and usually 36 KiB, 192 rows as of a `k` of 384 with NR = 48, which fits in
/// L1.
pub const KC: usize = 288;
/// Largest number of rows of `A` per block on any instruction set.
pub(super) const MAX_MC: usize = 216;

impl Blocking {
    /// Small blocks, so that a product of a few dozen rows and columns crosses the edge of every block.
    pub const TINY: Self = Self { mc: 5, kc: 7, k_blocks_per_pass: 2, prefetch_output_above: 64 };

    /// Rows of a k-block of a `B` with `k` rows: [`Self::kc`] or a little less, so that all k-blocks are
    /// about equal.
    pub(super) fn k_block(&self, k: usize) -> usize {
        debug_assert!(self.mc <= MAX_MC && self.kc <= KC);
        k.div_ceil(k.div_ceil(self.kc).max(1)).max(1)
    }
}
