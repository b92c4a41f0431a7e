//! Attention and rotary position encoding.

use super::gemm::linear_int8_scaled;
use crate::attention::Shape;
use crate::gemm::Epilogue;

/// `softmax(q · kᵀ · scale) · v` with the full score matrix, per problem and head.
///
/// `q` is `(batch·nq, heads·d)`, `k` is `(batch·nk, heads·d)`, `v` is `(batch·nk, heads·dv)`, all contiguous; the
/// result is `(batch·nq, heads·dv)`.
pub fn attention(shape: Shape, scale: f32, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
    let Shape { batch, heads, nq, nk, d, dv } = shape;
    let mut out = vec![0.0; batch * nq * heads * dv];
    for b in 0..batch {
        for head in 0..heads {
            for i in b * nq..(b + 1) * nq {
                let keys = b * nk..(b + 1) * nk;
                let query = &q[(i * heads + head) * d..][..d];
                let scores: Vec<f64> = keys
                    .clone()
                    .map(|j| {
                        let key = &k[(j * heads + head) * d..][..d];
                        let dot: f64 =
                            query.iter().zip(key).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                        dot * f64::from(scale)
                    })
                    .collect();
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
                let total: f64 = weights.iter().sum();
                for c in 0..dv {
                    let value = |j: usize| f64::from(v[(j * heads + head) * dv + c]);
                    let sum: f64 = keys.clone().zip(&weights).map(|(j, w)| w * value(j)).sum();
                    out[(i * heads + head) * dv + c] = (sum / total) as f32;
                }
            }
        }
    }
    out
}

/// [`attention`] with scores in 8 bits: what [`crate::attention::int8`] computes, its scores to the last bit.
///
/// The mean of the keys is taken off all of them; then a key becomes `round(k · 127 / max |k|)`, a query `round(q · 255 / (high − low))
/// + zero` with `low <= 0 <= high`.
pub fn attention_int8(shape: Shape, scale: f32, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
    let Shape { batch, heads, nq, nk, d, dv } = shape;
    let head_of = |x: &[f32], rows: std::ops::Range<usize>, head: usize| -> Vec<f32> {
        rows.flat_map(|i| x[(i * heads + head) * d..][..d].to_vec()).collect()
    };
    let mut out = vec![0.0; batch * nq * heads * dv];
    for b in 0..batch {
        for head in 0..heads {
            let queries = head_of(q, b * nq..(b + 1) * nq, head);
            let mut keys = head_of(k, b * nk..(b + 1) * nk, head);
            for c in 0..d {
                let mean = keys.iter().skip(c).step_by(d).sum::<f32>() / nk as f32;
                keys.iter_mut().skip(c).step_by(d).for_each(|x| *x -= mean);
            }
            let epilogue = Epilogue::default();
            let base_two = scale * std::f32::consts::LOG2_E;
            let scores = linear_int8_scaled(&queries, base_two, &keys, (nq, d, nk), &epilogue);
            for (i, scores) in scores.chunks(nk).enumerate() {
                let max = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
                let weights: Vec<f64> = scores.iter().map(|&s| (f64::from(s) - max).exp2()).collect();
                let total: f64 = weights.iter().sum();
                for c in 0..dv {
                    let value = |j: usize| f64::from(v[((b * nk + j) * heads + head) * dv + c]);
                    let sum: f64 = weights.iter().enumerate().map(|(j, w)| w * value(j)).sum();
                    out[((b * nq + i) * heads + head) * dv + c] = (sum / total) as f32;
                }
            }
        }
    }
    out
}

/// Axial rotary position encoding of `x`, `(N, dim)`: row `t` is cell `t mod side²` of a `side × side` grid.
///
/// Pair `i` holds the elements `2i` and `2i + 1`; the first half of the pairs turns with the column, the second
/// with the row, by `coordinate · theta^(−4m/dim)`. The angle is rounded to f32, as Meta's tables are.
pub fn rope(x: &[f32], side: usize, dim: usize, theta: f64) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len());
    for (t, row) in x.chunks_exact(dim).enumerate() {
        let cell = t % (side * side);
        for (i, pair) in row.chunks_exact(2).enumerate() {
            let axis_pairs = dim / 4;
            let coordinate = if i < axis_pairs { cell % side } else { cell / side };
            let m = i % axis_pairs;
            let frequency = theta.powf(-(4.0 * m as f64) / dim as f64) as f32;
            let angle = f64::from(coordinate as f32 * frequency);
            let (re, im) = (f64::from(pair[0]), f64::from(pair[1]));
            out.push((re * angle.cos() - im * angle.sin()) as f32);
            out.push((re * angle.sin() + im * angle.cos()) as f32);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_average_the_values() {
        let shape = Shape { batch: 1, heads: 1, nq: 1, nk: 2, d: 1, dv: 2 };
        assert_eq!(attention(shape, 1.0, &[3.0], &[1.0, 1.0], &[1.0, 2.0, 3.0, 6.0]), [2.0, 4.0]);
    }

    #[test]
    fn first_cell_does_not_turn_and_second_turns_by_one_radian() {
        let row = [1.0, 0.0, 1.0, 0.0];
        let out = rope(&row.repeat(4), 2, 4, 10_000.0);
        assert_eq!(&out[..4], row);
        // Cell 1 is column 1, row 0: only the first half turns.
        assert_eq!(&out[4..8], [1f64.cos() as f32, 1f64.sin() as f32, 1.0, 0.0]);
        assert_eq!(&out[8..12], [1.0, 0.0, 1f64.cos() as f32, 1f64.sin() as f32]);
    }
}
