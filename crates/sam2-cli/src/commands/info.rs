//! `sam2 info`: this machine and this build, or a checkpoint.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use kernels::Isa;
use sam2_model::models::{ModelSummary, WeightCopy};
use sam2_model::{Model, ModelOptions};
use serde_json::{Value, json};

use crate::console::Console;
use crate::embedded;
use crate::environment::VARIABLES;
use crate::options::{TradeArgs, VARIANT_HELP, WEIGHTS_HELP, parse_variant};
use crate::{model, options, system};

const EXAMPLES: &str = "\
Examples:
  sam2 info
  sam2 info sam2.1_hiera_tiny.pt
  sam2 info --json";

/// `sam2 info`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Info {
    /// A checkpoint to describe
    pub checkpoint: Option<PathBuf>,
    /// Its configuration, if it is not a published model: Meta's .yaml, or the same as .json
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    pub config: Option<PathBuf>,
    /// The published model, where the tensors do not show it.
    #[arg(
        long,
        value_name = "NAME",
        requires = "checkpoint",
        conflicts_with = "config",
        value_parser = parse_variant,
        help = VARIANT_HELP
    )]
    pub variant: Option<String>,
    /// Which copy of the weights.
    #[arg(long, value_name = "raw|ema", default_value_t, requires = "checkpoint", help = WEIGHTS_HELP)]
    pub weights: WeightCopy,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &Info, console: &Console) -> Result<()> {
    match &args.checkpoint {
        Some(path) => {
            let config = options::config(args.config.as_deref(), args.variant.as_deref())?;
            let trade = TradeArgs { weights: args.weights, ..TradeArgs::default() };
            checkpoint(&*model::open_file(path, config, trade)?, path, args.json, console)
        }
        None => machine(args.json, console),
    }
}

fn checkpoint(model: &Model, path: &Path, as_json: bool, console: &Console) -> Result<()> {
    let summary = model.summary();
    if as_json {
        let mut value = summary_json(summary);
        value["file"] = json!(path.display().to_string());
        value["image_size"] = json!(model.config().image_size);
        return console.result(&value.to_string());
    }
    let mut rows = vec![
        ("file", path.display().to_string()),
        ("model", summary.variant.clone()),
        ("input", format!("{0}x{0} pixels", model.config().image_size)),
        ("tensors", summary.tensors.to_string()),
        ("parameters", grouped(summary.parameters)),
        ("stored as", summary.dtypes.clone()),
        ("size", system::megabytes(summary.bytes)),
    ];
    if !summary.weights_under.is_empty() {
        rows.push(("weights", summary.weights_under.clone()));
    }
    if !summary.weights_beside.is_empty() {
        rows.push(("not used", summary.weights_beside.join(", ")));
    }
    table(&rows, console)
}

fn machine(as_json: bool, console: &Console) -> Result<()> {
    let available: Vec<&str> = Isa::available().iter().map(Isa::name).collect();
    let chosen = Isa::best();
    let caches = system::caches();
    let embedded = embedded::model(&ModelOptions::default()).ok();
    let commit = option_env!("SAM2_BUILD_COMMIT");
    let rustc = option_env!("SAM2_BUILD_RUSTC");
    let target = option_env!("SAM2_BUILD_TARGET");
    if as_json {
        let variables =
            VARIABLES.iter().map(|(name, _)| ((*name).to_owned(), json!(std::env::var(name).ok())));
        let mut value = system::describe();
        value["threads"] = json!(rayon::current_num_threads());
        value["isa_available"] = json!(available);
        value["isa"] = json!(chosen.name());
        value["environment"] = variables.collect::<serde_json::Map<String, Value>>().into();
        value["embedded"] = json!(embedded.as_ref().map(|model| summary_json(model.summary())));
        return console.result(&value.to_string());
    }
    let known = |value: Option<&str>| value.unwrap_or("unknown").to_owned();
    let caches: Vec<String> = caches
        .iter()
        .map(|cache| {
            let kind = match cache.kind.as_str() {
                "Data" => "d",
                "Instruction" => "i",
                _ => "",
            };
            format!("L{}{kind} {}", cache.level, cache.size)
        })
        .collect();
    let mut rows = vec![
        ("sam2", env!("CARGO_PKG_VERSION").to_owned()),
        ("commit", known(commit)),
        ("compiler", format!("{} for {}", known(rustc), known(target))),
        ("processor", known(system::cpu_name().as_deref())),
        ("instruction sets", format!("{}; using {}", available.join(", "), chosen.name())),
        ("caches", if caches.is_empty() { known(None) } else { caches.join(", ") }),
        ("threads", format!("{} of {} cores", rayon::current_num_threads(), system::cores())),
        (
            "embedded model",
            embedded.map_or_else(
                || "none in this build".to_owned(),
                |model| {
                    let summary = model.summary();
                    format!(
                        "{}, {} parameters, {}",
                        summary.variant,
                        grouped(summary.parameters),
                        summary.dtypes
                    )
                },
            ),
        ),
    ];
    for (name, meaning) in VARIABLES {
        let value = std::env::var(name).unwrap_or_else(|_| "not set".to_owned());
        rows.push(("environment", format!("{name}: {value} ({meaning})")));
    }
    table(&rows, console)
}

fn summary_json(summary: &ModelSummary) -> Value {
    json!({
        "variant": summary.variant,
        "tensors": summary.tensors,
        "parameters": summary.parameters,
        "dtypes": summary.dtypes,
        "bytes": summary.bytes,
        "weights": summary.weights_under,
        "weights_not_used": summary.weights_beside,
    })
}

fn table(rows: &[(&str, String)], console: &Console) -> Result<()> {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().try_for_each(|(name, value)| console.result(&format!("{name:width$}  {value}")))
}

/// `4163072` → `4 163 072`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_grouped_by_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1 000"), (4_163_072, "4 163 072")] {
            assert_eq!(grouped(number), text);
        }
    }
}
