//! `sam2 track`: objects through a clip, and the loop that `sam2 demo` shares.

mod once;
pub mod options;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use image::RgbImage;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sam2_model::{
    Frame, FrameOutput, Mask, Model, ObjectEvent, ObjectOutput, VideoInfo, VideoOptions, VideoPredictor,
};
use serde::Serialize;

use crate::args;
use crate::console::Console;
use crate::input::{Clip, Input};
use crate::output::{self, AtomicFile, overlay, picture};
use crate::prompt::{self, Prompts, Target};
use crate::{model, system};
use options::PassArgs;

/// Folder of the overlays inside the output folder.
const OVERLAY: &str = "overlay";

/// One line of `tracks.jsonl`.
#[derive(Serialize)]
struct TrackLine {
    frame: usize,
    #[serde(flatten)]
    object: ObjectLine,
}

/// What is said of an object on a frame.
#[derive(Serialize)]
pub struct ObjectLine {
    obj_id: u32,
    object_score: f32,
    predicted_iou: f32,
    stability_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    area: usize,
    bbox_xyxy: Option<[usize; 4]>,
}

impl ObjectLine {
    /// Of `object`, whose mask is `mask`.
    pub fn new(object: &ObjectOutput, mask: &Mask) -> Self {
        Self {
            obj_id: object.obj_id,
            object_score: object.object_score,
            predicted_iou: object.predicted_iou,
            stability_score: object.stability,
            event: object.event.map(ObjectEvent::name),
            area: mask.area(),
            bbox_xyxy: mask.bbox_xyxy(),
        }
    }
}

/// How a run went.
pub struct Stats {
    /// Frames tracked.
    pub frames: usize,
    /// Time from the first prompt to the last frame, outputs included.
    pub elapsed: Duration,
}

impl Stats {
    /// In one line, with the peak memory where the system tells it.
    pub fn describe(&self) -> String {
        let seconds = self.elapsed.as_secs_f64();
        let rate = self.frames as f64 / seconds.max(1e-9);
        let memory = system::peak_memory().map(|bytes| format!(", peak memory {}", system::megabytes(bytes)));
        format!("{} frames in {seconds:.1} s ({rate:.2} frames/s){}", self.frames, memory.unwrap_or_default())
    }
}

/// Runs the command.
pub fn run(args: &args::Track, console: &Console) -> Result<()> {
    let prompts = read_prompts(args)?;
    for folder in [args.output.clone(), args.output.join(OVERLAY)] {
        if output::same_place(&args.input, &folder) {
            bail!("the output folder {} is the input: choose another one for -o", folder.display());
        }
    }
    let PassArgs { reverse, both, start, length } = args.pass;
    let mut input = Input::open(&args.input, args.raw, args.max_frames, console)?;
    if matches!(input, Input::Stream(_)) && (reverse || both || start.is_some() || length.is_some()) {
        bail!(
            "{} is read only once: --reverse, --both, --start and --length need a file",
            args.input.display()
        );
    }
    let size = input.size();
    prompts.check(&args.input, input.len().unwrap_or(usize::MAX), size)?;
    check_masks(&prompts, size)?;
    let count = input.len().map(|len| format!("{len} ")).unwrap_or_default();
    console.detail(&format!("{}: {count}frames of {}x{} pixels", args.input.display(), size.0, size.1));

    let logits = args.save_logits.as_deref();
    Writer::check(&args.output, args.overlay, logits)?;
    let model = model::open(&args.model, console)?;
    let mut writer = Writer::begin(&args.output, args.overlay, logits, input.len(), console)?;
    let side = model.low_res_size();
    let sink = |frame: &Frame, result: &FrameOutput| {
        let lines = writer.frame(frame, result, &prompts, side)?;
        if args.json { lines.iter().try_for_each(|line| console.result(line)) } else { Ok(()) }
    };
    let stats = match &mut input {
        Input::Clip(clip) => {
            follow(model, clip, &prompts, (args.pass, args.memory.options()), console, sink)?
        }
        Input::Stream(stream) => once::follow(model, stream, &prompts, args.memory.options(), console, sink)?,
    };
    let lines = writer.finish()?;
    console.note(&stats.describe());
    if !args.json {
        console.result(&format!(
            "{} masks of {} frames in {}, scores in {}",
            lines,
            stats.frames,
            args.output.display(),
            args.output.join("tracks.jsonl").display()
        ))?;
    }
    Ok(())
}

fn read_prompts(args: &args::Track) -> Result<Prompts> {
    if let Some(path) = &args.prompts {
        if path == Path::new("-") && &args.input == path {
            bail!("the clip and the prompts cannot both come from stdin");
        }
        return prompt::file::read(path);
    }
    let (clicks, bbox) = (args.prompt.points.clone(), args.prompt.bbox);
    if clicks.is_empty() && bbox.is_none() {
        bail!(
            "nothing points at an object: give a click (-p x,y), a box (-b x0,y0,x1,y1) or --prompts FILE.jsonl"
        );
    }
    let mut prompts = Prompts::default();
    prompts.add(args.frame, args.obj_id, Target::Points { clicks, bbox }, "-p/-b")?;
    Ok(prompts)
}

/// Reads every mask once, so that a bad one is named before the long part.
fn check_masks(prompts: &Prompts, size: (u32, u32)) -> Result<()> {
    for (_, objects) in prompts.frames() {
        for (target, origin) in objects.values() {
            if let Target::Mask(path) = target {
                prompt::mask::read(path, size).with_context(|| origin.clone())?;
            }
        }
    }
    Ok(())
}

/// Gives all prompts to a predictor, then streams the clip and hands every result to `sink`, each frame once.
pub fn follow(
    model: Arc<Model>,
    clip: &Clip,
    prompts: &Prompts,
    (pass, options): (PassArgs, VideoOptions),
    console: &Console,
    mut sink: impl FnMut(&Frame, &FrameOutput) -> Result<()>,
) -> Result<Stats> {
    let start = Instant::now();
    let size = clip.size();
    let (width, height) = (size.0 as usize, size.1 as usize);
    let info = VideoInfo { width, height, num_frames: clip.len() };
    let mut predictor = VideoPredictor::new(model, info, options)?;
    for item in clip.select(prompts.frames().map(|(index, _)| index).collect())? {
        let (index, picture) = item?;
        give_prompts(&mut predictor, index, &Frame::new(width, height, picture.into_raw())?, prompts)?;
    }
    let first = pass.start.or_else(|| predictor.first_prompted_frame()).context("no prompt was given")?;
    if pass.reverse && first == 0 {
        bail!("nothing lies before frame 0: --reverse needs a prompt on a later frame, or --start");
    }
    let reach = pass.length.map(|length| length - 1);
    let before = reach.map_or(first, |reach| reach.min(first));
    let after = clip.len().saturating_sub(first + 1);
    let after = reach.map_or(after, |reach| reach.min(after));
    let total = match (pass.both, pass.reverse) {
        (true, _) => before + 1 + after,
        (_, true) => before + 1,
        _ => after + 1,
    };
    let bar = progress_bar(Some(total), console);
    for (i, &direction) in pass.directions().iter().enumerate() {
        let frames: Vec<usize> = predictor.begin(Some(first), reach, direction)?.collect();
        for item in clip.walk(&frames)? {
            let (index, picture) = item?;
            let frame = Frame::new(width, height, picture.into_raw())?;
            let result = predictor.track_frame(index, &frame)?;
            // The second pass begins where the first one did.
            if i == 0 || index != first {
                sink(&frame, &result)?;
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    Ok(Stats { frames: total, elapsed: start.elapsed() })
}

/// Gives the predictor what the user says about one frame.
fn give_prompts(
    predictor: &mut VideoPredictor,
    index: usize,
    frame: &Frame,
    prompts: &Prompts,
) -> Result<()> {
    let (width, height) = (frame.width(), frame.height());
    for (obj_id, target) in prompts.on(index) {
        match target {
            Target::Points { clicks, bbox } => {
                predictor.add_points(index, frame, obj_id, &model::points(clicks, *bbox))?
            }
            Target::Mask(path) => {
                let inside = prompt::mask::read(path, (width as u32, height as u32))?;
                predictor.add_mask(index, frame, obj_id, &Mask::new(width, height, inside)?)?
            }
        };
    }
    Ok(())
}

/// `frames`: how many there are, if that is known.
fn progress_bar(frames: Option<usize>, console: &Console) -> ProgressBar {
    let target =
        if console.shows_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template(match frames {
        Some(_) => "{bar:32} {pos}/{len} frames, {per_sec}, {eta} left",
        None => "{spinner} {pos} frames, {per_sec}",
    });
    ProgressBar::with_draw_target(frames.map(|frames| frames as u64), target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A frame with its `masks` and prompts drawn on it.
pub fn draw(frame: &Frame, result: &FrameOutput, masks: &[Mask], prompts: &Prompts) -> Result<RgbImage> {
    let mut drawn = overlay::picture(frame)?;
    // The highest number first, so that the lower one is on top, as in the palette PNGs.
    let mut order: Vec<usize> = (0..result.objects.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(result.objects[i].obj_id));
    for i in order {
        overlay::mask(&mut drawn, masks[i].data(), overlay::colour(result.objects[i].obj_id));
    }
    for (obj_id, target) in prompts.on(result.frame_idx) {
        overlay::target(&mut drawn, target, overlay::colour(obj_id));
    }
    Ok(drawn)
}

/// The files of one run.
pub struct Writer {
    folder: PathBuf,
    overlay: Option<PathBuf>,
    logits: Option<PathBuf>,
    tracks: AtomicFile,
    lines: usize,
}

impl Writer {
    /// Creates the folders and proves that they can be written.
    pub fn check(folder: &Path, overlay: bool, logits: Option<&Path>) -> Result<()> {
        output::prepare_folder(folder)?;
        let overlay = overlay.then(|| folder.join(OVERLAY));
        overlay.as_deref().into_iter().chain(logits).try_for_each(output::prepare_folder)
    }

    /// Begins a run in folders that were checked. `tracks.jsonl` appears when all frames are done, so a folder
    /// without it holds an unfinished run; one of an earlier run is removed now for the same reason. `num_frames` is
    /// that of the clip, if it is known.
    pub fn begin(
        folder: &Path,
        overlay: bool,
        logits: Option<&Path>,
        num_frames: Option<usize>,
        console: &Console,
    ) -> Result<Self> {
        let path = folder.join("tracks.jsonl");
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot replace {}", path.display()))?;
        }
        let stale = num_frames.map(|frames| folder.join(format!("{frames:05}.png")));
        if let Some(stale) = stale.filter(|stale| stale.exists()) {
            console.note(&format!(
                "note: {} already holds frames beyond this clip, from {} on; they stay as they are",
                folder.display(),
                stale.display()
            ));
        }
        Ok(Self {
            folder: folder.to_owned(),
            overlay: overlay.then(|| folder.join(OVERLAY)),
            logits: logits.map(Path::to_owned),
            tracks: AtomicFile::create(&path)?,
            lines: 0,
        })
    }

    /// Writes what belongs to one frame and returns its lines of `tracks.jsonl`. `side` is that of the logits.
    pub fn frame(
        &mut self,
        frame: &Frame,
        result: &FrameOutput,
        prompts: &Prompts,
        side: usize,
    ) -> Result<Vec<String>> {
        let (width, height) = (frame.width(), frame.height());
        let index = result.frame_idx;
        let masks = result.masks();
        let mut lines = Vec::with_capacity(masks.len());
        for (object, mask) in result.objects.iter().zip(&masks) {
            if let Some(folder) = &self.logits {
                let file = folder.join(format!("{index:05}_obj{}.npy", object.obj_id));
                output::write_npy(&file, &tensor::TensorRef::new(&[side, side], &object.low_res))?;
            }
            let object = ObjectLine::new(object, mask);
            lines.push(serde_json::to_string(&TrackLine { frame: index, object })?);
        }
        if let Some(folder) = &self.overlay {
            picture::write_rgb(
                &folder.join(format!("{index:05}.png")),
                &draw(frame, result, &masks, prompts)?,
            )?;
        }
        let named = result.objects.iter().zip(&masks);
        let named = named.map(|(object, mask)| (u8::try_from(object.obj_id).unwrap_or(u8::MAX), mask.data()));
        let ids = picture::merge_objects(width * height, named);
        picture::write_indexed(
            &self.folder.join(format!("{index:05}.png")),
            (width as u32, height as u32),
            &ids,
        )?;
        lines.iter().try_for_each(|line| self.tracks.line(line))?;
        self.lines += lines.len();
        Ok(lines)
    }

    /// Ends the run; returns the number of lines written.
    pub fn finish(self) -> Result<usize> {
        self.tracks.commit()?;
        Ok(self.lines)
    }
}
