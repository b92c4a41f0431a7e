//! FPN neck. Meta: `sam2/modeling/backbones/image_encoder.py`, class `FpnNeck`, and the projections
//! `conv_s0` and `conv_s1` that `SAM2Base.forward_image` applies to its two finest levels.
//!
//! Nothing reads those two levels but the projections, so each is one matrix here: the product of two 1×1
//! convolutions. The coarsest level only feeds the next one and is dropped.

use kernels::{Isa, image, parallel};

use super::Features;
use crate::config::Config;
use crate::error::LoadError;
use crate::nn::Linear;
use crate::precision::Precision;
use crate::weights::Scope;
use crate::workspace::Run;

#[derive(Clone, Debug)]
pub(crate) struct Neck {
    /// From the trunk's channels of stages 1 to 4: to `D/8`, `D/4`, `D` and `D`.
    lateral: [Linear; 4],
}

/// The levels as they come in, stages 1 to 4.
#[derive(Default)]
pub(crate) struct Pyramid {
    levels: [Vec<f32>; 4],
}

impl Neck {
    pub fn load(scope: &Scope, decoder: &Scope, isa: Isa, config: &Config) -> Result<Self, LoadError> {
        let d = config.d_model;
        let lateral = |stage: usize| {
            let channels = config.trunk.embed_dim << stage;
            // Meta numbers the convolutions from the coarsest level.
            scope.at("convs").at(3 - stage).at("conv").conv(d, channels, 1)
        };
        let folded = |stage: usize, name: &str, out: usize| -> Result<Linear, LoadError> {
            let (inner, inner_bias) = lateral(stage)?;
            let (outer, outer_bias) = decoder.at(name).conv(out, d, 1)?;
            Ok(compose(isa, Precision::F32, (&outer, &outer_bias), (&inner, &inner_bias)))
        };
        let plain = |stage: usize| -> Result<Linear, LoadError> {
            let (weight, bias) = lateral(stage)?;
            Ok(Linear::new(isa, &weight, bias, config.trunk.embed_dim << stage))
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

impl Pyramid {
    pub fn into_features(self) -> Features {
        let [high_res0, high_res1, level2, _] = self.levels;
        Features { level2, high_res0, high_res1 }
    }
}

/// `outer ∘ inner` of two linear maps, summed in double precision.
pub(crate) fn compose(
    isa: Isa,
    precision: Precision,
    outer: (&[f32], &[f32]),
    inner: (&[f32], &[f32]),
) -> Linear {
    let (n, d) = (outer.1.len(), inner.1.len());
    let k = inner.0.len() / d;
    let mut weight = vec![0.0; n * k];
    let mut bias = vec![0.0; n];
    parallel::for_each_chunk_mut2(&mut weight, k, &mut bias, 1, |i, out, bias| {
        let mut row = vec![0.0_f64; k];
        let mut sum = f64::from(outer.1[i]);
        let weights = &outer.0[i * d..(i + 1) * d];
        for ((&w, inner_row), &inner_bias) in weights.iter().zip(inner.0.chunks_exact(k)).zip(inner.1) {
            sum += f64::from(w) * f64::from(inner_bias);
            for (x, &v) in row.iter_mut().zip(inner_row) {
                *x += f64::from(w) * f64::from(v);
            }
        }
        for (x, &v) in out.iter_mut().zip(&row) {
            *x = v as f32;
        }
        bias[0] = sum as f32;
    });
    Linear::quantized(isa, precision, &weight, bias, k)
}
