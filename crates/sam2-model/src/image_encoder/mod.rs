//! Image encoder: Hiera trunk and FPN neck. Meta: `sam2/modeling/backbones/`.
//!
//! ```text
//! [S, S, 3] → trunk → [S/4, S/4, E] [S/8, S/8, 2E] [S/16, S/16, 4E] [S/32, S/32, 8E] → neck
//!           → level2 [S/16, S/16, D], high-resolution maps [S/4, S/4, D/8] and [S/8, S/8, D/4]
//! ```

mod features;

pub use features::Features;

use crate::config::Config;
use crate::error::LoadError;
use crate::neck::{Neck, Pyramid};
use crate::trunk::hiera::{Block, Hiera};
use crate::weights::Loader;
use crate::workspace::{Buffer, Run};

/// Trunk and neck.
#[derive(Clone, Debug)]
pub(crate) struct ImageEncoder {
    trunk: Hiera,
    neck: Neck,
}

impl ImageEncoder {
    /// The neck takes in `conv_s0` and `conv_s1`, which the checkpoint keeps under `sam_mask_decoder`.
    pub fn load(root: &Loader, config: &Config) -> Result<Self, LoadError> {
        let loader = root.at("image_encoder");
        let trunk = Hiera::load(&loader.at("trunk"), config)?;
        let neck = Neck::load(&loader.at("neck"), &root.at("sam_mask_decoder"), config)?;
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
        Features::of_levels(pyramid.levels)
    }
}
