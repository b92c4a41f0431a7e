//! The frames of a stream, its commands and answers.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use sam2_media::error::InvalidPrompt;
use sam2_media::files;
use sam2_media::frames::camera::Camera;
use sam2_media::frames::{self, FrameIter};
use sam2_media::outputs::{Plan, names};
use sam2_media::pictures::png;
use sam2_media::prompts::{Prompt, check_points, mask_file, to_points};
use sam2_media::protocol::{Answer, CocoRle, Command, Feed, ObjectAnswer, ObjectLine, Request};
use sam2_model::video::{FrameOutput, ObjectEvent};
use sam2_model::{Frame, Mask, Rle, Tracker};

use super::args::Stream;
use super::saving::{Shared, save};
use crate::console::{self, Console};
use crate::prompting::PALETTE_IDS;

/// Frames of a stream or of a clip.
pub enum Frames {
    Camera(Camera),
    Once(frames::Stream),
    Clip(FrameIter),
}

impl Frames {
    fn next(&mut self) -> Result<Option<Frame>> {
        match self {
            Self::Camera(camera) => Ok(camera.next_frame()?),
            Self::Once(stream) => Ok(stream.next_frame()?.map(|(_, frame)| frame)),
            Self::Clip(frames) => Ok(frames.next().transpose()?.map(|(_, frame)| frame)),
        }
    }

    /// What there is to say at the end; for a clip it was said at the beginning.
    pub fn note(&self) -> Option<&str> {
        match self {
            Self::Camera(camera) => camera.note(),
            Self::Once(stream) => stream.note(),
            Self::Clip(_) => None,
        }
    }

    fn dropped(&self) -> Option<usize> {
        match self {
            Self::Camera(camera) => Some(camera.dropped()),
            Self::Once(_) | Self::Clip(_) => None,
        }
    }
}

/// Checks a prompt in pixels.
pub fn check(args: &Stream, obj_id: u32, prompt: &Prompt, size: (u32, u32)) -> Result<(), InvalidPrompt> {
    if args.output.is_some() && !PALETTE_IDS.contains(&obj_id) {
        return Err(InvalidPrompt::ObjId(obj_id));
    }
    match prompt {
        Prompt::Points { clicks, bbox } => check_points(clicks, *bbox, size, &args.input),
        Prompt::Mask(_) => Ok(()),
    }
}

/// A run over frames.
pub struct Session<'a> {
    pub args: &'a Stream,
    pub console: &'a Console,
    pub plan: Plan,
    /// Prompts for the first frame.
    pub prompts: Vec<(u32, Prompt)>,
    pub ended: bool,
}

impl Session<'_> {
    /// Tracks until the frames end, a command ends the stream, or nobody reads the results.
    pub fn frames(
        &mut self,
        shared: &Shared,
        frames: &mut Frames,
        feed: &mut Feed,
        count: &mut usize,
    ) -> Result<()> {
        let limit = self.args.max_frames.unwrap_or(usize::MAX);
        while !self.ended && *count < limit && !self.console.reader_is_gone() {
            let Some(frame) = frames.next()? else { break };
            // Held to the last answer, so that a saved session knows the frames that were answered.
            self.frame(&mut shared.lock(), frame, frames.dropped(), feed)?;
            *count += 1;
        }
        Ok(())
    }

    /// Tracks into a frame, runs the commands that are due on it, and prints the answers.
    fn frame(
        &mut self,
        tracker: &mut Tracker,
        frame: Frame,
        dropped: Option<usize>,
        feed: &mut Feed,
    ) -> Result<()> {
        let start = Instant::now();
        let tracked = tracker.push(&frame)?;
        let index = tracked.frame_idx;
        let events: Vec<(u32, Option<ObjectEvent>)> =
            tracked.objects.iter().map(|object| (object.obj_id, object.event)).collect();
        let (first, due) = (std::mem::take(&mut self.prompts), feed.due(index));
        let mut result = if first.is_empty() && due.is_empty() {
            tracked
        } else {
            for (obj_id, prompt) in first {
                self.prompt(tracker, obj_id, &prompt, false)?;
            }
            for request in due {
                let done =
                    request.map_err(anyhow::Error::from).and_then(|Request { frame, command }| match frame {
                        Some(passed) if passed < index => {
                            Err(anyhow!("frame {passed} has passed; this is frame {index}"))
                        }
                        _ => self.execute(tracker, command),
                    });
                if let Err(e) = done {
                    self.answer(&Answer::Error { error: console::describe(&e), frame: index })?;
                }
            }
            tracker.output()
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
        self.answer(&Answer::Frame { frame: index, objects, ms, dropped })
    }

    fn answer(&self, answer: &Answer) -> Result<()> {
        self.console.result(&serde_json::to_string(answer)?)
    }

    fn execute(&mut self, tracker: &mut Tracker, command: Command) -> Result<()> {
        match command {
            Command::Prompt { obj_id, prompt, more } => {
                let (width, height) = tracker.size();
                let size = (width as u32, height as u32);
                let prompt = self.args.coordinates.convention().read(prompt, size);
                check(self.args, obj_id, &prompt, size)?;
                self.prompt(tracker, obj_id, &prompt, more)?;
            }
            Command::Remove(obj_id) => {
                if !tracker.remove_object(obj_id) {
                    bail!("there is no object {obj_id}");
                }
            }
            Command::Reset => tracker.reset(),
            Command::Save(path) => {
                self.plan.check_output(&path)?;
                files::prepare_file(&path, "safetensors")?;
                save(tracker, &path)?;
            }
            Command::Quit => self.ended = true,
        }
        Ok(())
    }

    /// Refuses a mask that the `current` frame or a later one would replace.
    fn check_mask(&self, path: &Path, current: usize) -> Result<()> {
        let Some(folder) = &self.args.output else { return Ok(()) };
        let mut plan = Plan::default();
        plan.reads(path);
        plan.writes_series(folder, move |name| names::frame(name).is_some_and(|frame| frame >= current));
        Ok(plan.check()?)
    }

    /// Gives a prompt in pixels, on the current frame.
    fn prompt(&self, tracker: &mut Tracker, obj_id: u32, prompt: &Prompt, more: bool) -> Result<()> {
        match prompt {
            Prompt::Points { clicks, bbox } => {
                let points = to_points(clicks, *bbox);
                if more {
                    tracker.add_more_points(obj_id, &points)?;
                } else {
                    tracker.add_points(obj_id, &points)?;
                }
            }
            Prompt::Mask(path) => {
                self.check_mask(path, tracker.frame_idx().unwrap_or(0))?;
                tracker.add_mask(obj_id, &mask_file::read(path, Some(obj_id))?)?;
            }
        }
        Ok(())
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
