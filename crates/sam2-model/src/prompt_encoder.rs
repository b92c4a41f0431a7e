//! Prompt encoder: points, boxes and masks to tokens and a dense map. Meta:
//! `sam2/modeling/sam/prompt_encoder.py`.

use kernels::conv::Conv2d;
use kernels::gemm::Activation;

use crate::config::Config;
use crate::error::LoadError;
use crate::nn::LayerNorm;
use crate::nn::position::FourierFeatures;
use crate::weights::Loader;
use crate::workspace::Run;

const EPS: f32 = 1e-6;

/// A point in the coordinates of the model's input, `0 .. image_size`, with Meta's label: 0 background, 1
/// foreground, 2 top left and 3 bottom right corner of a box, −1 padding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ModelPoint {
    pub x: f32,
    pub y: f32,
    pub label: i32,
}

impl ModelPoint {
    /// The padding point of a prompt.
    pub const PADDING: Self = Self { x: 0.0, y: 0.0, label: -1 };
}

#[derive(Clone, Debug)]
pub(crate) struct PromptEncoder {
    fourier: FourierFeatures,
    point_embeddings: [Vec<f32>; 4],
    not_a_point_embed: Vec<f32>,
    no_mask_embed: Vec<f32>,
    mask_downscaling: MaskDownscaling,
    /// `[grid, grid, D]`: the encoding of the grid's cells.
    pub dense_pe: Vec<f32>,
    image_size: usize,
    grid: usize,
}

#[derive(Clone, Debug)]
struct MaskDownscaling {
    first: Conv2d,
    first_norm: LayerNorm,
    second: Conv2d,
    second_norm: LayerNorm,
    last: Conv2d,
}

impl PromptEncoder {
    pub fn load(loader: &Loader, config: &Config) -> Result<Self, LoadError> {
        let d = config.d_model;
        let embedding = |name: &str| loader.at(name).tensor("weight", &[1, d]);
        let point = |i: usize| loader.at("point_embeddings").at(i).tensor("weight", &[1, d]);
        let matrix = loader.at("pe_layer").tensor("positional_encoding_gaussian_matrix", &[2, d / 2])?;
        let fourier = FourierFeatures { gaussian_matrix: matrix };
        let layers = loader.at("mask_downscaling");
        let conv = |i: usize, out: usize, input: usize, kernel: usize| -> Result<Conv2d, LoadError> {
            let (weight, bias) = layers.at(i).conv(out, input, kernel)?;
            Ok(Conv2d::new(loader.isa(), &weight, &bias, input, kernel, kernel, 0))
        };
        Ok(Self {
            dense_pe: fourier.grid(config.grid()),
            fourier,
            point_embeddings: [point(0)?, point(1)?, point(2)?, point(3)?],
            not_a_point_embed: embedding("not_a_point_embed")?,
            no_mask_embed: embedding("no_mask_embed")?,
            mask_downscaling: MaskDownscaling {
                first: conv(0, 4, 1, 2)?,
                first_norm: LayerNorm::load(&layers.at(1), 4, EPS)?,
                second: conv(3, 16, 4, 2)?,
                second_norm: LayerNorm::load(&layers.at(4), 16, EPS)?,
                last: conv(6, d, 16, 1)?,
            },
            image_size: config.image_size,
            grid: config.grid(),
        })
    }

    /// One token per point, `(n, D)`. The caller appends Meta's padding point.
    pub fn sparse(&self, run: &mut Run, points: &[ModelPoint]) -> Vec<f32> {
        let size = self.image_size as f32;
        let tokens: Vec<f32> = points
            .iter()
            .flat_map(|p| match usize::try_from(p.label) {
                // The padding token has no position encoding.
                Err(_) => self.not_a_point_embed.clone(),
                Ok(label) => {
                    // Half a pixel of the model's input, added after scaling.
                    let mut token = self.fourier.encode((p.x + 0.5) / size, (p.y + 0.5) / size);
                    token.iter_mut().zip(&self.point_embeddings[label]).for_each(|(a, b)| *a += b);
                    token
                }
            })
            .collect();
        run.tap.tap(
            || "sam_prompt_encoder.sparse".into(),
            &[points.len(), self.no_mask_embed.len()],
            &tokens,
        );
        tokens
    }

    /// The dense embedding, `[grid, grid, D]`, of mask logits, `[4·grid, 4·grid]`; or that of their absence,
    /// `[D]`, the same everywhere.
    pub fn dense(&self, run: &mut Run, mask: Option<&[f32]>) -> Vec<f32> {
        let (isa, grid) = (run.isa, self.grid);
        let dense = match mask {
            None => self.no_mask_embed.clone(),
            Some(mask) => {
                let layers = &self.mask_downscaling;
                let size = (4 * grid, 4 * grid);
                let mut x = vec![0.0; 4 * grid * grid * 4];
                layers.first.forward(isa, mask, size, Activation::None, &mut x);
                layers.first_norm.gelu_in_place(isa, &mut x);
                let mut y = vec![0.0; grid * grid * 16];
                layers.second.forward(isa, &x, (2 * grid, 2 * grid), Activation::None, &mut y);
                layers.second_norm.gelu_in_place(isa, &mut y);
                let mut out = vec![0.0; grid * grid * self.no_mask_embed.len()];
                layers.last.forward(isa, &y, (grid, grid), Activation::None, &mut out);
                out
            }
        };
        if run.tap.enabled() {
            let d = self.no_mask_embed.len();
            let everywhere = dense.repeat(grid * grid * d / dense.len());
            run.tap.tap(|| "sam_prompt_encoder.dense".into(), &[grid, grid, d], &everywhere);
        }
        run.tap.tap(
            || "sam_prompt_encoder.dense_pe".into(),
            &[grid, grid, self.no_mask_embed.len()],
            &self.dense_pe,
        );
        dense
    }
}
