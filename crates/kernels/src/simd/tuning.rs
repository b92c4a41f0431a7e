//! Sizes and choices that depend on caches and throughput, per instruction set.

/// Choices of the kernels that depend on the instruction set but not on the shape of its register tile.
///
/// An instruction set stands for the processors that have it: those with AVX-512 have 1 to 2 MB of L2 per
/// core, the others 256 to 512 KB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tuning {
    /// Rows of `A` per block of a GEMM, `MC`. Two k-blocks of them, 576 floats a row, stay in L2.
    pub gemm_rows: usize,
    /// Whether f32 products run on the crate's micro-kernel, else on `matrixmultiply`.
    pub own_micro_kernel: bool,
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
    gemm_rows: 108,
    own_micro_kernel: false,
    grid_queries: 96,
    grid_queries_i16: 48,
    grid_strip: Some(4),
};
