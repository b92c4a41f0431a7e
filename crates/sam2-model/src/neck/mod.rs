//! Necks: from the trunk's maps to the features that memory and decoder work on.

mod fpn;
mod pyramid;
mod vitdet;

use crate::config::{Config, Family};
use crate::error::LoadError;
use crate::weights::Loader;
use crate::workspace::Run;
use fpn::Fpn;
pub(crate) use pyramid::Pyramid;
use vitdet::VitDet;

/// A neck; the family determines its kind.
#[derive(Clone, Debug)]
pub(crate) enum Neck {
    Fpn(Fpn),
    VitDet(Box<VitDet>),
}

impl Neck {
    /// For a trunk with maps of these `channels`, finest first. `decoder` is the section `sam_mask_decoder`,
    /// which holds `conv_s0` and `conv_s1`.
    pub fn load(
        loader: &Loader,
        decoder: &Loader,
        channels: &[usize],
        config: &Config,
    ) -> Result<Self, LoadError> {
        let d = config.d_model;
        Ok(match config.family {
            Family::Sam2 | Family::EdgeTam => Self::Fpn(Fpn::load(loader, decoder, channels, d)?),
            Family::EfficientTam => Self::VitDet(Box::new(VitDet::load(loader, channels[0], d)?)),
        })
    }

    /// Consumes the trunk's map of one level, `[h, w, C]`.
    pub fn consume(
        &self,
        run: &mut Run,
        level: usize,
        x: &[f32],
        size: (usize, usize),
        pyramid: &mut Pyramid,
    ) {
        match self {
            Self::Fpn(neck) => neck.consume(run, level, x, size, pyramid),
            Self::VitDet(neck) => pyramid.levels[2] = neck.forward(run, x, size),
        }
    }
}
