//! Cosines and sines of the angles between the columns of a grid and its middle, as products of thin
//! matrices.
//!
//! The frequencies of a rotary encoding fall from 1 to nearly 0, and most pairs of channels hardly turn
//! between one column and the next. So the matrix of their cosines, distances × pairs, is nearly of low rank:
//! 14 for 32 × 64, and its sines likewise.

use crate::gemm::KC;

/// What is left of a row, relative to the longest row there can be, below which it counts as zero: the
/// rounding error of a sum in single precision.
const NEGLIGIBLE: f64 = 1e-7;

/// A matrix of distances from the middle × pairs of channels as `up · down`.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    pub rank: usize,
    /// `rank` rows of pairs, with stride [`KC`].
    pub down: Vec<f32>,
    /// A row of `rank` for every distance, with stride [`KC`]; `None`: the identity.
    pub up: Option<Vec<f32>>,
}

impl Factors {
    /// Of the `function` of every distance times every frequency.
    pub fn new(distances: &[f64], frequencies: &[f32], function: fn(f64) -> f64) -> Self {
        let row = |u: &f64| frequencies.iter().map(|&f| function(u * f64::from(f))).collect();
        let rows: Vec<Vec<f64>> = distances.iter().map(row).collect();
        let basis = basis(rows.clone(), NEGLIGIBLE * (frequencies.len() as f64).sqrt());
        let (rank, pairs) = (basis.len(), frequencies.len());
        if rank * (distances.len() + pairs) >= distances.len() * pairs {
            return Self { rank: rows.len(), down: with_stride(rows), up: None };
        }
        let up = rows.iter().map(|row| basis.iter().map(|b| dot(row, b)).collect()).collect();
        Self { rank, down: with_stride(basis), up: Some(with_stride(up)) }
    }

    /// Multiply-adds of both products with one vector of pairs.
    pub fn products(&self, distances: usize, pairs: usize) -> usize {
        self.rank * (pairs + if self.up.is_some() { distances } else { 0 })
    }
}

/// Orthonormal vectors from which no row is farther than `tolerance`: Gram and Schmidt's process, which takes
/// the row that is farthest from those before.
fn basis(mut rows: Vec<Vec<f64>>, tolerance: f64) -> Vec<Vec<f64>> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    while let Some(farthest) = rows.iter().max_by(|a, b| dot(a, a).total_cmp(&dot(b, b))) {
        if dot(farthest, farthest).sqrt() <= tolerance {
            break;
        }
        let mut next = farthest.clone();
        // A difference of nearly equal vectors is not orthogonal to the basis.
        basis.iter().for_each(|b| subtract_part(&mut next, b));
        let length = dot(&next, &next).sqrt();
        next.iter_mut().for_each(|x| *x /= length);
        rows.iter_mut().for_each(|row| subtract_part(row, &next));
        basis.push(next);
    }
    basis
}

/// Subtracts the part of `x` along the unit vector `unit`.
fn subtract_part(x: &mut [f64], unit: &[f64]) {
    let length = dot(x, unit);
    x.iter_mut().zip(unit).for_each(|(x, u)| *x -= length * u);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Rows in single precision with stride [`KC`].
fn with_stride(rows: Vec<Vec<f64>>) -> Vec<f32> {
    let mut out = vec![0.0; rows.len() * KC];
    for (out, row) in out.chunks_exact_mut(KC).zip(rows) {
        out.iter_mut().zip(row).for_each(|(out, x)| *out = x as f32);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frequencies of SAM 2's memory attention, of which there are 64.
    fn frequencies(pairs: usize) -> Vec<f32> {
        (0..pairs).map(|i| (1e4f64).powf(-(i as f64) / pairs as f64) as f32).collect()
    }

    fn entry(factors: &Factors, u: usize, pair: usize) -> f64 {
        let down = |r: usize| f64::from(factors.down[r * KC + pair]);
        match &factors.up {
            Some(up) => (0..factors.rank).map(|r| f64::from(up[u * KC + r]) * down(r)).sum(),
            None => down(u),
        }
    }

    #[test]
    fn the_factors_multiply_to_the_matrix() {
        for (side, pairs) in [(64, 64), (32, 64), (23, 64), (16, 64), (16, 32), (5, 1), (1, 8)] {
            let distances: Vec<f64> =
                (0..(side + 1) / 2).map(|j| f64::from(j) + 0.5 * f64::from(1 - side % 2)).collect();
            let frequencies = frequencies(pairs);
            for function in [f64::cos, f64::sin] {
                let factors = Factors::new(&distances, &frequencies, function);
                for (u, distance) in distances.iter().enumerate() {
                    for (pair, &f) in frequencies.iter().enumerate() {
                        let error = entry(&factors, u, pair) - function(distance * f64::from(f));
                        assert!(error.abs() <= 4e-7, "side {side}, {pairs} pairs, ({u}, {pair}): {error:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_large_grid_has_a_low_rank() {
        let distances: Vec<f64> = (0..32).map(|j| f64::from(j) + 0.5).collect();
        for function in [f64::cos, f64::sin] {
            let factors = Factors::new(&distances, &frequencies(64), function);
            assert!(factors.up.is_some() && factors.rank <= 14, "rank {}", factors.rank);
        }
    }

    #[test]
    fn few_distances_are_not_factored() {
        let factors = Factors::new(&[0.5, 1.5], &frequencies(64), f64::cos);
        assert!(factors.up.is_none() && factors.rank == 2);
    }
}
