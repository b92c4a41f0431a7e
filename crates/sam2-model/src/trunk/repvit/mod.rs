//! RepViT-M1, a convolutional network: the trunk of EdgeTAM.
//!
//! EdgeTAM: `sam2/modeling/backbones/timm.py`; timm: `repvit.py`; paper: arXiv 2307.09283.
//!
//! ```text
//! [S, S, 3] → stem → [S/4, S/4, 48] → stage 0 → [S/4, S/4, 48] → stage 1 → [S/8, S/8, 96]
//!           → stage 2 → [S/16, S/16, 192] → stage 3 → [S/32, S/32, 384]
//! ```

mod block;

use kernels::conv::Conv2d;
use kernels::gemm::Activation;

use crate::error::LoadError;
use crate::nn::load_conv_bn;
use crate::weights::Loader;
use crate::workspace::{Buffer, Run};
use block::{Block, Downsample};

/// Channels and blocks of each stage.
const STAGES: [(usize, usize); 4] = [(48, 2), (96, 2), (192, 14), (384, 2)];

#[derive(Clone, Debug)]
pub(crate) struct RepVit {
    /// GELU follows the first convolution, nothing the second.
    stem: [Conv2d; 2],
    stages: Vec<Stage>,
    image_size: usize,
}

#[derive(Clone, Debug)]
struct Stage {
    downsample: Option<Downsample>,
    blocks: Vec<Block>,
}

/// Channels inside squeeze-excitation: a quarter, rounded to a multiple of 8, at least 90 % of it.
fn reduced(c: usize) -> usize {
    let rounded = ((c / 4 + 4) / 8 * 8).max(8);
    if 10 * rounded < 9 * (c / 4) { rounded + 8 } else { rounded }
}

impl RepVit {
    /// From the section `image_encoder.trunk`.
    pub fn load(loader: &Loader, image_size: usize) -> Result<Self, LoadError> {
        let loader = loader.at("body");
        let stem = |name: &str, out: usize, input: usize| -> Result<Conv2d, LoadError> {
            let (weight, bias) = load_conv_bn(&loader.at("stem").at(name), [out, input, 3, 3])?;
            Ok(Conv2d::new(loader.isa(), &weight, &bias, input, 3, 2, 1))
        };
        let c = STAGES[0].0;
        let stage = |(index, &(c, depth)): (usize, &(usize, usize))| -> Result<Stage, LoadError> {
            let loader = loader.at(format_args!("stages_{index}"));
            // Every second block has squeeze-excitation, the first one included.
            let block = |i: usize| {
                Block::load(&loader.at("blocks").at(i), c, i.is_multiple_of(2).then(|| reduced(c)))
            };
            let downsample = (index > 0).then(|| Downsample::load(&loader.at("downsample"), c / 2, c));
            Ok(Stage {
                downsample: downsample.transpose()?,
                blocks: (0..depth).map(block).collect::<Result<_, _>>()?,
            })
        };
        Ok(Self {
            stem: [stem("conv1", c / 2, 3)?, stem("conv2", c, c / 2)?],
            stages: STAGES.iter().enumerate().map(stage).collect::<Result<_, _>>()?,
            image_size,
        })
    }

    /// Channels of the map after each stage.
    pub fn channels(&self) -> [usize; 4] {
        STAGES.map(|(c, _)| c)
    }

    /// Runs the trunk on `image`, `[S, S, 3]`, and returns that buffer to the workspace; calls
    /// `emit(run, stage, map, (h, w))` after each stage.
    pub fn forward(
        &self,
        run: &mut Run,
        image: Buffer,
        mut emit: impl FnMut(&mut Run, usize, &[f32], (usize, usize)),
    ) {
        let name = |part: &str| format!("image_encoder.trunk.body.{part}");
        let (mut x, mut size) = (image, (self.image_size, self.image_size));
        for (conv, activation) in self.stem.iter().zip([Activation::Gelu, Activation::None]) {
            let (h, w) = conv.output_size(size);
            let mut out = run.take(h * w * conv.out_channels());
            conv.forward(run.isa, &x, size, activation, &mut out);
            run.give(std::mem::replace(&mut x, out));
            size = (h, w);
        }
        run.tap.tap(|| name("stem.conv2"), &[size.0, size.1, STAGES[0].0], &x);
        for (i, stage) in self.stages.iter().enumerate() {
            if let Some(downsample) = &stage.downsample {
                (x, size) = downsample.forward(run, x, size, &name(&format!("stages_{i}.downsample")));
            }
            for (j, block) in stage.blocks.iter().enumerate() {
                x = block.forward(run, x, size, &name(&format!("stages_{i}.blocks.{j}")));
            }
            emit(run, i, &x, size);
        }
        run.give(x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squeezed_channels_are_those_of_timm() {
        assert_eq!(STAGES.map(|(c, _)| reduced(c)), [16, 24, 48, 96]);
    }
}
