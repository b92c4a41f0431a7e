//! Row-wise and element-wise operations.
//!
//! In the channels-last layout both layer norms of the field are this one: `nn.LayerNorm` over the last axis
//! and Meta's `LayerNorm2d` over the channels of each pixel.

use crate::math;
use crate::parallel;
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// Elements per parallel task of an element-wise operation.
const TASK: usize = 1 << 15;

/// Softmax in base two of several things that lie side by side, in place and on the calling thread: every row of `x` has `n` groups of
/// `side`, and the sums are over the groups. An element of −∞, which fills a row up, gets next to nothing.
///
/// # Panics
/// If rows are not whole vectors, or `side` does not divide a vector into one or two.
#[track_caller]
pub fn softmax2_interleaved_block(isa: Isa, x: &mut [f32], n: usize, side: usize) {
    assert!(
        n * side > 0 && x.len().is_multiple_of(n * side),
        "softmax2_interleaved_block: {} elements in rows of {n}×{side}",
        x.len()
    );
    isa.dispatch(Interleaved { x, row: n * side, side });
}

struct Interleaved<'a> {
    x: &'a mut [f32],
    row: usize,
    side: usize,
}

impl SimdOp for Interleaved<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let lanes = S::F32::LANES;
        let halves = lanes == 2 * self.side;
        assert!(
            (halves || lanes == self.side) && self.row.is_multiple_of(lanes),
            "softmax2_interleaved_block: rows of {}, {} side by side, vectors of {lanes}",
            self.row,
            self.side
        );
        for row in self.x.chunks_exact_mut(self.row) {
            let mut max = S::F32::splat(s, f32::NEG_INFINITY);
            for v in row.chunks_exact(lanes) {
                max = max.max(S::F32::load(s, v));
            }
            if halves {
                max = max.max(max.swap_halves());
            }
            let mut sum = S::F32::splat(s, 0.0);
            for v in row.chunks_exact_mut(lanes) {
                let e = math::exp2_negative(s, S::F32::load(s, v).sub(max));
                sum = sum.add(e);
                e.store(v);
            }
            if halves {
                sum = sum.add(sum.swap_halves());
            }
            let scale = S::F32::splat(s, 1.0).div(sum);
            for v in row.chunks_exact_mut(lanes) {
                S::F32::load(s, v).mul(scale).store(v);
            }
        }
    }
}

/// A function of one vector. A struct and not a closure, so that it can be `#[inline(always)]`: a body that is
/// not inlined below the gateway loses the target features.
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

/// Largest element of a row.
#[inline(always)]
pub(crate) fn row_max<S: Simd>(s: S, row: &[f32]) -> f32 {
    let lanes = S::F32::LANES;
    let mut max = S::F32::splat(s, f32::NEG_INFINITY);
    let chunks = row.chunks_exact(lanes);
    let tail = chunks.remainder();
    for v in chunks {
        // The operand order keeps a NaN of the row.
        max = max.max(S::F32::load(s, v));
    }
    tail.iter().fold(max.max_lane(), |m, &x| if m > x { m } else { x })
}

/// `row ← 2^(row − max)`, where `max` is at least every element; returns the sum.
#[inline(always)]
pub(crate) fn exp2_minus_max<S: Simd>(s: S, row: &mut [f32], max: f32) -> f32 {
    let lanes = S::F32::LANES;
    let shift = S::F32::splat(s, max);
    let mut sum = S::F32::splat(s, 0.0);
    let full = row.len() / lanes * lanes;
    let (body, tail) = row.split_at_mut(full);
    for v in body.chunks_exact_mut(lanes) {
        let e = math::exp2_negative(s, S::F32::load(s, v).sub(shift));
        sum = sum.add(e);
        e.store(v);
    }
    let mut total = sum.sum();
    if !tail.is_empty() {
        math::exp2_negative(s, S::F32::load_partial(s, tail).sub(shift)).store_partial(tail);
        for &e in tail.iter() {
            total += e;
        }
    }
    total
}

/// Layer norm of every row: `out = (x − mean) / √(var + eps) · gamma + beta`, rows of `gamma.len()`, biased
/// variance.
///
/// # Panics
/// If the lengths do not agree.
pub fn layer_norm(isa: Isa, x: &[f32], gamma: &[f32], beta: &[f32], eps: f32, out: &mut [f32]) {
    let cols = gamma.len();
    assert!(
        cols > 0 && beta.len() == cols && x.len() == out.len() && x.len().is_multiple_of(cols),
        "layer_norm: x {}, out {}, gamma {cols}, beta {}",
        x.len(),
        out.len(),
        beta.len()
    );
    let chunk = (TASK / cols).max(1) * cols;
    parallel::for_each_chunk_mut(out, chunk, |i, out| {
        let x = &x[i * chunk..][..out.len()];
        isa.dispatch(LayerNorm { x, gamma, beta, eps, out });
    });
}

/// [`layer_norm`] of one piece, on the calling thread.
pub fn layer_norm_block(isa: Isa, x: &[f32], gamma: &[f32], beta: &[f32], eps: f32, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "layer_norm_block: lengths");
    isa.dispatch(LayerNorm { x, gamma, beta, eps, out });
}

/// [`layer_norm`], then exact GELU, in place.
pub fn layer_norm_gelu(isa: Isa, x: &mut [f32], gamma: &[f32], beta: &[f32], eps: f32) {
    let cols = gamma.len();
    assert!(
        cols > 0 && beta.len() == cols && x.len().is_multiple_of(cols),
        "layer_norm_gelu: x {}, gamma {cols}",
        x.len()
    );
    parallel::for_each_chunk_mut(x, (TASK / cols).max(1) * cols, |_, x| {
        isa.dispatch(LayerNormGelu { x, gamma, beta, eps });
    });
}

/// [`layer_norm_gelu`] of one piece, on the calling thread.
pub fn layer_norm_gelu_block(isa: Isa, x: &mut [f32], gamma: &[f32], beta: &[f32], eps: f32) {
    isa.dispatch(LayerNormGelu { x, gamma, beta, eps });
}

struct LayerNorm<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl SimdOp for LayerNorm<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let cols = self.gamma.len();
        for (x, out) in self.x.chunks_exact(cols).zip(self.out.chunks_exact_mut(cols)) {
            let (mean, inverse) = moments(s, x, self.eps);
            for i in (0..cols).step_by(S::F32::LANES) {
                let normed = S::F32::load_partial(s, &x[i..]).sub(mean).mul(inverse);
                let gamma = S::F32::load_partial(s, &self.gamma[i..]);
                normed.mul_add(gamma, S::F32::load_partial(s, &self.beta[i..])).store_partial(&mut out[i..]);
            }
        }
    }
}

struct LayerNormGelu<'a> {
    x: &'a mut [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    eps: f32,
}

impl SimdOp for LayerNormGelu<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let cols = self.gamma.len();
        for x in self.x.chunks_exact_mut(cols) {
            let (mean, inverse) = moments(s, x, self.eps);
            for i in (0..cols).step_by(S::F32::LANES) {
                let normed = S::F32::load_partial(s, &x[i..]).sub(mean).mul(inverse);
                let gamma = S::F32::load_partial(s, &self.gamma[i..]);
                let y = normed.mul_add(gamma, S::F32::load_partial(s, &self.beta[i..]));
                math::gelu(s, y).store_partial(&mut x[i..]);
            }
        }
    }
}

/// Mean and `1 / √(variance + eps)` of a row, in two passes so that a large mean costs no digits.
#[inline(always)]
fn moments<S: Simd>(s: S, x: &[f32], eps: f32) -> (S::F32, S::F32) {
    let lanes = S::F32::LANES;
    let n = x.len() as f32;
    let chunks = x.chunks_exact(lanes);
    let tail = chunks.remainder();
    let mut sum = S::F32::splat(s, 0.0);
    for v in chunks.clone() {
        sum = sum.add(S::F32::load(s, v));
    }
    let mean = tail.iter().fold(sum.sum(), |a, &b| a + b) / n;
    let mean_vector = S::F32::splat(s, mean);
    let mut squares = S::F32::splat(s, 0.0);
    for v in chunks {
        let d = S::F32::load(s, v).sub(mean_vector);
        squares = d.mul_add(d, squares);
    }
    let variance = tail.iter().fold(squares.sum(), |a, &b| a + (b - mean) * (b - mean)) / n;
    (mean_vector, S::F32::splat(s, 1.0 / (variance + eps).sqrt()))
}

/// Exact GELU of every element, in place.
pub fn gelu(isa: Isa, x: &mut [f32]) {
    parallel::for_each_chunk_mut(x, TASK, |_, x| isa.dispatch(Map { x, function: Function::Gelu }));
}

/// [`gelu`] of one piece, on the calling thread.
pub fn gelu_block(isa: Isa, x: &mut [f32]) {
    isa.dispatch(Map { x, function: Function::Gelu });
}

/// Logistic function of every element, in place.
pub fn sigmoid(isa: Isa, x: &mut [f32]) {
    parallel::for_each_chunk_mut(x, TASK, |_, x| isa.dispatch(Map { x, function: Function::Sigmoid }));
}

/// `max(x, 0)` of every element, in place.
pub fn relu(isa: Isa, x: &mut [f32]) {
    parallel::for_each_chunk_mut(x, TASK, |_, x| isa.dispatch(Map { x, function: Function::Relu }));
}

#[derive(Clone, Copy)]
enum Function {
    Gelu,
    Sigmoid,
    Relu,
}

struct Gelu;

impl<S: Simd> Lanewise<S> for Gelu {
    #[inline(always)]
    fn apply(&self, s: S, x: S::F32) -> S::F32 {
        math::gelu(s, x)
    }
}

struct Sigmoid;

impl<S: Simd> Lanewise<S> for Sigmoid {
    #[inline(always)]
    fn apply(&self, s: S, x: S::F32) -> S::F32 {
        math::sigmoid(s, x)
    }
}

struct Relu;

impl<S: Simd> Lanewise<S> for Relu {
    #[inline(always)]
    fn apply(&self, s: S, x: S::F32) -> S::F32 {
        // The operand order lets a NaN through.
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

/// `x ← x + y`.
///
/// # Panics
/// If the lengths differ.
pub fn add(isa: Isa, x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len(), "add: lengths");
    add_scaled(isa, x, y, 1.0);
}

/// `x ← x + scale · y`, where `y` repeats every `y.len()` elements.
///
/// # Panics
/// If `x.len()` is not a multiple of `y.len()`.
pub fn add_scaled(isa: Isa, x: &mut [f32], y: &[f32], scale: f32) {
    assert!(!y.is_empty() && x.len().is_multiple_of(y.len()), "add_scaled: x {}, y {}", x.len(), y.len());
    // A chunk is whole repetitions of a short y, or a piece of a long one.
    let chunk = if y.len() <= TASK { (TASK / y.len()).max(1) * y.len() } else { y.len() };
    parallel::for_each_chunk_mut(x, chunk, |_, x| isa.dispatch(AddScaled { x, y, scale }));
}

/// [`add`] of one piece, on the calling thread.
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
