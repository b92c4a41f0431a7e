//! `sam2 track`: objects through a clip.

mod args;

use std::path::Path;

use anyhow::{Result, bail};
use sam2_media::frames::{Clip, Input};
use sam2_media::outputs::Plan;
use sam2_media::prompts::{PromptLine, Prompts, Target, jsonl};
use sam2_model::Frame;
use sam2_model::video::FrameOutput;

use args::PassArgs;
pub use args::Track;

use crate::console::Console;
use crate::memory;
use crate::model;
use crate::prompting::{PALETTE_IDS, Refusals};
use crate::tracking::{self, FrameNames, Overlay, Writer};

/// Runs the command.
pub fn run(args: &Track, console: &Console) -> Result<()> {
    let mut refusals = Refusals::new(args.skip_bad_prompts, console);
    let lines = read_prompts(args, &mut refusals)?;
    let mut names = FrameNames::default();
    let mut plan = plan(args, &lines, &names);
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
        plan = self::plan(args, &lines, &names);
        plan.check()?;
        plan.refuse_earlier(args.overwrite)?;
    }
    let size = input.size();
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

    let logits = args.save_logits.as_deref();
    let overlay = Overlay::new(args.overlay, args.labels);
    Writer::check(&args.output, overlay, logits)?;
    let model = model::open(&args.model, console)?;
    memory::check_picture(&model, (size.0 as usize, size.1 as usize))?;
    plan.clear()?;
    let mut writer = Writer::begin(&args.output, overlay, logits, names)?;
    let side = model.low_res_size();
    let options = args.memory.options(&model, console);
    let sink = |frame: &Frame, result: &FrameOutput| {
        let lines = writer.frame(frame, result, &prompts, side)?;
        if args.json { lines.iter().try_for_each(|line| console.result(line)) } else { Ok(()) }
    };
    let stats = match &mut input {
        Input::Clip(clip) => {
            tracking::follow(model, clip, &prompts, (args.pass.span(), options), console, sink)?
        }
        Input::Stream(stream) => tracking::once::follow(model, stream, &prompts, options, console, sink)?,
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

/// The files that are read, and those that may be written.
fn plan(args: &Track, prompts: &[PromptLine], names: &FrameNames) -> Plan {
    let mut plan = Plan::default();
    plan.reads_frames(&args.input);
    args.model.plan(&mut plan);
    args.prompts.iter().for_each(|path| plan.reads(path));
    prompts.iter().filter_map(PromptLine::mask).for_each(|path| plan.reads(path));
    Writer::plan(&mut plan, &args.output, args.save_logits.as_deref(), names);
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
