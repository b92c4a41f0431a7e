//! Matrix multiplication of bf16 numbers, `C = epilogue(A · B)`: weights are rounded when they are packed,
//! activations on the way in; products are exact, and sums are in single precision.
//!
//! The loops are those of [`super`]. Where the host has `vdpbf16ps`, a pair of numbers takes the place of a
//! float: the instruction adds two products to a sum, the second number's first, each with one rounding. On
//! ARM `bfmmla` multiplies two pairs of each of two rows and columns, which lie side by side, with an order
//! and a rounding of its own.
//!
//! Other instruction sets multiply floats: the numbers of every pair change places, in weights and
//! activations, and a panel of weights is converted before it is multiplied. They add the same products in
//! the same order, so all sets but that with `bfmmla` give the same bits, as long as no product or sum is
//! below the smallest normal number, which `vdpbf16ps` takes as zero.

use super::{Epilogue, KC, PackedB, RowSource, Rows, gemm_block_from, gemm_from};
use crate::simd::{Isa, Simd, SimdOp};

/// A `(k, n)` matrix of bf16 numbers.
#[derive(Clone, Debug, Default)]
pub struct PackedB16 {
    k: usize,
    /// Whether it holds pairs, as the bits of floats.
    pairs: bool,
    packed: PackedB,
}

impl PackedB16 {
    /// From a weight in the layout of checkpoints: `(n, k)`, that is `[out, in]`; each element is rounded to
    /// the nearest bf16 number.
    ///
    /// # Panics
    /// If `w` does not have `n · k` elements.
    #[track_caller]
    pub fn from_nk(isa: Isa, w: &[f32], n: usize, k: usize) -> Self {
        Self::new(isa, w, (n, k), isa.multiplies_bf16())
    }

    #[track_caller]
    fn new(isa: Isa, w: &[f32], (n, k): (usize, usize), pairs: bool) -> Self {
        assert_eq!(w.len(), n * k, "PackedB16::from_nk: {n}×{k}");
        let rows = w.chunks_exact(k.max(1));
        let (len, k_block) = (k.div_ceil(2), pairs_per_block(k));
        let packed = if pairs {
            let mut all = vec![0.0; n * len];
            rows.zip(all.chunks_exact_mut(len.max(1))).for_each(|(row, out)| round_to_pairs(row, out));
            PackedB::from_pairs(isa, &all, (n, len), k_block)
        } else {
            let mut all = vec![0; n * k];
            let out = all.chunks_exact_mut(k.max(1));
            rows.zip(out).for_each(|(row, out)| round_and_swap(row, out, |bits| bits as u16));
            PackedB::from_bf16(isa, &all, (n, k), 2 * k_block)
        };
        Self { k, pairs, packed }
    }

    /// Rows.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns.
    pub fn n(&self) -> usize {
        self.packed.n()
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.packed.bytes()
    }
}

/// `C = epilogue(A · B)`: `a` is `(m, k)`, `b` is `(k, n)`, `c` is `(m, n)`, all contiguous. `c` is written
/// and not read.
///
/// ```
/// use kernels::Isa;
/// use kernels::gemm::Epilogue;
/// use kernels::gemm::bf16::{PackedB16, gemm};
///
/// let isa = Isa::best();
/// let weight = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0]; // [out, in] = [2, 3]
/// let b = PackedB16::from_nk(isa, &weight, 2, 3);
/// let mut c = [0.0; 2];
/// gemm(isa, &[1.0, 2.0, 3.0], 1, &b, &mut c, &Epilogue::default());
/// assert_eq!(c, [4.0, 5.0]);
/// ```
///
/// # Panics
/// If the lengths do not agree, or if `b` was packed for another instruction set.
#[track_caller]
pub fn gemm(isa: Isa, a: &[f32], m: usize, b: &PackedB16, c: &mut [f32], epilogue: &Epilogue) {
    assert_eq!(a.len(), m * b.k, "bf16 gemm: a has {} elements, expected {m}×{}", a.len(), b.k);
    gemm_from(isa, &Rounded::new(isa, a, b), m, &b.packed, c, epilogue);
}

/// [`gemm`] on the calling thread: for work that is already parallel outside.
///
/// # Panics
/// As [`gemm`].
#[track_caller]
pub fn gemm_block(isa: Isa, a: &[f32], m: usize, b: &PackedB16, c: &mut [f32], epilogue: &Epilogue) {
    assert_eq!(a.len(), m * b.k, "bf16 gemm: a has {} elements, expected {m}×{}", a.len(), b.k);
    gemm_block_from(isa, &Rounded::new(isa, a, b), m, &b.packed, c, epilogue);
}

/// Pairs of a k-block of `k` numbers: all blocks are about equal, and as long on every instruction set.
fn pairs_per_block(k: usize) -> usize {
    let pairs = k.div_ceil(2);
    pairs.div_ceil(pairs.div_ceil(KC / 2).max(1)).max(1)
}

/// Rows of `k` floats, read as bf16 numbers.
struct Rounded<'a> {
    rows: Rows<'a>,
    k: usize,
    /// Whether a float that is written is a pair.
    pairs: bool,
    /// Whether two rows lie side by side, two pairs of each by turns.
    couples: bool,
}

impl<'a> Rounded<'a> {
    fn new(isa: Isa, a: &'a [f32], b: &PackedB16) -> Self {
        let couples = b.pairs && isa.bf16_by_matrices();
        Self { rows: Rows::new(a, b.k), k: b.k, pairs: b.pairs, couples }
    }

    /// `depth` pairs from `from` on of `row` and the next: two of each by turns, missing ones zero.
    #[inline(always)]
    fn copy_couple(&self, row: usize, (from, depth): (usize, usize), out: &mut [f32]) {
        let part = |row: usize| self.rows.part(row, 2 * from, self.k.min(2 * (from + depth)));
        let (first, second) = (part(row).as_chunks::<4>(), part(row + 1).as_chunks::<4>());
        let (out, last) = out.split_at_mut(4 * first.0.len());
        for ((first, second), out) in first.0.iter().zip(second.0).zip(out.as_chunks_mut::<4>().0) {
            round_to_pairs(first, &mut out[..2]);
            round_to_pairs(second, &mut out[2..]);
        }
        if !last.is_empty() {
            last.fill(0.0);
            round_to_pairs(first.1, &mut last[..2]);
            round_to_pairs(second.1, &mut last[2..]);
        }
    }
}

impl RowSource for Rounded<'_> {
    #[inline(always)]
    fn copy_row(&self, row: usize, from: usize, out: &mut [f32]) {
        if self.pairs {
            round_to_pairs(self.rows.part(row, 2 * from, self.k.min(2 * (from + out.len()))), out);
        } else {
            let x = self.rows.part(row, from, from + out.len());
            round_and_swap(x, out, |bits| f32::from_bits(bits << 16));
        }
    }

    fn copy_rows(&self, isa: Isa, first: usize, (from, depth): (usize, usize), out: &mut [f32]) {
        isa.dispatch(RoundRows { rows: self, first, from, depth, out });
    }
}

struct RoundRows<'a> {
    rows: &'a Rounded<'a>,
    first: usize,
    from: usize,
    depth: usize,
    out: &'a mut [f32],
}

impl SimdOp for RoundRows<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, _: S) {
        let Self { rows, mut first, from, depth, mut out } = self;
        if rows.couples {
            let (couples, rest) = out.as_chunks_mut::<{ 2 * KC }>();
            for couple in couples {
                rows.copy_couple(first, (from, depth), &mut couple[..4 * depth.div_ceil(2)]);
                first += 2;
            }
            out = rest;
        }
        for (i, out) in out.chunks_exact_mut(KC).enumerate() {
            rows.copy_row(first + i, from, &mut out[..depth]);
        }
    }
}

/// Rounds `x` to bf16; the numbers of every pair change places, a last one without another does not.
#[inline(always)]
fn round_and_swap<T>(x: &[f32], out: &mut [T], from_bits: impl Fn(u32) -> T) {
    let (pairs, rest) = x.as_chunks::<2>();
    let (out, last) = out.split_at_mut(2 * pairs.len());
    for (&[first, second], out) in pairs.iter().zip(out.as_chunks_mut::<2>().0) {
        *out = [from_bits(round(second)), from_bits(round(first))];
    }
    rest.iter().zip(last).for_each(|(&x, out)| *out = from_bits(round(x)));
}

/// Rounds `x` to bf16 and writes two at a time: the first is the lower half of a pair's bits, a missing last
/// one is zero.
#[inline(always)]
fn round_to_pairs(x: &[f32], out: &mut [f32]) {
    let (pairs, rest) = x.as_chunks::<2>();
    for (&[first, second], out) in pairs.iter().zip(&mut *out) {
        *out = f32::from_bits(round(first) | round(second) << 16);
    }
    if let ([last], Some(out)) = (rest, out.get_mut(pairs.len())) {
        *out = f32::from_bits(round(*last));
    }
}

/// The bits of the nearest bf16 number, ties to even; zero below the smallest normal number.
#[inline(always)]
fn round(x: f32) -> u32 {
    const EXPONENT: u32 = 0x7f80_0000;
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    // A NaN stays one.
    let nearest = if bits & !(1 << 31) > EXPONENT { bits >> 16 | 0x40 } else { nearest };
    if bits & EXPONENT == 0 { 0 } else { nearest }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    /// The host may have `vdpbf16ps`; then this is the only test of the conversion on AVX-512.
    #[test]
    fn pairs_and_converted_numbers_give_the_same_bits() {
        let numbers = |seed: u32, n: usize| -> Vec<f32> {
            (0..n).map(|i| (i as f32 * 0.37 + seed as f32).sin() * 3.0).collect()
        };
        for (m, k, n) in [(1, 1, 1), (3, 7, 50), (20, 288, 97), (9, 581, 33)] {
            let (a, w) = (numbers(1, m * k), numbers(2, n * k));
            let mut all = Vec::new();
            for isa in Isa::available() {
                for pairs in [false, true] {
                    if pairs && (!isa.multiplies_bf16() || isa.bf16_by_matrices()) {
                        continue;
                    }
                    let mut c = vec![f32::NAN; m * n];
                    gemm(isa, &a, m, &PackedB16::new(isa, &w, (n, k), pairs), &mut c, &Epilogue::default());
                    all.push(c.into_iter().map(f32::to_bits).collect::<Vec<_>>());
                }
            }
            assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{m}×{k}×{n}");
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_number_ties_to_even() {
        // Every sign, exponent and upper half of a fraction, with lower halves around a tie.
        for upper in 0..=u32::from(u16::MAX) {
            for lower in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let x = f32::from_bits(upper << 16 | lower);
                let expected = if x.is_normal() || x.is_infinite() { bf16::from_f32(x).to_bits() } else { 0 };
                if x.is_nan() {
                    assert!(f32::from_bits(round(x) << 16).is_nan(), "{x:?}");
                } else {
                    assert_eq!(round(x), u32::from(expected), "{x:e}");
                }
            }
        }
    }
}
