//! `sam2 stream`: one line of results for every frame that is read.

mod args;
mod saving;
mod session;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use sam2_media::files;
use sam2_media::frames::Input;
use sam2_media::frames::camera::{Camera, CameraOptions};
use sam2_media::outputs::{Plan, names};
use sam2_media::prompts::Prompt;
use sam2_media::protocol::Feed;
use sam2_model::Tracker;

use crate::console::Console;
use crate::memory;
use crate::model;
use crate::signals;
use crate::tracking::Stats;
pub use args::Stream;
use saving::{Shared, save, save_at_the_end};
use session::{Frames, Session, check};

/// Runs the command.
pub fn run(args: &Stream, console: &Console) -> Result<()> {
    if args.prompts.as_deref() == Some(Path::new("-")) {
        bail!(
            "stdin is for frames: give the prompts as a file, a pipe or /dev/fd/N (sam2 stream - --prompts \
             /dev/fd/3 3<prompts)"
        );
    }
    let camera = camera_options(args)?;
    let mut feed = args.prompts.as_deref().map_or_else(|| Ok(Feed::none()), Feed::open)?;
    let mut plan = plan(args);
    feed.masks().for_each(|path| plan.reads(path));
    plan.check()?;
    if let Some(folder) = &args.output {
        files::prepare_folder(folder)?;
    }
    if let Some(path) = &args.save {
        files::prepare_file(path, "safetensors")?;
    }
    let model = model::open(&args.model, console)?;
    let resumed = args.resume.as_ref().map(|path| Tracker::open_session(model.clone(), path)).transpose()?;
    if args.wait {
        feed.wait();
    }
    let seen = resumed.as_ref().and_then(Tracker::frame_idx).map_or(0, |last| last + 1);
    let first = args.start.unwrap_or(seen);
    let (size, mut frames) = match camera {
        Some(options) => {
            let camera = Camera::open(&args.input, options)?;
            (camera.size(), Frames::Camera(camera))
        }
        None => open(args, first, seen, console)?,
    };
    let prompts = first_prompts(args, size, console)?;
    memory::check_picture(&model, (size.0 as usize, size.1 as usize))?;
    let tracker = match resumed {
        Some(tracker) => {
            if args.memory.is_given() {
                console.note(
                    "note: a session keeps the memory policy and the clean-up of masks that it began with; \
                     options for them have no effect with --resume",
                );
            }
            tracker
        }
        None => {
            let options = args.memory.options(&model, console);
            Tracker::new(model, size.0 as usize, size.1 as usize, options)?
        }
    };
    let first = tracker.frame_idx().map_or(0, |last| last + 1);
    if let Some(folder) = &args.output {
        plan.writes_series(folder, move |name| names::frame(name).is_some_and(|frame| frame >= first));
        plan.check()?;
        plan.refuse_earlier(args.overwrite)?;
        plan.clear()?;
    }
    let shared = Shared::new(tracker);
    if let Some(path) = args.save.clone() {
        let shared = Arc::clone(&shared);
        signals::before_the_end(Box::new(move || save_at_the_end(&shared, &path, first)));
    }
    let mut session = Session { args, console, plan, prompts, ended: false };
    let start = Instant::now();
    let mut count = 0;
    let streamed = session.frames(&shared, &mut frames, &mut feed, &mut count);
    frames.note().into_iter().for_each(|note| console.note(&format!("note: {note}")));
    // Whatever ended the frames, what was computed is kept; an earlier session is not lost for nothing.
    if let Some(path) = args.save.as_ref().filter(|_| streamed.is_ok() || count > 0) {
        save(&shared.lock(), path)?;
    }
    if let Some(folder) = &args.output {
        files::sync_folder(folder)?;
    }
    streamed?;
    if count == 0 && !session.ended && !console.reader_is_gone() {
        let name = args.input.display().to_string();
        bail!("{} ended before its first frame", if name == "-" { "stdin" } else { &name });
    }
    if feed.waiting() > 0 && !session.ended {
        console.note(&format!("note: {} lines of the prompts are about later frames", feed.waiting()));
    }
    console.note(&Stats { frames: count, elapsed: start.elapsed() }.describe());
    Ok(())
}

/// What the input is asked for, if it is a camera.
fn camera_options(args: &Stream) -> Result<Option<CameraOptions>> {
    let name = args.input.display();
    if !Camera::is_one(&args.input) {
        if args.camera_size.is_some() || args.camera_fps.is_some() {
            bail!("{name} is no camera, such as /dev/video0: --camera-size and --camera-fps are for cameras");
        }
        return Ok(None);
    }
    if args.raw.is_some() || args.start.is_some() {
        bail!("{name} is a camera: --raw and --start are for files");
    }
    Ok(Some(CameraOptions::new().size(args.camera_size).fps(args.camera_fps)))
}

/// The frames of a file, a pipe or stdin from `first` on, and their size.
fn open(args: &Stream, first: usize, seen: usize, console: &Console) -> Result<((u32, u32), Frames)> {
    let input = Input::open(&args.input, args.raw, args.max_frames.map(|n| n.saturating_add(first)))?;
    input.notes().for_each(|note| console.note(&format!("note: {note}")));
    let size = input.size();
    let frames = match input {
        Input::Stream(stream) => {
            if args.start.is_some() {
                bail!("{} is read only once: --start needs a file", args.input.display());
            }
            Frames::Once(stream)
        }
        Input::Clip(clip) => {
            let name = args.input.display();
            if first >= clip.len() {
                bail!(
                    "{name} has {} frames, and the next is {first}: --start N continues with another one",
                    clip.len()
                );
            }
            if seen > 0 {
                console.note(&format!(
                    "note: the session has seen {seen} frames; it continues with frame {first} of {name}"
                ));
            }
            Frames::Clip(clip.frames_from(first)?)
        }
    };
    Ok((size, frames))
}

/// The files that are read, and those that may be written, without the masks: which of them belong to this
/// run depends on its first frame.
fn plan(args: &Stream) -> Plan {
    let mut plan = Plan::default();
    plan.reads_frames(&args.input);
    [&args.prompts, &args.resume].into_iter().flatten().for_each(|path| plan.reads(path));
    args.model.plan(&mut plan);
    if let Some(path) = &args.save {
        plan.writes(path);
    }
    plan
}

/// The objects of -p and -b and their prompts in pixels, checked.
fn first_prompts(args: &Stream, size: (u32, u32), console: &Console) -> Result<Vec<(u32, Prompt)>> {
    let written = args.prompt.prompts()?;
    let read = |prompt: &Prompt| args.coordinates.convention().read(prompt.clone(), size);
    let numbers = (0..).map(|i| args.obj_id.saturating_add(i));
    let prompts: Vec<(u32, Prompt)> = numbers.zip(written.iter().map(read)).collect();
    for (obj_id, prompt) in &prompts {
        check(args, *obj_id, prompt, size)?;
    }
    args.coordinates.note(&written, size).iter().for_each(|note| console.note(note));
    Ok(prompts)
}
