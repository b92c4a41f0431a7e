//! Image encoder: trunk and neck. Meta: `sam2/modeling/backbones/`.
//!
//! ```text
//! [S, S, 3] → Hiera → [S/4, S/4, E] [S/8, S/8, 2E] [S/16, S/16, 4E] [S/32, S/32, 8E] → neck
//!           → level2 [S/16, S/16, D], high-resolution maps [S/4, S/4, D/8] and [S/8, S/8, D/4]
//! [S, S, 3] → ViT → [S/16, S/16, C] → neck → level2 [S/16, S/16, D]
//! ```

use crate::config::Config;
use crate::error::LoadError;
use crate::features::Features;
use crate::neck::{Neck, Pyramid};
use crate::trunk::Trunk;
use crate::weights::Loader;
use crate::workspace::{Buffer, Run};

#[derive(Clone, Debug)]
pub(crate) struct ImageEncoder {
    pub trunk: Trunk,
    neck: Neck,
}

impl ImageEncoder {
    /// From the root of a checkpoint: the neck also reads `conv_s0` and `conv_s1` of `sam_mask_decoder`.
    pub fn load(root: &Loader, config: &Config) -> Result<Self, LoadError> {
        let loader = root.at("image_encoder");
        let trunk = Trunk::load(&loader.at("trunk"), config)?;
        let decoder = root.at("sam_mask_decoder");
        let neck = Neck::load(&loader.at("neck"), &decoder, &trunk.channels(), config)?;
        Ok(Self { trunk, neck })
    }

    /// `image`, `[S, S, 3]` and normalised, a buffer of the workspace.
    ///
    /// The neck consumes each map as soon as the trunk has computed it, so that at most two of them are
    /// alive.
    pub fn forward(&self, run: &mut Run, image: Buffer) -> Features {
        let mut pyramid = Pyramid::default();
        self.trunk.forward(run, image, |run, level, x, size| {
            self.neck.consume(run, level, x, size, &mut pyramid);
        });
        pyramid.into_features()
    }
}
