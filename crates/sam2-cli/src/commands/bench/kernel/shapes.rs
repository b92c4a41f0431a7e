//! The shapes that kernels are timed at: those of a model, or the user's.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sam2_media::text;
use sam2_model::config::{Config, TrunkConfig};
use serde::Deserialize;

/// Elements of one buffer at most: 2 GiB of floats.
const MAX_ELEMENTS: usize = 1 << 29;

/// Shapes by kernel, as the file has them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shapes {
    pub gemm: Vec<Gemm>,
    pub attention: Vec<Attention>,
    /// Attention over memories on copies of one grid, which only the model has.
    #[serde(skip)]
    pub grid_attention: Vec<GridAttention>,
    pub conv: Vec<Conv>,
    pub conv_transpose: Vec<ConvTranspose>,
    pub depthwise: Vec<Depthwise>,
}

/// `(m, k) · (k, n)`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gemm {
    #[serde(default)]
    pub name: String,
    pub m: usize,
    pub k: usize,
    pub n: usize,
}

/// `batch` problems of `heads` heads: `queries` rows over `keys` rows, `d` wide, values `dv` wide.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    #[serde(default)]
    pub name: String,
    #[serde(default = "one")]
    pub batch: usize,
    #[serde(default = "one")]
    pub heads: usize,
    pub queries: usize,
    pub keys: usize,
    pub d: usize,
    /// `d` if absent.
    pub dv: Option<usize>,
}

/// `queries` rows, `d` wide, over `copies` grids of `side` × `side` tokens, `m` wide.
#[derive(Clone, Debug, PartialEq)]
pub struct GridAttention {
    pub name: String,
    pub queries: usize,
    pub copies: usize,
    pub side: usize,
    pub d: usize,
    pub m: usize,
}

/// A square kernel over `(height, width, inputs)`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    #[serde(default)]
    pub name: String,
    pub height: usize,
    pub width: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: usize,
    #[serde(default = "one")]
    pub stride: usize,
    #[serde(default)]
    pub padding: usize,
}

/// A transposed 2×2 convolution with stride 2.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose {
    #[serde(default)]
    pub name: String,
    pub height: usize,
    pub width: usize,
    pub inputs: usize,
    pub outputs: usize,
}

/// One odd square kernel per channel, with stride 1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Depthwise {
    #[serde(default)]
    pub name: String,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub kernel: usize,
}

fn one() -> usize {
    1
}

impl Attention {
    pub fn dv(&self) -> usize {
        self.dv.unwrap_or(self.d)
    }
}

impl Conv {
    /// Height and width of the output; the kernel must fit into the padded input.
    pub fn output(&self) -> (usize, usize) {
        let out = |side: usize| (side + 2 * self.padding - self.kernel) / self.stride + 1;
        (out(self.height), out(self.width))
    }
}

impl Shapes {
    /// Reads a file of shapes.
    ///
    /// # Errors
    /// If it is not one, or if a shape cannot be run.
    pub fn read(path: &Path) -> Result<Self> {
        let text = text::read(path, "the shapes")?;
        let shapes: Self = serde_json::from_str(&text)
            .with_context(|| format!("{}: not a file of shapes", path.display()))?;
        shapes.check().with_context(|| path.display().to_string())?;
        Ok(shapes)
    }

    fn check(&self) -> Result<()> {
        for (i, s) in self.gemm.iter().enumerate() {
            check(
                "gemm",
                i,
                &[("m", s.m), ("k", s.k), ("n", s.n)],
                &[&[s.m, s.k], &[s.k, s.n], &[s.m, s.n]],
            )?;
        }
        for (i, s) in self.attention.iter().enumerate() {
            let sizes = [
                ("batch", s.batch),
                ("heads", s.heads),
                ("queries", s.queries),
                ("keys", s.keys),
                ("d", s.d),
            ];
            let rows = s.batch.saturating_mul(s.heads);
            let buffers: [&[usize]; 4] = [
                &[rows, s.queries, s.d],
                &[rows, s.keys, s.d],
                &[rows, s.keys, s.dv()],
                &[rows, s.queries, s.dv()],
            ];
            check("attention", i, &sizes, &buffers)?;
            check("attention", i, &[("dv", s.dv())], &[])?;
            if s.d > kernels::gemm::KC {
                bail!("attention, shape {i}: d is {}, at most {} is supported", s.d, kernels::gemm::KC);
            }
        }
        for (i, s) in self.conv.iter().enumerate() {
            let sizes = [
                ("height", s.height),
                ("width", s.width),
                ("inputs", s.inputs),
                ("outputs", s.outputs),
                ("kernel", s.kernel),
                ("stride", s.stride),
            ];
            // The output at stride 1 is at most the padded input.
            let padded = |side: usize| side.saturating_add(s.padding.saturating_mul(2));
            let (height, width) = (padded(s.height), padded(s.width));
            let buffers: [&[usize]; 3] = [
                &[height, width, s.inputs],
                &[height, width, s.outputs],
                &[s.inputs, s.outputs, s.kernel, s.kernel],
            ];
            check("conv", i, &sizes, &buffers)?;
            if s.kernel > height.min(width) {
                bail!("conv, shape {i}: a kernel of {} does not fit into the padded input", s.kernel);
            }
        }
        for (i, s) in self.conv_transpose.iter().enumerate() {
            let sizes =
                [("height", s.height), ("width", s.width), ("inputs", s.inputs), ("outputs", s.outputs)];
            let buffers: [&[usize]; 3] = [
                &[s.height, s.width, s.inputs],
                &[4, s.height, s.width, s.outputs],
                &[4, s.inputs, s.outputs],
            ];
            check("conv_transpose", i, &sizes, &buffers)?;
        }
        for (i, s) in self.depthwise.iter().enumerate() {
            let sizes =
                [("height", s.height), ("width", s.width), ("channels", s.channels), ("kernel", s.kernel)];
            let buffers: [&[usize]; 2] =
                [&[s.height, s.width, s.channels], &[s.kernel, s.kernel, s.channels]];
            check("depthwise", i, &sizes, &buffers)?;
            if s.kernel.is_multiple_of(2) {
                bail!("depthwise, shape {i}: the kernel {} is not odd", s.kernel);
            }
        }
        Ok(())
    }

    /// The shapes of a model's layers. Rows of windowed layers include the padding that is computed; the
    /// cross-attention to the memories runs an eighth of its queries, to keep a run short.
    ///
    /// # Errors
    /// If the kind of trunk is another one than Hiera.
    pub fn of(config: &Config) -> Result<Self> {
        let TrunkConfig::Hiera(trunk) = &config.trunk else {
            bail!(
                "the layers of the trunk of {} are not known here: give --shapes FILE.json",
                config.variant
            );
        };
        let (grid, d, m) = (config.grid(), config.d_model, config.mem_dim);
        let cells = grid * grid;
        let tokens = config.num_maskmem * cells + config.max_obj_ptrs_in_encoder * (d / m);
        let mut shapes = Self::default();
        let mut gemm = |name: String, (m, k, n): (usize, usize, usize)| {
            shapes.gemm.push(Gemm { name, m, k, n });
        };
        let mut first_block = 0;
        for stage in 0..4 {
            let (side, c) = ((config.image_size / 4) >> stage, trunk.embed_dim << stage);
            let (heads, window) = (trunk.num_heads << stage, trunk.window_spec[stage]);
            let windows = side.div_ceil(window).pow(2);
            let name = |layer: &str| format!("stage{}.{layer}", stage + 1);
            let rows = side * side;
            gemm(name("qkv"), (windows * window * window, c, 3 * c));
            gemm(name("proj"), (rows, c, c));
            gemm(name("mlp.0"), (rows, c, 4 * c));
            gemm(name("mlp.1"), (rows, 4 * c, c));
            let mut attention = |name: String, batch: usize, rows: usize| {
                let dv = None;
                shapes.attention.push(Attention {
                    name,
                    batch,
                    heads,
                    queries: rows,
                    keys: rows,
                    d: c / heads,
                    dv,
                });
            };
            attention(name(&format!("window{window}")), windows, window * window);
            let blocks = first_block..first_block + trunk.stages[stage];
            first_block = blocks.end;
            if trunk.global_att_blocks.iter().any(|block| blocks.contains(block)) {
                attention(name("global"), 1, rows);
            }
        }
        let wide = trunk.embed_dim << 2;
        gemm("neck.high_res0".to_owned(), (16 * cells, trunk.embed_dim, d / 8));
        gemm("neck.high_res1".to_owned(), (4 * cells, 2 * trunk.embed_dim, d / 4));
        gemm("neck.level2".to_owned(), (cells, wide, d));
        gemm("memory_attention.q_proj".to_owned(), (cells, d, d));
        gemm("memory_attention.ffn.0".to_owned(), (cells, d, config.dim_feedforward));
        gemm("memory_attention.ffn.1".to_owned(), (cells, config.dim_feedforward, d));
        gemm("memory_attention.cross.k_proj".to_owned(), (tokens, m, d));
        gemm("memory_encoder.fuser.pwconv1".to_owned(), (cells, d, 4 * d));
        gemm("memory_encoder.fuser.pwconv2".to_owned(), (cells, 4 * d, d));
        gemm("mask_decoder.token.q_proj".to_owned(), (8, d, d / 2));

        let mut attention = |name: &str, heads: usize, (queries, keys): (usize, usize), d: usize| {
            let name = name.to_owned();
            shapes.attention.push(Attention { name, batch: 1, heads, queries, keys, d, dv: None });
        };
        attention("mask_decoder.token_to_image", 8, (8, cells), d / 16);
        attention("mask_decoder.image_to_token", 8, (cells, 8), d / 16);
        attention("memory_attention.self", 1, (cells, cells), d);
        attention("memory_attention.cross.eighth", 1, (cells.div_ceil(8), tokens), d);
        let name = "memory_attention.cross.unprojected.eighth".to_owned();
        let copies = config.num_maskmem;
        shapes.grid_attention.push(GridAttention {
            name,
            queries: cells.div_ceil(8),
            copies,
            side: grid,
            d,
            m,
        });

        let mut conv =
            |name: &str, side: usize, (inputs, outputs): (usize, usize), (kernel, stride, padding)| {
                let (name, height, width) = (name.to_owned(), side, side);
                shapes.conv.push(Conv { name, height, width, inputs, outputs, kernel, stride, padding });
            };
        conv("patch_embed", config.image_size, (3, trunk.embed_dim), (7, 4, 3));
        // Every layer halves the side and quadruples the channels.
        for layer in 0..4 {
            let name = format!("mask_downsampler.{}", 3 * layer);
            let inputs = 1 << (2 * layer);
            conv(&name, config.image_size >> layer, (inputs, 4 * inputs), (3, 2, 1));
        }
        for (layer, side, inputs) in [(0, grid, d), (3, 2 * grid, d / 4)] {
            let name = format!("mask_decoder.upscaling.{layer}");
            let outputs = if layer == 0 { d / 4 } else { d / 8 };
            shapes.conv_transpose.push(ConvTranspose { name, height: side, width: side, inputs, outputs });
        }
        let name = "memory_encoder.fuser.dwconv".to_owned();
        shapes.depthwise.push(Depthwise { name, height: grid, width: grid, channels: d, kernel: 7 });
        Ok(shapes)
    }
}

/// Refuses a size of zero and a buffer that is too large.
fn check(kernel: &str, i: usize, sizes: &[(&str, usize)], buffers: &[&[usize]]) -> Result<()> {
    if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
        bail!("{kernel}, shape {i}: {name} is 0");
    }
    for buffer in buffers {
        let elements = buffer.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
        if elements.is_none_or(|n| n > MAX_ELEMENTS) {
            bail!("{kernel}, shape {i}: a buffer of {buffer:?} elements is too large");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_tiny_are_those_of_its_layers() {
        let tiny = Shapes::of(&Config::published("tiny", true).expect("published")).expect("Hiera");
        let gemm = |name: &str| {
            let s = tiny.gemm.iter().find(|s| s.name == name).expect(name);
            (s.m, s.k, s.n)
        };
        assert_eq!(gemm("stage1.qkv"), (65_536, 96, 288));
        assert_eq!(gemm("stage3.qkv"), (4_900, 384, 1_152));
        assert_eq!(gemm("stage4.qkv"), (1_225, 768, 2_304));
        assert_eq!(gemm("stage4.mlp.0"), (1_024, 768, 3_072));
        assert_eq!(gemm("neck.level2"), (4_096, 384, 256));
        assert_eq!(gemm("memory_attention.cross.k_proj"), (28_736, 64, 256));
        let attention = |name: &str| {
            let s = tiny.attention.iter().find(|s| s.name == name).expect(name);
            (s.batch, s.heads, s.queries, s.keys, s.d, s.dv())
        };
        assert_eq!(attention("stage1.window8"), (1_024, 1, 64, 64, 96, 96));
        assert_eq!(attention("stage2.window4"), (1_024, 2, 16, 16, 96, 96));
        assert_eq!(attention("stage3.window14"), (25, 4, 196, 196, 96, 96));
        assert_eq!(attention("stage3.global"), (1, 4, 4_096, 4_096, 96, 96));
        assert_eq!(attention("memory_attention.cross.eighth"), (1, 1, 512, 28_736, 256, 256));
        assert_eq!(tiny.attention.iter().filter(|s| s.name.ends_with("global")).count(), 1);
        assert_eq!(tiny.conv[4].output(), (64, 64));
        assert_eq!((tiny.conv[4].inputs, tiny.conv[4].outputs), (64, 256));
        assert!(tiny.check().is_ok());
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        for (text, words) in [
            (r#"{"gemm":[{"m":0,"k":1,"n":1}]}"#, "m is 0"),
            (r#"{"gemm":[{"m":9223372036854775807,"k":4,"n":1}]}"#, "too large"),
            (r#"{"attention":[{"queries":1,"keys":1,"d":100000}]}"#, "at most"),
            (r#"{"attention":[{"queries":1,"keys":1,"d":8,"dv":0}]}"#, "dv is 0"),
            (r#"{"conv":[{"height":2,"width":9,"inputs":1,"outputs":1,"kernel":3}]}"#, "does not fit"),
            (r#"{"depthwise":[{"height":2,"width":9,"channels":1,"kernel":4}]}"#, "not odd"),
        ] {
            let shapes: Shapes = serde_json::from_str(text).expect(text);
            let error = shapes.check().expect_err(text).to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(serde_json::from_str::<Shapes>(r#"{"gemms":[]}"#).is_err(), "an unknown kernel");
        assert!(serde_json::from_str::<Shapes>(r#"{"gemm":[{"m":1,"n":1}]}"#).is_err(), "no k");
    }
}
