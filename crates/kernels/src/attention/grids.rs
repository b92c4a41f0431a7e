//! Attention over tokens on copies of one square grid, under axial rotary encoding, without ever forming a key.
//!
//! A key is `R(x, y) · (W z + b)`: the rotation turns the first half of the channels with the column, the second with the
//! row, and does not know the copy. So a score splits into a part of the column and a part of the row,
//!
//! ```text
//! q · key = (a(x) + b(y)) · [z, 1],    a(x) = [W|b]ᵀ Rᵀ q, first half, at column x;    b(y) likewise, second half, row y
//! ```
//!
//! where `a` and `b` are products of the query with matrices of weights only ([`GridKeys`]). With `T` copies, a query and
//! a cell then cost one addition of two vectors as wide as `z` and `T` dot products of that width, in place of `T` dot products as
//! wide as a key.
//!
//! ```text
//! for each block of queries                        parallel: disjoint rows of the output
//!   a, b ← tile(weights, q)                        side · (m + 1) rows each: fits L2
//!   for each block of cells                        with all copies at most KEYS tokens
//!     S ← Σ (a(x) + b(y)) · z                      T rows at a time; queries lie along the vector
//!     P ← 2^(S − max);  O ← O · 2^(old max − max) + tile(vᵀ, P)
//! ```
//!
//! Queries lie along the vector, so that the maximum, the sum and the correction of the online softmax are plain vector
//! operations; the weights of a block are the right operand of the second product where they lie. The scale of the
//! softmax and the change to base two are part of the weights.
//!
//! With [`GridKeys::int16`] and [`GridTokens::int16`] all three products are those of 16-bit words: see `grids/split16.rs`, `scores16.rs`
//! and `values16.rs`.
//!
//! Tokens that have no place on the grid come last, with keys of the usual kind.

mod block;
mod scores16;
mod split16;
mod tokens;
mod values16;

pub use tokens::GridTokens;

use block::Block;
use split16::WeightWords;

use crate::gemm::{KC, Rows};
use crate::parallel;
use crate::rope::Rope;
use crate::simd::Isa;

/// Most copies whose scores are formed together.
const MAX_COPIES: usize = 8;
/// Most queries in one block with this instruction set, if a panel is not wider. `a` and `b` take 1.6 MB for 48 of them at a grid of 64 and 64
/// channels. Where L2 does not hold that in any case, more of them, for which tokens come from memory that much more seldom.
fn queries_of(isa: Isa, words: bool) -> usize {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512(_) => 48,
        _ if words => 48,
        _ => 96,
    }
}

/// The projection of inputs `z` to keys, turned to every column and every row of the grid.
#[derive(Clone, Debug)]
pub struct GridKeys {
    side: usize,
    d: usize,
    m: usize,
    scale: f32,
    turned: Turned,
}

/// `(side · (m + 1))` rows with stride [`KC`]: row `(j, c)` is column `c` of `[W|b]` turned to cell `(j, j)`, times the scale.
#[derive(Clone, Debug)]
enum Turned {
    F32(Vec<f32>),
    Int16(WeightWords),
}

impl GridKeys {
    /// From `weight`, `(d, m)`, and `bias`, `(d)`, for scores times `scale`, on the grid of `rope`.
    ///
    /// # Panics
    /// If the sizes do not agree or `d` exceeds [`KC`].
    #[track_caller]
    pub fn new(weight: &[f32], bias: &[f32], scale: f32, rope: &Rope) -> Self {
        let (d, side) = (bias.len(), rope.cells().isqrt());
        let m = weight.len() / d.max(1);
        assert!(weight.len() == d * m && d <= KC && d == rope.dim(), "GridKeys::new: {d}×{m}");
        let scale = scale * std::f32::consts::LOG2_E;
        let columns: Vec<f32> =
            (0..m).flat_map(|c| weight[c..].iter().step_by(m)).chain(bias).map(|x| scale * x).collect();
        let mut turned = vec![0.0; side * (m + 1) * KC];
        parallel::for_each_chunk_mut(&mut turned, (m + 1) * KC, |j, rows| {
            for (row, column) in rows.chunks_exact_mut(KC).zip(columns.chunks_exact(d)) {
                row[..d].copy_from_slice(column);
                rope.turn(j * side + j, &mut row[..d]);
            }
        });
        Self { side, d, m, scale, turned: Turned::F32(turned) }
    }

    /// [`Self::new`] for products of 16-bit words with the queries.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[track_caller]
    pub fn int16(weight: &[f32], bias: &[f32], scale: f32, rope: &Rope) -> Self {
        let mut keys = Self::new(weight, bias, scale, rope);
        if let Turned::F32(rows) = &keys.turned {
            keys.turned = Turned::Int16(WeightWords::new(rows, keys.d));
        }
        keys
    }

    /// Attention of `q`, `(N, d)`, already rotated, over `tokens`; `placeless` are the keys, `(E, d)`, of those that have no
    /// place. To `out`, `(N, dv)`.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn attend(&self, isa: Isa, q: &[f32], tokens: &GridTokens, placeless: &[f32], out: &mut [f32]) {
        let (d, dv) = (self.d, tokens.dv);
        let n = q.len() / d;
        assert_eq!(out.len(), n * dv, "GridKeys::attend: out");
        assert_eq!(tokens.cells, self.side * self.side, "GridKeys::attend: tokens of another grid");
        assert_eq!(tokens.m, self.m, "GridKeys::attend: width of the tokens");
        assert_eq!(
            tokens.tile,
            isa.tile_shape(),
            "GridKeys::attend: tokens arranged for another instruction set"
        );
        assert_eq!(placeless.len(), tokens.placeless * d, "GridKeys::attend: keys without a place");
        let panel_width = isa.tile_shape().1;
        let ab = self.side * (self.m + 1) * panel_width;
        parallel::with_scratch(tokens.placeless * KC, |keys| {
            for (row, key) in keys.chunks_exact_mut(KC).zip(placeless.chunks_exact(d)) {
                row[..d].iter_mut().zip(key).for_each(|(x, k)| *x = k * self.scale);
            }
            let keys = &*keys;
            let queries = parallel::rows_per_task(n, panel_width, queries_of(isa, tokens.words));
            parallel::for_each_chunk_mut(out, queries * dv, |i, out| {
                let count = out.len() / dv;
                let panels = count.div_ceil(panel_width);
                let per_panel = d * panel_width + 2 * ab + dv * panel_width + 3 * panel_width;
                let words = panels * (tokens.words_of_split(self.side, panel_width) + d * panel_width)
                    + KC * panel_width;
                let floats = panels * per_panel + (KC + 2) * panel_width;
                with_both(floats, words, |scratch, words| {
                    let (scores, scratch) = scratch.split_at_mut(KC * panel_width);
                    let (correction, scratch) = scratch.split_at_mut(panel_width);
                    let (block_max, mut scratch) = scratch.split_at_mut(panel_width);
                    let (weights, words) = words.split_at_mut(KC * panel_width);
                    let (query_words, words) = words.split_at_mut(panels * d * panel_width);
                    let mut part = |len: usize| {
                        let (part, rest) = std::mem::take(&mut scratch).split_at_mut(panels * len);
                        scratch = rest;
                        part
                    };
                    let q = Rows::new(&q[i * queries * d..], d);
                    let packed = part(d * panel_width);
                    pack_queries(q, count, d, panel_width, packed);
                    let block = Block {
                        isa,
                        weights: self,
                        tokens,
                        keys,
                        panels,
                        queries: packed,
                        query_words,
                        by_column: part(ab),
                        by_row: part(ab),
                        words,
                        steps: part(panel_width),
                        sums: part(dv * panel_width),
                        max: part(panel_width),
                        total: part(panel_width),
                        correction,
                        block_max,
                        scores,
                        weight_words: weights,
                        out,
                    };
                    isa.dispatch_tiled(block);
                });
            });
        });
    }
}

/// Lends scratch memory of both kinds.
fn with_both(floats: usize, words: usize, f: impl FnOnce(&mut [f32], &mut [i16])) {
    parallel::with_scratch(floats, |floats| parallel::with_words(words, |words| f(floats, words)));
}

/// `count` rows of `d` into panels of `width`, `(d, width)` each, the missing ones zero.
fn pack_queries(q: Rows, count: usize, d: usize, width: usize, out: &mut [f32]) {
    for (p, panel) in out.chunks_exact_mut(d * width).enumerate() {
        let present = width.min(count - p * width);
        if present < width {
            panel.fill(0.0);
        }
        for j in 0..present {
            for (row, &x) in panel.chunks_exact_mut(width).zip(q.part(p * width + j, 0, d)) {
                row[j] = x;
            }
        }
    }
}
