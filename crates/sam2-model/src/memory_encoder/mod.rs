//! Memory encoder: a mask and the frame it lies on, fused into a spatial memory. Meta:
//! `sam2/modeling/memory_encoder.py`.

mod fuser;

use kernels::conv::Conv2d;
use kernels::gemm::Activation;
use kernels::{Isa, rows};

use crate::config::Config;
use crate::error::LoadError;
use crate::nn::{LayerNorm, Linear};
use crate::weights::Scope;
use crate::workspace::Run;
use fuser::CxBlock;

const EPS: f32 = 1e-6;
/// Channels after each stage of the mask tower; a stage halves the side and quadruples the channels.
const TOWER: [usize; 5] = [1, 4, 16, 64, 256];
/// Mask probabilities 0 ..= 1 become −10 ..= 10.
const SIGMOID_SCALE: f32 = 20.0;
const SIGMOID_BIAS: f32 = -10.0;

#[derive(Clone, Debug)]
pub(crate) struct MemoryEncoder {
    tower: Vec<(Conv2d, LayerNorm)>,
    tower_out: Linear,
    pix_feat_proj: Linear,
    fuser: [CxBlock; 2],
    out_proj: Linear,
}

/// How mask logits become the memory encoder's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaskInput {
    /// A tracked mask: probabilities.
    Soft,
    /// A prompted mask: 1 above zero, else 0.
    Binary,
}

impl MemoryEncoder {
    pub fn load(scope: &Scope, isa: Isa, config: &Config) -> Result<Self, LoadError> {
        let d = config.d_model;
        let tower_scope = scope.at("mask_downsampler").at("encoder");
        let tower = TOWER
            .windows(2)
            .enumerate()
            .map(|(i, c)| {
                let (weight, bias) = tower_scope.at(3 * i).conv(c[1], c[0], 3)?;
                let norm = LayerNorm::load(&tower_scope.at(3 * i + 1), c[1], EPS)?;
                Ok((Conv2d::new(isa, &weight, &bias, c[0], 3, 2, 1), norm))
            })
            .collect::<Result<_, LoadError>>()?;
        let layers = scope.at("fuser").at("layers");
        Ok(Self {
            tower,
            tower_out: Linear::load_conv1x1(&tower_scope.at(12), isa, d, TOWER[4])?,
            pix_feat_proj: Linear::load_conv1x1(&scope.at("pix_feat_proj"), isa, d, d)?,
            fuser: [CxBlock::load(&layers.at(0), isa, d)?, CxBlock::load(&layers.at(1), isa, d)?],
            out_proj: Linear::load_conv1x1(&scope.at("out_proj"), isa, config.mem_dim, d)?,
        })
    }

    /// `level2`, `[g, g, D]`, the raw features of the frame, and `mask`, `[16g, 16g]` logits (overwritten), to the
    /// memory, `[g, g, mem_dim]`.
    pub fn forward(&self, run: &mut Run, level2: &[f32], mask: &mut [f32], input: MaskInput) -> Vec<f32> {
        let isa = run.isa;
        match input {
            MaskInput::Soft => rows::sigmoid(isa, mask),
            MaskInput::Binary => mask.iter_mut().for_each(|x| *x = if *x > 0.0 { 1.0 } else { 0.0 }),
        }
        mask.iter_mut().for_each(|x| *x = *x * SIGMOID_SCALE + SIGMOID_BIAS);

        let mut side = mask.len().isqrt();
        let mut x = run.take(mask.len());
        x.copy_from_slice(mask);
        for (i, (conv, norm)) in self.tower.iter().enumerate() {
            let c = conv.out_channels();
            let mut y = run.take(side / 2 * (side / 2) * c);
            conv.forward(isa, &x, (side, side), Activation::None, &mut y);
            norm.gelu_in_place(isa, &mut y);
            run.give(std::mem::replace(&mut x, y));
            side /= 2;
            run.tap.tap(|| format!("memory_encoder.mask_downsampler.{i}"), &[side, side, c], &x);
        }
        let n = side * side;
        let d = self.pix_feat_proj.bias.len();
        let mut mask_features = run.take(n * d);
        self.tower_out.forward(isa, &x, n, &mut mask_features);
        run.give(x);
        run.tap.tap(|| "memory_encoder.mask_downsampler.out".into(), &[side, side, d], &mask_features);

        let mut fused = run.take(n * d);
        if run.tap.enabled() {
            self.pix_feat_proj.forward(isa, level2, n, &mut fused);
            run.tap.tap(|| "memory_encoder.pix_feat_proj".into(), &[side, side, d], &fused);
        }
        self.pix_feat_proj.forward_add(isa, level2, n, &mask_features, &mut fused);
        run.give(mask_features);
        for (i, block) in self.fuser.iter().enumerate() {
            block.forward(run, &mut fused, side);
            run.tap.tap(|| format!("memory_encoder.fuser.{i}"), &[side, side, d], &fused);
        }
        let mut memory = vec![0.0; n * self.out_proj.bias.len()];
        self.out_proj.forward(isa, &fused, n, &mut memory);
        run.give(fused);
        run.tap.tap(|| "memory_encoder.out".into(), &[side, side, self.out_proj.bias.len()], &memory);
        memory
    }
}
