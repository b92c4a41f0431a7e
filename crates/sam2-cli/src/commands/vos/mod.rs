//! `sam2 vos`: masks of the first frames in, masks of all frames out, over folders of videos; with the flags,
//! the folders and the rules of Meta's `tools/vos_inference.py` (<https://github.com/facebookresearch/sam2>).

mod masks;
mod shard;
mod video;

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use sam2_media::error::printable;
use sam2_media::files::{self, list};
use sam2_media::frames::folder::Folder;
use sam2_media::outputs::{Plan, names};
use sam2_media::text;
use sam2_model::Model;
use sam2_model::config::Config;
use sam2_model::video::VideoOptions;
use serde_json::json;

use crate::console::Console;
use crate::numbers::finite;
use crate::options::{CHECKPOINT_HELP, ModelArgs, TradeArgs, note_policy};
use crate::{memory, model, progress};
use masks::Layout;
use shard::Shard;
use video::Video;

const EXAMPLES: &str = "\
Examples:
  sam2 vos -m sam2.1_hiera_tiny.pt --base_video_dir DAVIS/JPEGImages/480p \\
    --input_mask_dir DAVIS/Annotations/480p --output_mask_dir masks
  sam2 vos --base_video_dir videos --input_mask_dir first --output_mask_dir masks --json";

/// `sam2 vos`. Every name may be written with dashes too.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Vos {
    /// Configuration: a file, or one of Meta's names [default: found from the checkpoint]
    #[arg(long = "sam2_cfg", alias = "sam2-cfg", value_name = "CFG")]
    sam2_cfg: Option<String>,
    /// The checkpoint.
    #[arg(
        short = 'm',
        long = "sam2_checkpoint",
        aliases = ["sam2-checkpoint", "model"],
        value_name = "CKPT",
        help = CHECKPOINT_HELP
    )]
    pub sam2_checkpoint: Option<PathBuf>,
    #[command(flatten)]
    trade: TradeArgs,
    /// Videos: one folder of pictures each
    #[arg(long = "base_video_dir", alias = "base-video-dir", value_name = "DIR")]
    base_video_dir: PathBuf,
    /// Input masks: VIDEO/FRAME.png with object numbers, or VIDEO/OBJECT/FRAME.png with --per_obj_png_file
    #[arg(long = "input_mask_dir", alias = "input-mask-dir", value_name = "DIR")]
    input_mask_dir: PathBuf,
    /// Names of the videos, one a line [default: every folder of base_video_dir]
    #[arg(long = "video_list_file", alias = "video-list-file", value_name = "FILE")]
    video_list_file: Option<PathBuf>,
    /// Only part I of N of the list of videos: numbers I, I + N, I + 2 N, …; N runs, here or on other
    /// machines, track all of them, also at once and into one folder
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Where the masks go, laid out like the input masks
    #[arg(long = "output_mask_dir", alias = "output-mask-dir", value_name = "DIR")]
    output_mask_dir: PathBuf,
    /// Logits above this are inside a mask
    #[arg(
        long = "score_thresh",
        alias = "score-thresh",
        value_name = "X",
        default_value_t = 0.0,
        value_parser = finite::<f32>,
        allow_hyphen_values = true
    )]
    score_thresh: f32,
    /// Prompt with the masks of all frames that have one, not only with each object's first
    #[arg(long = "use_all_masks", alias = "use-all-masks")]
    use_all_masks: bool,
    /// One folder of masks per object, in and out (SA-V); objects may then overlap
    #[arg(long = "per_obj_png_file", alias = "per-obj-png-file")]
    per_obj_png_file: bool,
    /// Fill holes of up to 8 low-resolution pixels, and remember input masks binarised
    #[arg(long = "apply_postprocessing", alias = "apply-postprocessing")]
    apply_postprocessing: bool,
    /// Track every object from the first frame that has a mask of it (LVOS, YouTube-VOS)
    #[arg(long = "track_object_appearing_later_in_video", alias = "track-object-appearing-later-in-video")]
    track_object_appearing_later_in_video: bool,
    /// Accepted for the sake of Meta's scripts; it changes nothing here
    #[arg(long = "use_vos_optimized_video_predictor", alias = "use-vos-optimized-video-predictor")]
    use_vos_optimized_video_predictor: bool,
    /// Track videos again whose masks are all there, and remove other masks from their folders; without this
    /// the former are skipped and the latter refused
    #[arg(long)]
    overwrite: bool,
    /// Print one JSON object per video
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Vos, console: &Console) -> Result<()> {
    let names = names(args)?;
    let mut plan = Plan::default();
    for input in [&args.base_video_dir, &args.input_mask_dir] {
        plan.reads_frames(input);
    }
    // A folder of masks has nothing but masks in it, whatever their names are.
    plan.writes_series(&args.output_mask_dir, |_| false);
    plan.check()?;
    let videos: Vec<Video> = names.iter().map(|name| prepare(args, name, console)).collect::<Result<_>>()?;
    check(args, &names, &videos)?;
    files::prepare_folder(&args.output_mask_dir)?;
    let (done, open): (Vec<&Video>, Vec<&Video>) =
        videos.iter().partition(|video| !args.overwrite && video.is_complete());
    open.iter().try_for_each(|video| video.refuse_others(args.overwrite))?;
    for video in &done {
        console
            .note(&format!("note: {} has all its masks already (--overwrite makes them anew)", video.name));
    }
    if !open.is_empty() {
        let model = open_model(args, console)?;
        note_policy(VideoOptions::of(model.config()).memory, console);
        open.iter().try_for_each(|video| {
            let (width, height) = video.folder.size();
            memory::check_picture(&model, (width as usize, height as usize))
        })?;
        track_all(args, &open, &model, console)?;
    }
    if args.json {
        return done.iter().try_for_each(|video| console.result(&describe(video, None)));
    }
    let skipped =
        if done.is_empty() { String::new() } else { format!(", {} were there already", done.len()) };
    console.result(&format!(
        "{} videos tracked{skipped}; masks in {}",
        open.len(),
        args.output_mask_dir.display()
    ))
}

fn track_all(args: &Vos, videos: &[&Video], model: &Arc<Model>, console: &Console) -> Result<()> {
    let frames: usize = videos.iter().map(|video| video.frames()).sum();
    let template = "{bar:32} {pos}/{len} frames, {per_sec}, {eta} left, {msg}";
    let bar = progress::bar(console, Some(frames), template);
    for (i, video) in videos.iter().enumerate() {
        bar.set_message(format!("{} ({} of {})", printable(&video.name), i + 1, videos.len()));
        let start = Instant::now();
        video.clear(args.overwrite)?;
        video.track(model, args.apply_postprocessing, args.score_thresh, || bar.inc(1))?;
        let seconds = start.elapsed().as_secs_f64();
        bar.suspend(|| {
            console.note(&format!(
                "{}/{} {}: {} frames, {} objects in {seconds:.1} s",
                i + 1,
                videos.len(),
                video.name,
                video.frames(),
                video.objects().count()
            ));
            if args.json { console.result(&describe(video, Some(seconds))) } else { Ok(()) }
        })?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// One line of `--json`; `seconds` is absent for a video that was skipped.
fn describe(video: &Video, seconds: Option<f64>) -> String {
    let objects: Vec<u32> = video.objects().collect();
    json!({
        "video": video.name, "frames": video.frames(), "objects": objects, "skipped": seconds.is_none(),
        "seconds": seconds,
    })
    .to_string()
}

fn names(args: &Vos) -> Result<Vec<OsString>> {
    let mut names: Vec<OsString> = match &args.video_list_file {
        Some(path) => text::read_names(path, "the list of videos")?.into_iter().map(OsString::from).collect(),
        None => list(&args.base_video_dir, Path::is_dir)?,
    };
    if names.is_empty() {
        let place = args.video_list_file.as_ref().unwrap_or(&args.base_video_dir);
        bail!("{} names no videos", place.display());
    }
    Ok(match args.shard {
        Some(shard) => {
            // A name that a list has twice must not be in two parts.
            let mut seen = HashSet::new();
            names.retain(|name| seen.insert(name.clone()));
            shard.of(names)
        }
        None => names,
    })
}

/// Checks that no mask would replace a frame, an input mask or another file that is read.
fn check(args: &Vos, names: &[OsString], videos: &[Video]) -> Result<()> {
    let mut plan = Plan::default();
    args.video_list_file.iter().for_each(|path| plan.reads(path));
    args.sam2_checkpoint.iter().for_each(|path| plan.reads_checkpoint(path));
    args.sam2_cfg.iter().for_each(|path| plan.reads(path));
    for name in names {
        plan.reads_frames(args.base_video_dir.join(name));
        plan.reads_masks(args.input_mask_dir.join(name));
    }
    for folder in videos.iter().flat_map(Video::folders) {
        plan.writes_series(folder, |name| name.ends_with(".png"));
    }
    Ok(plan.check()?)
}

/// Collects the frames and prompts of a video before tracking, and reads the masks that become prompts.
fn prepare(args: &Vos, name: &OsStr, console: &Console) -> Result<Video> {
    let output = names::inside(&args.output_mask_dir, name)?;
    let folder = Folder::open(&args.base_video_dir.join(name), None)?;
    folder.notes().for_each(|note| console.note(&format!("note: {note}")));
    let mut frames = BTreeMap::new();
    for i in 0..folder.len() {
        if let Some(other) = frames.insert(folder.stem(i), i) {
            let (a, b) = (folder.file(other).display(), folder.file(i).display());
            bail!("{a} and {b} would get the same mask: rename or remove one");
        }
    }
    let layout = Layout::open(args.input_mask_dir.join(name), args.per_obj_png_file)?;
    let later = args.track_object_appearing_later_in_video;
    let prompts = if later {
        later_prompts(&folder, &layout, args.use_all_masks)?
    } else {
        first_prompts(&folder, &layout, args.use_all_masks)?
    };
    if prompts.is_empty() {
        bail!(
            "{} holds no mask of an object for a frame of the video {}",
            layout.root.display(),
            name.display()
        );
    }
    for id in prompts.keys().filter(|_| args.per_obj_png_file) {
        names::inside(&args.output_mask_dir, Path::new(name).join(format!("{id:03}")))?;
    }
    let output = Layout::new(output, args.per_obj_png_file);
    let name = name.to_string_lossy().into_owned();
    Ok(Video { name, folder, input: layout, output, prompts, separate: later })
}

/// Prompts if every object must be in the first input mask: object -> frames.
fn first_prompts(folder: &Folder, layout: &Layout, all: bool) -> Result<BTreeMap<u32, Vec<usize>>> {
    const ADVICE: &str = "--track_object_appearing_later_in_video is for data sets whose objects do not all \
                          appear in the first frame";
    let with_masks = |&frame: &usize| layout.has_frame(folder.stem(frame));
    let frames: Vec<usize> = if all {
        (0..folder.len()).filter(with_masks).collect()
    } else {
        (0..1).filter(with_masks).collect()
    };
    let mut prompts: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, &frame) in frames.iter().enumerate() {
        let stem = folder.stem(frame);
        let found = layout.read(stem)?;
        if let Some(missing) = layout.objects().find(|id| i == 0 && !found.objects.contains_key(id)) {
            bail!(
                "object {missing:03} has no mask {}.png in {}; {ADVICE}",
                stem.display(),
                layout.root.display()
            );
        }
        for id in found.objects.into_keys() {
            if i > 0 && !prompts.contains_key(&id) {
                bail!(
                    "object {id} first appears in {}.png of {}; {ADVICE}",
                    stem.display(),
                    layout.root.display()
                );
            }
            prompts.entry(id).or_default().push(frame);
        }
    }
    if prompts.is_empty() {
        bail!(
            "{} has no object on the first frame, {}.png; {ADVICE}",
            layout.root.display(),
            folder.stem(0).display()
        );
    }
    Ok(prompts)
}

/// Prompts if every object starts at the first frame with its mask: object -> frames.
fn later_prompts(folder: &Folder, layout: &Layout, all: bool) -> Result<BTreeMap<u32, Vec<usize>>> {
    let mut prompts: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for frame in (0..folder.len()).filter(|&frame| layout.has_frame(folder.stem(frame))) {
        for (id, mask) in layout.read(folder.stem(frame))?.objects {
            let known = prompts.contains_key(&id);
            if mask.area() > 0 && (all || !known) {
                prompts.entry(id).or_default().push(frame);
            }
        }
    }
    Ok(prompts)
}

/// The checkpoint, with the configuration of `--sam2_cfg`, which must match the tensors.
fn open_model(args: &Vos, console: &Console) -> Result<Arc<Model>> {
    if args.sam2_cfg.is_some() && args.sam2_checkpoint.is_none() {
        bail!("--sam2_cfg is of a checkpoint: give that with --sam2_checkpoint");
    }
    let (Some(cfg), Some(checkpoint)) = (&args.sam2_cfg, &args.sam2_checkpoint) else {
        let model = args.sam2_checkpoint.clone();
        return model::open(&ModelArgs { model, config: None, variant: None, trade: args.trade }, console);
    };
    let model = if Path::new(cfg).is_file() {
        model::open_file(checkpoint, Some(Config::open(cfg)?), args.trade)?
    } else {
        let config = published(cfg).with_context(|| {
            format!("--sam2_cfg {cfg} is neither a file nor the name of a published configuration")
        })?;
        let model = model::open_file(checkpoint, Some(config), args.trade);
        model.with_context(|| format!("with --sam2_cfg {cfg}"))?
    };
    model::note_copies(checkpoint, model.summary(), console);
    Ok(model)
}

/// The configuration with a published name, such as `configs/sam2.1/sam2.1_hiera_b+.yaml`.
fn published(cfg: &str) -> Option<Config> {
    let name = Path::new(cfg).file_name()?.to_str()?.strip_suffix(".yaml")?;
    let Some((version, size)) = name.split_once("_hiera_") else { return Config::named(name) };
    let size = match size {
        "t" => "tiny",
        "s" => "small",
        "b+" => "base_plus",
        "l" => "large",
        _ => return None,
    };
    match version {
        "sam2.1" => Config::published(size, true),
        "sam2" => Config::published(size, false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metas_names_of_configurations_are_known() {
        for (cfg, size, v21) in [
            ("configs/sam2.1/sam2.1_hiera_b+.yaml", "base_plus", true),
            ("sam2.1_hiera_t.yaml", "tiny", true),
            ("configs/sam2/sam2_hiera_s.yaml", "small", false),
            ("sam2_hiera_l.yaml", "large", false),
        ] {
            let expected = Config::published(size, v21);
            assert!(expected.is_some());
            assert_eq!(published(cfg), expected, "{cfg}");
        }
        for cfg in ["sam2.1_hiera_t", "sam2.1_hiera_x.yaml", "sam3_hiera_t.yaml", ""] {
            assert_eq!(published(cfg), None, "{cfg}");
        }
    }
}
