//! `sam2 convert`: a checkpoint in another format.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use sam2_media::files;
use sam2_media::outputs::Plan;
use sam2_model::convert::{ConvertOptions, DType, Naming, convert};
use sam2_model::models::WeightCopy;
use serde_json::json;

use crate::console::Console;
use crate::options::{self, VARIANT_HELP, WEIGHTS_HELP, parse_variant};
use crate::progress;
use crate::system::megabytes;

const EXAMPLES: &str = "\
Examples:
  sam2 convert sam2.1_hiera_tiny.pt tiny.safetensors
  sam2 convert sam2.1_hiera_tiny.pt tiny.safetensors --f16
  sam2 convert model.safetensors tiny.pt --to meta";

/// `sam2 convert`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Convert {
    /// The checkpoint (Meta's .pt, or .safetensors)
    pub input: PathBuf,
    /// The new file: .safetensors, or .pt as torch.save writes it
    pub output: PathBuf,
    /// Naming scheme of the tensors [default: unchanged; Meta's in a .pt]
    #[arg(long, value_name = "NAMES", value_enum)]
    pub to: Option<To>,
    /// Store numbers as f32
    #[arg(long, group = "precision")]
    pub f32: bool,
    /// Store numbers as f16, rounded to the nearest
    #[arg(long, group = "precision")]
    pub f16: bool,
    /// Store numbers as bf16, rounded to the nearest
    #[arg(long, group = "precision")]
    pub bf16: bool,
    /// Configuration to store in the new file: the published .yaml, or the same as .json [default: that of
    /// the checkpoint]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The published model, where the tensors do not show it.
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "config",
        value_parser = parse_variant,
        help = VARIANT_HELP
    )]
    pub variant: Option<String>,
    /// Which copy of the weights.
    #[arg(long, value_name = "raw|ema", default_value_t, help = WEIGHTS_HELP)]
    pub weights: WeightCopy,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Names of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// Names of Meta's code
    Meta,
    /// Names of Hugging Face transformers
    Hf,
}

/// Runs the command.
pub fn run(args: &Convert, console: &Console) -> Result<()> {
    let mut plan = Plan::default();
    plan.reads_checkpoint(&args.input);
    plan.writes(&args.output);
    plan.check()?;
    let torch = args.output.extension().is_some_and(|e| e.eq_ignore_ascii_case("pt"));
    files::prepare_file(&args.output, if torch { "pt" } else { "safetensors" })?;
    let options = ConvertOptions::default()
        .naming(args.to.map(|to| match to {
            To::Meta => Naming::Meta,
            To::Hf => Naming::HuggingFace,
        }))
        .precision(
            [(args.f32, DType::F32), (args.f16, DType::F16), (args.bf16, DType::BF16)]
                .into_iter()
                .find_map(|(chosen, precision)| chosen.then_some(precision)),
        )
        .weights(args.weights)
        .config(options::config(args.config.as_deref(), args.variant.as_deref())?);
    let bar = progress::bar(console, None, "{bar:30} {bytes} of {total_bytes}, {eta} left");
    let converted = convert(&args.input, &args.output, options, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let converted = converted?;
    let naming = match converted.naming {
        Naming::Meta => "meta",
        Naming::HuggingFace => "hf",
    };
    if args.json {
        let file = args.output.display().to_string();
        let value =
            json!({"file": file, "naming": naming, "tensors": converted.tensors, "bytes": converted.bytes});
        return console.result(&value.to_string());
    }
    console.result(&format!(
        "{}: {} tensors, names of {naming}, {}",
        args.output.display(),
        converted.tensors,
        megabytes(converted.bytes)
    ))
}
