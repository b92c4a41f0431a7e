//! Functions of each element.

use super::{Lanewise, TASK, map};
use crate::math;
use crate::parallel;
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// Exact GELU of every element, in place.
///
/// ```
/// # use kernels::{Isa, rows::gelu};
/// let mut x = [-20.0, 0.0, 1.0];
/// gelu(Isa::best(), &mut x);
/// assert!(x[0].abs() < 1e-6 && x[1] == 0.0 && (x[2] - 0.841_345).abs() < 1e-5);
/// ```
pub fn gelu(isa: Isa, x: &mut [f32]) {
    parallel::for_each_chunk_mut(x, TASK, |_, x| isa.dispatch(Map { x, function: Function::Gelu }));
}

/// [`gelu`] on the calling thread.
pub fn gelu_block(isa: Isa, x: &mut [f32]) {
    isa.dispatch(Map { x, function: Function::Gelu });
}

/// Logistic function of every element, in place.
///
/// ```
/// # use kernels::{Isa, rows::sigmoid};
/// let mut x = [0.0, 100.0];
/// sigmoid(Isa::best(), &mut x);
/// assert_eq!(x, [0.5, 1.0]);
/// ```
pub fn sigmoid(isa: Isa, x: &mut [f32]) {
    parallel::for_each_chunk_mut(x, TASK, |_, x| isa.dispatch(Map { x, function: Function::Sigmoid }));
}

/// `max(x, 0)` of every element, in place.
///
/// ```
/// # use kernels::{Isa, rows::relu};
/// let mut x = [-1.0, 2.0];
/// relu(Isa::best(), &mut x);
/// assert_eq!(x, [0.0, 2.0]);
/// ```
pub fn relu(isa: Isa, x: &mut [f32]) {
    parallel::for_each_chunk_mut(x, TASK, |_, x| isa.dispatch(Map { x, function: Function::Relu }));
}

#[derive(Clone, Copy)]
enum Function {
    Gelu,
    Sigmoid,
    Relu,
}

/// `x`.
#[derive(Clone, Copy)]
pub(crate) struct Identity;

impl<S: Simd> Lanewise<S> for Identity {
    #[inline(always)]
    fn apply(&self, _: S, x: S::F32) -> S::F32 {
        x
    }
}

/// [`math::gelu`].
#[derive(Clone, Copy)]
pub(crate) struct Gelu;

impl<S: Simd> Lanewise<S> for Gelu {
    #[inline(always)]
    fn apply(&self, s: S, x: S::F32) -> S::F32 {
        math::gelu(s, x)
    }
}

/// [`math::gelu_coarse`].
#[derive(Clone, Copy)]
pub(crate) struct GeluCoarse;

impl<S: Simd> Lanewise<S> for GeluCoarse {
    #[inline(always)]
    fn apply(&self, s: S, x: S::F32) -> S::F32 {
        math::gelu_coarse(s, x)
    }
}

/// [`math::sigmoid`].
struct Sigmoid;

impl<S: Simd> Lanewise<S> for Sigmoid {
    #[inline(always)]
    fn apply(&self, s: S, x: S::F32) -> S::F32 {
        math::sigmoid(s, x)
    }
}

/// `max(x, 0)`.
#[derive(Clone, Copy)]
pub(crate) struct Relu;

impl<S: Simd> Lanewise<S> for Relu {
    #[inline(always)]
    fn apply(&self, s: S, x: S::F32) -> S::F32 {
        // The operand order keeps a NaN.
        S::F32::splat(s, 0.0).max(x)
    }
}

struct Map<'a> {
    x: &'a mut [f32],
    function: Function,
}

impl SimdOp for Map<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        match self.function {
            Function::Gelu => map(s, self.x, Gelu),
            Function::Sigmoid => map(s, self.x, Sigmoid),
            Function::Relu => map(s, self.x, Relu),
        }
    }
}
