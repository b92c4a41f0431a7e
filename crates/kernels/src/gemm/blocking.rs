//! Block sizes of the loop nest.

use crate::simd::Isa;

/// Largest k-block, and the row stride of every left operand of the micro-kernel. A packed panel of `B` is at
/// most `KC × NR` floats (54 KiB) and usually 36 KiB, 192 rows as of a `k` of 384 with NR = 48, which fits in
/// L1.
pub const KC: usize = 288;
/// Largest number of rows of `A` per block on any instruction set.
pub(super) const MAX_MC: usize = 216;

/// The block sizes of one product. There is no `NC`: `B` is packed beforehand, and each block of `A` passes
/// over all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blocking {
    /// Rows of `A` per block: [`Self::k_blocks_per_pass`] times MC × [`KC`] floats stay in L2.
    pub mc: usize,
    /// Rows of `B` per k-block, at most [`KC`].
    pub kc: usize,
    /// Number of k-blocks of `A` copied together, so that partial sums of a tile stay in L1 between k-blocks.
    pub k_blocks_per_pass: usize,
    /// Outputs larger than this (floats) exceed L2, so a tile's output lines are prefetched before its sums
    /// are computed. Without that, tiles wait for memory, and only a few lines can be in flight at a time.
    pub prefetch_output_above: usize,
}

/// See [`Blocking::k_blocks_per_pass`].
const K_BLOCKS_PER_PASS: usize = 2;
/// See [`Blocking::prefetch_output_above`].
const PREFETCH_OUTPUT_ABOVE: usize = 1 << 20;

impl Default for Blocking {
    /// Of the smallest caches.
    fn default() -> Self {
        Self {
            mc: MAX_MC / 2,
            kc: KC,
            k_blocks_per_pass: K_BLOCKS_PER_PASS,
            prefetch_output_above: PREFETCH_OUTPUT_ABOVE,
        }
    }
}

impl Blocking {
    /// Small blocks, so that a product of a few dozen rows and columns crosses the edge of every block.
    pub const TINY: Self = Self { mc: 5, kc: 7, k_blocks_per_pass: 2, prefetch_output_above: 64 };

    /// The block sizes for an instruction set.
    pub fn of(isa: Isa) -> Self {
        let mc = isa.tuning().gemm_rows;
        debug_assert!(mc <= MAX_MC);
        Self { mc, ..Self::default() }
    }

    /// Rows of a k-block of a `B` with `k` rows: [`Self::kc`] or a little less, so that all k-blocks are
    /// about equal.
    pub(super) fn k_block(&self, k: usize) -> usize {
        k.div_ceil(k.div_ceil(self.kc).max(1)).max(1)
    }
}
