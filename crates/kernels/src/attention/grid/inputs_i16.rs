//! The inputs of tokens as 16-bit integers.

use crate::parallel;

/// Cells whose inputs one task quantises.
const CELLS: usize = 64;

/// The largest magnitude of an input of `m` columns: every sum of products stays within 32 bits.
fn max_input(m: usize) -> f32 {
    ((1 << 17) / m - 1).min(8191) as f32
}

/// The inputs of some copies of the grid as integers.
#[derive(Clone, Debug)]
pub(super) struct InputsI16 {
    /// `(cells, m / 2, copies, 2)`.
    pub data: Vec<i16>,
    /// `(cells, copies)`.
    pub scales: Vec<f32>,
}

impl InputsI16 {
    /// From the inputs `row(copy, cell)` of width `m`.
    pub fn new<'a>(
        (copies, cells, m): (usize, usize, usize),
        row: impl Fn(usize, usize) -> &'a [f32] + Sync,
    ) -> Self {
        let len = m.next_multiple_of(2) * copies;
        let mut new = Self { data: vec![0; cells * len], scales: vec![0.0; cells * copies] };
        let max = max_input(m);
        parallel::for_each_chunk_mut2(
            &mut new.data,
            CELLS * len,
            &mut new.scales,
            CELLS * copies,
            |i, data, scales| {
                for (j, data) in data.chunks_exact_mut(len).enumerate() {
                    for t in 0..copies {
                        let input = row(t, i * CELLS + j);
                        let extent = input.iter().fold(0.0, |extent: f32, x| x.abs().max(extent));
                        let scale = (extent / max).max(f32::MIN_POSITIVE);
                        scales[j * copies + t] = scale;
                        for (pair, out) in input.chunks(2).zip(data.chunks_exact_mut(2 * copies)) {
                            for (x, out) in pair.iter().zip(&mut out[2 * t..]) {
                                *out = (x / scale).round_ties_even() as i16;
                            }
                        }
                    }
                }
            },
        );
        new
    }
}
