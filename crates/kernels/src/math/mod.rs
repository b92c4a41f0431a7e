//! Elementary functions over vectors. Each states its error, which the tests check against `f64`.

use crate::simd::F32s;

/// `e^x`; 0 below −87.3, saturating near 88.3. Relative error at most 2.5e-7 (2 ulp).
///
/// `e^x = 2^n · e^r` with `n = round(x / ln 2)` and `|r| ≤ ln 2 / 2`, where a degree-6 Taylor polynomial is
/// exact to rounding. `ln 2` is the sum of two constants, so that `r` keeps its low bits.
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

/// [`exp2_negative`] for results that are then rounded to twelve bits, up to `2^12`. Relative error at most
/// 3e-6, with degree 4.
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

/// GELU for results that are then rounded to bytes. Absolute error at most 2e-4 + 3e-7·|x|.
///
/// `x · (1/2 + c · P(c²))` with `c` the nearest to `x` within ±3.94, where the minimax polynomial reaches
/// 1/2.
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
