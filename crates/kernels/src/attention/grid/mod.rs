//! Attention over tokens on copies of one square grid, under axial rotary encoding, without forming any key.
//!
//! A key is `R(x, y) · (W z + b)`: the rotation turns the first half of the channels by the column and the
//! second half by the row, and is the same in every copy. So a score splits into a part of the column and a
//! part of the row,
//!
//! ```text
//! q · key = (a(x) + b(y)) · [z, 1]
//! a(x) = [W|b]ᵀ Rᵀ q, first half of the channels, at column x;    b(y) likewise, second half, at row y
//! ```
//!
//! where `a` and `b` are linear in the query ([`GridKeys`]): the rotations are taken apart about the middle
//! of the grid, even and odd, and their angles are products of thin matrices (`split`, `factors`). With
//! `T` copies, a query and a cell then cost one addition of two vectors as wide as `z` and `T` dot products
//! of that width, instead of `T` dot products as wide as a key.
//!
//! ```text
//! for each block of queries                        parallel: disjoint rows of the output
//!   a, b ← cos(u θ) · A ± sin(u θ) · B             side · (m + 1) rows each: fits L2           split
//!   for each block of cells                        with all copies at most KEYS tokens
//!     for each panel of queries
//!       S ← Σ (a(x) + b(y)) · z                    T rows at a time; one query per lane        scores
//!       P ← 2^(S − max);  O ← O · 2^(old max − max) + tile(vᵀ, P)                              values
//! ```
//!
//! With one query per lane, the maximum, the sum and the correction of the online softmax are plain vector
//! operations, and the weights of a block are the right operand of the second product without rearrangement.
//! The scale of the softmax and the change to base two are part of the weights.
//!
//! The gateway is entered per panel and block of cells, at least 20 000 cycles of work, so the loops around
//! are compiled once and not per instruction set.
//!
//! With [`GridTokens::int16`] scores and weighted values are products of 16-bit integers: `scores_i16`,
//! `values_i16`. On ARM those of [`GridTokens::int8`] are in half precision where the host computes in it:
//! `scores_f16`, `values_f16`.
//!
//! Tokens without a place on the grid come last and have ordinary keys.

/// Calls a method with the number of copies, `self.copies`, as its last constant.
macro_rules! for_copies {
    ($self:ident.$method:ident::<$Token:ident, $NV:ident>($token:ident)) => {
        match $self.copies {
            1 => $self.$method::<$Token, $NV, 1>($token),
            2 => $self.$method::<$Token, $NV, 2>($token),
            3 => $self.$method::<$Token, $NV, 3>($token),
            4 => $self.$method::<$Token, $NV, 4>($token),
            5 => $self.$method::<$Token, $NV, 5>($token),
            6 => $self.$method::<$Token, $NV, 6>($token),
            7 => $self.$method::<$Token, $NV, 7>($token),
            $crate::attention::grid::tokens::MAX_COPIES => {
                $self.$method::<$Token, $NV, { $crate::attention::grid::tokens::MAX_COPIES }>($token)
            }
            copies => unreachable!("{copies} copies in a group"),
        }
    };
}

mod block;
mod factors;
#[cfg(target_arch = "aarch64")]
mod halves;
mod inputs_i16;
mod keys;
mod products;
mod scores;
#[cfg(target_arch = "aarch64")]
mod scores_f16;
mod scores_i16;
mod scratch;
mod split;
mod tokens;
mod values;
#[cfg(target_arch = "aarch64")]
mod values_f16;
mod values_i16;

pub use keys::GridKeys;
pub use tokens::GridTokens;

use block::Block;
use products::Products;
use scratch::{Scratch, Sizes};

use crate::gemm::{KC, Rows};
use crate::parallel;
use crate::simd::Isa;

impl GridKeys {
    /// Attention of `q`, `(N, d)`, already rotated, over `tokens` to `out`, `(N, dv)`. `unplaced` are the
    /// keys, `(E, d)`, of the tokens without a place on the grid.
    ///
    /// # Panics
    /// If the sizes do not agree.
    #[track_caller]
    pub fn attend(&self, isa: Isa, q: &[f32], tokens: &GridTokens, unplaced: &[f32], out: &mut [f32]) {
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
        assert_eq!(unplaced.len(), tokens.unplaced * d, "GridKeys::attend: keys of the unplaced tokens");
        let (width, tuning) = (isa.tile_shape().1, isa.tuning());
        let max_queries =
            if tokens.products == Products::I16 { tuning.grid_queries_i16 } else { tuning.grid_queries };
        parallel::with_scratch(tokens.unplaced * KC, |keys| {
            for (row, key) in keys.chunks_exact_mut(KC).zip(unplaced.chunks_exact(d)) {
                row[..d].iter_mut().zip(key).for_each(|(x, k)| *x = k * self.scale);
            }
            let keys = &*keys;
            let queries = parallel::rows_per_task(n, width, max_queries);
            parallel::for_each_chunk_mut(out, queries * dv, |i, out| {
                let count = out.len() / dv;
                let (side, m, products) = (self.side, self.m, tokens.products);
                let (panels, split_scratch) = (count.div_ceil(width), self.split_scratch());
                let sizes = Sizes { split_scratch, m, dv, side, width, panels, products };
                let q = Rows::new(&q[i * queries * d..], d);
                with_queries_and_scratch(sizes, q, (count, d), |queries, scratch| {
                    Block { isa, keys: self, tokens, unplaced: keys, queries, scratch, out }.attend();
                });
            });
        });
    }
}

/// Calls `f` with `count` rows of `d` of `q` packed into panels, `(d, width)` each, and scratch memory.
fn with_queries_and_scratch(
    sizes: Sizes,
    q: Rows,
    (count, d): (usize, usize),
    f: impl FnOnce(&[f32], Scratch),
) {
    let Sizes { width, panels, .. } = sizes;
    let packed = panels * d * width;
    parallel::with_scratch(packed + sizes.floats(), |floats| {
        parallel::with_scratch_i16(sizes.integers(), |integers| {
            parallel::with_scratch_f16(sizes.halves(), |halves| {
                let (queries, floats) = floats.split_at_mut(packed);
                pack_queries(q, count, d, width, queries);
                f(queries, Scratch::new(sizes, floats, integers, halves));
            });
        });
    });
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
