//! Elementary functions against double precision, on every instruction set.

#[macro_use]
mod common;

use kernels::math::{erf, exp, exp2_coarse, exp2_negative, gelu_coarse, sigmoid};
use kernels::simd::{F32s, Simd, SimdOp};
use kernels::{Isa, reference};

on_every_isa! { functions_stay_within_their_stated_errors, extremes_stay_finite }

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

fn worst(isa: Isa, function: Function, range: (f64, f64), exact: impl Fn(f64) -> f64, relative: bool) -> f64 {
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

fn functions_stay_within_their_stated_errors(isa: Isa) {
    let e = worst(isa, Function::Exp, (-87.0, 88.0), f64::exp, true);
    assert!(e <= 2.5e-7, "exp: {e}");
    let e = worst(isa, Function::Exp2, (-126.0, 0.0), f64::exp2, true);
    assert!(e <= 2e-7, "exp2: {e}");
    let e = worst(isa, Function::Coarse, (-126.0, 12.0), f64::exp2, true);
    assert!(e <= 3e-6, "coarse exp2: {e}");
    let e = worst(isa, Function::Erf, (-5.0, 5.0), reference::erf, false);
    assert!(e <= 4e-7, "erf: {e}");
    let gelu = |x: f64| x / 2.0 * (1.0 + reference::erf(x / std::f64::consts::SQRT_2));
    let e = worst(isa, Function::GeluCoarse, (-10.0, 10.0), gelu, false);
    assert!(e <= 2e-4, "coarse gelu: {e}");
    for range in [(-1e6, -10.0), (10.0, 1e6)] {
        let e = worst(isa, Function::GeluCoarse, range, |x| x.max(0.0), false);
        assert!(e <= 2e-4 + 3e-7 * 1e6, "coarse gelu in {range:?}: {e}");
    }
    let e = worst(isa, Function::Sigmoid, (-80.0, 80.0), |x| 1.0 / (1.0 + (-x).exp()), true);
    assert!(e <= 4e-7, "sigmoid: {e}");
}

fn extremes_stay_finite(isa: Isa) {
    let x = [f32::NEG_INFINITY, -1e30, -1024.0, 0.0, 1024.0, 1e30];
    let mut y = [f32::NAN; 6];
    isa.dispatch(Map(Function::Sigmoid, &x, &mut y));
    assert_eq!(y, [0.0, 0.0, 0.0, 0.5, 1.0, 1.0]);
    isa.dispatch(Map(Function::Exp, &x, &mut y));
    assert_eq!(&y[..4], &[0.0, 0.0, 0.0, 1.0]);
    isa.dispatch(Map(Function::Exp2, &x, &mut y));
    let min = 2f32.powi(-126);
    assert_eq!(&y[..4], &[min, min, min, 1.0]);
}
