//! A Kalman filter over boxes with constant velocity: the motion model of SAMURAI (arXiv 2411.11922, section
//! 4.1), with the noise model of DeepSORT (arXiv 1703.07402): deviations proportional to the height of the
//! box.

use serde::{Deserialize, Serialize};

type Vector<const N: usize> = [f64; N];
type Matrix<const N: usize, const M: usize> = [[f64; M]; N];

/// Deviation of a position, as a share of the height.
const POSITION: f64 = 1.0 / 20.0;
/// Deviation of a velocity, as a share of the height.
const VELOCITY: f64 = 1.0 / 160.0;

/// The state: centre x, centre y, width over height, height, and the velocity of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kalman {
    pub mean: Vector<8>,
    pub covariance: Matrix<8, 8>,
}

/// Centre x, centre y, aspect, height of an inclusive box `x0, y0, x1, y1`. A box without height counts as
/// one pixel high.
fn measurement([x0, y0, x1, y1]: [f64; 4]) -> Vector<4> {
    let height = if y1 - y0 == 0.0 { 1.0 } else { y1 - y0 };
    [(x0 + x1) / 2.0, (y0 + y1) / 2.0, (x1 - x0) / height, height]
}

impl Kalman {
    /// At rest at `bbox`.
    pub fn new(bbox: [f64; 4]) -> Self {
        let z = measurement(bbox);
        let (p, v) = (2.0 * POSITION * z[3], 10.0 * VELOCITY * z[3]);
        let deviations = [p, p, 1e-2, p, v, v, 1e-5, v];
        let mut mean = [0.0; 8];
        mean[..4].copy_from_slice(&z);
        let mut covariance = [[0.0; 8]; 8];
        (0..8).for_each(|i| covariance[i][i] = deviations[i] * deviations[i]);
        Self { mean, covariance }
    }

    /// One frame later.
    pub fn predict(&mut self) {
        let (p, v) = (POSITION * self.mean[3], VELOCITY * self.mean[3]);
        let deviations = [p, p, 1e-2, p, v, v, 1e-5, v];
        (0..4).for_each(|i| self.mean[i] += self.mean[i + 4]);
        // F·P·Fᵀ with F = identity plus the velocity of each position.
        let half: Matrix<8, 8> = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                self.covariance[i][j] + if i < 4 { self.covariance[i + 4][j] } else { 0.0 }
            })
        });
        self.covariance = std::array::from_fn(|i| {
            std::array::from_fn(|j| half[i][j] + if j < 4 { half[i][j + 4] } else { 0.0 })
        });
        (0..8).for_each(|i| self.covariance[i][i] += deviations[i] * deviations[i]);
    }

    /// Corrects the prediction by an observed box.
    pub fn update(&mut self, bbox: [f64; 4]) {
        let z = measurement(bbox);
        let p = POSITION * self.mean[3];
        let deviations = [p, p, 1e-1, p];
        let mut s: Matrix<4, 4> = std::array::from_fn(|i| std::array::from_fn(|j| self.covariance[i][j]));
        (0..4).for_each(|i| s[i][i] += deviations[i] * deviations[i]);
        // The gain, P·Hᵀ·S⁻¹: a row of it solves S·x = a row of P·Hᵀ.
        let factor = cholesky(&s);
        let gain: Matrix<8, 4> =
            std::array::from_fn(|i| solve(&factor, std::array::from_fn(|j| self.covariance[i][j])));
        let innovation: Vector<4> = std::array::from_fn(|i| z[i] - self.mean[i]);
        for (mean, row) in self.mean.iter_mut().zip(&gain) {
            *mean += dot(row, &innovation);
        }
        let gain_s: Matrix<8, 4> =
            std::array::from_fn(|i| std::array::from_fn(|j| (0..4).map(|k| gain[i][k] * s[k][j]).sum()));
        for (row, left) in self.covariance.iter_mut().zip(&gain_s) {
            for (value, right) in row.iter_mut().zip(&gain) {
                *value -= dot(left, right);
            }
        }
    }

    /// IoU of the box of the state and another one.
    pub fn iou(&self, other: [f64; 4]) -> f64 {
        let [x, y, aspect, height, ..] = self.mean;
        let (w, h) = (aspect * height, height);
        iou([x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0], other)
    }
}

/// IoU of two boxes `x0, y0, x1, y1` by plain differences; 0 for the box of an empty mask.
fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    if b == [0.0; 4] {
        return 0.0;
    }
    let overlap = |i: usize| (a[i + 2].min(b[i + 2]) - a[i].max(b[i])).max(0.0);
    let area = |r: [f64; 4]| (r[2] - r[0]) * (r[3] - r[1]);
    let intersection = overlap(0) * overlap(1);
    let union = area(a) + area(b) - intersection;
    if union == 0.0 { 0.0 } else { intersection / union }
}

fn dot<const N: usize>(a: &Vector<N>, b: &Vector<N>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Lower triangle L with L·Lᵀ = `a`, which is positive definite: its diagonal has squares added to it.
fn cholesky(a: &Matrix<4, 4>) -> Matrix<4, 4> {
    let mut l = [[0.0; 4]; 4];
    for i in 0..4 {
        for j in 0..=i {
            let rest: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            l[i][j] = if i == j { (a[i][i] - rest).sqrt() } else { (a[i][j] - rest) / l[j][j] };
        }
    }
    l
}

/// x with L·Lᵀ·x = `b`.
fn solve(l: &Matrix<4, 4>, b: Vector<4>) -> Vector<4> {
    let mut x = b;
    for i in 0..4 {
        let rest: f64 = (0..i).map(|k| l[i][k] * x[k]).sum();
        x[i] = (x[i] - rest) / l[i][i];
    }
    for i in (0..4).rev() {
        let rest: f64 = (i + 1..4).map(|k| l[k][i] * x[k]).sum();
        x[i] = (x[i] - rest) / l[i][i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_in_steady_motion_is_predicted() {
        let bbox = |t: f64| [10.0 + 3.0 * t, 20.0 + t, 50.0 + 3.0 * t, 80.0 + t];
        let mut filter = Kalman::new(bbox(0.0));
        for t in 1..40 {
            filter.predict();
            filter.update(bbox(f64::from(t)));
        }
        filter.predict();
        let iou = filter.iou(bbox(40.0));
        assert!(iou > 0.99, "{iou}");
    }

    #[test]
    fn an_empty_mask_matches_nothing() {
        let filter = Kalman::new([0.0; 4]);
        assert_eq!(filter.iou([0.0; 4]), 0.0);
        assert_eq!(filter.mean[3], 1.0);
    }
}
