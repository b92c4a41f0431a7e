//! `sam2 stream`: one line of results for every frame that is read.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use sam2_media::error::InvalidPrompt;
use sam2_media::files;
use sam2_media::frames::{self, FrameIter, Input, RawSize};
use sam2_media::outputs::{Plan, names};
use sam2_media::pictures::png;
use sam2_media::prompts::{Prompt, check_points, mask_file, to_points};
use sam2_media::protocol::{Answer, CocoRle, Command, Feed, ObjectAnswer, ObjectLine, Request};
use sam2_model::video::{FrameOutput, ObjectEvent};
use sam2_model::{Frame, Mask, Rle, Tracker};

use crate::console::{self, Console};
use crate::folder;
use crate::memory;
use crate::model;
use crate::numbers;
use crate::options::{MemoryArgs, ModelArgs, OUTPUTS, OVERWRITE_HELP, PROMPTS, TRACKING};
use crate::prompting::{CoordinateArgs, PALETTE_IDS, PointArgs};
use crate::tracking::Stats;

const EXAMPLES: &str = "\
Examples:
  sam2 stream clip.y4m --prompts prompts.jsonl -m sam2.1_hiera_tiny.pt
  ffmpeg -f v4l2 -i /dev/video0 -f yuv4mpegpipe - | sam2 stream - --prompts prompts.jsonl --wait
  sam2 stream clip.gif -p 120,80 --max-frames 100 --save session.safetensors -o masks
  sam2 stream clip.gif --resume session.safetensors -o masks";

/// `sam2 stream`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Stream {
    /// Frames: - for Y4M or Motion JPEG on stdin (or bare RGB with --raw), a pipe, or whatever `sam2 track`
    /// reads
    pub input: PathBuf,
    /// The input is bare RGB frames of this size, 3 bytes a pixel
    #[arg(long, value_name = "WxH")]
    pub raw: Option<RawSize>,
    /// Prompts and commands as JSON lines; lines may be added while it runs.
    #[arg(help_heading = PROMPTS, long, value_name = "FILE", help = PROMPTS_HELP)]
    pub prompts: Option<PathBuf>,
    /// Wait for the first line of the prompts before the first frame is read
    #[arg(help_heading = PROMPTS, long, requires = "prompts")]
    pub wait: bool,
    #[command(flatten)]
    pub prompt: PointArgs,
    /// The number of the object that -p and -b select on the first frame; further boxes are the objects after
    /// it
    #[arg(help_heading = PROMPTS, long, value_name = "ID", default_value_t = 1)]
    pub obj_id: u32,
    #[command(flatten)]
    pub coordinates: CoordinateArgs,
    /// Add every mask to the results, as COCO run lengths
    #[arg(help_heading = OUTPUTS, long)]
    pub rle: bool,
    /// Folder for the masks (00000.png ..., DAVIS palette, one colour per object)
    #[arg(
        help_heading = OUTPUTS,
        short,
        long = "output",
        value_name = "DIR",
        value_parser = folder::parser()
    )]
    pub output: Option<PathBuf>,
    /// Replace the files of an earlier run.
    #[arg(help_heading = OUTPUTS, long, help = OVERWRITE_HELP, requires = "output")]
    pub overwrite: bool,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// Go on from a session that was saved; a clip continues after the frames that the session has seen
    #[arg(help_heading = TRACKING, long, value_name = "SESSION")]
    pub resume: Option<PathBuf>,
    /// With --resume: continue with frame N of the clip [default: the first that the session has not seen]
    #[arg(help_heading = TRACKING, long, value_name = "N", requires = "resume")]
    pub start: Option<usize>,
    /// Save the session here when the frames end (safetensors); the line {"op":"save","path":...} saves it at
    /// any time
    #[arg(help_heading = OUTPUTS, long, value_name = "SESSION")]
    pub save: Option<PathBuf>,
    /// End after N frames
    #[arg(help_heading = TRACKING, long, value_name = "N", value_parser = numbers::count)]
    pub max_frames: Option<usize>,
}

const PROMPTS_HELP: &str = "Prompts and commands, one JSON object per line, from a file (lines may be \
    appended while it runs), a pipe, or /dev/fd/N: {\"obj_id\":1,\"points\":[[x,y]],\"labels\":[1]} \
    (or \"box\", or \"mask\") adds or corrects an object on the frame \"frame\" (default: the current one); \
    {\"op\":\"more\",...} adds clicks; {\"op\":\"remove\",\"obj_id\":1}; {\"op\":\"reset\"}; \
    {\"op\":\"save\",\"path\":FILE}; {\"op\":\"quit\"}";

/// Frames of a stream or of a clip.
enum Frames {
    Once(frames::Stream),
    Clip(FrameIter),
}

impl Frames {
    fn next(&mut self) -> Result<Option<Frame>> {
        match self {
            Self::Once(stream) => Ok(stream.next_frame()?.map(|(_, frame)| frame)),
            Self::Clip(frames) => Ok(frames.next().transpose()?.map(|(_, frame)| frame)),
        }
    }

    /// What there is to say at the end; for a clip it was said at the beginning.
    fn note(&self) -> Option<&str> {
        match self {
            Self::Once(stream) => stream.note(),
            Self::Clip(_) => None,
        }
    }
}

/// Runs the command.
pub fn run(args: &Stream, console: &Console) -> Result<()> {
    if args.prompts.as_deref() == Some(Path::new("-")) {
        bail!(
            "stdin is for frames: give the prompts as a file, a pipe or /dev/fd/N (sam2 stream - --prompts \
             /dev/fd/3 3<prompts)"
        );
    }
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
    let input = Input::open(&args.input, args.raw, args.max_frames.map(|n| n.saturating_add(first)))?;
    input.notes().for_each(|note| console.note(&format!("note: {note}")));
    let size = input.size();
    let prompts = first_prompts(args, size, console)?;
    let mut frames = match input {
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
    memory::check_picture(&model, (size.0 as usize, size.1 as usize))?;
    let tracker = match resumed {
        Some(tracker) => tracker,
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
    let mut session = Session { args, console, tracker, plan, prompts, ended: false };
    let start = Instant::now();
    let mut count = 0;
    let streamed = session.frames(&mut frames, &mut feed, &mut count);
    frames.note().into_iter().for_each(|note| console.note(&format!("note: {note}")));
    // Whatever ended the frames, what was computed is kept; an earlier session is not lost for nothing.
    if let Some(path) = args.save.as_ref().filter(|_| streamed.is_ok() || count > 0) {
        session.save(path)?;
    }
    if let Some(folder) = &args.output {
        files::sync_folder(folder)?;
    }
    streamed?;
    if feed.waiting() > 0 && !session.ended {
        console.note(&format!("note: {} lines of the prompts are about later frames", feed.waiting()));
    }
    console.note(&Stats { frames: count, elapsed: start.elapsed() }.describe());
    Ok(())
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

/// Checks a prompt in pixels.
fn check(args: &Stream, obj_id: u32, prompt: &Prompt, size: (u32, u32)) -> Result<(), InvalidPrompt> {
    if args.output.is_some() && !PALETTE_IDS.contains(&obj_id) {
        return Err(InvalidPrompt::ObjId(obj_id));
    }
    match prompt {
        Prompt::Points { clicks, bbox } => check_points(clicks, *bbox, size, &args.input),
        Prompt::Mask(_) => Ok(()),
    }
}

struct Session<'a> {
    args: &'a Stream,
    console: &'a Console,
    tracker: Tracker,
    plan: Plan,
    /// Prompts for the first frame.
    prompts: Vec<(u32, Prompt)>,
    ended: bool,
}

impl Session<'_> {
    /// Tracks until the frames end, a command ends the stream, or nobody reads the results.
    fn frames(&mut self, frames: &mut Frames, feed: &mut Feed, count: &mut usize) -> Result<()> {
        let limit = self.args.max_frames.unwrap_or(usize::MAX);
        while !self.ended && *count < limit && !self.console.reader_is_gone() {
            let Some(frame) = frames.next()? else { break };
            self.frame(frame, feed)?;
            *count += 1;
        }
        Ok(())
    }

    /// Tracks into a frame, runs the commands that are due on it, and prints the answers.
    fn frame(&mut self, frame: Frame, feed: &mut Feed) -> Result<()> {
        let start = Instant::now();
        let tracked = self.tracker.push(&frame)?;
        let index = tracked.frame_idx;
        let events: Vec<(u32, Option<ObjectEvent>)> =
            tracked.objects.iter().map(|object| (object.obj_id, object.event)).collect();
        let (first, due) = (std::mem::take(&mut self.prompts), feed.due(index));
        let mut result = if first.is_empty() && due.is_empty() {
            tracked
        } else {
            for (obj_id, prompt) in first {
                self.prompt(obj_id, &prompt, false)?;
            }
            for request in due {
                let done =
                    request.map_err(anyhow::Error::from).and_then(|Request { frame, command }| match frame {
                        Some(passed) if passed < index => {
                            Err(anyhow!("frame {passed} has passed; this is frame {index}"))
                        }
                        _ => self.execute(command),
                    });
                if let Err(e) = done {
                    self.answer(&Answer::Error { error: console::describe(&e), frame: index })?;
                }
            }
            self.tracker.output()
        };
        for object in &mut result.objects {
            object.event = events.iter().find(|(id, _)| *id == object.obj_id).and_then(|(_, event)| *event);
        }
        let masks = result.masks();
        let objects = result.objects.iter().zip(&masks).map(|(object, mask)| ObjectAnswer {
            object: ObjectLine::new(object, mask),
            rle: self.args.rle.then(|| CocoRle::from(&Rle::from(mask))),
        });
        let objects = objects.collect();
        if let Some(folder) = &self.args.output {
            write(folder, &result, &masks)?;
        }
        let ms = (start.elapsed().as_secs_f64() * 1e5).round() / 100.0;
        self.answer(&Answer::Frame { frame: index, objects, ms })
    }

    fn answer(&self, answer: &Answer) -> Result<()> {
        self.console.result(&serde_json::to_string(answer)?)
    }

    fn execute(&mut self, command: Command) -> Result<()> {
        match command {
            Command::Prompt { obj_id, prompt, more } => {
                let (width, height) = self.tracker.size();
                let size = (width as u32, height as u32);
                let prompt = self.args.coordinates.convention().read(prompt, size);
                check(self.args, obj_id, &prompt, size)?;
                self.prompt(obj_id, &prompt, more)?;
            }
            Command::Remove(obj_id) => {
                if !self.tracker.remove_object(obj_id) {
                    bail!("there is no object {obj_id}");
                }
            }
            Command::Reset => self.tracker.reset(),
            Command::Save(path) => {
                self.plan.check_output(&path)?;
                files::prepare_file(&path, "safetensors")?;
                self.save(&path)?;
            }
            Command::Quit => self.ended = true,
        }
        Ok(())
    }

    /// Refuses a mask that this frame or a later one would replace.
    fn check_mask(&self, path: &Path) -> Result<()> {
        let Some(folder) = &self.args.output else { return Ok(()) };
        let current = self.tracker.frame_idx().unwrap_or(0);
        let mut plan = Plan::default();
        plan.reads(path);
        plan.writes_series(folder, move |name| names::frame(name).is_some_and(|frame| frame >= current));
        Ok(plan.check()?)
    }

    /// Gives a prompt in pixels, on the current frame.
    fn prompt(&mut self, obj_id: u32, prompt: &Prompt, more: bool) -> Result<()> {
        match prompt {
            Prompt::Points { clicks, bbox } => {
                let points = to_points(clicks, *bbox);
                if more {
                    self.tracker.add_more_points(obj_id, &points)?;
                } else {
                    self.tracker.add_points(obj_id, &points)?;
                }
            }
            Prompt::Mask(path) => {
                self.check_mask(path)?;
                self.tracker.add_mask(obj_id, &mask_file::read(path, Some(obj_id))?)?;
            }
        }
        Ok(())
    }

    fn save(&self, path: &Path) -> Result<()> {
        let bytes = self.tracker.save_session();
        Ok(files::write(path, |file| std::io::Write::write_all(file, &bytes))?)
    }
}

fn write(folder: &Path, result: &FrameOutput, masks: &[Mask]) -> Result<()> {
    let Some(first) = masks.first() else { return Ok(()) };
    let size = (first.width() as u32, first.height() as u32);
    let named = result.objects.iter().zip(masks);
    let named = named.map(|(object, mask)| (u8::try_from(object.obj_id).unwrap_or(u8::MAX), mask.data()));
    let ids = png::merge_objects(first.data().len(), named);
    Ok(png::write_indexed(&folder.join(format!("{:05}.png", result.frame_idx)), size, &ids)?)
}
