//! FPN neck. Meta: `sam2/modeling/backbones/image_encoder.py`, class `FpnNeck`, and the projections
//! `conv_s0` and `conv_s1` that `SAM2Base.forward_image` applies to its two finest levels.
//!
//! Nothing reads those two levels but the projections, so each is one matrix here: the product of two 1×1
//! convolutions. The coarsest level only feeds the next one and is dropped.

use kernels::image;

use crate::config::Config;
use crate::error::LoadError;
use crate::nn::{Linear, compose};
use crate::weights::Loader;
use crate::workspace::Run;

#[derive(Clone, Debug)]
pub(crate) struct Neck {
    /// From the trunk's channels of stages 1 to 4: to `D/8`, `D/4`, `D` and `D`.
    lateral: [Linear; 4],
}

/// The levels that the neck has made so far, from stages 1 to 4.
#[derive(Default)]
pub(crate) struct Pyramid {
    pub levels: [Vec<f32>; 4],
}

impl Neck {
    pub fn load(loader: &Loader, decoder: &Loader, config: &Config) -> Result<Self, LoadError> {
        let d = config.d_model;
        // Meta numbers the convolutions from the coarsest level.
        let path = |stage: usize| loader.at("convs").at(3 - stage).at("conv");
        let lateral = |stage: usize| {
            let channels = config.trunk.embed_dim << stage;
            path(stage).conv(d, channels, 1)
        };
        let folded = |stage: usize, name: &str, out: usize| -> Result<Linear, LoadError> {
            let (inner, inner_bias) = lateral(stage)?;
            let (outer, outer_bias) = decoder.at(name).conv(out, d, 1)?;
            Ok(compose(&path(stage), (&outer, &outer_bias), (&inner, &inner_bias)))
        };
        let plain = |stage: usize| -> Result<Linear, LoadError> {
            let (weight, bias) = lateral(stage)?;
            Ok(Linear::pack(&path(stage), &weight, bias, config.trunk.embed_dim << stage))
        };
        Ok(Self {
            lateral: [folded(0, "conv_s0", d / 8)?, folded(1, "conv_s1", d / 4)?, plain(2)?, plain(3)?],
        })
    }

    /// The trunk's output of `stage`, as soon as it is there.
    pub fn take_stage(
        &self,
        run: &mut Run,
        stage: usize,
        x: &[f32],
        (h, w): (usize, usize),
        pyramid: &mut Pyramid,
    ) {
        let layer = &self.lateral[stage];
        let mut out = vec![0.0; h * w * layer.bias.len()];
        layer.forward(run.isa, x, h * w, &mut out);
        match stage {
            0 => run.tap.tap(|| "image_encoder.conv_s0".into(), &[h, w, layer.bias.len()], &out),
            1 => run.tap.tap(|| "image_encoder.conv_s1".into(), &[h, w, layer.bias.len()], &out),
            3 => {
                let (fine, c) = (&mut pyramid.levels[2], layer.bias.len());
                image::upsample_nearest_2x_add(run.isa, &out, (h, w), c, fine);
                run.tap.tap(|| "image_encoder.neck.level2".into(), &[2 * h, 2 * w, c], fine);
            }
            _ => {}
        }
        pyramid.levels[stage] = out;
    }
}
