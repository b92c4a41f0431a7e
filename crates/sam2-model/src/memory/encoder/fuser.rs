//! ConvNeXt block. Meta: `sam2/modeling/memory_encoder.py`, class `CXBlock`; paper: arXiv 2201.03545.

use kernels::conv::Depthwise;
use kernels::gemm::Activation;
use kernels::rows;

use crate::error::LoadError;
use crate::nn::{FeedForward, LayerNorm, Linear};
use crate::weights::Loader;
use crate::workspace::Run;

const KERNEL: usize = 7;

/// `x + γ · W₂ · GELU(W₁ · norm(depthwise(x)))`, with γ folded into `W₂`.
#[derive(Clone, Debug)]
pub(crate) struct CxBlock {
    depthwise: Depthwise,
    feed_forward: FeedForward,
}

impl CxBlock {
    pub fn load(loader: &Loader, d: usize) -> Result<Self, LoadError> {
        let dwconv = loader.at("dwconv");
        let weight = dwconv.tensor("weight", &[d, 1, KERNEL, KERNEL])?;
        let gamma = loader.tensor("gamma", &[d])?;
        let (second, mut second_bias) = loader.at("pwconv2").linear(d, 4 * d)?;
        let mut second = second.to_vec();
        for ((row, bias), gamma) in second.chunks_exact_mut(4 * d).zip(&mut second_bias).zip(&gamma) {
            row.iter_mut().for_each(|w| *w *= gamma);
            *bias *= gamma;
        }
        Ok(Self {
            depthwise: Depthwise::new(&weight, &dwconv.tensor("bias", &[d])?, KERNEL),
            feed_forward: FeedForward {
                norm: LayerNorm::load(&loader.at("norm"), d, 1e-6)?,
                first: Linear::load(&loader.at("pwconv1"), 4 * d, d)?,
                second: Linear::pack(&loader.at("pwconv2"), &second, second_bias, 4 * d),
                activation: Activation::Gelu,
            },
        })
    }

    /// `x`, `[side, side, D]`, in place.
    pub fn forward(&self, run: &mut Run, x: &mut [f32], side: usize) {
        let mixed = self.depthwise.forward(run.isa, x, (side, side));
        let mut branch = run.take(x.len());
        self.feed_forward.branch(run.isa, &mixed, &mut branch);
        rows::add(run.isa, x, &branch);
        run.give(branch);
    }
}
