//! `sam2 bench --parts gemm,attention,conv`: kernels by themselves, at a model's shapes or the user's.

mod cases;
mod of_model;
mod shapes;
mod timing;

use std::path::Path;

use anyhow::{Context, Result, bail};
use kernels::Isa;
use rayon::ThreadPoolBuilder;
use sam2_model::config::Config;
use serde::Serialize;
use serde_json::Value;

use super::args::{Bench, Part};
use crate::console::Console;
use crate::{model, system};
use cases::Case;
use shapes::Shapes;
use timing::{Timing, measure};

/// What `--json` prints.
#[derive(Serialize)]
struct Document {
    /// Processor, caches, and the build of this program.
    machine: Value,
    isa: &'static str,
    precision: String,
    /// The model or the file that the shapes are from.
    shapes: String,
    repeat: u32,
    rows: Vec<Row>,
}

/// One kernel at one shape on some threads.
#[derive(Serialize)]
struct Row {
    kernel: &'static str,
    name: String,
    size: String,
    /// The instruction set, or the crate of the baseline.
    by: &'static str,
    threads: usize,
    min_ms: f64,
    median_ms: f64,
    /// Billions of operations a second, two for each multiply-add, at the median.
    gflops: f64,
    share_of_peak: f64,
}

/// Runs the kernels among the parts.
pub fn run(args: &Bench, parts: &[Part], console: &Console) -> Result<()> {
    if args.compare.is_some() {
        bail!("--compare is about parts of the model: kernels are not compared with an earlier run");
    }
    let (shapes, origin) = shapes(args)?;
    let cases = cases::all(&shapes, parts, args.model.trade.precision);
    if cases.is_empty() {
        bail!("{origin} has no shapes for the wanted parts");
    }
    let isa = Isa::best();
    let pools = args
        .thread_counts()
        .into_iter()
        .map(|threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            Ok((threads, pool.with_context(|| format!("cannot start {threads} threads"))?))
        })
        .collect::<Result<Vec<_>>>()?;
    let title = format!("{} kernels, {}, shapes of {origin}", isa.name(), args.model.trade.precision);
    if !args.json {
        console.result(&title)?;
        console.result(&Row::header())?;
    }
    let mut rows = Vec::new();
    let repeat = args.repeat as usize;
    for case in &cases {
        let mut add = |by, threads, timing| {
            let row = Row::new(case, by, threads, timing);
            let shown = if args.json { Ok(()) } else { console.result(&row.line()) };
            rows.push(row);
            shown
        };
        for (threads, pool) in &pools {
            let timing = pool.install(|| measure(isa, case.work, repeat, &mut *(case.prepare)(isa)));
            add(isa.name(), *threads, timing)?;
            if let Some(baseline) = case.baseline.as_ref().filter(|_| *threads == 1) {
                let timing = pool.install(|| measure(isa, case.work, repeat, &mut *baseline()));
                add("matrixmultiply", 1, timing)?;
            }
        }
    }
    if args.json {
        let document = Document {
            machine: system::describe(),
            isa: isa.name(),
            precision: args.model.trade.precision.to_string(),
            shapes: origin,
            repeat: args.repeat,
            rows,
        };
        console.result(&serde_json::to_string(&document)?)?;
    }
    Ok(())
}

/// The shapes, and where they are from.
fn shapes(args: &Bench) -> Result<(Shapes, String)> {
    if let Some(path) = &args.shapes {
        return Ok((Shapes::read(path)?, path.display().to_string()));
    }
    let config = match &args.model.model {
        Some(path) => model_config(path, args)?,
        None => {
            let tiny = Config::published("tiny", true).context("tiny is published")?;
            let image_size = args.model.trade.image_size.unwrap_or(tiny.image_size);
            if image_size == 0 || !image_size.is_multiple_of(64) {
                bail!("--image-size {image_size} is not a multiple of 64");
            }
            Config { image_size, ..tiny }
        }
    };
    let origin = format!("{}, images {}", config.variant, config.image_size);
    Ok((of_model::shapes(&config), origin))
}

fn model_config(path: &Path, args: &Bench) -> Result<Config> {
    let model = model::open_file(path, args.model.config()?, args.model.trade)?;
    Ok(model.config().clone())
}

impl Row {
    fn new(case: &Case, by: &'static str, threads: usize, timing: Timing) -> Self {
        let round = |value: f64, unit: f64| (value * unit).round() / unit;
        Self {
            kernel: case.kernel,
            name: case.name.clone(),
            size: case.size.clone(),
            by,
            threads,
            min_ms: round(timing.min * 1e3, 1e4),
            median_ms: round(timing.median * 1e3, 1e4),
            gflops: round(case.work.total() / timing.median / 1e9, 1e2),
            share_of_peak: round(timing.share, 1e4),
        }
    }

    fn header() -> String {
        format!(
            "{:<18} {:<42} {:<22} {:<14} {:>7} {:>10} {:>10} {:>9} {:>6}",
            "kernel", "layer", "size", "by", "threads", "min ms", "median ms", "GFLOP/s", "peak"
        )
    }

    fn line(&self) -> String {
        let Self { kernel, name, size, by, threads, min_ms, median_ms, gflops, share_of_peak } = self;
        format!(
            "{kernel:<18} {name:<42} {size:<22} {by:<14} {threads:>7} {min_ms:>10.4} {median_ms:>10.4} \
             {gflops:>9.1} {:>5.1}%",
            share_of_peak * 100.0
        )
    }
}
