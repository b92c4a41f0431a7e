//! Boxes against boxes, with the rules of pytracking's analysis for LaSOT
//! (`pytracking/analysis/{extract,plot}_results.py` of <https://github.com/visionml/pytracking>), which most
//! papers report.
//!
//! * Boxes are x, y, width, height; a corner and its opposite are `width - 1` apart, as in LaSOT's own
//!   toolkit.
//! * The first frame counts as correct. An empty predicted box is replaced by the previous one.
//! * Success is the share of frames whose IoU is above a threshold; AUC is its mean over 0, 0.05 ... 1.
//!   Precision is the share of frames whose centre is off by at most 20 pixels; normalised precision, by at
//!   most 0.2 of the true box.
//! * Frames where the target is fully occluded or out of view count as missed, whatever the prediction, so
//!   that no tracker reaches 100; LaSOT's toolkit, which drops them and still divides by the number of all
//!   frames, comes to the same. `--visible-only` divides by the valid frames instead.
//! * A visible frame whose true box has a value of 0 or less counts as missed for success and precision and
//!   as correct for normalised precision, as in pytracking.
//!
//! Overall: means over sequences, in percent.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use sam2_media::files::list;
use sam2_media::frames::natural;
use sam2_media::pictures::label_map;
use sam2_media::text;
use sam2_media::text::table::{self, Rect};
use serde_json::json;

use super::report::Table;
use super::shared::{Outputs, Report, in_parallel, is_png, mean};
use crate::console::Console;

/// Overlap thresholds from 0 to 1.
const THRESHOLDS: usize = 21;
const STEP: f64 = 0.05;
/// Largest distance of the centres for precision, pixels.
const PRECISION_WITHIN: f64 = 20.0;
/// Largest distance of the centres for normalised precision, in units of the true box's sides.
const NORMALISED_WITHIN: f64 = 0.2;
const MEASURES: [&str; 5] = ["AUC", "OP50", "OP75", "precision", "norm-precision"];

const EXAMPLES: &str = "\
Examples:
  sam2 eval lasot --gt LaSOT --pred boxes
  sam2 eval lasot --gt LaSOT --pred masks --list testing_set.txt --skip-missing --json";

/// `sam2 eval lasot`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Lasot {
    /// Ground truth: NAME/groundtruth.txt or CLASS/NAME/groundtruth.txt, with full_occlusion.txt and
    /// out_of_view.txt beside
    #[arg(long, value_name = "DIR")]
    pub(super) gt: PathBuf,
    /// Predictions: NAME.txt with a line x,y,w,h per frame, or a folder NAME of masks, whose boxes are taken
    #[arg(long, value_name = "DIR")]
    pub(super) pred: PathBuf,
    /// Measure only the sequences that this file names, one a line
    #[arg(long, value_name = "FILE")]
    pub(super) list: Option<PathBuf>,
    /// Leave sequences without a prediction out, instead of refusing
    #[arg(long)]
    skip_missing: bool,
    /// Divide by the frames on which the target is visible, not by all
    #[arg(long)]
    visible_only: bool,
    #[command(flatten)]
    pub(super) outputs: Outputs,
}

struct Sequence {
    name: String,
    truth: PathBuf,
    found: PathBuf,
}

/// Scores of a sequence.
struct Scores {
    /// Share of frames above every overlap threshold.
    success: [f64; THRESHOLDS],
    precision: f64,
    normalised: f64,
    /// Mean IoU of the valid frames, if there are any.
    mean_overlap: Option<f64>,
    frames: usize,
}

pub fn evaluate(args: &Lasot, console: &Console) -> Result<Report> {
    let sequences = sequences(args, console)?;
    let scores = in_parallel(&sequences, "sequences", console, |sequence| {
        let (truth, visible) = truth(&sequence.truth)?;
        let found = found(&sequence.found)?;
        score(&truth, &visible, found, args.visible_only).with_context(|| {
            format!("{} measured against {}", sequence.found.display(), sequence.truth.display())
        })
    })?;
    let mut details = Table::new(&["sequence"], &MEASURES, 2);
    let mut entries = Vec::new();
    let row = |s: &Scores| {
        let auc = mean(s.success);
        [auc, s.success[10], s.success[15], s.precision, s.normalised].map(|share| share * 100.0)
    };
    let rows: Vec<[f64; 5]> = scores.iter().map(row).collect();
    for ((sequence, scores), row) in sequences.iter().zip(&scores).zip(&rows) {
        details.row(&[&sequence.name], row);
        let mut entry = json!({
            "sequence": sequence.name, "frames": scores.frames, "mean_overlap": scores.mean_overlap,
            "success": scores.success,
        });
        MEASURES.iter().zip(row).for_each(|(name, value)| entry[*name] = (*value).into());
        entries.push(entry);
    }
    let global: Vec<f64> = (0..MEASURES.len()).map(|i| mean(rows.iter().map(|row| row[i]))).collect();
    let mut overall = Table::new(&[], &MEASURES, 2);
    overall.row(&[], &global);
    let mut json = json!({"rules": "lasot", "sequences": entries});
    MEASURES.iter().zip(&global).for_each(|(name, value)| json[*name] = (*value).into());
    Ok(Report { json, overall, details })
}

fn sequences(args: &Lasot, console: &Console) -> Result<Vec<Sequence>> {
    let mut truths = BTreeMap::new();
    for name in list(&args.gt, Path::is_dir)? {
        let folder = args.gt.join(&name);
        if folder.join("groundtruth.txt").is_file() {
            truths.insert(name, folder);
            continue;
        }
        for inner in list(&folder, |path| path.join("groundtruth.txt").is_file())? {
            let path = folder.join(&inner);
            truths.insert(inner, path);
        }
    }
    if truths.is_empty() {
        bail!("no groundtruth.txt in the folders of {}", args.gt.display());
    }
    if let Some(path) = &args.list {
        let names = text::read_names(path, "the list")?;
        let names: BTreeSet<OsString> = names.into_iter().map(OsString::from).collect();
        if let Some(name) = names.iter().find(|name| !truths.contains_key(*name)) {
            bail!(
                "{} names the sequence {}, which is not in {}",
                path.display(),
                name.display(),
                args.gt.display()
            );
        }
        truths.retain(|name, _| names.contains(name));
    }
    let mut sequences = Vec::new();
    for (name, truth) in truths {
        let mut text = args.pred.join(&name).into_os_string();
        text.push(".txt");
        let text = PathBuf::from(text);
        let masks = args.pred.join(&name);
        let found = if text.is_file() { text } else { masks };
        if found.exists() {
            sequences.push(Sequence { name: name.to_string_lossy().into_owned(), truth, found });
        } else if args.skip_missing {
            console.note(&format!("note: no prediction for {}; it is left out", name.display()));
        } else {
            let name = name.display();
            bail!("there is neither {name}.txt nor a folder {name} in {}", args.pred.display());
        }
    }
    if sequences.is_empty() {
        bail!("{} holds no prediction of a sequence in {}", args.pred.display(), args.gt.display());
    }
    Ok(sequences)
}

/// True boxes, and visibility of the target per frame.
fn truth(folder: &Path) -> Result<(Vec<Rect>, Vec<bool>)> {
    let boxes = table::read_boxes(&folder.join("groundtruth.txt"))?;
    let mut visible = vec![true; boxes.len()];
    for name in ["full_occlusion.txt", "out_of_view.txt"] {
        let path = folder.join(name);
        if !path.is_file() {
            continue;
        }
        let flags = table::read_numbers(&path)?;
        if flags.len() != boxes.len() {
            bail!("{} has {} flags for {} boxes", path.display(), flags.len(), boxes.len());
        }
        visible.iter_mut().zip(flags).for_each(|(visible, flag)| *visible &= flag == 0.0);
    }
    Ok((boxes, visible))
}

/// Predicted boxes: from a text file, or around the masks of a folder in natural order.
fn found(path: &Path) -> Result<Vec<Rect>> {
    if path.is_file() {
        return Ok(table::read_boxes(path)?);
    }
    let mut names = list(path, is_png)?;
    names.sort_by(|a, b| natural::compare(a, b));
    names.iter().map(|name| around(&path.join(name))).collect()
}

/// The box around all non-zero pixels; empty if there are none.
fn around(path: &Path) -> Result<Rect> {
    let labels = label_map::read(path)?;
    let (width, height) = (labels.size.0 as usize, labels.size.1 as usize);
    let inside = labels.data.iter().map(|&label| label > 0).collect();
    let bbox = sam2_model::Mask::new(width, height, inside)?.bbox_xyxy();
    Ok(bbox.map_or([0.0; 4], |[x0, y0, x1, y1]| [x0, y0, x1 + 1 - x0, y1 + 1 - y0].map(|value| value as f64)))
}

fn score(truth: &[Rect], visible: &[bool], mut found: Vec<Rect>, visible_only: bool) -> Result<Scores> {
    let frames = truth.len();
    if found.len() < frames {
        bail!("there are {} boxes for {frames} frames", found.len());
    }
    found.truncate(frames);
    if let Some(i) = found
        .iter()
        .position(|rect| !(rect.iter().all(|v| v.is_finite()) && rect[2] >= 0.0 && rect[3] >= 0.0))
    {
        bail!("the box of frame {i} has a negative size or is not a number");
    }
    if let Some(i) = truth.iter().position(|rect| rect.iter().any(|value| !value.is_finite())) {
        bail!("the true box of frame {i} is not a number");
    }
    for i in 1..frames {
        if found[i][2] == 0.0 || found[i][3] == 0.0 {
            found[i] = found[i - 1];
        }
    }
    found[0] = truth[0];
    let mut success = [0_usize; THRESHOLDS];
    let (mut precise, mut normalised) = (0, 0);
    let mut overlaps = Vec::new();
    for ((found, truth), &visible) in found.iter().zip(truth).zip(visible) {
        if !visible {
            continue;
        }
        if truth.iter().any(|&value| value <= 0.0) {
            normalised += 1;
            continue;
        }
        let overlap = overlap(found, truth);
        for (i, count) in success.iter_mut().enumerate() {
            *count += usize::from(overlap > i as f64 * STEP);
        }
        precise += usize::from(distance(found, truth, [1.0; 2]) <= PRECISION_WITHIN);
        normalised += usize::from(distance(found, truth, [truth[2], truth[3]]) <= NORMALISED_WITHIN);
        overlaps.push(overlap);
    }
    let length = if visible_only { overlaps.len() } else { frames };
    if length == 0 {
        bail!("the target is on no frame");
    }
    let share = |count: usize| count as f64 / length as f64;
    let mean_overlap = (!overlaps.is_empty()).then(|| mean(overlaps));
    Ok(Scores {
        success: success.map(share),
        precision: share(precise),
        normalised: share(normalised),
        mean_overlap,
        frames,
    })
}

/// Intersection over union.
fn overlap(a: &Rect, b: &Rect) -> f64 {
    let side = |i: usize| {
        let end = (a[i] + a[i + 2] - 1.0).min(b[i] + b[i + 2] - 1.0);
        (end - a[i].max(b[i]) + 1.0).max(0.0)
    };
    let both = side(0) * side(1);
    both / (a[2] * a[3] + b[2] * b[3] - both)
}

/// Distance of the centres, in units of `unit` along x and y.
fn distance(a: &Rect, b: &Rect, unit: [f64; 2]) -> f64 {
    let along = |i: usize| {
        let centre = |rect: &Rect| (rect[i] + 0.5 * (rect[i + 2] - 1.0)) / unit[i];
        centre(a) - centre(b)
    };
    (along(0).powi(2) + along(1).powi(2)).sqrt()
}
