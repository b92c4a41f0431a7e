//! Half precision.

use half::f16;

/// `a · b + c` with one rounding, to nearest even, as an instruction of fused multiply-add computes it.
pub fn mul_add_half(a: f16, b: f16, c: f16) -> f16 {
    let [x, y, z] = [a, b, c].map(f16::to_f64);
    let value = x * y + z;
    if value == 0.0 || !value.is_finite() {
        return f16::from_f64(value);
    }
    // Both terms are whole multiples of 2⁻⁴⁸ below 2³³, the smallest subnormal number being 2⁻²⁴, so their
    // sum is exact as an integer, and f64 might round it.
    let sum = (x * y * UNIT) as i128 + (z * UNIT) as i128;
    let exact = sum.unsigned_abs();
    let bits = 128 - exact.leading_zeros();
    // Eleven bits are kept, fewer of a subnormal number.
    let dropped = bits.saturating_sub(11).max(24);
    let (kept, rest) = (exact >> dropped, exact & ((1 << dropped) - 1));
    let tie = 1 << (dropped - 1);
    let up = rest > tie || (rest == tie && kept % 2 == 1);
    // Exact: twelve bits at most, or infinite.
    let rounded = ((kept + u128::from(up)) << dropped) as f64 / UNIT;
    f16::from_f64(rounded.copysign(sum as f64))
}

/// 2⁴⁸.
const UNIT: f64 = (1u64 << 48) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases by hand: a tie, what breaks it, a rounding that f64 would make twice, and the ends of the range.
    #[test]
    fn one_rounding() {
        let f = f16::from_f64;
        let ulp = 2f64.powi(-10);
        assert_eq!(mul_add_half(f(1.0), f(1.0), f(ulp / 2.0)), f(1.0));
        assert_eq!(mul_add_half(f(1.0), f(1.0 + ulp), f(ulp / 2.0)), f(1.0 + 2.0 * ulp));
        // Just above a tie: 2048 + 1 + 2⁻⁴⁸, whose last part f64 cannot hold beside the first.
        let tiny = f16::from_bits(1);
        assert_eq!(mul_add_half(tiny, tiny, f(1.0)), f(1.0));
        assert_eq!(mul_add_half(f(65504.0), f(1.0), f(15.0)), f16::MAX);
        assert_eq!(mul_add_half(f(65504.0), f(1.0), f(16.0)), f16::INFINITY);
        assert_eq!(mul_add_half(tiny, f(0.5), f(0.0)), f(0.0));
        assert_eq!(mul_add_half(tiny, f(-0.5), tiny), f(0.0));
        assert_eq!(mul_add_half(tiny, f(1.5), f(0.0)), f16::from_bits(2));
        assert!(mul_add_half(f16::INFINITY, f(0.0), f(1.0)).is_nan());
    }
}
