//! Memory tokens prepared for all layers, and the form in which the layers attend to them.

use kernels::attention::GridTokens;
use kernels::{image, rows};

use crate::config::CrossAttention as Kind;
use crate::memory::tokens::{MemoryTokens, Place, Span};
use crate::precision::Precision;
use crate::workspace::{Buffer, Run};

/// Smallest number of spatial memories for [`MemoryCrossAttention::UnprojectedKeys`], whose cost per memory
/// is constant.
const UNPROJECTED_FROM: usize = 2;

/// Form of the cross-attention of one call; chosen by [`MemoryCrossAttention::new`] alone.
pub(super) enum MemoryCrossAttention {
    /// The keys of all tokens are projected and rotated.
    Full,
    /// The keys of spatial memories are neither projected nor rotated: their projection is applied to the
    /// queries, see [`kernels::attention::GridKeys`]. The keys of unplaced tokens are projected.
    UnprojectedKeys(GridTokens),
    /// Keys and values of spatial memories are averaged over 2×2 cells.
    Pooled(Pooled),
    /// The keys of unplaced tokens are not projected: their projection is applied to the queries.
    Absorbed(Absorbed),
}

/// Tokens on grids and unplaced ones, apart; m channels each.
pub(super) struct Absorbed {
    /// The four parts, one after the other.
    tokens: Buffer,
    /// Tokens on grids, and unplaced ones.
    counts: [usize; 2],
    width: usize,
}

impl Absorbed {
    /// Whether the unplaced tokens of `spans` are enough to pay for projecting queries of `d` channels.
    fn pays(spans: &[Span], width: usize, d: usize) -> bool {
        let unplaced = spans.iter().filter(|span| span.place == Place::Unplaced);
        let unplaced: usize = unplaced.map(|span| span.tokens).sum();
        unplaced * d.saturating_sub(width + 1) > d * (width + 1)
    }

    fn new(run: &mut Run, spans: &[Span], (keys, values, width): (&[f32], &[f32], usize)) -> Self {
        let unplaced = spans.iter().filter(|span| span.place == Place::Unplaced);
        let unplaced: usize = unplaced.map(|span| span.tokens).sum();
        let placed = keys.len() / width - unplaced;
        let tokens = run.take(2 * placed * width + unplaced * (2 * width + 1));
        let mut absorbed = Self { tokens, counts: [placed, unplaced], width };
        let [mut grid_keys, mut grid_values, mut other_keys, mut other_values] = absorbed.parts_mut();
        let mut at = 0;
        for span in spans {
            let range = at * width..(at + span.tokens) * width;
            at += span.tokens;
            match span.place {
                Place::Grid(_) => {
                    fill(&mut grid_keys, &keys[range.clone()]);
                    fill(&mut grid_values, &values[range]);
                }
                Place::Unplaced => {
                    for key in keys[range.clone()].chunks_exact(width) {
                        fill(&mut other_keys, key);
                        fill(&mut other_keys, &[1.0]);
                    }
                    fill(&mut other_values, &values[range]);
                }
            }
        }
        absorbed
    }

    /// `(n, m)` inputs of the keys on grids, and their values; `(n', m + 1)` inputs of the other keys, each
    /// with a one for the bias, and their values, `(n', m)`.
    pub fn parts(&self) -> [&[f32]; 4] {
        let [a, b, c] = self.ends();
        let (first, second) = self.tokens.split_at(b);
        [&first[..a], &first[a..], &second[..c - b], &second[c - b..]]
    }

    fn parts_mut(&mut self) -> [&mut [f32]; 4] {
        let [a, b, c] = self.ends();
        let (first, second) = self.tokens.split_at_mut(b);
        let (grid_keys, grid_values) = first.split_at_mut(a);
        let (other_keys, other_values) = second.split_at_mut(c - b);
        [grid_keys, grid_values, other_keys, other_values]
    }

    /// Where the first three parts end.
    fn ends(&self) -> [usize; 3] {
        let [placed, unplaced] = self.counts;
        let (grids, width) = (placed * self.width, self.width);
        [grids, 2 * grids, 2 * grids + unplaced * (width + 1)]
    }
}

/// Writes `x` to the front of `out`, and leaves the rest there.
fn fill(out: &mut &mut [f32], x: &[f32]) {
    let (front, rest) = std::mem::take(out).split_at_mut(x.len());
    front.copy_from_slice(x);
    *out = rest;
}

/// Averaged values, and what else the averages of EfficientTAM need.
pub(super) struct Pooled {
    /// Number of spatial memories.
    pub memories: usize,
    /// Side of their grid.
    pub side: usize,
    /// `(memories · side² / 4 + unplaced, width)`: the averages, then the values of the unplaced tokens.
    pub values: Buffer,
    /// How many keys an averaged one stands for.
    pub times: usize,
    /// Added to every channel of an averaged key.
    pub shift: f32,
}

impl Pooled {
    fn new(
        run: &mut Run,
        kind: Kind,
        (memories, side): (usize, usize),
        (values, width): (&[f32], usize),
    ) -> Self {
        let one = side * side * width;
        let (grids, unplaced) = values.split_at(memories * one);
        let mut pooled = run.take(grids.len() / 4 + unplaced.len());
        let (averages, others) = pooled.split_at_mut(grids.len() / 4);
        for (grid, out) in grids.chunks_exact(one).zip(averages.chunks_exact_mut(one / 4)) {
            image::average_pool_2x2(run.isa, grid, (side, side), width, out);
        }
        others.copy_from_slice(unplaced);
        // An averaged key stands for four: as its multiplicity, which is ln 4 on the score, or, in the `_2`
        // variants, as 2 ln 2 on every channel of the key.
        let (times, shift) =
            if kind == Kind::PooledShifted { (1, 2.0 * std::f32::consts::LN_2) } else { (4, 0.0) };
        Self { memories, side, values: pooled, times, shift }
    }
}

impl MemoryCrossAttention {
    /// [`Self::UnprojectedKeys`] if `spans` are at least [`UNPROJECTED_FROM`] whole grids of `side`, then
    /// unplaced tokens. `keys` and `values` are `(M, width)`. Also returns how many of the tokens are on
    /// grids.
    fn new(
        run: &mut Run,
        spans: &[Span],
        side: usize,
        (keys, values, width): (&[f32], &[f32], usize),
        (precision, d): (Precision, usize),
        kind: Kind,
    ) -> (Self, usize) {
        let placed = spans.iter().take_while(|span| span.place == Place::Grid(side)).count();
        let grids_first = spans[placed..].iter().all(|span| span.place == Place::Unplaced);
        if placed < UNPROJECTED_FROM || !grids_first {
            if precision == Precision::Int8 || !Absorbed::pays(spans, width, d) {
                return (Self::Full, 0);
            }
            let absorbed = Absorbed::new(run, spans, (keys, values, width));
            return (Self::Absorbed(absorbed), keys.len() / width);
        }
        if kind != Kind::Full {
            return (Self::Pooled(Pooled::new(run, kind, (placed, side), (values, width))), 0);
        }
        let arrange = match precision {
            Precision::Int8 => GridTokens::int8,
            Precision::F32 | Precision::Bf16 => GridTokens::new,
        };
        let cells = side * side;
        let grids = arrange(run.isa, (placed, cells), (keys, width), (values, width));
        (Self::UnprojectedKeys(grids), placed * cells)
    }
}

/// [`MemoryTokens`] as every layer reads them.
pub(super) struct Memory {
    /// `(M, m)`: values plus positions. Without the tokens on grids where their keys are unprojected, unless
    /// a tap records the keys of all tokens.
    pub keys_in: Buffer,
    /// `(M, m)`, or likewise; where memories are averaged, those before the averages.
    pub values: Buffer,
    /// Spans of all M tokens.
    pub spans: Vec<Span>,
    pub attention: MemoryCrossAttention,
    /// Whether the tokens are in buffers of the workspace.
    lent: bool,
}

impl Memory {
    /// From tokens of `width` channels whose grids have this `side`; `precision` is that of the scores, with
    /// the channels of the queries.
    pub fn new(
        run: &mut Run,
        tokens: MemoryTokens,
        (width, side): (usize, usize),
        precision: (Precision, usize),
        kind: Kind,
    ) -> Self {
        let MemoryTokens { values, positions: mut keys_in, spans } = tokens;
        rows::add(run.isa, &mut keys_in, &values);
        let all = (&keys_in[..], &values[..], width);
        let (attention, arranged) = MemoryCrossAttention::new(run, &spans, side, all, precision, kind);
        if arranged == 0 || run.tap.enabled() {
            return Self { keys_in, values, spans, attention, lent: true };
        }
        // The copies are small, and the layers need the large buffers.
        let rest = |all: &[f32]| Buffer::from(all[arranged * width..].to_vec());
        let memory = Self { keys_in: rest(&keys_in), values: rest(&values), spans, attention, lent: false };
        run.give(keys_in);
        run.give(values);
        memory
    }

    /// Returns its buffers to the workspace.
    pub fn recycle(self, run: &mut Run) {
        match self.attention {
            MemoryCrossAttention::Pooled(pooled) => run.give(pooled.values),
            MemoryCrossAttention::Absorbed(absorbed) => run.give(absorbed.tokens),
            MemoryCrossAttention::Full | MemoryCrossAttention::UnprojectedKeys(_) => {}
        }
        if self.lent {
            run.give(self.keys_in);
            run.give(self.values);
        }
    }

    /// The inputs of the keys of the unplaced tokens at the end, `(n, m)`.
    pub fn unplaced_keys_in(&self, width: usize) -> &[f32] {
        let unplaced = self.spans.iter().rev().take_while(|span| span.place == Place::Unplaced);
        let tokens: usize = unplaced.map(|span| span.tokens).sum();
        &self.keys_in[self.keys_in.len() - tokens * width..]
    }
}
