//! Upscaling of the image stream to the size of the masks. Meta: `sam2/modeling/sam/mask_decoder.py`,
//! `MaskDecoder.predict_masks`.

use kernels::conv::ConvTranspose2x2;
use kernels::gemm::{Epilogue, PackedB, gemm_block};
use kernels::{parallel, rows};

use crate::error::LoadError;
use crate::features::HighRes;
use crate::nn::LayerNorm;
use crate::weights::Loader;
use crate::workspace::Run;

#[derive(Clone, Debug)]
pub(crate) struct Upscaling {
    first: ConvTranspose2x2,
    norm: LayerNorm,
    second: ConvTranspose2x2,
    d: usize,
}

impl Upscaling {
    pub fn load(loader: &Loader, d: usize) -> Result<Self, LoadError> {
        let conv = |i: usize, input: usize, out: usize| -> Result<ConvTranspose2x2, LoadError> {
            let loader = loader.at(i);
            let weight = loader.tensor("weight", &[input, out, 2, 2])?;
            Ok(ConvTranspose2x2::new(loader.isa(), &weight, &loader.tensor("bias", &[out])?, input))
        };
        Ok(Self {
            first: conv(0, d, d / 4)?,
            norm: LayerNorm::load(&loader.at(1), d / 4, 1e-6)?,
            second: conv(3, d / 4, d / 8)?,
            d,
        })
    }

    /// `image`, `[g, g, D]`, upscaled to `[4g, 4g, D/8]`, and its product with each of the K rows of `hyper`,
    /// `(K, D/8)`: `[K, 4g, 4g]`. The high-resolution maps, if the family has them, are added before the
    /// non-linearities.
    ///
    /// Each image row passes all steps while it is in the cache. Between the steps its pixels stay in the
    /// output order of the transposed convolutions, `(x, dy, dx)` and then `(x, dy, dx, ey, ex)`.
    pub fn masks(&self, run: &mut Run, image: &[f32], high_res: Option<&HighRes>, hyper: &[f32]) -> Vec<f32> {
        let (isa, d) = (run.isa, self.d);
        let (c1, c2) = (d / 4, d / 8);
        let g = (image.len() / d).isqrt();
        if run.tap.enabled() {
            self.tap_steps(run, image, high_res);
        }
        let k = hyper.len() / c2;
        let hyper = PackedB::from_nk(isa, hyper, k, c2);
        // Per image row: `(K, 4, 4g)`.
        let mut by_row = run.take(k * 16 * g * g);
        parallel::for_each_chunk_mut(&mut by_row, k * 16 * g, |y, out| {
            parallel::with_scratch(4 * g * c1 + 16 * g * (c2 + k), |scratch| {
                let (first, scratch) = scratch.split_at_mut(4 * g * c1);
                let (second, products) = scratch.split_at_mut(16 * g * c2);
                self.first.taps_block(isa, &image[y * g * d..(y + 1) * g * d], first);
                if let Some(maps) = high_res {
                    for (i, pair) in first.chunks_exact_mut(2 * c1).enumerate() {
                        let (x, dy) = (i / 2, i % 2);
                        let at = ((2 * y + dy) * 2 * g + 2 * x) * c1;
                        rows::add_block(isa, pair, &maps.s1[at..at + 2 * c1]);
                    }
                }
                rows::layer_norm_gelu_block(isa, first, &self.norm.weight, &self.norm.bias, self.norm.eps);
                self.second.taps_block(isa, first, second);
                if let Some(maps) = high_res {
                    for (i, pair) in second.chunks_exact_mut(2 * c2).enumerate() {
                        let (row, column) = place(i);
                        let at = ((4 * y + row) * 4 * g + column) * c2;
                        rows::add_block(isa, pair, &maps.s0[at..at + 2 * c2]);
                    }
                }
                rows::gelu_block(isa, second);
                gemm_block(isa, second, 16 * g, &hyper, products, &Epilogue::default());
                for (i, pair) in products.chunks_exact(2 * k).enumerate() {
                    let (row, column) = place(i);
                    for (mask, out) in out.chunks_exact_mut(16 * g).enumerate() {
                        let at = row * 4 * g + column;
                        (out[at], out[at + 1]) = (pair[mask], pair[k + mask]);
                    }
                }
            });
        });
        let mut masks = vec![0.0; by_row.len()];
        parallel::for_each_chunk_mut(&mut masks, 16 * g, |i, part| {
            let (mask, y) = (i / g, i % g);
            part.copy_from_slice(&by_row[(y * k + mask) * 16 * g..][..16 * g]);
        });
        run.give(by_row);
        masks
    }

    /// The same with whole intermediate maps, for a tap.
    fn tap_steps(&self, run: &mut Run, image: &[f32], high_res: Option<&HighRes>) {
        let (isa, d) = (run.isa, self.d);
        let g = (image.len() / d).isqrt();
        let mut x = run.take(4 * g * g * d / 4);
        self.first.forward(isa, image, (g, g), &mut x);
        if let Some(maps) = high_res {
            rows::add(isa, &mut x, &maps.s1);
        }
        self.norm.gelu_in_place(isa, &mut x);
        run.tap.tap(|| "sam_mask_decoder.upscaled1".into(), &[2 * g, 2 * g, d / 4], &x);
        let mut y = run.take(16 * g * g * d / 8);
        self.second.forward(isa, &x, (2 * g, 2 * g), &mut y);
        run.give(x);
        if let Some(maps) = high_res {
            rows::add(isa, &mut y, &maps.s0);
        }
        rows::gelu(isa, &mut y);
        run.tap.tap(|| "sam_mask_decoder.upscaled2".into(), &[4 * g, 4 * g, d / 8], &y);
        run.give(y);
    }
}

/// Row and first column, in the 4×4g pixels of a row of the image, of pair `i` in the order
/// `(x, dy, dx, ey)`.
fn place(i: usize) -> (usize, usize) {
    let (x, dy, dx, ey) = (i / 8, i / 4 % 2, i / 2 % 2, i % 2);
    (2 * dy + ey, 4 * x + 2 * dx)
}
