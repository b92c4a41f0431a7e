//! Memory encoder: fuses a mask and the features of its frame into a spatial memory. Meta:
//! `sam2/modeling/memory_encoder.py`.

mod fuser;

use std::sync::OnceLock;

use kernels::conv::Conv2d;
use kernels::gemm::Activation;
use kernels::{Isa, rows};

use crate::config::Config;
use crate::error::LoadError;
use crate::nn::{LayerNorm, Linear};
use crate::weights::Loader;
use crate::workspace::{Buffer, Run};
use fuser::CxBlock;

const EPS: f32 = 1e-6;
/// Channels after each stage of the mask tower; a stage halves the side and quadruples the channels.
const TOWER: [usize; 5] = [1, 4, 16, 64, 256];
/// Side of the mask over side of the grid.
const SHRINK: usize = 16;
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
    /// Cached output of the mask tower for an empty mask, `[g, g, D]`.
    empty_mask: OnceLock<Vec<f32>>,
}

/// Conversion of mask logits to the memory encoder's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MaskInput {
    /// A tracked mask: probabilities.
    Soft,
    /// A prompted mask: 1 above zero, else 0.
    Binary,
}

impl MemoryEncoder {
    pub fn load(loader: &Loader, config: &Config) -> Result<Self, LoadError> {
        let d = config.d_model;
        let tower_loader = loader.at("mask_downsampler").at("encoder");
        let tower = TOWER
            .windows(2)
            .enumerate()
            .map(|(i, c)| {
                let (weight, bias) = tower_loader.at(3 * i).conv(c[1], c[0], 3)?;
                let norm = LayerNorm::load(&tower_loader.at(3 * i + 1), c[1], EPS)?;
                Ok((Conv2d::new(loader.isa(), &weight, &bias, c[0], 3, 2, 1), norm))
            })
            .collect::<Result<_, LoadError>>()?;
        let layers = loader.at("fuser").at("layers");
        Ok(Self {
            tower,
            tower_out: Linear::load_conv1x1(&tower_loader.at(12), d, TOWER[4])?,
            pix_feat_proj: Linear::load_conv1x1(&loader.at("pix_feat_proj"), d, d)?,
            fuser: [CxBlock::load(&layers.at(0), d)?, CxBlock::load(&layers.at(1), d)?],
            out_proj: Linear::load_conv1x1(&loader.at("out_proj"), config.mem_dim, d)?,
            empty_mask: OnceLock::new(),
        })
    }

    /// The part that does not depend on the object: `level2`, `[g, g, D]`, the raw features of the frame,
    /// projected.
    pub fn project(&self, run: &mut Run, level2: &[f32]) -> Buffer {
        let d = self.pix_feat_proj.bias.len();
        let n = level2.len() / d;
        let mut projected = run.take(n * d);
        self.pix_feat_proj.forward(run.isa, level2, n, &mut projected);
        let side = n.isqrt();
        run.tap.tap(|| "memory_encoder.pix_feat_proj".into(), &[side, side, d], &projected);
        projected
    }

    /// Encodes `projected`, `[g, g, D]`, from [`Self::project`], and `mask`, `[16g, 16g]` logits
    /// (overwritten), as a memory, `[g, g, mem_dim]`.
    pub fn forward(&self, run: &mut Run, projected: &[f32], mask: &mut [f32], input: MaskInput) -> Vec<f32> {
        input.apply(run.isa, mask);
        let x = self.tower(run, mask);
        let mut fused = run.take(projected.len());
        if run.tap.enabled() {
            let (d, n) = (self.tower_out.bias.len(), x.len() / TOWER[4]);
            self.tower_out.forward(run.isa, &x, n, &mut fused);
            let side = n.isqrt();
            run.tap.tap(|| "memory_encoder.mask_downsampler.out".into(), &[side, side, d], &fused);
        }
        self.tower_out.forward_add(run.isa, &x, x.len() / TOWER[4], projected, &mut fused);
        run.give(x);
        self.fuse(run, fused)
    }

    /// [`Self::forward`] for a mask whose probability is 0 everywhere.
    pub fn forward_empty(&self, run: &mut Run, projected: &[f32]) -> Vec<f32> {
        let isa = run.isa;
        let tower = self.empty_mask.get_or_init(|| {
            let n = projected.len() / self.tower_out.bias.len();
            let mask = vec![SIGMOID_BIAS; n * SHRINK * SHRINK];
            let x = self.tower(run, &mask);
            let mut out = vec![0.0; projected.len()];
            self.tower_out.forward(isa, &x, n, &mut out);
            run.give(x);
            out
        });
        let mut fused = run.take(projected.len());
        fused.copy_from_slice(projected);
        rows::add(isa, &mut fused, tower);
        self.fuse(run, fused)
    }

    /// The mask as −10 … 10, `[16g, 16g]`, to `[g, g, 256]`.
    fn tower(&self, run: &mut Run, mask: &[f32]) -> Buffer {
        let isa = run.isa;
        let mut side = mask.len().isqrt();
        let mut x = Buffer::default();
        for (i, (conv, norm)) in self.tower.iter().enumerate() {
            let c = conv.out_channels();
            let mut y = run.take(side / 2 * (side / 2) * c);
            conv.forward(isa, if i == 0 { mask } else { &x }, (side, side), Activation::None, &mut y);
            norm.gelu_in_place(isa, &mut y);
            let used = std::mem::replace(&mut x, y);
            if i > 0 {
                run.give(used);
            }
            side /= 2;
            run.tap.tap(|| format!("memory_encoder.mask_downsampler.{i}"), &[side, side, c], &x);
        }
        x
    }

    fn fuse(&self, run: &mut Run, mut fused: Buffer) -> Vec<f32> {
        let d = self.pix_feat_proj.bias.len();
        let n = fused.len() / d;
        let side = n.isqrt();
        for (i, block) in self.fuser.iter().enumerate() {
            block.forward(run, &mut fused, side);
            run.tap.tap(|| format!("memory_encoder.fuser.{i}"), &[side, side, d], &fused);
        }
        let mut memory = vec![0.0; n * self.out_proj.bias.len()];
        self.out_proj.forward(run.isa, &fused, n, &mut memory);
        run.give(fused);
        run.tap.tap(|| "memory_encoder.out".into(), &[side, side, self.out_proj.bias.len()], &memory);
        memory
    }
}

impl MaskInput {
    /// Logits to −10 … 10, in place.
    fn apply(self, isa: Isa, mask: &mut [f32]) {
        match self {
            MaskInput::Soft => rows::sigmoid(isa, mask),
            MaskInput::Binary => mask.iter_mut().for_each(|x| *x = if *x > 0.0 { 1.0 } else { 0.0 }),
        }
        mask.iter_mut().for_each(|x| *x = *x * SIGMOID_SCALE + SIGMOID_BIAS);
    }

    /// Whether all of these logits, and every interpolation between them, become exactly −10.
    pub fn is_empty(self, logits: &[f32]) -> bool {
        let highest = match self {
            // Below this the f32 sigmoid is exactly 0.
            MaskInput::Soft => -104.0,
            MaskInput::Binary => 0.0,
        };
        logits.iter().all(|&x| x <= highest)
    }
}
