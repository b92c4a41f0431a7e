//! Sizes and choices that depend on caches and throughput, per instruction set.

/// The block sizes of a matrix product. There is no `NC`: `B` is packed beforehand, and each block of `A`
/// passes over all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blocking {
    /// Rows of `A` per block: [`Self::k_blocks_per_pass`] times MC × KC floats stay in L2.
    pub mc: usize,
    /// Rows of `B` per k-block, at most [`KC`](crate::gemm::KC).
    pub kc: usize,
    /// Number of k-blocks of `A` copied together, so that partial sums of a tile stay in L1 between k-blocks.
    pub k_blocks_per_pass: usize,
    /// Outputs larger than this (floats) exceed L2, so a tile's output lines are prefetched before its sums
    /// are computed. Without that, tiles wait for memory, and only a few lines can be in flight at a time.
    pub prefetch_output_above: usize,
}

impl Blocking {
    /// For two k-blocks of `mc` rows in L2.
    pub(super) const fn with_rows(mc: usize) -> Self {
        Self { mc, kc: 288, k_blocks_per_pass: 2, prefetch_output_above: 1 << 20 }
    }
}

/// Choices of the kernels that depend on the instruction set but not on the shape of its register tile.
///
/// An instruction set is taken as a proxy for the processor: those with AVX-512 have 1 to 2 MB of L2 per
/// core, the others 256 to 512 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tuning {
    /// Block sizes of a GEMM.
    pub gemm: Blocking,
    /// Whether f32 products run on the crate's micro-kernel, else on `matrixmultiply`.
    pub own_micro_kernel: bool,
    /// Whether products of 16-bit integers are faster than those of floats. Where they are not, 8-bit
    /// precision keeps attention over grids in f32, and weighted values in f32 or f16.
    pub words_pay: bool,
    /// Queries per block of attention over a grid in f32, rounded up to whole panels.
    ///
    /// The split of 48 queries takes 1.6 MB at a grid of 64 and 64 channels. Where L2 cannot hold that
    /// anyway, more queries read the tokens from memory less often.
    pub grid_queries: usize,
    /// The same for products of 16-bit integers, whose split is half as large.
    pub grid_queries_i16: usize,
    /// Width of the column strips in which attention over a grid visits its cells in f32; `None`: the whole
    /// side.
    ///
    /// A strip keeps the column scores that a block of queries needs in L2 on the way down. Without effect
    /// where the side is not whole strips, and in 16 bits.
    pub grid_strip: Option<usize>,
}

/// Processors with little L2 whose vectors have no fused multiply-add that the portable code could use.
pub(super) const PORTABLE: Tuning = Tuning {
    gemm: Blocking::with_rows(108),
    own_micro_kernel: false,
    // ARM's cores multiply words on one pipe and floats on two.
    words_pay: !cfg!(target_arch = "aarch64"),
    grid_queries: 96,
    grid_queries_i16: 48,
    grid_strip: Some(4),
};
