//! Trunks: backbones that compute feature maps of decreasing resolution.

mod block;
mod hiera;
mod patch_embed;
mod repvit;
mod vit;
mod windows;

#[cfg(feature = "inspect")]
pub(crate) use block::Block;
use hiera::Hiera;
use repvit::RepVit;
use vit::Vit;

use crate::config::{Config, TrunkConfig};
use crate::error::LoadError;
use crate::weights::Loader;
use crate::workspace::{Buffer, Run};

/// A trunk. A new kind adds its file or folder, a variant here and one of [`TrunkConfig`].
#[derive(Clone, Debug)]
pub(crate) enum Trunk {
    Hiera(Hiera),
    RepVit(RepVit),
    Vit(Vit),
}

impl Trunk {
    /// From the checkpoint's section `image_encoder.trunk`.
    pub fn load(loader: &Loader, config: &Config) -> Result<Self, LoadError> {
        Ok(match &config.trunk {
            TrunkConfig::Hiera(hiera) => Self::Hiera(Hiera::load(loader, hiera, config.image_size)?),
            TrunkConfig::RepVitM1 => Self::RepVit(RepVit::load(loader, config.image_size)?),
            TrunkConfig::Vit(vit) => Self::Vit(Vit::load(loader, vit, config.image_size)?),
        })
    }

    /// Channels of its maps, in the order in which [`Self::forward`] emits them.
    pub fn channels(&self) -> Vec<usize> {
        match self {
            Self::Hiera(hiera) => hiera.channels().to_vec(),
            Self::RepVit(repvit) => repvit.channels().to_vec(),
            Self::Vit(vit) => vec![vit.channels()],
        }
    }

    /// `image`, `[S, S, 3]` and normalised, a buffer that goes back to the workspace; calls
    /// `emit(run, level, map, (h, w))` with each map, finest first, as soon as it is computed.
    pub fn forward(
        &self,
        run: &mut Run,
        image: Buffer,
        emit: impl FnMut(&mut Run, usize, &[f32], (usize, usize)),
    ) {
        match self {
            Self::Hiera(hiera) => hiera.forward(run, image, emit),
            Self::RepVit(repvit) => repvit.forward(run, image, emit),
            Self::Vit(vit) => vit.forward(run, image, emit),
        }
    }

    /// Transformer block `index`, for tests.
    #[cfg(feature = "inspect")]
    pub fn block(&self, index: usize) -> Option<&Block> {
        match self {
            Self::Hiera(hiera) => hiera.blocks.get(index),
            Self::RepVit(_) => None,
            Self::Vit(vit) => vit.blocks.get(index),
        }
    }
}
