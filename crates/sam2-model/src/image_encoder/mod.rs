//! Image encoder: Hiera trunk and FPN neck. Meta: `sam2/modeling/backbones/`.
//!
//! ```text
//! [S, S, 3] → trunk → [S/4, S/4, E] [S/8, S/8, 2E] [S/16, S/16, 4E] [S/32, S/32, 8E] → neck
//!           → level2 [S/16, S/16, D], high-resolution maps [S/4, S/4, D/8] and [S/8, S/8, D/4]
//! ```

mod block;
mod hiera;
mod neck;
mod pos_embed;

use block::Block;
use hiera::Hiera;
pub(crate) use neck::compose;
use neck::{Neck, Pyramid};

use kernels::Isa;

use crate::config::Config;
use crate::error::LoadError;
use crate::weights::Scope;
use crate::workspace::{Buffer, Run};

/// What the encoder hands to decoder and memory.
#[derive(Clone, Debug)]
pub struct Features {
    /// `[grid, grid, D]`: the raw map of stride 16.
    pub(crate) level2: Vec<f32>,
    /// `[4·grid, 4·grid, D/8]`, already through `conv_s0`.
    pub(crate) high_res0: Vec<f32>,
    /// `[2·grid, 2·grid, D/4]`, already through `conv_s1`.
    pub(crate) high_res1: Vec<f32>,
}

/// Trunk and neck.
#[derive(Clone, Debug)]
pub(crate) struct ImageEncoder {
    trunk: Hiera,
    neck: Neck,
}

impl ImageEncoder {
    /// The neck takes in `conv_s0` and `conv_s1`, which the checkpoint keeps under `sam_mask_decoder`.
    pub fn load(root: &Scope, isa: Isa, config: &Config) -> Result<Self, LoadError> {
        let scope = root.at("image_encoder");
        let trunk = Hiera::load(&scope.at("trunk"), isa, config)?;
        let neck = Neck::load(&scope.at("neck"), &root.at("sam_mask_decoder"), isa, config)?;
        Ok(Self { trunk, neck })
    }

    pub fn block(&self, index: usize) -> &Block {
        &self.trunk.blocks[index]
    }

    /// `image`, `[S, S, 3]` and normalised, a buffer of the workspace.
    pub fn forward(&self, run: &mut Run, image: Buffer) -> Features {
        let mut pyramid = Pyramid::default();
        self.trunk.forward(run, image, |run, stage, x, size| {
            self.neck.take_stage(run, stage, x, size, &mut pyramid)
        });
        pyramid.into_features()
    }
}
