//! Element-wise sums, and the application of a function to every vector.

use super::TASK;
use crate::parallel;
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// `x ← x + y`.
///
/// ```
/// # use kernels::{Isa, rows::add};
/// let mut x = [1.0, 2.0];
/// add(Isa::best(), &mut x, &[10.0, 20.0]);
/// assert_eq!(x, [11.0, 22.0]);
/// ```
///
/// # Panics
/// If the lengths differ.
pub fn add(isa: Isa, x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len(), "add: lengths");
    add_scaled(isa, x, y, 1.0);
}

/// `x ← x + scale · y`, where `y` repeats every `y.len()` elements.
///
/// ```
/// # use kernels::{Isa, rows::add_scaled};
/// let mut x = [1.0, 2.0, 3.0, 4.0];
/// add_scaled(Isa::best(), &mut x, &[10.0, 20.0], 0.5);
/// assert_eq!(x, [6.0, 12.0, 8.0, 14.0]);
/// ```
///
/// # Panics
/// If `x.len()` is not a multiple of `y.len()`.
pub fn add_scaled(isa: Isa, x: &mut [f32], y: &[f32], scale: f32) {
    assert!(!y.is_empty() && x.len().is_multiple_of(y.len()), "add_scaled: x {}, y {}", x.len(), y.len());
    // A chunk is whole repetitions of a short y, or a piece of a long one.
    let chunk = if y.len() <= TASK { (TASK / y.len()).max(1) * y.len() } else { y.len() };
    parallel::for_each_chunk_mut(x, chunk, |_, x| isa.dispatch(AddScaled { x, y, scale }));
}

/// [`add`] on the calling thread.
///
/// # Panics
/// If the lengths differ.
pub fn add_block(isa: Isa, x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len(), "add_block: lengths");
    if !x.is_empty() {
        isa.dispatch(AddScaled { x, y, scale: 1.0 });
    }
}

/// `out ← a + b` on the calling thread, where `b` repeats.
///
/// # Panics
/// If the lengths do not agree.
pub fn sum_block(isa: Isa, a: &[f32], b: &[f32], out: &mut [f32]) {
    assert!(
        a.len() == out.len() && !b.is_empty() && a.len().is_multiple_of(b.len()),
        "sum_block: {}, {}, {}",
        a.len(),
        b.len(),
        out.len()
    );
    isa.dispatch(Sum { a, b, out });
}

struct Sum<'a> {
    a: &'a [f32],
    b: &'a [f32],
    out: &'a mut [f32],
}

impl SimdOp for Sum<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let lanes = S::F32::LANES;
        for (a, out) in self.a.chunks(self.b.len()).zip(self.out.chunks_mut(self.b.len())) {
            for ((a, b), out) in a.chunks(lanes).zip(self.b.chunks(lanes)).zip(out.chunks_mut(lanes)) {
                S::F32::load_partial(s, a).add(S::F32::load_partial(s, b)).store_partial(out);
            }
        }
    }
}

struct AddScaled<'a> {
    x: &'a mut [f32],
    y: &'a [f32],
    scale: f32,
}

impl SimdOp for AddScaled<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let scale = S::F32::splat(s, self.scale);
        for row in self.x.chunks_mut(self.y.len()) {
            for (x, y) in row.chunks_mut(S::F32::LANES).zip(self.y.chunks(S::F32::LANES)) {
                S::F32::load_partial(s, y).mul_add(scale, S::F32::load_partial(s, x)).store_partial(x);
            }
        }
    }
}

/// A function of one vector. A struct and not a closure, so that it can be `#[inline(always)]`: a body that
/// is not inlined below the gateway loses the target features.
pub(crate) trait Lanewise<S: Simd> {
    fn apply(&self, s: S, x: S::F32) -> S::F32;
}

/// Applies `f` to every vector of `x`, the tail masked.
#[inline(always)]
pub(crate) fn map<S: Simd>(s: S, x: &mut [f32], f: impl Lanewise<S>) {
    let lanes = S::F32::LANES;
    let full = x.len() / lanes * lanes;
    let (body, tail) = x.split_at_mut(full);
    for v in body.chunks_exact_mut(lanes) {
        f.apply(s, S::F32::load(s, v)).store(v);
    }
    if !tail.is_empty() {
        f.apply(s, S::F32::load_partial(s, tail)).store_partial(tail);
    }
}

/// `x · factor`.
pub(crate) struct Scale<V>(pub V);

impl<S: Simd> Lanewise<S> for Scale<S::F32> {
    #[inline(always)]
    fn apply(&self, _: S, x: S::F32) -> S::F32 {
        x.mul(self.0)
    }
}
