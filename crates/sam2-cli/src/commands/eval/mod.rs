//! `sam2 eval`: scores of predictions against ground truth, as by the public evaluators.

mod boundary;
mod davis;
mod lasot;
pub mod region;
mod report;
mod sav;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use rayon::prelude::*;
use sam2_media::files;
use sam2_media::pictures::label_map::Labels;
use serde_json::Value;

use crate::console::Console;
use crate::progress;
use report::Table;

const EXAMPLES: &str = "\
Examples:
  sam2 eval davis --gt DAVIS --pred masks
  sam2 eval sav --gt sav_val/Annotations_6fps --pred masks
  sam2 eval lasot --gt LaSOT --pred boxes";

/// `sam2 eval`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Eval {
    #[command(subcommand)]
    rules: Rules,
}

#[derive(Debug, Subcommand)]
enum Rules {
    /// J and F of the DAVIS 2017 semi-supervised task: mean, recall and decay
    Davis(davis::Davis),
    /// J and F as the SA-V evaluator counts them, over per-object folders or label maps
    Sav(sav::Sav),
    /// Success AUC, precision and normalised precision of boxes, as for LaSOT
    Lasot(lasot::Lasot),
}

/// Outputs of an evaluation.
#[derive(Args, Debug)]
struct Outputs {
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Also write the table of all objects or sequences, with full precision
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
}

/// Result of an evaluation.
struct Report {
    json: Value,
    overall: Table,
    details: Table,
}

/// Runs the command.
pub fn run(args: &Eval, console: &Console) -> Result<()> {
    let outputs = match &args.rules {
        Rules::Davis(args) => &args.outputs,
        Rules::Sav(args) => &args.outputs,
        Rules::Lasot(args) => &args.outputs,
    };
    if let Some(path) = &outputs.csv {
        files::prepare_file(path, "csv")?;
    }
    let report = match &args.rules {
        Rules::Davis(args) => davis::evaluate(args, console)?,
        Rules::Sav(args) => sav::evaluate(args, console)?,
        Rules::Lasot(args) => lasot::evaluate(args, console)?,
    };
    if let Some(path) = &outputs.csv {
        report.details.write_csv(path)?;
    }
    if outputs.json {
        return console.result(&report.json.to_string());
    }
    report.overall.print(console)?;
    console.result("")?;
    report.details.print(console)
}

/// J and F of one object on one frame. `size` is (width, height).
fn measure(found: &[bool], truth: &[bool], size: (u32, u32)) -> (f64, f64) {
    let f = boundary::f_measure(found, truth, (size.0 as usize, size.1 as usize));
    (region::jaccard(found, truth), f)
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0_usize);
    for value in values {
        sum += value;
        count += 1;
    }
    sum / count as f64
}

fn same_size(found: &Labels, truth: &Labels, path: &Path) -> Result<()> {
    if found.size != truth.size {
        bail!(
            "{} has {}x{} pixels, but its ground truth has {}x{}",
            path.display(),
            found.size.0,
            found.size.1,
            truth.size.0,
            truth.size.1
        );
    }
    Ok(())
}

fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "png")
}

/// Runs `work` on every task in parallel. Results keep the order of the tasks; if several fail, the error of
/// the earliest task is returned.
fn in_parallel<T: Sync, R: Send>(
    tasks: &[T],
    unit: &str,
    console: &Console,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let template = format!("{{bar:32}} {{pos}}/{{len}} {unit}, {{eta}} left");
    let bar = progress::bar(console, Some(tasks.len()), &template);
    let failed = AtomicUsize::new(usize::MAX);
    let results: Vec<Option<Result<R>>> = tasks
        .par_iter()
        .enumerate()
        .map(|(i, task)| {
            // Later tasks cannot change which error is reported.
            if i > failed.load(Ordering::Relaxed) {
                return None;
            }
            let result = work(task);
            if result.is_err() {
                failed.fetch_min(i, Ordering::Relaxed);
            }
            bar.inc(1);
            Some(result)
        })
        .collect();
    bar.finish_and_clear();
    results.into_iter().map_while(|result| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::{Tensor, npy::NpyArray};

    /// Scores of single frames from the public DAVIS evaluator, made by `tools/eval_fixtures.py`.
    #[test]
    fn j_and_f_of_frames_are_those_of_the_public_evaluator() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/eval.npz");
        let arrays = tensor::npz::read(path).expect("eval.npz");
        let mask = |name: String| -> (Vec<bool>, (u32, u32)) {
            let NpyArray::U8(array) = &arrays[&name] else { panic!("{name} is not u8") };
            let size = (array.shape()[1] as u32, array.shape()[0] as u32);
            (array.data().iter().map(|&x| x != 0).collect(), size)
        };
        let count =
            arrays.keys().filter(|name| name.starts_with("pair/") && name.ends_with("/truth")).count();
        assert_eq!(count, 16);
        for i in 0..count {
            let expected: Tensor<f64> =
                arrays[&format!("pair/{i:02}/expected")].clone().try_into().expect("f64");
            let (truth, size) = mask(format!("pair/{i:02}/truth"));
            let (found, _) = mask(format!("pair/{i:02}/found"));
            let (void, _) = mask(format!("pair/{i:02}/void"));
            let without = |mask: &[bool]| -> Vec<bool> {
                mask.iter().zip(&void).map(|(&inside, &void)| inside && !void).collect()
            };
            let (j, f) = measure(&found, &truth, size);
            let (j_void, f_void) = measure(&without(&found), &without(&truth), size);
            for (value, expected) in [j, f, j_void, f_void].into_iter().zip(expected.data()) {
                assert!((value - expected).abs() <= 1e-12, "pair {i}: {value} for {expected}");
            }
        }
    }

    #[test]
    fn the_earliest_error_is_reported() {
        let tasks: Vec<usize> = (0..200).collect();
        let console = Console::new(true, false);
        let fails_from = |limit: usize| {
            in_parallel(
                &tasks,
                "tasks",
                &console,
                move |&i| if i < limit { Ok(i) } else { bail!("task {i}") },
            )
        };
        assert_eq!(fails_from(200).expect("all"), tasks);
        assert_eq!(fails_from(17).expect_err("fails").to_string(), "task 17");
    }
}
