//! Tracking through a clip that can be read only once, in bounded memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use sam2_media::frames::Stream;
use sam2_media::prompts::Prompts;
use sam2_model::video::{FrameOutput, VideoInfo, VideoOptions};
use sam2_model::{Frame, Model, VideoPredictor};

use super::prompted::give_prompts;
use super::stats::Stats;
use crate::console::Console;
use crate::progress;

/// [`super::clip::follow`] for a stream: the prompts on a frame are given right before it is tracked. With
/// prompts on one frame the results are the same; later prompts cannot influence earlier frames.
pub fn follow(
    model: Arc<Model>,
    stream: &mut Stream,
    prompts: &Prompts,
    options: VideoOptions,
    console: &Console,
    mut sink: impl FnMut(&Frame, &FrameOutput) -> Result<()>,
) -> Result<Stats> {
    let start = Instant::now();
    let name = stream.name().to_owned();
    let (first, _) = prompts.frames().next().context("no prompt was given")?;
    if prompts.frames().count() > 1 {
        console.note(&format!(
            "note: {name} is read only once, so prompts after frame {first} take effect from their own frame \
             on; tracking from a file takes them into account from the beginning"
        ));
    }
    // A clip shorter than the number of object pointers uses fewer of them, so up to that many frames are
    // read ahead.
    stream.read_ahead(model.config().max_obj_ptrs_in_encoder)?;
    let num_frames = stream.num_frames().unwrap_or(usize::MAX);
    prompts.check_frames(Path::new(&name), num_frames)?;
    let (width, height) = (stream.size().0 as usize, stream.size().1 as usize);
    let info = VideoInfo { width, height, num_frames };
    let mut predictor = VideoPredictor::new(model, info, options)?;
    let bar = progress::bar(console, None, "{spinner} {pos} frames, {per_sec}");
    let mut frames = 0;
    while let Some((index, frame)) = stream.next_frame()? {
        if index < first {
            continue;
        }
        give_prompts(&mut predictor, index, &frame, prompts)?;
        sink(&frame, &predictor.track_frame(index, &frame)?)?;
        frames += 1;
        bar.inc(1);
    }
    bar.finish_and_clear();
    stream.note().into_iter().for_each(|note| console.note(&format!("note: {note}")));
    prompts.check_frames(Path::new(&name), stream.num_frames().unwrap_or(first + frames))?;
    Ok(Stats { frames, elapsed: start.elapsed() })
}
