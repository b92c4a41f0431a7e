//! The rules of the SA-V evaluator: `sav_dataset/utils/sav_benchmark.py` of
//! <https://github.com/facebookresearch/sam2>, which builds on <https://github.com/hkchengrex/vos-benchmark>.
//!
//! * Frames are those of the ground truth (SA-V has every fourth frame of the clip); further predictions are
//!   ignored.
//! * The first and the last frame of every folder are not measured, unless `--all-frames` is given.
//! * A folder per object holds masks of one value; a folder of label maps may hold any objects, 255 included.
//! * An object counts from the first measured frame on which truth or prediction shows it, and only if the
//!   truth ever does. Where that never happens in a folder of its own, the public code stops; here the object
//!   is left out.
//! * Overall the means over all objects of all videos, in percent, and J&F = (J + F) / 2.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use sam2_media::files::list;
use sam2_media::pictures::label_map;
use serde_json::json;

use super::report::Table;
use super::shared::{Outputs, Report, in_parallel, is_png, mean, measure, same_size};
use crate::console::Console;

const EXAMPLES: &str = "\
Examples:
  sam2 eval sav --gt sav_val/Annotations_6fps --pred masks --strict
  sam2 eval sav --gt sav_val/Annotations_6fps --pred masks --json";

/// `sam2 eval sav`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Sav {
    /// Ground truth: VIDEO/OBJECT/FRAME.png as in SA-V, or VIDEO/FRAME.png with several objects as in DAVIS
    /// and MOSE
    #[arg(long, value_name = "DIR", aliases = ["gt_root", "gt-root"])]
    pub(super) gt: PathBuf,
    /// Predictions, laid out like the ground truth
    #[arg(long, value_name = "DIR", aliases = ["pred_root", "pred-root"])]
    pub(super) pred: PathBuf,
    /// Both must hold the same videos; without this, those that both hold are measured
    #[arg(short, long)]
    strict: bool,
    /// Measure the first and the last annotated frame too
    #[arg(long, aliases = ["do_not_skip_first_and_last_frame", "do-not-skip-first-and-last-frame"])]
    all_frames: bool,
    /// Leave the first and the last annotated frame out (the default)
    #[arg(long, alias = "skip_first_and_last", conflicts_with = "all_frames")]
    skip_first_and_last: bool,
    #[command(flatten)]
    pub(super) outputs: Outputs,
}

/// A folder of frames: of one object, or of all objects of a video.
struct Folder {
    video: String,
    object: Option<String>,
    /// Truth and prediction of every scored frame.
    frames: Vec<(PathBuf, PathBuf)>,
}

/// Scores of one frame: J and F of the objects in truth or prediction, and the objects in the truth.
struct Frame {
    scores: BTreeMap<u8, (f64, f64)>,
    in_truth: BTreeSet<u8>,
}

pub fn evaluate(args: &Sav, console: &Console) -> Result<Report> {
    let gt = annotations(&args.gt);
    let videos = videos(&gt, &args.pred, args.strict)?;
    let mut folders = Vec::new();
    for video in &videos {
        folders.extend(folders_of(&gt, &args.pred, video, args.all_frames)?);
    }
    let tasks: Vec<(&Folder, &(PathBuf, PathBuf))> =
        folders.iter().flat_map(|f| f.frames.iter().map(move |frame| (f, frame))).collect();
    let frames = in_parallel(&tasks, "frames", console, |(folder, (truth, found))| {
        frame(truth, found, folder.object.is_some())
    })?;

    // (video, object, J, F)
    let mut objects: Vec<(&str, String, f64, f64)> = Vec::new();
    let mut frames = frames.as_slice();
    for folder in &folders {
        let (own, rest) = frames.split_at(folder.frames.len());
        frames = rest;
        let scores = conclude(own);
        if let (Some(object), true) = (&folder.object, scores.is_empty()) {
            console.note(&format!(
                "note: object {object} of {} is on no measured frame of the ground truth; it does not count",
                folder.video
            ));
        }
        for (label, (j, f)) in scores {
            let object = folder.object.clone().unwrap_or_else(|| format!("{label:03}"));
            objects.push((&folder.video, object, j, f));
        }
    }
    if objects.is_empty() {
        bail!("no object is on a measured frame of {}", gt.display());
    }
    Ok(report(&objects))
}

fn report(objects: &[(&str, String, f64, f64)]) -> Report {
    let overall_of = |objects: &[&(&str, String, f64, f64)]| {
        let (j, f) = (mean(objects.iter().map(|o| o.2)), mean(objects.iter().map(|o| o.3)));
        [(j + f) / 2.0, j, f]
    };
    let global = overall_of(&objects.iter().collect::<Vec<_>>());
    let mut overall = Table::new(&["video"], &["J&F", "J", "F"], 1);
    overall.row(&["all objects"], &global);
    let mut details = Table::new(&["video", "object"], &["J&F", "J", "F"], 1);
    let mut by_video: BTreeMap<&str, Vec<&(&str, String, f64, f64)>> = BTreeMap::new();
    for object in objects {
        by_video.entry(object.0).or_default().push(object);
        details.row(&[object.0, &object.1], &[(object.2 + object.3) / 2.0, object.2, object.3]);
    }
    let mut videos = Vec::new();
    for (video, objects) in by_video {
        let scores = overall_of(&objects);
        overall.row(&[video], &scores);
        let objects: Vec<_> = objects
            .iter()
            .map(|(_, object, j, f)| json!({"object": object, "J&F": (j + f) / 2.0, "J": j, "F": f}))
            .collect();
        videos.push(
            json!({"video": video, "J&F": scores[0], "J": scores[1], "F": scores[2], "objects": objects}),
        );
    }
    let json = json!({"rules": "sav", "J&F": global[0], "J": global[1], "F": global[2], "videos": videos});
    Report { json, overall, details }
}

/// The folder of the data set itself may be given instead of its `Annotations`.
fn annotations(gt: &Path) -> PathBuf {
    let inner = gt.join("Annotations");
    if inner.is_dir() { inner } else { gt.to_owned() }
}

fn videos(gt: &Path, pred: &Path, strict: bool) -> Result<Vec<OsString>> {
    let (in_gt, in_pred) = (list(gt, Path::is_dir)?, list(pred, Path::is_dir)?);
    if strict {
        for (names, others, other) in [(&in_gt, &in_pred, pred), (&in_pred, &in_gt, gt)] {
            if let Some(missing) = names.iter().find(|name| !others.contains(name)) {
                bail!(
                    "the video {} is missing in {}, and --strict asks for the same videos",
                    missing.display(),
                    other.display()
                );
            }
        }
    }
    let both: Vec<OsString> = in_gt.into_iter().filter(|name| in_pred.contains(name)).collect();
    if both.is_empty() {
        bail!("{} and {} have no video in common: one folder each is expected", gt.display(), pred.display());
    }
    Ok(both)
}

fn folders_of(gt: &Path, pred: &Path, video: &OsStr, all_frames: bool) -> Result<Vec<Folder>> {
    let (truth, found) = (gt.join(video), pred.join(video));
    let objects = list(&truth, Path::is_dir)?;
    let folder = |object: Option<&OsString>| {
        let sub = object.map_or(OsStr::new(""), OsString::as_os_str);
        let mut names = list(&truth.join(sub), is_png)?;
        if !all_frames {
            // Fewer than two frames leave nothing.
            names = names.get(1..names.len().saturating_sub(1)).unwrap_or_default().to_vec();
        }
        let pair = |name: &OsString| (truth.join(sub).join(name), found.join(sub).join(name));
        let frames: Vec<(PathBuf, PathBuf)> = names.iter().map(pair).collect();
        if let Some((_, missing)) = frames.iter().find(|(_, found)| !found.is_file()) {
            bail!("the prediction {} is missing", missing.display());
        }
        let text = |name: &OsStr| name.to_string_lossy().into_owned();
        Ok(Folder { video: text(video), object: object.map(|object| text(object)), frames })
    };
    if objects.is_empty() {
        return Ok(vec![folder(None)?]);
    }
    objects.iter().map(|object| folder(Some(object))).collect()
}

fn frame(truth_path: &Path, found_path: &Path, one_object: bool) -> Result<Frame> {
    let (mut truth, mut found) = (label_map::read(truth_path)?, label_map::read(found_path)?);
    same_size(&found, &truth, found_path)?;
    if one_object {
        for (labels, path) in [(&mut truth, truth_path), (&mut found, found_path)] {
            if distinct(&labels.data).len() > 2 {
                bail!("{} has more than one object, and its folder is that of a single one", path.display());
            }
            labels.data.iter_mut().for_each(|label| *label = u8::from(*label > 0));
        }
    }
    let objects = |labels: &[u8]| {
        let mut objects = distinct(labels);
        objects.remove(&0);
        objects
    };
    let in_truth = objects(&truth.data);
    let mask = |labels: &[u8], object| -> Vec<bool> { labels.iter().map(|&label| label == object).collect() };
    let scores = in_truth
        .union(&objects(&found.data))
        .map(|&object| (object, measure(&mask(&found.data, object), &mask(&truth.data, object), truth.size)))
        .collect();
    Ok(Frame { scores, in_truth })
}

fn distinct(labels: &[u8]) -> BTreeSet<u8> {
    let mut seen = [false; 256];
    labels.iter().for_each(|&label| seen[usize::from(label)] = true);
    (0..=255).filter(|&label: &u8| seen[usize::from(label)]).collect()
}

/// J and F of every object of the truth, in percent.
fn conclude(frames: &[Frame]) -> BTreeMap<u8, (f64, f64)> {
    let mut scores: BTreeMap<u8, Vec<(f64, f64)>> = BTreeMap::new();
    let mut in_truth: BTreeSet<u8> = BTreeSet::new();
    for frame in frames {
        in_truth.extend(&frame.in_truth);
        for &object in frame.scores.keys() {
            scores.entry(object).or_default();
        }
        // An object of an earlier frame that is in neither truth nor prediction scores 1.
        scores
            .iter_mut()
            .for_each(|(object, list)| list.push(*frame.scores.get(object).unwrap_or(&(1.0, 1.0))));
    }
    scores.retain(|object, _| in_truth.contains(object));
    let percent = |list: &[(f64, f64)]| {
        (mean(list.iter().map(|s| s.0)) * 100.0, mean(list.iter().map(|s| s.1)) * 100.0)
    };
    scores.into_iter().map(|(object, list)| (object, percent(&list))).collect()
}
