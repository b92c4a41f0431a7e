//! Neck of one level: two convolutions, each with a layer norm over the channels.
//!
//! EfficientTAM: `efficient_track_anything/modeling/backbones/image_encoder.py`, class `ViTDetNeck`.

use kernels::conv::Conv2d;
use kernels::gemm::Activation;

use crate::error::LoadError;
use crate::nn::{LayerNorm, Linear};
use crate::weights::Loader;
use crate::workspace::Run;

const EPS: f32 = 1e-6;

/// `norm₁(conv3×3(norm₀(conv1×1(x))))`; the convolutions have no bias.
#[derive(Clone, Debug)]
pub(crate) struct VitDet {
    conv_1x1: Linear,
    norm_0: LayerNorm,
    conv_3x3: Conv2d,
    norm_1: LayerNorm,
}

impl VitDet {
    /// For a trunk of `channels` and a model of width `d`.
    pub fn load(loader: &Loader, channels: usize, d: usize) -> Result<Self, LoadError> {
        let loader = loader.at("convs").at(0);
        let first = loader.at("conv_1x1");
        let reduce = first.values("weight", &[d, channels, 1, 1])?;
        let mix = loader.at("conv_3x3").values("weight", &[d, d, 3, 3])?;
        Ok(Self {
            conv_1x1: Linear::pack(&first, &reduce, vec![0.0; d], channels),
            norm_0: LayerNorm::load(&loader.at("norm_0"), d, EPS)?,
            conv_3x3: Conv2d::new(loader.isa(), &mix, &vec![0.0; d], d, 3, 1, 1),
            norm_1: LayerNorm::load(&loader.at("norm_1"), d, EPS)?,
        })
    }

    /// The trunk's map `x`, `[h, w, C]`, to `[h, w, D]`.
    pub fn forward(&self, run: &mut Run, x: &[f32], (h, w): (usize, usize)) -> Vec<f32> {
        let (isa, d) = (run.isa, self.norm_0.weight.len());
        let (n, shape) = (h * w, [h, w, d]);
        let name = |part: &'static str| move || format!("image_encoder.neck.convs.0.{part}");
        let (mut convolved, mut normed) = (run.take(n * d), run.take(n * d));
        self.conv_1x1.forward(isa, x, n, &mut convolved);
        run.tap.tap(name("conv_1x1"), &shape, &convolved);
        self.norm_0.forward(isa, &convolved, &mut normed);
        run.tap.tap(name("norm_0"), &shape, &normed);
        self.conv_3x3.forward(isa, &normed, (h, w), Activation::None, &mut convolved);
        run.tap.tap(name("conv_3x3"), &shape, &convolved);
        let mut out = vec![0.0; n * d];
        self.norm_1.forward(isa, &convolved, &mut out);
        run.tap.tap(|| "image_encoder.neck.level2".into(), &shape, &out);
        run.give(convolved);
        run.give(normed);
        out
    }
}
