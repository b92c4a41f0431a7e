//! `sam2 stream`: one line of results for every frame that is read.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use sam2_media::files;
use sam2_media::frames::{self, FrameIter, Input, RawSize};
use sam2_media::outputs::{Plan, names};
use sam2_media::pictures::png;
use sam2_media::prompts::{Prompt, mask_file, to_points};
use sam2_media::protocol::{Answer, CocoRle, Command, Feed, ObjectAnswer, ObjectLine, Request};
use sam2_model::video::{FrameOutput, ObjectEvent};
use sam2_model::{Frame, Mask, Rle, Tracker};

use crate::console::{self, Console};
use crate::memory;
use crate::model;
use crate::options::{MemoryArgs, ModelArgs, OUTPUTS, OVERWRITE_HELP, PROMPTS, TRACKING, parse_count};
use crate::tracking::Stats;

const EXAMPLES: &str = "\
Examples:
  sam2 stream clip.y4m --prompts prompts.jsonl -m sam2.1_hiera_tiny.pt
  ffmpeg -f v4l2 -i /dev/video0 -f yuv4mpegpipe - | sam2 stream - --prompts prompts.jsonl --wait
  sam2 stream clip.gif --prompts prompts.jsonl --save session.safetensors -o masks";

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
    /// Add every mask to the results, as COCO run lengths
    #[arg(help_heading = OUTPUTS, long)]
    pub rle: bool,
    /// Folder for the masks (00000.png ..., DAVIS palette, one colour per object)
    #[arg(help_heading = OUTPUTS, short, long = "output", value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Replace the files of an earlier run.
    #[arg(help_heading = OUTPUTS, long, help = OVERWRITE_HELP, requires = "output")]
    pub overwrite: bool,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub memory: MemoryArgs,
    /// Go on from a session that was saved
    #[arg(help_heading = TRACKING, long, value_name = "SESSION")]
    pub resume: Option<PathBuf>,
    /// Save the session here when the frames end (safetensors); the line {"op":"save","path":...} saves it at
    /// any time
    #[arg(help_heading = OUTPUTS, long, value_name = "SESSION")]
    pub save: Option<PathBuf>,
    /// End after N frames
    #[arg(help_heading = TRACKING, long, value_name = "N", value_parser = parse_count)]
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
    let input = Input::open(&args.input, args.raw, args.max_frames)?;
    input.notes().for_each(|note| console.note(&format!("note: {note}")));
    let (width, height) = (input.size().0 as usize, input.size().1 as usize);
    let mut frames = match input {
        Input::Stream(stream) => Frames::Once(stream),
        Input::Clip(clip) => Frames::Clip(clip.frames_from(0)?),
    };
    memory::check_picture(&model, (width, height))?;
    let tracker = match resumed {
        Some(tracker) => tracker,
        None => {
            let options = args.memory.options(&model, console);
            Tracker::new(model, width, height, options)?
        }
    };
    let first = tracker.frame_idx().map_or(0, |last| last + 1);
    if let Some(folder) = &args.output {
        plan.writes_series(folder, move |name| names::frame(name).is_some_and(|frame| frame >= first));
        plan.check()?;
        plan.refuse_earlier(args.overwrite)?;
        plan.clear()?;
    }
    let mut session = Session { args, console, tracker, plan, ended: false };
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

struct Session<'a> {
    args: &'a Stream,
    console: &'a Console,
    tracker: Tracker,
    plan: Plan,
    ended: bool,
}

impl Session<'_> {
    /// Tracks until the frames end, a command ends the stream, or nobody reads the results.
    fn frames(&mut self, frames: &mut Frames, feed: &mut Feed, count: &mut usize) -> Result<()> {
        while !self.ended && !self.console.reader_is_gone() {
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
        let due = feed.due(index);
        let mut result = if due.is_empty() {
            tracked
        } else {
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
            Command::Prompt { obj_id, prompt: Prompt::Points { clicks, bbox }, more } => {
                let points = to_points(&clicks, bbox);
                if more {
                    self.tracker.add_more_points(obj_id, &points)?;
                } else {
                    self.tracker.add_points(obj_id, &points)?;
                }
            }
            Command::Prompt { obj_id, prompt: Prompt::Mask(path), .. } => {
                self.check_mask(&path)?;
                self.tracker.add_mask(obj_id, &mask_file::read(&path, Some(obj_id))?)?;
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
