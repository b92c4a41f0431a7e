//! Elementary functions over vectors. Errors are stated on each and tested against `f64`.

use crate::simd::F32s;

/// `e^x`; 0 below −87.3, saturating near 88.3. Relative error at most 2.5e-7 (2 ulp).
///
/// `e^x = 2^n · e^r` with `n = round(x / ln 2)` and `|r| ≤ ln 2 / 2`, where a degree-6 Taylor polynomial is
/// exact to rounding. `ln 2` is split in two so that `r` keeps its low bits.
#[inline(always)]
pub fn exp<V: F32s>(s: V::Token, x: V) -> V {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let floor = V::splat(s, -87.3);
    // The operand order keeps a NaN.
    let clamped = floor.max(V::splat(s, 88.3).min(x));
    let n = clamped.mul(V::splat(s, std::f32::consts::LOG2_E)).round();
    let r = n.mul_add(V::splat(s, -LN2_HIGH), clamped);
    let r = n.mul_add(V::splat(s, -LN2_LOW), r);
    let mut p = V::splat(s, 1.0 / 720.0);
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = p.mul_add(r, V::splat(s, c));
    }
    floor.select_gt(x, V::splat(s, 0.0), p.times_pow2(n))
}

/// `2^x` for `x ≤ 0`; `2^−126` below −126. Relative error at most 2e-7.
///
/// `2^n · 2^r` with `n = round(x)` and `|r| ≤ 1/2`, where a minimax polynomial of degree 5 is off by 1.1e-7.
#[inline(always)]
pub fn exp2_negative<V: F32s>(s: V::Token, x: V) -> V {
    const P: [f32; 6] =
        [1.330_060_5e-3, 9.669_691e-3, 5.550_558_5e-2, 2.402_228_2e-1, std::f32::consts::LN_2, 1.0];
    exp2(s, x, &P)
}

/// [`exp2_negative`] for what is then rounded to twelve bits, up to `2^12`. Relative error at most 3e-6, with degree 4.
#[inline(always)]
pub fn exp2_coarse<V: F32s>(s: V::Token, x: V) -> V {
    const P: [f32; 5] = [9.582_853e-3, 5.590_642_6e-2, 2.402_41e-1, 6.931_242e-1, 1.0];
    exp2(s, x, &P)
}

/// `2^x` from a polynomial for `2^r`, the highest power first.
#[inline(always)]
fn exp2<V: F32s>(s: V::Token, x: V, polynomial: &[f32]) -> V {
    // The operand order keeps a NaN.
    let x = V::splat(s, -126.0).max(x);
    let n = x.round();
    let r = x.sub(n);
    let mut p = V::splat(s, polynomial[0]);
    for c in &polynomial[1..] {
        p = p.mul_add(r, V::splat(s, *c));
    }
    p.times_pow2(n)
}

/// The error function. Absolute and relative error at most 4e-7.
///
/// `x · P(x²) / Q(x²)`, a rational minimax fit for |x| ≤ 3.925. At 4 it has reached 1, so `erf` is exactly ±1
/// from there on.
#[inline(always)]
pub fn erf<V: F32s>(s: V::Token, x: V) -> V {
    const P: [f32; 6] = [
        2.046_037_5e-6,
        2.848_440_2e-4,
        3.772_542_8e-3,
        5.276_927_4e-2,
        1.905_935e-1,
        std::f32::consts::FRAC_2_SQRT_PI,
    ];
    const Q: [f32; 6] = [3.804_790_7e-5, 1.163_857_3e-3, 1.498_318_2e-2, 1.141_826_2e-1, 5.022_418e-1, 1.0];
    let x = x.min(V::splat(s, 4.0)).max(V::splat(s, -4.0));
    let t = x.mul(x);
    let mut p = V::splat(s, P[0]);
    let mut q = V::splat(s, Q[0]);
    for i in 1..6 {
        p = p.mul_add(t, V::splat(s, P[i]));
        q = q.mul_add(t, V::splat(s, Q[i]));
    }
    let one = V::splat(s, 1.0);
    x.mul(p).div(q).min(one).max(V::splat(s, -1.0))
}

/// Exact GELU, `x/2 · (1 + erf(x/√2))`.
#[inline(always)]
pub fn gelu<V: F32s>(s: V::Token, x: V) -> V {
    let half = x.mul(V::splat(s, 0.5));
    half.mul_add(erf(s, x.mul(V::splat(s, std::f32::consts::FRAC_1_SQRT_2))), half)
}

/// GELU for what is then rounded to bytes. Absolute error at most 2e-4 + 3e-7·|x|.
///
/// `x · (1/2 + c · P(c²))` with `c` the nearest to `x` within ±3.94, where the minimax polynomial reaches 1/2.
#[inline(always)]
pub fn gelu_coarse<V: F32s>(s: V::Token, x: V) -> V {
    const P: [f32; 7] = [
        2.482_675_8e-8,
        -1.700_373_9e-6,
        4.991_816_6e-5,
        -8.324_35e-4,
        8.858_623e-3,
        -6.475_557_4e-2,
        3.980_090_3e-1,
    ];
    let c = x.min(V::splat(s, 3.94)).max(V::splat(s, -3.94));
    let t = c.mul(c);
    let mut p = V::splat(s, P[0]);
    for k in &P[1..] {
        p = p.mul_add(t, V::splat(s, *k));
    }
    x.mul(c.mul_add(p, V::splat(s, 0.5)))
}

/// `1 / (1 + e^−x)`, without overflow at either end.
#[inline(always)]
pub fn sigmoid<V: F32s>(s: V::Token, x: V) -> V {
    let zero = V::splat(s, 0.0);
    let one = V::splat(s, 1.0);
    let magnitude = x.max(zero.sub(x));
    let e = exp(s, zero.sub(magnitude));
    let denominator = one.add(e);
    x.select_gt(zero, one, e).div(denominator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Simd, SimdOp};

    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Exp2,
        Coarse,
        Erf,
        GeluCoarse,
        Sigmoid,
    }

    struct Map<'a>(Function, &'a [f32], &'a mut [f32]);
    impl SimdOp for Map<'_> {
        type Output = ();
        #[inline(always)]
        fn eval<S: Simd>(self, s: S) {
            for (x, y) in self.1.chunks(S::F32::LANES).zip(self.2.chunks_mut(S::F32::LANES)) {
                let x = S::F32::load_partial(s, x);
                let y_vector = match self.0 {
                    Function::Exp => exp(s, x),
                    Function::Exp2 => exp2_negative(s, x),
                    Function::Coarse => exp2_coarse(s, x),
                    Function::Erf => erf(s, x),
                    Function::GeluCoarse => gelu_coarse(s, x),
                    Function::Sigmoid => sigmoid(s, x),
                };
                y_vector.store_partial(y);
            }
        }
    }

    fn worst(
        isa: Isa,
        function: Function,
        range: (f64, f64),
        exact: impl Fn(f64) -> f64,
        relative: bool,
    ) -> f64 {
        let n = 200_001;
        let x: Vec<f32> =
            (0..n).map(|i| (range.0 + (range.1 - range.0) * i as f64 / (n - 1) as f64) as f32).collect();
        let mut y = vec![f32::NAN; n];
        isa.dispatch(Map(function, &x, &mut y));
        x.iter().zip(&y).fold(0.0, |worst: f64, (&x, &y)| {
            let e = exact(f64::from(x));
            let error = (f64::from(y) - e).abs() / if relative { e.abs() } else { 1.0 };
            if error <= worst { worst } else { error }
        })
    }

    #[test]
    fn functions_stay_within_their_stated_errors_on_every_isa() {
        for isa in Isa::available() {
            let e = worst(isa, Function::Exp, (-87.0, 88.0), f64::exp, true);
            assert!(e <= 2.5e-7, "exp on {}: {e}", isa.name());
            let e = worst(isa, Function::Exp2, (-126.0, 0.0), f64::exp2, true);
            assert!(e <= 2e-7, "exp2 on {}: {e}", isa.name());
            let e = worst(isa, Function::Coarse, (-126.0, 12.0), f64::exp2, true);
            assert!(e <= 3e-6, "coarse exp2 on {}: {e}", isa.name());
            let e = worst(isa, Function::Erf, (-5.0, 5.0), crate::reference::erf, false);
            assert!(e <= 4e-7, "erf on {}: {e}", isa.name());
            let gelu = |x: f64| x / 2.0 * (1.0 + crate::reference::erf(x / std::f64::consts::SQRT_2));
            let e = worst(isa, Function::GeluCoarse, (-10.0, 10.0), gelu, false);
            assert!(e <= 2e-4, "coarse gelu on {}: {e}", isa.name());
            for range in [(-1e6, -10.0), (10.0, 1e6)] {
                let e = worst(isa, Function::GeluCoarse, range, |x| x.max(0.0), false);
                assert!(e <= 2e-4 + 3e-7 * 1e6, "coarse gelu in {range:?} on {}: {e}", isa.name());
            }
            let e = worst(isa, Function::Sigmoid, (-80.0, 80.0), |x| 1.0 / (1.0 + (-x).exp()), true);
            assert!(e <= 4e-7, "sigmoid on {}: {e}", isa.name());
        }
    }

    #[test]
    fn extremes_stay_finite() {
        for isa in Isa::available() {
            let x = [f32::NEG_INFINITY, -1e30, -1024.0, 0.0, 1024.0, 1e30];
            let mut y = [f32::NAN; 6];
            isa.dispatch(Map(Function::Sigmoid, &x, &mut y));
            assert_eq!(y, [0.0, 0.0, 0.0, 0.5, 1.0, 1.0], "{}", isa.name());
            isa.dispatch(Map(Function::Exp, &x, &mut y));
            assert_eq!(&y[..4], &[0.0, 0.0, 0.0, 1.0], "{}", isa.name());
            isa.dispatch(Map(Function::Exp2, &x, &mut y));
            let least = 2f32.powi(-126);
            assert_eq!(&y[..4], &[least, least, least, 1.0], "{}", isa.name());
        }
    }
}
