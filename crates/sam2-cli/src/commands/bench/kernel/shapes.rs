//! The shapes that kernels are timed at: those of a model, or the user's.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sam2_media::text;
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

    /// Fails if a shape cannot be run.
    pub fn check(&self) -> Result<()> {
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
