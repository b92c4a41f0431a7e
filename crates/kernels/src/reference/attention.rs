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

/// Attention over tokens on copies of a `side × side` grid with scores in 16 bits: what [`crate::attention::GridKeys`] computes of
/// [`crate::attention::GridTokens::int16`].
///
/// `q` is `(nq, d)`, `z` `(tokens, m)`, `v` `(tokens, dv)`; a key is `weight · z + bias`, turned to its cell; the tokens after the
/// copies have the keys `placeless`. `theta` as in [`rope`].
pub fn attention_over_grids_int16(
    (side, copies): (usize, usize),
    (scale, theta): (f32, f64),
    q: &[f32],
    z: &[f32],
    v: &[f32],
    (weight, bias): (&[f32], &[f32]),
    placeless: &[f32],
) -> Vec<f32> {
    let (d, m) = (bias.len(), weight.len() / bias.len());
    let (cells, tokens) = (side * side, z.len() / m);
    let (placed, dv) = (copies * cells, v.len() / tokens);
    let base_two = f64::from(scale) * std::f64::consts::LOG2_E;
    let most = ((1 << 17) / m - 1).min(8191) as f64;
    let rounded: Vec<(f64, Vec<f64>)> = z[..placed * m]
        .chunks(m)
        .map(|z| {
            let extent = z.iter().fold(0.0, |extent: f64, &z| extent.max(f64::from(z).abs()));
            let step = (extent / most).max(f64::MIN_POSITIVE);
            (step, z.iter().map(|&z| (f64::from(z) / step).round_ties_even()).collect())
        })
        .collect();
    // Column c of [weight | bias], turned to the cells of the diagonal.
    let turned: Vec<Vec<f32>> = (0..=m)
        .map(|c| {
            let column: Vec<f32> = (0..d).map(|k| if c < m { weight[k * m + c] } else { bias[k] }).collect();
            rope(&column.repeat(cells), side, d, theta)
        })
        .collect();
    let mut out = Vec::new();
    for q in q.chunks(d) {
        let split = |half: std::ops::Range<usize>| -> Vec<Vec<f64>> {
            let dot = |row: &[f32]| -> f64 {
                let products = half.clone().map(|k| f64::from(row[k]) * f64::from(q[k]));
                products.sum::<f64>() * base_two
            };
            let row = |j: usize| turned.iter().map(|turned| dot(&turned[(j * side + j) * d..])).collect();
            (0..side).map(row).collect()
        };
        let parts = [split(0..d / 2), split(d / 2..d)];
        let values = parts.iter().flatten().flat_map(|row| &row[..m]);
        let step = (values.fold(0.0, |most: f64, x| most.max(x.abs())) / 8191.0).max(f64::MIN_POSITIVE);
        let round = |x: f64| (x / step).round_ties_even();
        let mut scores: Vec<f64> = rounded
            .iter()
            .enumerate()
            .map(|(t, (token_step, token))| {
                let (a, b) = (&parts[0][t % cells % side], &parts[1][t % cells / side]);
                let sum: f64 = (0..m).map(|c| (round(a[c]) + round(b[c])) * token[c]).sum();
                step * token_step * sum + a[m] + b[m]
            })
            .collect();
        scores.extend(placeless.chunks(d).map(|key| {
            q.iter().zip(key).map(|(&q, &k)| f64::from(q) * f64::from(k)).sum::<f64>() * base_two
        }));
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp2()).collect();
        let total: f64 = weights.iter().sum();
        for c in 0..dv {
            let sum: f64 = weights.iter().enumerate().map(|(i, w)| w * f64::from(v[i * dv + c])).sum();
            out.push((sum / total) as f32);
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
