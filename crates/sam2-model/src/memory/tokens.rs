//! Layout of a memory: spans of tokens, on a grid or without a position.

use crate::config::{Config, Family, PERCEIVER_SIDE as SIDE};
use crate::nn::position::sine_2d;
use crate::workspace::Buffer;

/// Position of a span's tokens, which decides the rotary encoding of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The cells of a grid of this side, row by row: keys are rotated.
    Grid(usize),
    /// No position: keys are not rotated.
    Unplaced,
}

/// Consecutive memory tokens of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub tokens: usize,
    pub place: Place,
}

/// The spans that one spatial memory and one object pointer become; m = `mem_dim` channels per token.
///
/// A family whose memories are not one grid (EdgeTAM: 256 latents without a place, then 256 on a 16×16 grid)
/// differs in `spatial` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemoryLayout {
    spatial: Vec<Span>,
    pointer: Span,
    width: usize,
}

impl MemoryLayout {
    /// Layout of the memories of a model.
    pub fn new(config: &Config) -> Self {
        let (grid, m) = (config.grid(), config.mem_dim);
        let on_grid = |side| Span { tokens: side * side, place: Place::Grid(side) };
        Self {
            spatial: match config.family {
                Family::Sam2 | Family::EfficientTam => vec![on_grid(grid)],
                // The tokens of the perceiver.
                Family::EdgeTam => {
                    vec![Span { place: Place::Unplaced, ..on_grid(SIDE) }, on_grid(SIDE)]
                }
            },
            pointer: Span { tokens: config.d_model / m, place: Place::Unplaced },
            width: m,
        }
    }

    /// Spans of `memories` spatial memories, then of `pointers` object pointers.
    pub fn spans(&self, memories: usize, pointers: usize) -> Vec<Span> {
        let spatial = std::iter::repeat_n(&self.spatial, memories).flatten();
        spatial.chain(std::iter::repeat_n(&self.pointer, pointers)).copied().collect()
    }

    /// Side of the grid on which the keys of a spatial memory are rotated; a layout has one.
    pub fn key_side(&self) -> usize {
        let side = |span: &Span| match span.place {
            Place::Grid(side) => Some(side),
            Place::Unplaced => None,
        };
        self.spatial.iter().find_map(side).expect("a spatial memory has a span on a grid")
    }

    /// Floats of one spatial memory.
    pub fn spatial_len(&self) -> usize {
        self.spatial.iter().map(|span| span.tokens).sum::<usize>() * self.width
    }

    /// Position encoding of one spatial memory, `(tokens, m)`: sines on a grid, zeros without a place.
    pub fn spatial_position(&self) -> Vec<f32> {
        let position = |span: &Span| match span.place {
            Place::Grid(side) => sine_2d(side, self.width),
            Place::Unplaced => vec![0.0; span.tokens * self.width],
        };
        self.spatial.iter().flat_map(position).collect()
    }
}

/// The memory tokens of one object, in the order in which the reference concatenates them: conditioning
/// memories, recent memories, object pointers. Both buffers belong to the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryTokens {
    /// `(M, m)`.
    pub values: Buffer,
    /// `(M, m)`: added to the keys only.
    pub positions: Buffer,
    /// M tokens in all.
    pub spans: Vec<Span>,
}
