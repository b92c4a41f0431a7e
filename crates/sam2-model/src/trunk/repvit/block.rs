//! Blocks of RepViT. timm: `repvit.py`, classes `RepVitBlock`, `RepVggDw` (its legacy form) and
//! `RepVitDownsample`.
//!
//! H, W map · C channels. Batch norms are folded into their convolutions, and the three branches of a token
//! mixer (depthwise 3×3, depthwise 1×1, identity) are one depthwise 3×3, which is the same at the border too:
//! all three see the same zeros outside the map.
//!
//! A thread takes a few rows of the map from the depthwise convolution to the end of the block while they are
//! in its cache. Squeeze-excitation needs the mean over the whole map, so a block that has it makes two
//! passes.

use kernels::conv::Depthwise;
use kernels::gemm::Activation;
use kernels::{Isa, parallel, rows};

use crate::error::LoadError;
use crate::nn::{Linear, SqueezeExcite, load_conv_bn};
use crate::weights::Loader;
use crate::workspace::{Buffer, Run};

/// Tokens processed together: with their hidden activations they fit in L2.
const TASK: usize = 256;

type Size = (usize, usize);

/// Rows of a map of this size per task.
fn rows_per_task((h, w): Size) -> usize {
    parallel::rows_per_task(h, 1, (TASK / w).max(1))
}

/// A convolution with its batch norm, 1×1.
fn pointwise(loader: &Loader, out: usize, input: usize) -> Result<Linear, LoadError> {
    let (weight, bias) = load_conv_bn(loader, [out, input, 1, 1])?;
    Ok(Linear::pack(loader, &weight, bias, input))
}

/// `y + W₂ · GELU(W₁ · y)` with twice as many hidden channels.
#[derive(Clone, Debug)]
struct ChannelMixer {
    first: Linear,
    second: Linear,
}

impl ChannelMixer {
    fn load(loader: &Loader, c: usize) -> Result<Self, LoadError> {
        let (first, second) = (loader.at("conv1"), loader.at("conv2"));
        Ok(Self { first: pointwise(&first, 2 * c, c)?, second: pointwise(&second, c, 2 * c)? })
    }

    /// `y`, `(m, C)`, to `out`; `hidden` is scratch, `(m, 2C)`. On the calling thread.
    fn block(&self, isa: Isa, y: &[f32], hidden: &mut [f32], out: &mut [f32]) {
        let m = y.len() / self.second.bias.len();
        let activated = self.first.epilogue().activation(self.second.input_of(Activation::Gelu));
        self.first.apply_block(isa, y, m, hidden, &activated);
        self.second.apply_block(isa, hidden, m, out, &self.second.epilogue().residual(y));
    }
}

/// Token mixer, squeeze-excitation in some, channel mixer.
#[derive(Clone, Debug)]
pub(super) struct Block {
    token_mixer: Depthwise,
    squeeze_excite: Option<SqueezeExcite>,
    channel_mixer: ChannelMixer,
}

impl Block {
    /// Of `c` channels; with squeeze-excitation to `reduced` channels if that is given.
    pub fn load(loader: &Loader, c: usize, reduced: Option<usize>) -> Result<Self, LoadError> {
        let mixer = loader.at("token_mixer");
        let (mut weight, mut bias) = load_conv_bn(&mixer.at("conv"), [c, 1, 3, 3])?;
        let (point, point_bias) = load_conv_bn(&mixer.at("conv1"), [c, 1, 1, 1])?;
        for (filter, point) in weight.chunks_exact_mut(9).zip(&point) {
            filter[4] = (f64::from(filter[4]) + f64::from(*point) + 1.0) as f32;
        }
        bias.iter_mut().zip(&point_bias).for_each(|(bias, more)| *bias += more);
        Ok(Self {
            token_mixer: Depthwise::new(&weight, &bias, 3),
            squeeze_excite: reduced
                .map(|reduced| SqueezeExcite::load(&loader.at("se"), c, reduced))
                .transpose()?,
            channel_mixer: ChannelMixer::load(&loader.at("channel_mixer"), c)?,
        })
    }

    /// `x`, `[H, W, C]`, to the same size; `path` names the block on the tap.
    pub fn forward(&self, run: &mut Run, x: Buffer, size: Size, path: &str) -> Buffer {
        let (isa, (h, w), c) = (run.isa, size, self.token_mixer.channels());
        if run.tap.enabled() {
            let mixed = self.token_mixer.forward(isa, &x, size);
            run.tap.tap(|| format!("{path}.token_mixer"), &[h, w, c], &mixed);
        }
        let mut out = run.take(h * w * c);
        match &self.squeeze_excite {
            Some(squeeze_excite) => self.in_two_passes(isa, squeeze_excite, &x, size, &mut out),
            None => self.in_one_pass(isa, &x, size, &mut out),
        }
        run.give(x);
        run.tap.tap(|| path.to_owned(), &[h, w, c], &out);
        out
    }

    fn in_one_pass(&self, isa: Isa, x: &[f32], size: Size, out: &mut [f32]) {
        let line = size.1 * self.token_mixer.channels();
        let task = rows_per_task(size);
        parallel::for_each_chunk_mut(out, task * line, |i, out| {
            parallel::with_scratch(3 * out.len(), |scratch| {
                let (mixed, hidden) = scratch.split_at_mut(out.len());
                for (y, row) in mixed.chunks_exact_mut(line).enumerate() {
                    self.token_mixer.row_block(isa, x, size, i * task + y, row);
                }
                self.channel_mixer.block(isa, mixed, hidden, out);
            });
        });
    }

    fn in_two_passes(
        &self,
        isa: Isa,
        squeeze_excite: &SqueezeExcite,
        x: &[f32],
        size: Size,
        out: &mut [f32],
    ) {
        let (h, w) = size;
        let c = self.token_mixer.channels();
        // A sum per row of the map, so that the order of sums does not depend on the threads.
        let mut sums = vec![0.0; h * c];
        parallel::for_each_chunk_mut2(out, w * c, &mut sums, c, |y, row, sums| {
            self.token_mixer.row_block(isa, x, size, y, row);
            row.chunks_exact(c).for_each(|token| rows::add_block(isa, sums, token));
        });
        let gates = squeeze_excite.gates(isa, &sums, h * w);
        parallel::for_each_chunk_mut(out, rows_per_task(size) * w * c, |_, out| {
            parallel::with_scratch(3 * out.len(), |scratch| {
                let (gated, hidden) = scratch.split_at_mut(out.len());
                for (gated, token) in gated.chunks_exact_mut(c).zip(out.chunks_exact(c)) {
                    for ((gated, x), gate) in gated.iter_mut().zip(token).zip(&gates) {
                        *gated = x * gate;
                    }
                }
                self.channel_mixer.block(isa, gated, hidden, out);
            });
        });
    }
}

/// The step to half the size and twice the channels, at the beginning of a stage.
#[derive(Clone, Debug)]
pub(super) struct Downsample {
    pre_block: Block,
    /// Depthwise 3×3, stride 2.
    spatial: Depthwise,
    channel: Linear,
    ffn: ChannelMixer,
}

impl Downsample {
    /// From `c_in` to `c` channels.
    pub fn load(loader: &Loader, c_in: usize, c: usize) -> Result<Self, LoadError> {
        let (weight, bias) = load_conv_bn(&loader.at("spatial_downsample"), [c_in, 1, 3, 3])?;
        Ok(Self {
            pre_block: Block::load(&loader.at("pre_block"), c_in, None)?,
            spatial: Depthwise::with_stride(&weight, &bias, 3, 2),
            channel: pointwise(&loader.at("channel_downsample"), c, c_in)?,
            ffn: ChannelMixer::load(&loader.at("ffn"), c)?,
        })
    }

    /// `x`, `[H, W, Cin]`, to `[H/2, W/2, C]`; `path` names it on the tap.
    pub fn forward(&self, run: &mut Run, x: Buffer, size: Size, path: &str) -> (Buffer, Size) {
        let isa = run.isa;
        let x = self.pre_block.forward(run, x, size, &format!("{path}.pre_block"));
        let (h, w) = self.spatial.output_size(size);
        let (c_in, c) = (self.spatial.channels(), self.channel.bias.len());
        let mut out = run.take(h * w * c);
        let task = rows_per_task((h, w));
        parallel::for_each_chunk_mut(&mut out, task * w * c, |i, out| {
            let tokens = out.len() / c;
            parallel::with_scratch(tokens * (c_in + 3 * c), |scratch| {
                let (reduced, scratch) = scratch.split_at_mut(tokens * c_in);
                let (widened, hidden) = scratch.split_at_mut(tokens * c);
                for (y, row) in reduced.chunks_exact_mut(w * c_in).enumerate() {
                    self.spatial.row_block(isa, &x, size, i * task + y, row);
                }
                self.channel.apply_block(isa, reduced, tokens, widened, &self.channel.epilogue());
                self.ffn.block(isa, widened, hidden, out);
            });
        });
        run.give(x);
        run.tap.tap(|| path.to_owned(), &[h, w, c], &out);
        (out, (h, w))
    }
}
