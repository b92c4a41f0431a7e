//! The sizes at which SAM 2 tiny runs the kernels, by layer, and the helpers of all benchmarks.
//!
//! Names are `stage.layer`; sizes include the computed padding of windows. Work is reported as two
//! floating-point operations per multiply-add, so that criterion's `Gelem/s` reads as GFLOP/s.

use kernels::Isa;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// A matrix product, `(m, k) · (k, n)`.
#[derive(Clone, Copy, Debug)]
pub struct Gemm {
    /// Layer.
    pub name: &'static str,
    /// Rows: tokens.
    pub m: usize,
    /// Depth: input channels.
    pub k: usize,
    /// Columns: output channels.
    pub n: usize,
}

impl Gemm {
    /// Floating-point operations.
    pub fn flops(&self) -> u64 {
        2 * (self.m * self.k * self.n) as u64
    }
}

const fn gemm(name: &'static str, m: usize, k: usize, n: usize) -> Gemm {
    Gemm { name, m, k, n }
}

/// Linear layers.
pub const GEMMS: [Gemm; 16] = [
    gemm("stage1.qkv", 65_536, 96, 288),
    gemm("stage1.mlp.0", 65_536, 96, 384),
    gemm("stage1.mlp.1", 65_536, 384, 96),
    gemm("stage2.qkv", 16_384, 192, 576),
    gemm("stage2.mlp.0", 16_384, 192, 768),
    gemm("stage3.qkv.window", 4_900, 384, 1_152),
    gemm("stage3.proj", 4_096, 384, 384),
    gemm("stage3.mlp.0", 4_096, 384, 1_536),
    gemm("stage3.mlp.1", 4_096, 1_536, 384),
    gemm("stage4.qkv", 1_225, 768, 2_304),
    gemm("stage4.mlp.0", 1_024, 768, 3_072),
    gemm("neck.level2", 4_096, 384, 256),
    gemm("memory_attention.ffn.0", 4_096, 256, 2_048),
    gemm("memory_attention.cross.k_proj", 28_736, 64, 256),
    gemm("memory_encoder.fuser.pwconv1", 4_096, 256, 1_024),
    gemm("mask_decoder.token.q_proj", 8, 256, 128),
];

/// An attention; see [`kernels::attention::Shape`].
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// Layer.
    pub name: &'static str,
    /// Sizes.
    pub shape: kernels::attention::Shape,
}

impl Attention {
    /// Floating-point operations of the two products; the softmax is not counted.
    pub fn flops(&self) -> u64 {
        let s = self.shape;
        2 * (s.batch * s.heads * s.nq * s.nk * (s.d + s.dv)) as u64
    }
}

const fn attention(
    name: &'static str,
    (batch, heads): (usize, usize),
    (nq, nk): (usize, usize),
    (d, dv): (usize, usize),
) -> Attention {
    Attention { name, shape: kernels::attention::Shape { batch, heads, nq, nk, d, dv } }
}

/// Attentions. The cross-attention to the memory runs an eighth of its 4096 queries, to keep a benchmark
/// short.
pub const ATTENTIONS: [Attention; 8] = [
    attention("stage1.window8", (1_024, 1), (64, 64), (96, 96)),
    attention("stage2.window4", (1_024, 2), (16, 16), (96, 96)),
    attention("stage3.window14", (25, 4), (196, 196), (96, 96)),
    attention("stage3.global", (1, 4), (4_096, 4_096), (96, 96)),
    attention("mask_decoder.token_to_image", (1, 8), (8, 4_096), (16, 16)),
    attention("mask_decoder.image_to_token", (1, 8), (4_096, 8), (16, 16)),
    attention("memory_attention.self", (1, 1), (4_096, 4_096), (256, 256)),
    attention("memory_attention.cross.eighth", (1, 1), (512, 28_736), (256, 256)),
];

/// A dense convolution of an `(h, h, inputs)` map, or a transposed 2×2 one.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    /// Layer.
    pub name: &'static str,
    /// Height and width of the input.
    pub side: usize,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Kernel edge.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Zero padding.
    pub padding: usize,
}

const fn conv(
    name: &'static str,
    side: usize,
    (inputs, outputs): (usize, usize),
    (kernel, stride, padding): (usize, usize, usize),
) -> Conv {
    Conv { name, side, inputs, outputs, kernel, stride, padding }
}

/// Dense convolutions.
pub const CONVS: [Conv; 6] = [
    conv("patch_embed", 1_024, (3, 96), (7, 4, 3)),
    conv("mask_downsampler.0", 1_024, (1, 4), (3, 2, 1)),
    conv("mask_downsampler.3", 512, (4, 16), (3, 2, 1)),
    conv("mask_downsampler.6", 256, (16, 64), (3, 2, 1)),
    conv("mask_downsampler.9", 128, (64, 256), (3, 2, 1)),
    conv("mask_decoder.conv_s0", 256, (256, 32), (1, 1, 0)),
];

/// Transposed convolutions, 2×2 with stride 2.
pub const CONV_TRANSPOSES: [Conv; 2] = [
    conv("mask_decoder.upscaling.0", 64, (256, 64), (2, 2, 0)),
    conv("mask_decoder.upscaling.3", 128, (64, 32), (2, 2, 0)),
];

/// Reproducible values in [−1, 1): written pages, no denormals, hardly any zeros.
pub fn noise(n: usize) -> Vec<f32> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(next).collect()
}

/// The configurations to measure, with labels: every instruction set on one thread, the best on all threads.
pub fn runs() -> Vec<(Isa, ThreadPool, String)> {
    let pool = |threads: usize| {
        ThreadPoolBuilder::new().num_threads(threads).build().expect("the host can start its own threads")
    };
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let mut runs: Vec<_> =
        Isa::available().into_iter().map(|isa| (isa, pool(1), format!("{}/1t", isa.name()))).collect();
    if all > 1 {
        runs.push((Isa::best(), pool(all), format!("{}/{all}t", Isa::best().name())));
    }
    runs
}
