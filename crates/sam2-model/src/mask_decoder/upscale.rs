//! Upscaling of the image stream to the size of the masks. Meta: `sam2/modeling/sam/mask_decoder.py`,
//! `MaskDecoder.predict_masks`.

use kernels::conv::ConvTranspose2x2;
use kernels::{Isa, rows};

use crate::error::LoadError;
use crate::image_encoder::Features;
use crate::nn::LayerNorm;
use crate::weights::Scope;
use crate::workspace::Run;

#[derive(Clone, Debug)]
pub(crate) struct Upscaling {
    first: ConvTranspose2x2,
    norm: LayerNorm,
    second: ConvTranspose2x2,
    d: usize,
}

impl Upscaling {
    pub fn load(scope: &Scope, isa: Isa, d: usize) -> Result<Self, LoadError> {
        let conv = |i: usize, input: usize, out: usize| -> Result<ConvTranspose2x2, LoadError> {
            let scope = scope.at(i);
            let weight = scope.tensor("weight", &[input, out, 2, 2])?;
            Ok(ConvTranspose2x2::new(isa, &weight, &scope.tensor("bias", &[out])?, input))
        };
        Ok(Self {
            first: conv(0, d, d / 4)?,
            norm: LayerNorm::load(&scope.at(1), d / 4, 1e-6)?,
            second: conv(3, d / 4, d / 8)?,
            d,
        })
    }

    /// `image`, `[g, g, D]`, to `[4g, 4g, D/8]`. The high-resolution maps enter before the non-linearities.
    pub fn forward(&self, run: &mut Run, image: &[f32], high_res: &Features) -> Vec<f32> {
        let (isa, d) = (run.isa, self.d);
        let g = (image.len() / d).isqrt();
        let mut x = run.take(4 * g * g * d / 4);
        self.first.forward(isa, image, (g, g), &mut x);
        rows::add(isa, &mut x, &high_res.high_res1);
        self.norm.gelu_in_place(isa, &mut x);
        run.tap.tap(|| "sam_mask_decoder.upscaled1".into(), &[2 * g, 2 * g, d / 4], &x);
        let mut y = run.take(16 * g * g * d / 8);
        self.second.forward(isa, &x, (2 * g, 2 * g), &mut y);
        run.give(x);
        rows::add(isa, &mut y, &high_res.high_res0);
        rows::gelu(isa, &mut y);
        run.tap.tap(|| "sam_mask_decoder.upscaled2".into(), &[4 * g, 4 * g, d / 8], &y);
        y
    }
}
