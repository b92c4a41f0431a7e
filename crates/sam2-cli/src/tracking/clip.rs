//! Tracking through a clip that can be read several times.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use sam2_media::frames::Clip;
use sam2_media::prompts::Prompts;
use sam2_model::video::{Direction, FrameOutput, VideoInfo, VideoOptions};
use sam2_model::{Frame, Model, VideoPredictor};

use super::prompted::give_prompts;
use super::stats::Stats;
use crate::console::Console;
use crate::progress;

/// The frames to track, and their order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// Track backwards, to the beginning of the clip.
    pub reverse: bool,
    /// Track forwards, then from the same frame backwards.
    pub both: bool,
    /// First frame of each pass; the first prompted one if absent.
    pub start: Option<usize>,
    /// Number of frames of each pass, the first one included.
    pub length: Option<usize>,
}

impl Span {
    /// The passes, one after the other.
    fn directions(self) -> &'static [Direction] {
        match (self.both, self.reverse) {
            (true, _) => &[Direction::Forward, Direction::Reverse],
            (_, true) => &[Direction::Reverse],
            _ => &[Direction::Forward],
        }
    }
}

/// Adds all prompts to a predictor, then tracks the clip and passes every result to `sink`, each frame once.
pub fn follow(
    model: Arc<Model>,
    clip: &Clip,
    prompts: &Prompts,
    (span, options): (Span, VideoOptions),
    console: &Console,
    mut sink: impl FnMut(&Frame, &FrameOutput) -> Result<()>,
) -> Result<Stats> {
    let start = Instant::now();
    let size = clip.size();
    let (width, height) = (size.0 as usize, size.1 as usize);
    let info = VideoInfo { width, height, num_frames: clip.len() };
    let mut predictor = VideoPredictor::new(model, info, options)?;
    for item in clip.select(prompts.frames().map(|(index, _)| index).collect())? {
        let (index, frame) = item?;
        give_prompts(&mut predictor, index, &frame, prompts)?;
    }
    let first = span.start.or_else(|| predictor.first_prompted_frame()).context("no prompt was given")?;
    if span.reverse && first == 0 {
        bail!("nothing lies before frame 0: --reverse needs a prompt on a later frame, or --start");
    }
    let reach = span.length.map(|length| length - 1);
    let before = reach.map_or(first, |reach| reach.min(first));
    let after = clip.len().saturating_sub(first + 1);
    let after = reach.map_or(after, |reach| reach.min(after));
    let total = match (span.both, span.reverse) {
        (true, _) => before + 1 + after,
        (_, true) => before + 1,
        _ => after + 1,
    };
    let bar = progress::bar(console, Some(total), "{bar:32} {pos}/{len} frames, {per_sec}, {eta} left");
    for (i, &direction) in span.directions().iter().enumerate() {
        let frames: Vec<usize> = predictor.begin(Some(first), reach, direction)?.collect();
        for item in clip.walk(&frames)? {
            let (index, frame) = item?;
            let result = predictor.track_frame(index, &frame)?;
            // The second pass starts at the first one's start.
            if i == 0 || index != first {
                sink(&frame, &result)?;
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    Ok(Stats { frames: total, elapsed: start.elapsed() })
}
