//! Peak throughput of the machine, measured: the benchmarks report a share of it.
//!
//! All threads of the current pool multiply and add for a few milliseconds. A virtual machine's share of its
//! host changes from second to second, so measure the peak right before and after the kernel that is compared
//! with it.

use std::hint::black_box;
use std::time::Instant;

use crate::gemm::dot_tile;
use crate::parallel;
use crate::simd::{Dot, DotOp, F32s, FloatsOf, Isa, SLICE, Simd, TileOp, lhs_group};

/// Additions to every sum in registers.
const ROUNDS: usize = 1 << 19;
/// Depth of a tile of bytes: its operands fit L1.
const GROUPS: usize = 64;

/// Floating-point operations per second, two for each fused multiply-add, on as many sums in registers as the
/// GEMM's tile has.
///
/// ```
/// use kernels::{Isa, peak};
///
/// let flops = peak::multiply_adds(Isa::best());
/// println!("{:.0} GFLOP/s", flops * 1e-9);
/// # assert!(flops > 1e6);
/// ```
pub fn multiply_adds(isa: Isa) -> f64 {
    parallel::broadcast(|| isa.dispatch_tiled(Floats)).into_iter().sum()
}

/// Operations per second, two for each product of bytes added to a 32-bit sum, in the GEMM's tile on operands
/// in L1.
pub fn byte_products(isa: Isa) -> f64 {
    parallel::broadcast(|| isa.dispatch_dots(Bytes)).into_iter().sum()
}

struct Floats;

impl TileOp for Floats {
    type Output = f64;
    #[inline(always)]
    fn eval<S: Simd, const MR: usize, const NV: usize>(self, s: S) -> f64 {
        let factor = S::F32::splat(s, black_box(0.5));
        let mut sums = [[S::F32::splat(s, black_box(1.0)); NV]; MR];
        let start = Instant::now();
        for _ in 0..ROUNDS {
            for row in &mut sums {
                for sum in row {
                    *sum = factor.mul_add(factor, *sum);
                }
            }
        }
        let total: f32 = sums.iter().flatten().map(|sum| sum.sum()).sum();
        black_box(total);
        (2 * ROUNDS * MR * NV * S::F32::LANES) as f64 / start.elapsed().as_secs_f64()
    }
}

struct Bytes;

impl DotOp for Bytes {
    type Output = f64;
    #[inline(always)]
    fn eval<D: Dot, const MR: usize, const NV: usize>(self, d: D) -> f64 {
        let lanes = FloatsOf::<D>::LANES;
        let stride = D::GROUP * NV * lanes;
        let (a, b) =
            (vec![black_box(1u8); GROUPS * lhs_group(D::GROUP) * MR], vec![black_box(1i8); GROUPS * stride]);
        let mut total = FloatsOf::<D>::splat(d.floats(), 0.0);
        let start = Instant::now();
        for _ in 0..ROUNDS / GROUPS {
            for sum in
                dot_tile::<D, MR, NV>(d, GROUPS, (black_box(&a), MR * SLICE), (&b, stride)).as_flattened()
            {
                total = total.add(d.to_floats(*sum));
            }
        }
        black_box(total.sum());
        (2 * ROUNDS * MR * NV * D::GROUP * lanes) as f64 / start.elapsed().as_secs_f64()
    }
}
