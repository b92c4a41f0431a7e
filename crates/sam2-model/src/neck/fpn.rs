//! FPN neck. Meta: `sam2/modeling/backbones/image_encoder.py`, class `FpnNeck`, and the projections
//! `conv_s0` and `conv_s1` that `SAM2Base.forward_image` applies to its two finest levels.
//!
//! Only the projections read those two levels, so each is one matrix here: the product of two 1×1
//! convolutions. The coarsest level is added to the next finer one and dropped.

use kernels::image;

use super::pyramid::Pyramid;
use crate::error::LoadError;
use crate::nn::{Linear, compose};
use crate::weights::Loader;
use crate::workspace::Run;

#[derive(Clone, Debug)]
pub(crate) struct Fpn {
    /// From the channels of the trunk's maps, finest first: to `D/8`, `D/4`, `D` and `D`.
    lateral: Vec<Linear>,
}

impl Fpn {
    /// For a trunk with maps of these `channels`, finest first, and a model of width `d`. `decoder` is the
    /// section `sam_mask_decoder`, which holds `conv_s0` and `conv_s1`.
    pub fn load(loader: &Loader, decoder: &Loader, channels: &[usize], d: usize) -> Result<Self, LoadError> {
        // Meta numbers the convolutions from the coarsest level.
        let path = |level: usize| loader.at("convs").at(channels.len() - 1 - level).at("conv");
        let folded = |level: usize, name: &str, out: usize| -> Result<Linear, LoadError> {
            let (inner, inner_bias) = path(level).conv(d, channels[level], 1)?;
            let (outer, outer_bias) = decoder.at(name).conv(out, d, 1)?;
            Ok(compose(&path(level), (&outer, &outer_bias), (&inner, &inner_bias)))
        };
        let lateral = |level: usize| match level {
            0 => folded(level, "conv_s0", d / 8),
            1 => folded(level, "conv_s1", d / 4),
            _ => Linear::load_conv1x1(&path(level), d, channels[level]),
        };
        Ok(Self { lateral: (0..channels.len()).map(lateral).collect::<Result<_, _>>()? })
    }

    /// Consumes the trunk's map of one level, `[h, w, C]`.
    pub fn consume(
        &self,
        run: &mut Run,
        level: usize,
        x: &[f32],
        (h, w): (usize, usize),
        pyramid: &mut Pyramid,
    ) {
        let layer = &self.lateral[level];
        let mut out = vec![0.0; h * w * layer.bias.len()];
        layer.forward(run.isa, x, h * w, &mut out);
        match level {
            0 => run.tap.tap(|| "image_encoder.conv_s0".into(), &[h, w, layer.bias.len()], &out),
            1 => run.tap.tap(|| "image_encoder.conv_s1".into(), &[h, w, layer.bias.len()], &out),
            3 => {
                let (fine, c) = (&mut pyramid.levels[2], layer.bias.len());
                image::upsample_nearest_2x_add(run.isa, &out, (h, w), c, fine);
                run.tap.tap(|| "image_encoder.neck.level2".into(), &[2 * h, 2 * w, c], fine);
            }
            _ => {}
        }
        pyramid.levels[level] = out;
    }
}
