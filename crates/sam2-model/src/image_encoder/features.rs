//! Feature maps of one image.

/// Output of the image encoder, input of the mask decoder and the memory.
#[derive(Clone, Debug)]
pub struct Features {
    /// `[grid, grid, D]`: the raw map of stride 16.
    pub(crate) level2: Vec<f32>,
    /// `[4·grid, 4·grid, D/8]`, already through `conv_s0`.
    pub(crate) high_res0: Vec<f32>,
    /// `[2·grid, 2·grid, D/4]`, already through `conv_s1`.
    pub(crate) high_res1: Vec<f32>,
}

impl Features {
    /// From their three maps: `[g, g, D]`, `[4g, 4g, D/8]`, `[2g, 2g, D/4]`.
    pub fn from_parts(level2: Vec<f32>, high_res0: Vec<f32>, high_res1: Vec<f32>) -> Self {
        Self { level2, high_res0, high_res1 }
    }

    /// The raw map of stride 16.
    pub fn level2(&self) -> &[f32] {
        &self.level2
    }

    /// The neck's levels; the coarsest has been added to `level2`.
    pub(crate) fn of_levels([high_res0, high_res1, level2, _]: [Vec<f32>; 4]) -> Self {
        Self { level2, high_res0, high_res1 }
    }
}
