//! Layer norm, alone and followed by GELU.
//!
//! In the channels-last layout both layer norms of the field are this one: `nn.LayerNorm` over the last axis
//! and Meta's `LayerNorm2d` over the channels of each pixel.

use super::TASK;
use crate::math;
use crate::parallel;
use crate::simd::{F32s, Isa, Simd, SimdOp};

/// Layer norm of every row: `out = (x − mean) / √(var + eps) · gamma + beta`, rows of `gamma.len()`, biased
/// variance.
///
/// ```
/// # use kernels::{Isa, rows::layer_norm};
/// let mut out = [0.0; 2];
/// layer_norm(Isa::best(), &[1.0, 3.0], &[1.0, 1.0], &[0.0, 0.5], 0.0, &mut out);
/// assert_eq!(out, [-1.0, 1.5]);
/// ```
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

/// [`layer_norm`] on the calling thread.
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

/// [`layer_norm_gelu`] on the calling thread.
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
        if let (Ok(gamma), Ok(beta)) = (self.gamma.try_into(), self.beta.try_into()) {
            let mut groups = self.x.chunks_exact_mut(S::F32::LANES * NARROW);
            groups.by_ref().for_each(|x| narrow(s, x, (gamma, beta), self.eps));
            let rest = groups.into_remainder();
            let mut last = [0.0; MAX_LANES * NARROW];
            last[..rest.len()].copy_from_slice(rest);
            narrow(s, &mut last, (gamma, beta), self.eps);
            rest.copy_from_slice(&last[..rest.len()]);
            return;
        }
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

/// Rows of this width are normalised a vector of rows at a time: each is much shorter than a vector.
const NARROW: usize = 4;
/// Most lanes of a vector on any instruction set.
const MAX_LANES: usize = 16;

/// [`LayerNormGelu`] of as many rows as a vector has lanes, at the front of `x`.
#[inline(always)]
fn narrow<S: Simd>(s: S, x: &mut [f32], (gamma, beta): (&[f32; NARROW], &[f32; NARROW]), eps: f32) {
    let lanes = S::F32::LANES;
    let rows = x[..lanes * NARROW].as_chunks_mut::<NARROW>().0;
    let mut columns = [[0.0; MAX_LANES]; NARROW];
    for (r, row) in rows.iter().enumerate() {
        for (column, &x) in columns.iter_mut().zip(row) {
            column[r] = x;
        }
    }
    let quarter = S::F32::splat(s, 1.0 / NARROW as f32);
    let mut centred = columns.map(|column| S::F32::load(s, &column));
    let [a, b, c, d] = centred;
    let mean = a.add(b).add(c).add(d).mul(quarter);
    centred.iter_mut().for_each(|x| *x = x.sub(mean));
    let [a, b, c, d] = centred.map(|x| x.mul(x));
    let mut inverse = [0.0; MAX_LANES];
    a.add(b).add(c).add(d).mul(quarter).store(&mut inverse);
    inverse.iter_mut().for_each(|x| *x = 1.0 / (*x + eps).sqrt());
    let inverse = S::F32::load(s, &inverse);
    for (i, (x, column)) in centred.into_iter().zip(&mut columns).enumerate() {
        let y = x.mul(inverse).mul_add(S::F32::splat(s, gamma[i]), S::F32::splat(s, beta[i]));
        math::gelu(s, y).store(column);
    }
    for (r, row) in rows.iter_mut().enumerate() {
        for (x, column) in row.iter_mut().zip(&columns) {
            *x = column[r];
        }
    }
}

/// Mean and `1 / √(variance + eps)` of a row, in two passes so that a large mean costs no precision.
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
