//! Arguments of `sam2 bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::numbers::not_negative;
use crate::options::ModelArgs;

const SHAPES_HELP: &str = "Shapes for gemm, attention and conv, in place of the model's: a JSON file";
const EXAMPLES: &str = "\
Kernels (gemm, attention, conv) are timed alone, on random operands: at the shapes of the layers of -m
(SAM 2.1 tiny if absent), for each of --thread-counts, with the instruction set that SAM2_ISA names (default:
the fastest). A multiply-add counts as two operations; the peak is measured before and after each run. The
crate matrixmultiply computes the same f32 products on one thread, as a baseline. With --precision int8, gemm
and attention run in 8 bits, with bf16 gemm alone.

A file of shapes has any of these lists; name, batch, heads, dv, stride and padding may be absent:
  {\"gemm\": [{\"name\": \"mlp\", \"m\": 4096, \"k\": 384, \"n\": 1536}],
   \"attention\": [{\"batch\": 1, \"heads\": 8, \"queries\": 4096, \"keys\": 4096, \"d\": 64, \"dv\": 64}],
   \"conv\": [{\"height\": 224, \"width\": 224, \"inputs\": 3, \"outputs\": 64,
             \"kernel\": 7, \"stride\": 2, \"padding\": 3}],
   \"conv_transpose\": [{\"height\": 64, \"width\": 64, \"inputs\": 256, \"outputs\": 64}],
   \"depthwise\": [{\"height\": 64, \"width\": 64, \"channels\": 256, \"kernel\": 7}]}

Examples:
  sam2 bench -m sam2.1_hiera_tiny.pt
  sam2 bench -m sam2.1_hiera_tiny.pt --json > before.json
  sam2 bench -m sam2.1_hiera_tiny.pt --compare before.json
  sam2 bench --parts gemm,attention,conv --json
  sam2 bench --parts gemm --shapes mine.json --thread-counts 1,2,4";

/// `sam2 bench`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Bench {
    #[command(flatten)]
    pub model: ModelArgs,
    /// How often each part or kernel is timed; the median is reported
    #[arg(
        long,
        value_name = "R",
        default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub repeat: u32,
    /// Show an earlier result of --json beside this one, and fail if a part became slower
    #[arg(long, value_name = "OLD.json")]
    pub compare: Option<PathBuf>,
    /// With --compare: by how many percent a part may be slower than before
    #[arg(
        long,
        value_name = "PERCENT",
        requires = "compare",
        default_value_t = 10.0,
        value_parser = not_negative::<f64>,
        allow_hyphen_values = true
    )]
    pub threshold: f64,
    /// What is timed, besides loading: parts of the model, or kernels.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "PART,..",
        help = "What is timed: parts of the model, or kernels [default: encode,click,memory-attention,track; \
                with --shapes: gemm,attention,conv]"
    )]
    pub parts: Vec<Part>,
    /// Shapes of the kernels.
    #[arg(long, value_name = "FILE.json", help = SHAPES_HELP)]
    pub shapes: Option<PathBuf>,
    /// Numbers of threads that kernels are timed with [default: 1 and that of -t]
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "N,..",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub thread_counts: Vec<u16>,
    /// How many objects are tracked
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=255)
    )]
    pub objects: u32,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// A timed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// An image: resize, normalise, encode
    Encode,
    /// A click on it: three masks at its size
    Click,
    /// Memory attention alone, over a full bank
    MemoryAttention,
    /// A tracked frame with full banks, and its stages
    Track,
    /// All masks of an encoded image, 32x32 clicks; once
    Everything,
    /// Kernels: matrix products of the linear layers
    Gemm,
    /// Kernels: attention
    Attention,
    /// Kernels: convolutions, transposed and depthwise ones too
    Conv,
}

impl Part {
    /// Parts of the model that are timed by default.
    pub const MODEL: [Self; 4] = [Self::Encode, Self::Click, Self::MemoryAttention, Self::Track];
    /// Parts that are kernels.
    pub const KERNELS: [Self; 3] = [Self::Gemm, Self::Attention, Self::Conv];
}

impl Bench {
    /// What is timed.
    pub fn chosen(&self) -> Vec<Part> {
        match (self.parts.is_empty(), &self.shapes) {
            (false, _) => self.parts.clone(),
            (true, None) => Part::MODEL.to_vec(),
            (true, Some(_)) => Part::KERNELS.to_vec(),
        }
    }

    /// Numbers of threads for the kernels, ascending.
    pub fn thread_counts(&self) -> Vec<usize> {
        let mut counts: Vec<usize> = self.thread_counts.iter().copied().map(usize::from).collect();
        if counts.is_empty() {
            counts = vec![1, rayon::current_num_threads()];
        }
        counts.sort_unstable();
        counts.dedup();
        counts
    }
}
