//! The rules of DAVIS 2017, semi-supervised task.
//! <https://github.com/davisvideochallenge/davis2017-evaluation>, `davis2017/{davis,evaluation,utils}.py`.
//!
//! * The objects of a sequence are 1 to the highest number in its first label map; 255 there is background.
//! * The first and the last frame are not scored.
//! * A prediction may lack objects, which then score 0, but must not have additional ones.
//! * Per object: mean, recall (share of frames above 0.5) and decay (mean of the first quarter of the frames
//!   minus that of the last); overall the means over all objects of all sequences, and J&F = (J mean + F
//!   mean) / 2.
//!
//! Decay equals the public code's for up to 256 scored frames; beyond, its 8-bit frame numbers wrap around,
//! ours do not.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use sam2_media::files::list;
use sam2_media::pictures::label_map;
use sam2_media::text;
use serde_json::json;

use super::report::Table;
use super::shared::{Outputs, Report, in_parallel, is_png, mean, measure, same_size};
use crate::console::Console;

/// Value of void pixels.
const VOID: u8 = 255;
/// Recall counts the frames above this.
const RECALL_ABOVE: f64 = 0.5;
/// Number of bins of a sequence; decay is the mean of the first minus that of the last.
const DECAY_BINS: usize = 4;
const MEASURES: [&str; 6] = ["J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"];

const EXAMPLES: &str = "\
Examples:
  sam2 eval davis --gt DAVIS --pred masks
  sam2 eval davis --gt DAVIS --pred masks --json --csv objects.csv";

/// `sam2 eval davis`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Davis {
    /// DAVIS (the folder with Annotations and ImageSets), or a folder with one folder of label maps per
    /// sequence
    #[arg(long, value_name = "DIR", aliases = ["davis_path", "davis-path"])]
    pub(super) gt: PathBuf,
    /// Predictions: one folder of label maps per sequence, files named as in the ground truth
    #[arg(long, value_name = "DIR", aliases = ["results_path", "results-path"])]
    pub(super) pred: PathBuf,
    /// Which sequences: the list ImageSets/2017/SET.txt of DAVIS
    #[arg(long, value_name = "SET", default_value = "val")]
    set: String,
    /// Which folder of Annotations
    #[arg(long, value_name = "NAME", default_value = "480p")]
    resolution: String,
    /// Leave pixels of value 255 in the ground truth out, instead of counting them as background
    #[arg(long)]
    ignore_void: bool,
    #[command(flatten)]
    pub(super) outputs: Outputs,
}

struct Sequence {
    name: String,
    objects: u8,
    /// Truth and prediction of every scored frame.
    frames: Vec<(PathBuf, PathBuf)>,
}

/// Mean, recall and decay.
type Statistics = [f64; 3];

pub fn evaluate(args: &Davis, console: &Console) -> Result<Report> {
    let sequences = sequences(args)?;
    let tasks: Vec<(&Sequence, &(PathBuf, PathBuf))> =
        sequences.iter().flat_map(|s| s.frames.iter().map(move |frame| (s, frame))).collect();
    let frames = in_parallel(&tasks, "frames", console, |(sequence, (truth, found))| {
        frame(truth, found, sequence.objects, args.ignore_void)
    })?;

    let mut details = Table::new(&["sequence", "object"], &MEASURES, 3);
    let mut rows: Vec<[f64; 6]> = Vec::new();
    let mut objects = Vec::new();
    let mut frames = frames.as_slice();
    for sequence in &sequences {
        let (own, rest) = frames.split_at(sequence.frames.len());
        frames = rest;
        for k in 0..usize::from(sequence.objects) {
            let j: Vec<f64> = own.iter().map(|frame| frame[k].0).collect();
            let f: Vec<f64> = own.iter().map(|frame| frame[k].1).collect();
            let (j, f) = (statistics(&j), statistics(&f));
            let row = [j[0], j[1], j[2], f[0], f[1], f[2]];
            let object = (k + 1).to_string();
            details.row(&[&sequence.name, &object], &row);
            let mut entry = json!({"sequence": sequence.name, "object": k + 1});
            MEASURES.iter().zip(row).for_each(|(name, value)| entry[*name] = value.into());
            objects.push(entry);
            rows.push(row);
        }
    }
    let means: Vec<f64> = (0..6).map(|i| mean(rows.iter().map(|row| row[i]))).collect();
    let global = [&[(means[0] + means[3]) / 2.0], means.as_slice()].concat();
    let names: Vec<&str> = ["J&F-Mean"].into_iter().chain(MEASURES).collect();
    let mut overall = Table::new(&[], &names, 3);
    overall.row(&[], &global);
    let mut json =
        json!({"rules": "davis2017 semi-supervised", "sequences": sequences.len(), "objects": objects});
    names.iter().zip(&global).for_each(|(name, value)| json[*name] = (*value).into());
    Ok(Report { json, overall, details })
}

fn sequences(args: &Davis) -> Result<Vec<Sequence>> {
    let listed = args.gt.join("ImageSets/2017").join(format!("{}.txt", args.set));
    let (root, names) = if args.gt.join("ImageSets").is_dir() {
        let names =
            text::read_names(&listed, "the list of sequences")?.into_iter().map(OsString::from).collect();
        (args.gt.join("Annotations").join(&args.resolution), names)
    } else {
        (args.gt.clone(), list(&args.gt, Path::is_dir)?)
    };
    if names.is_empty() {
        bail!("{} holds no sequences: one folder of label maps each is expected", args.gt.display());
    }
    let read = |name: &OsString| {
        sequence(&root.join(name), &args.pred.join(name), name.to_string_lossy().into_owned())
    };
    names.iter().map(read).collect()
}

fn sequence(truth: &Path, found: &Path, name: String) -> Result<Sequence> {
    let files = list(truth, is_png)?;
    if files.len() < 3 {
        bail!(
            "{} holds {} label maps; the first and the last frame are not measured, so at least 3 are needed",
            truth.display(),
            files.len()
        );
    }
    let first = label_map::read(&truth.join(&files[0]))?;
    let objects = first.data.into_iter().filter(|&label| label != VOID).max().unwrap_or(0);
    if objects == 0 {
        bail!(
            "{} marks no object, and the first frame tells which there are",
            truth.join(&files[0]).display()
        );
    }
    let frames: Vec<(PathBuf, PathBuf)> =
        files[1..files.len() - 1].iter().map(|file| (truth.join(file), found.join(file))).collect();
    if let Some((_, missing)) = frames.iter().find(|(_, found)| !found.is_file()) {
        bail!("the prediction {} is missing", missing.display());
    }
    Ok(Sequence { name, objects, frames })
}

/// J and F of every object on one frame.
fn frame(truth_path: &Path, found_path: &Path, objects: u8, ignore_void: bool) -> Result<Vec<(f64, f64)>> {
    let (truth, mut found) = (label_map::read(truth_path)?, label_map::read(found_path)?);
    same_size(&found, &truth, found_path)?;
    if let Some(&label) = found.data.iter().find(|&&label| label > objects) {
        bail!("{} has an object {label}, but its sequence has {objects}", found_path.display());
    }
    if ignore_void {
        found.data.iter_mut().zip(&truth.data).filter(|(_, t)| **t == VOID).for_each(|(f, _)| *f = 0);
    }
    let mask = |labels: &[u8], object: u8| -> Vec<bool> {
        labels.iter().map(|&label| label == object && label != VOID).collect()
    };
    Ok((1..=objects)
        .map(|object| measure(&mask(&found.data, object), &mask(&truth.data, object), truth.size))
        .collect())
}

fn statistics(values: &[f64]) -> Statistics {
    let recall = mean(values.iter().map(|&value| f64::from(u8::from(value > RECALL_ABOVE))));
    // Borders of the bins: `round(linspace(1, n, 5) + 1e-10) - 1`, each bin with both its borders.
    let last = (values.len() - 1) as f64;
    let border =
        |i: usize| (1.0 + last * i as f64 / DECAY_BINS as f64 + 1e-10).round_ties_even() as usize - 1;
    let bin = |i: usize| mean(values[border(i)..=border(i + 1)].iter().copied());
    [mean(values.iter().copied()), recall, bin(0) - bin(DECAY_BINS - 1)]
}
