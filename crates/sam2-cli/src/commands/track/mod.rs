//! `sam2 track`: objects through a clip.

mod args;

use std::path::Path;

use anyhow::{Result, bail};
use sam2_media::export::{Images, Object};
use sam2_media::frames::{Clip, Input};
use sam2_media::outputs::Plan;
use sam2_media::prompts::{PromptLine, Prompts, Target, jsonl};
use sam2_model::video::{FrameOutput, ObjectOutput};
use sam2_model::{Frame, Mask};

use args::PassArgs;
pub use args::Track;

use crate::console::Console;
use crate::exporting::{self, Exports};
use crate::folder;
use crate::memory;
use crate::model;
use crate::prompting::{PALETTE_IDS, Refusals};
use crate::tracking::{self, FrameNames, Overlay, Writer};

/// Runs the command.
pub fn run(args: &Track, console: &Console) -> Result<()> {
    let mut refusals = Refusals::new(args.skip_bad_prompts, console);
    let lines = read_prompts(args, &mut refusals)?;
    let mut exports = exports(args)?;
    let mut names = FrameNames::default();
    let mut plan = plan(args, &lines, &names);
    exports.plan(&mut plan, &args.input, Vec::new());
    plan.check()?;
    plan.refuse_earlier(args.overwrite)?;
    let PassArgs { reverse, both, start, length } = args.pass;
    let mut input = Input::open(&args.input, args.raw, args.max_frames)?;
    input.notes().for_each(|note| console.note(&format!("note: {note}")));
    if matches!(input, Input::Stream(_)) && (reverse || both || start.is_some() || length.is_some()) {
        bail!(
            "{} is read only once: --reverse, --both, --start and --length need a file",
            args.input.display()
        );
    }
    if args.names_from_input {
        let Input::Clip(clip) = &input else {
            bail!("{} is read only once: --names-from-input needs a folder", args.input.display());
        };
        // Of all frames, also with --max-frames: an earlier run may have had more.
        names = match clip.stems() {
            Some(_) => FrameNames::of(&Clip::open(&args.input, None)?, &args.input)?,
            None => FrameNames::of(clip, &args.input)?,
        };
    }
    if args.names_from_input || !exports.is_empty() {
        let stems = match &input {
            Input::Clip(clip) => clip.stems().unwrap_or_default(),
            Input::Stream(_) => Vec::new(),
        };
        let stems = stems.into_iter().map(|stem| stem.to_owned()).collect();
        plan = self::plan(args, &lines, &names);
        exports.plan(&mut plan, &args.input, stems);
        plan.check()?;
        plan.refuse_earlier(args.overwrite)?;
    }
    let size = input.size();
    if let (Input::Stream(_), Some(format)) = (&input, exports.made_of_images()) {
        bail!("{} is read only once: {format} needs a file", args.input.display());
    }
    let target = Target {
        clip: &args.input,
        num_frames: input.num_frames().unwrap_or(usize::MAX),
        size,
        convention: args.coordinates.convention(),
        ids: PALETTE_IDS,
    };
    let note = args.coordinates.note(lines.iter().map(|line| &line.prompt), size);
    let prompts = Prompts::gather(lines, &target, |error| refusals.decide(error))?;
    refusals.finish();
    note.iter().for_each(|note| console.note(note));
    let count = input.num_frames().map(|len| format!("{len} ")).unwrap_or_default();
    console.detail(&format!("{}: {count}frames of {}x{} pixels", args.input.display(), size.0, size.1));

    let (logits, folder) = (args.save_logits.as_deref(), folder_of(args));
    let overlay = Overlay::new(args.overlay, args.labels);
    if let Some(folder) = folder {
        Writer::check(folder, overlay, logits)?;
    }
    exports.prepare()?;
    let model = model::open(&args.model, console)?;
    memory::check_picture(&model, (size.0 as usize, size.1 as usize))?;
    plan.clear()?;
    let mut writer = Writer::begin(folder, overlay, logits, names)?;
    writer.rle = args.rle;
    let side = model.low_res_size();
    let options = args.memory.options(&model, console);
    let sink = |frame: &Frame, result: &FrameOutput| {
        let lines = writer.frame(frame, result, &prompts, side)?;
        exports.add(result.frame_idx, || objects(result));
        if args.json { lines.iter().try_for_each(|line| console.result(line)) } else { Ok(()) }
    };
    let stats = match &mut input {
        Input::Clip(clip) => {
            tracking::follow(model, clip, &prompts, (args.pass.span(), options), console, sink)?
        }
        Input::Stream(stream) => tracking::once::follow(model, stream, &prompts, options, console, sink)?,
    };
    let lines = writer.finish()?;
    let images = match input {
        Input::Clip(clip) => Some(Images::clip(&args.input, clip)),
        Input::Stream(_) => None,
    };
    exports.write(images.as_ref(), &args.input, size, console)?;
    console.note(&stats.describe());
    if !args.json {
        let place = match (folder, &args.output) {
            (Some(folder), _) => {
                format!(" in {}, scores in {}", folder.display(), folder.join("tracks.jsonl").display())
            }
            (None, Some(video)) => format!(" in {}", video.display()),
            (None, None) => String::new(),
        };
        console.result(&format!("{lines} masks of {} frames{place}", stats.frames))?;
    }
    Ok(())
}

/// The folder of the masks, unless there is a video in its place, or exports alone.
fn folder_of(args: &Track) -> Option<&Path> {
    args.output.as_deref().filter(|output| !folder::is_video(output))
}

/// The exports, the video of -o among them.
fn exports(args: &Track) -> Result<Exports> {
    let (folder, input) = (folder_of(args), &args.input);
    let beside = |format: &str| match folder {
        Some(folder) => folder.join(format),
        None => exporting::beside(input, format),
    };
    let mut exports = Exports::new(&args.export, beside)?;
    if let (None, Some(video)) = (folder, &args.output) {
        exports.overlay(video, args.labels)?;
    }
    if folder.is_none() && (args.save_logits.is_some() || args.names_from_input || args.rle && !args.json) {
        bail!("--save-logits, --names-from-input and --rle need a folder: -o DIR");
    }
    if args.labels && !args.overlay && args.output.as_deref().is_none_or(|output| !folder::is_video(output)) {
        bail!("--labels needs --overlay, or a video as -o");
    }
    Ok(exports)
}

/// The masks of a frame as run lengths.
fn objects(result: &FrameOutput) -> Vec<Object> {
    let objects = result.objects.iter().zip(result.masks());
    let object = |(object, mask): (&ObjectOutput, Mask)| Object {
        id: object.obj_id,
        score: Some(object.predicted_iou),
        rle: mask.rle(),
    };
    objects.map(object).collect()
}

/// The files that are read, and those that may be written.
fn plan(args: &Track, prompts: &[PromptLine], names: &FrameNames) -> Plan {
    let mut plan = Plan::default();
    plan.reads_frames(&args.input);
    args.model.plan(&mut plan);
    args.prompts.iter().for_each(|path| plan.reads(path));
    prompts.iter().filter_map(PromptLine::mask).for_each(|path| plan.reads(path));
    if let Some(folder) = folder_of(args) {
        Writer::plan(&mut plan, folder, args.save_logits.as_deref(), names);
    }
    args.export.classes.names.iter().for_each(|path| plan.reads(path));
    plan
}

fn read_prompts(args: &Track, refusals: &mut Refusals) -> Result<Vec<PromptLine>> {
    if let Some(path) = &args.prompts {
        if path == Path::new("-") && &args.input == path {
            bail!("the clip and the prompts cannot both come from stdin");
        }
        return Ok(jsonl::read(path, |error| refusals.decide(error))?);
    }
    if args.prompt.is_empty() {
        bail!(
            "nothing points at an object: give a click (-p x,y), a box (-b x0,y0,x1,y1) or --prompts \
             FILE.jsonl"
        );
    }
    let line =
        |(prompt, obj_id)| PromptLine { frame: args.frame, obj_id, prompt, origin: "-p/-b".to_owned() };
    Ok(args.prompt.prompts()?.into_iter().zip(args.obj_id..).map(line).collect())
}
