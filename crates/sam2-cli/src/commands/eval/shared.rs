//! Parts that all evaluations share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};
use clap::Args;
use rayon::prelude::*;
use sam2_media::pictures::label_map::Labels;
use serde_json::Value;

use super::report::Table;
use super::{boundary, region};
use crate::console::Console;
use crate::progress;

/// Outputs of an evaluation.
#[derive(Args, Debug)]
pub struct Outputs {
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub json: bool,
    /// Also write the table of all objects or sequences, with full precision
    #[arg(long, value_name = "FILE.csv")]
    pub csv: Option<PathBuf>,
}

/// Result of an evaluation.
pub struct Report {
    pub json: Value,
    pub overall: Table,
    pub details: Table,
}

/// J and F of one object on one frame. `size` is (width, height).
pub fn measure(found: &[bool], truth: &[bool], size: (u32, u32)) -> (f64, f64) {
    let f = boundary::f_measure(found, truth, (size.0 as usize, size.1 as usize));
    (region::jaccard(found, truth), f)
}

pub fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0_usize);
    for value in values {
        sum += value;
        count += 1;
    }
    sum / count as f64
}

pub fn same_size(found: &Labels, truth: &Labels, path: &Path) -> Result<()> {
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

pub fn is_png(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "png")
}

/// Runs `work` on every task in parallel. Results keep the order of the tasks; if several fail, the error of
/// the earliest task is returned.
pub fn in_parallel<T: Sync, R: Send>(
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
