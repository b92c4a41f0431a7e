//! Attention and rotary position encoding.

use std::ops::Range;

use half::f16;

use super::gemm::linear_int8_scaled;
use super::halves::mul_add_half;
use crate::attention::int8::ValueType;
use crate::attention::{KEYS, Shape};
use crate::gemm::Epilogue;

/// `softmax(q · kᵀ · scale) · v` with the full score matrix, per problem and head.
///
/// `q` is `(batch·nq, heads·d)`, `k` is `(batch·nk, heads·d)`, `v` is `(batch·nk, heads·dv)`, all contiguous;
/// the result is `(batch·nq, heads·dv)`.
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

/// [`attention`] in 8 bits: the twin of [`crate::attention::int8`], its scores to the last bit.
///
/// The mean of the keys, summed over [`KEYS`] at a time, is subtracted from all of them. Then a key becomes
/// `round(k · 127 / max |k|)`, a query `round(q · 255 / (high − low)) + zero` with `low <= 0 <= high`.
/// Weights and values are rounded as [`ValueType`] says.
pub fn attention_int8(
    shape: Shape,
    scale: f32,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    value_type: ValueType,
) -> Vec<f32> {
    let Shape { batch, heads, nq, nk, d, dv } = shape;
    let head_of = |x: &[f32], rows: Range<usize>, head: usize, d: usize| -> Vec<f32> {
        rows.flat_map(|i| x[(i * heads + head) * d..][..d].to_vec()).collect()
    };
    let mut out = vec![0.0; batch * nq * heads * dv];
    for b in 0..batch {
        for head in 0..heads {
            let queries = head_of(q, b * nq..(b + 1) * nq, head, d);
            let mut keys = head_of(k, b * nk..(b + 1) * nk, head, d);
            for c in 0..d {
                let column: Vec<f32> = keys.iter().skip(c).step_by(d).copied().collect();
                let sums = column.chunks(KEYS).map(|part| part.iter().sum::<f32>());
                let mean = sums.sum::<f32>() / nk as f32;
                keys.iter_mut().skip(c).step_by(d).for_each(|x| *x -= mean);
            }
            let epilogue = Epilogue::default();
            let base_two = scale * std::f32::consts::LOG2_E;
            let scores = linear_int8_scaled(&queries, base_two, &keys, (nq, d, nk), &epilogue);
            let mut values: Vec<f64> =
                head_of(v, b * nk..(b + 1) * nk, head, dv).into_iter().map(f64::from).collect();
            if value_type == ValueType::I16 {
                (0..dv).for_each(|c| round_to_i16(values.iter_mut().skip(c).step_by(dv)));
            }
            let all: Vec<usize> = (0..nk).collect();
            let blocks: Vec<(&[usize], ValueType)> =
                all.chunks(KEYS).map(|block| (block, value_type)).collect();
            for (i, scores) in scores.chunks(nk).enumerate() {
                let scores: Vec<f64> = scores.iter().copied().map(f64::from).collect();
                let row = &mut out[((b * nq + i) * heads + head) * dv..][..dv];
                row.copy_from_slice(&weigh(&scores, &values, &blocks));
            }
        }
    }
    out
}

/// Rounds them to integers within ±2047 times one scale.
fn round_to_i16<'a>(values: impl Iterator<Item = &'a mut f64>) {
    let mut values: Vec<&mut f64> = values.collect();
    let extent = values.iter().fold(0.0, |extent: f64, v| v.abs().max(extent));
    let scale = (extent / 2047.0).max(f64::MIN_POSITIVE);
    values.iter_mut().for_each(|v| **v = (**v / scale).round_ties_even() * scale);
}

/// The average of the values with weights `2^S`, block by block.
///
/// In words a weight is rounded to 1/4096 of the largest of its block, and the values are rounded before. In
/// half precision a weight is relative to the largest so far, the values of a block are divided by the power
/// of two below the largest of them, and 64 products at a time are one chain of multiply-adds.
fn weigh(scores: &[f64], values: &[f64], blocks: &[(&[usize], ValueType)]) -> Vec<f32> {
    let dv = values.len() / scores.len();
    let (mut sums, mut total, mut max) = (vec![0.0; dv], 0.0, f64::NEG_INFINITY);
    for &(tokens, value_type) in blocks {
        let block_max = tokens.iter().map(|&t| scores[t]).fold(f64::NEG_INFINITY, f64::max);
        let old = max;
        max = max.max(block_max);
        let correction = (old - max).exp2();
        sums.iter_mut().chain([&mut total]).for_each(|sum| *sum *= correction);
        let weights = tokens.iter().map(|&t| match value_type {
            ValueType::I16 => {
                let weight = ((scores[t] - block_max).exp2() * 4096.0).round_ties_even();
                weight / 4096.0 * (block_max - max).exp2()
            }
            ValueType::F16 | ValueType::F32 => (scores[t] - max).exp2(),
        });
        let weights: Vec<f64> = weights.collect();
        total += weights.iter().sum::<f64>();
        if value_type == ValueType::F16 {
            add_in_halves(&mut sums, &weights, values, tokens);
            continue;
        }
        for (&t, weight) in tokens.iter().zip(&weights) {
            sums.iter_mut().zip(&values[t * dv..]).for_each(|(sum, v)| *sum += weight * v);
        }
    }
    sums.iter().map(|sum| (sum / total) as f32).collect()
}

/// The largest one that is not above `x`.
fn power_of_two(x: f64) -> f64 {
    if x > 0.0 { x.log2().floor().exp2() } else { 1.0 }
}

/// Adds the weighted values of some tokens.
fn add_in_halves(sums: &mut [f64], weights: &[f64], values: &[f64], tokens: &[usize]) {
    let dv = sums.len();
    let row = |t: usize| &values[t * dv..][..dv];
    let extent = tokens.iter().flat_map(|&t| row(t)).fold(0.0, |extent: f64, v| v.abs().max(extent));
    let scale = power_of_two(extent);
    for (weights, tokens) in weights.chunks(64).zip(tokens.chunks(64)) {
        for (c, sum) in sums.iter_mut().enumerate() {
            let products = weights.iter().zip(tokens).fold(f16::ZERO, |sum, (&weight, &t)| {
                mul_add_half(f16::from_f64(weight), f16::from_f64(row(t)[c] / scale), sum)
            });
            *sum += products.to_f64() * scale;
        }
    }
}

/// `Σ a · b` in chains of 32 multiply-adds. With few `copies` of a cell, several chains take the products by
/// turns.
fn product_in_halves(a: &[f64], b: &[f64], copies: usize) -> f64 {
    let chains = match copies {
        1 | 2 => 4,
        3..=6 => 2,
        _ => 1,
    };
    let mut sum = 0.0;
    for (a, b) in a.chunks(32 * chains).zip(b.chunks(32 * chains)) {
        for chain in 0..chains {
            let products = a.iter().zip(b).skip(chain).step_by(chains);
            let products = products.map(|(a, b)| (f16::from_f64(*a), f16::from_f64(*b)));
            sum += products.fold(f16::ZERO, |sum, (a, b)| mul_add_half(a, b, sum)).to_f64();
        }
    }
    sum
}

/// The sizes of an attention over grids.
#[derive(Clone, Copy, Debug)]
pub struct Grids {
    /// Side of a grid, in cells.
    pub side: usize,
    /// Number of grids.
    pub copies: usize,
    /// Largest number of copies whose tokens share a block.
    pub max_copies: usize,
    /// Width of the strips of columns in which cells are visited, row by row.
    pub strip: usize,
}

impl Grids {
    /// The cells, row-major, in the order in which they are visited.
    fn cells(self) -> Vec<usize> {
        let Self { side, strip, .. } = self;
        let strips = (0..side).step_by(strip);
        strips
            .flat_map(|left| (0..side).flat_map(move |y| (left..left + strip).map(move |x| y * side + x)))
            .collect()
    }

    /// The copies whose tokens share blocks.
    fn groups(self) -> impl Iterator<Item = Range<usize>> {
        let Self { copies, max_copies, .. } = self;
        let count = copies.div_ceil(max_copies);
        (0..count).map(move |group| copies * group / count..copies * (group + 1) / count)
    }

    /// Number of copies in the group of one.
    fn beside(self, copy: usize) -> usize {
        self.groups().find(|group| group.contains(&copy)).map_or(0, |group| group.len())
    }

    /// Blocks of the tokens of some copies at some cells.
    fn blocks(self) -> Vec<Vec<usize>> {
        let (side, cells) = (self.side, self.cells());
        self.groups()
            .flat_map(|copies| {
                let token = move |cell: usize| copies.clone().map(move |t| t * side * side + cell);
                let per_block = KEYS / token(0).count();
                let blocks = cells.chunks(per_block);
                blocks.map(|cells| cells.iter().flat_map(|&c| token(c)).collect()).collect::<Vec<_>>()
            })
            .collect()
    }
}

/// Attention over tokens on copies of a grid in 8-bit precision: the twin of [`crate::attention::GridKeys`]
/// over [`crate::attention::GridTokens::int8`], and with words of `int16`.
///
/// `q` is `(nq, d)`, `z` `(tokens, m)`, `v` `(tokens, dv)`; a key is `weight · z + bias`, rotated to its
/// cell; the tokens after the copies have the keys `unplaced`. `theta` as in [`rope`].
pub fn attention_over_grids_int8(
    grids: Grids,
    value_type: ValueType,
    (scale, theta): (f32, f64),
    q: &[f32],
    (z, v): (&[f32], &[f32]),
    (weight, bias): (&[f32], &[f32]),
    unplaced: &[f32],
) -> Vec<f32> {
    let Grids { side, copies, .. } = grids;
    let (d, m) = (bias.len(), weight.len() / bias.len());
    let (cells, tokens) = (side * side, z.len() / m);
    let (placed, dv) = (copies * cells, v.len() / tokens);
    let blocks = grids.blocks();
    let words = value_type == ValueType::I16;
    let mut values: Vec<f64> = v.iter().copied().map(f64::from).collect();
    for block in blocks.iter().filter(|_| words) {
        for c in 0..dv {
            let mut column: Vec<f64> = block.iter().map(|t| values[t * dv + c]).collect();
            round_to_i16(column.iter_mut());
            block.iter().zip(column).for_each(|(t, v)| values[t * dv + c] = v);
        }
    }
    let others: Vec<usize> = (placed..tokens).collect();
    let blocks: Vec<(&[usize], ValueType)> =
        blocks.iter().map(|block| (&block[..], value_type)).chain([(&others[..], ValueType::F32)]).collect();
    let base_two = f64::from(scale) * std::f64::consts::LOG2_E;
    let extent_of = |x: &[f64]| x.iter().fold(0.0, |extent: f64, x| extent.max(x.abs()));
    // Integers of magnitudes up to `max` with the scale that gives them, or halves with a power of two.
    let max_of_inputs = ((1 << 17) / m - 1).min(8191) as f64;
    let scale_of = |extent: f64, max: f64| match value_type {
        ValueType::I16 => (extent / max).max(f64::MIN_POSITIVE),
        ValueType::F16 => power_of_two(extent),
        ValueType::F32 => 1.0,
    };
    let round = |x: f64| match value_type {
        ValueType::I16 => x.round_ties_even(),
        ValueType::F16 => f16::from_f64(x).to_f64(),
        ValueType::F32 => x,
    };
    let inputs: Vec<(f64, Vec<f64>)> = z[..placed * m]
        .chunks(m)
        .map(|z| {
            let z: Vec<f64> = z.iter().copied().map(f64::from).collect();
            let scale = scale_of(extent_of(&z), max_of_inputs);
            (scale, z.iter().map(|z| round(z / scale)).collect())
        })
        .collect();
    // Column c of [weight | bias], rotated to the cells of the diagonal.
    let rotated: Vec<Vec<f32>> = (0..=m)
        .map(|c| {
            let column: Vec<f32> = (0..d).map(|k| if c < m { weight[k * m + c] } else { bias[k] }).collect();
            rope(&column.repeat(cells), side, d, theta)
        })
        .collect();
    let mut out = Vec::new();
    for q in q.chunks(d) {
        let split = |half: Range<usize>| -> Vec<Vec<f64>> {
            let dot = |row: &[f32]| {
                half.clone().map(|k| f64::from(row[k]) * f64::from(q[k])).sum::<f64>() * base_two
            };
            let row = |j: usize| rotated.iter().map(|rotated| dot(&rotated[(j * side + j) * d..])).collect();
            (0..side).map(row).collect()
        };
        let parts = [split(0..d / 2), split(d / 2..d)];
        let split: Vec<f64> = parts.iter().flatten().flat_map(|row| &row[..m]).copied().collect();
        let scale = scale_of(extent_of(&split), 8191.0);
        let mut scores: Vec<f64> = inputs
            .iter()
            .enumerate()
            .map(|(t, (scale_of_input, z))| {
                let (a, b) = (&parts[0][t % cells % side], &parts[1][t % cells / side]);
                let sums: Vec<f64> = (0..m).map(|c| round(a[c] / scale) + round(b[c] / scale)).collect();
                let sum = if value_type == ValueType::F16 {
                    product_in_halves(&sums, z, grids.beside(t / cells))
                } else {
                    sums.iter().zip(z).map(|(sum, z)| sum * z).sum()
                };
                scale * scale_of_input * sum + a[m] + b[m]
            })
            .collect();
        scores.extend(unplaced.chunks(d).map(|key| {
            q.iter().zip(key).map(|(&q, &k)| f64::from(q) * f64::from(k)).sum::<f64>() * base_two
        }));
        out.extend(weigh(&scores, &values, &blocks));
    }
    out
}

/// Axial rotary position encoding of `x`, `(N, dim)`: row `t` is cell `t mod side²` of a `side × side` grid.
///
/// Pair `i` holds the elements `2i` and `2i + 1`; the first half of the pairs is rotated by the column, the
/// second by the row, each by `coordinate · theta^(−4m/dim)`. The angle is rounded to f32, as in Meta's
/// tables.
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
