//! `sam2 bench`: how long the parts of the model, or its kernels, take on this machine.

mod args;
mod kernel;
mod middle;
mod record;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use kernels::Isa;
use sam2_model::advanced::{NoTap, Tap, Workspace};
use sam2_model::automatic::{AutomaticMaskGenerator, AutomaticOptions};
use sam2_model::inspect::{self, Stored};
use sam2_model::video::{VideoInfo, VideoOptions};
use sam2_model::{Frame, ImagePredictor, Model, Points, VideoPredictor};

use crate::console::Console;
use crate::model;
pub use args::Bench;
use args::Part;
use middle::middle;
use record::Record;

/// Size of the synthetic clip, pixels: that of the DAVIS data set.
const SIZE: (usize, usize) = (854, 480);
/// Frames that fill the memory bank: 7 spatial memories and 16 object pointers.
const WARM_UP: usize = 16;

/// Runs the command.
pub fn run(args: &Bench, console: &Console) -> Result<()> {
    let parts = args.chosen();
    let count = parts.iter().filter(|part| Part::KERNELS.contains(part)).count();
    if count > 0 && count < parts.len() {
        bail!("parts of the model and kernels (gemm, attention, conv) are timed by separate runs");
    }
    if count > 0 {
        return kernel::run(args, &parts, console);
    }
    if args.shapes.is_some() || !args.thread_counts.is_empty() {
        bail!("--shapes and --thread-counts belong to kernels: --parts gemm,attention,conv");
    }
    // Read first, so that a wrong file fails before the run.
    let old = args.compare.as_deref().map(Record::read).transpose()?;
    // Timed once: a second load would reuse memory that is mapped already.
    let start = Instant::now();
    let model = model::open(&args.model, console)?;
    let mut record = Record {
        model: model.summary().variant.clone(),
        precision: model.precision().to_string(),
        image_size: model.config().image_size,
        isa: Isa::best().name().to_owned(),
        threads: rayon::current_num_threads(),
        repeat: args.repeat as usize,
        objects: args.objects,
        load_ms: ms_since(start),
        ..Record::default()
    };
    measure(&model, &parts, &mut record)?;
    record.round();
    let compared = old.map(|old| record.beside(&old, args.threshold)).transpose()?;
    if args.json {
        console.result(&serde_json::to_string(&record)?)?;
    } else {
        let lines = compared.as_ref().map_or_else(|| record.lines(), |(lines, _)| lines.clone());
        lines.iter().try_for_each(|line| console.result(line))?;
    }
    match compared {
        Some((_, slower)) if !slower.is_empty() => {
            bail!("more than {} % slower than before: {}", args.threshold, slower.join(", "))
        }
        _ => Ok(()),
    }
}

/// Times the selected parts.
fn measure(model: &Arc<Model>, parts: &[Part], record: &mut Record) -> Result<()> {
    let repeat = record.repeat;
    let wanted = |part: Part| parts.contains(&part);
    let first = frame(0)?;
    let mut predictor = ImagePredictor::new(model.clone());
    if wanted(Part::Encode) || wanted(Part::Click) || wanted(Part::Everything) {
        predictor.set_image(&first);
    }
    if wanted(Part::Encode) {
        record.encode_ms = Some(median(repeat, |_| {
            predictor.set_image(&first);
            Ok(())
        })?);
    }
    if wanted(Part::Click) {
        let [x, y] = centre(0);
        let prompt = Points::click(x, y).into();
        let answer = |_| {
            let prediction = predictor.predict(&prompt)?;
            (0..prediction.len()).for_each(|k| drop(prediction.mask(k)));
            Ok(())
        };
        answer(0)?;
        // A short part, so it is repeated four times as often.
        record.click_ms = Some(median(4 * repeat, answer)?);
    }
    if let Some(image) = predictor.embedding().filter(|_| wanted(Part::Everything)) {
        let mut generator = AutomaticMaskGenerator::new(model.clone(), AutomaticOptions::default())?;
        record.everything_ms = Some(median(1, |_| {
            generator.generate_encoded(image, |_, _| ())?;
            Ok(())
        })?);
    }
    drop(predictor);
    if wanted(Part::MemoryAttention) {
        record.memory_attention_ms = Some(memory_attention(model, repeat)?);
    }
    if wanted(Part::Track) {
        let (track, stages) = track_frames(model, record.objects, repeat)?;
        record.track_ms = Some(track);
        record.track_stages_ms = stages.into_iter().map(|(name, ms)| (name.to_owned(), ms)).collect();
    }
    Ok(())
}

/// A tracked frame of `objects` objects, over full banks, and its stages.
fn track_frames(model: &Arc<Model>, objects: u32, repeat: usize) -> Result<(f64, Vec<(&'static str, f64)>)> {
    let info = VideoInfo { width: SIZE.0, height: SIZE.1, num_frames: WARM_UP + repeat };
    let mut tracker = VideoPredictor::new(model.clone(), info, VideoOptions::default())?;
    let (first, [x, y]) = (frame(0)?, centre(0));
    for id in 1..=objects {
        // The position of the click does not affect the time.
        tracker.add_points(0, &first, id, &Points::click(x, y))?;
    }
    for index in 0..WARM_UP {
        tracker.track_frame(index, &frame(index)?)?;
    }
    let frames = (WARM_UP..WARM_UP + repeat).map(frame).collect::<Result<Vec<_>>>()?;
    let mut clock = Clock::default();
    let track = median(repeat, |i| {
        clock.begin();
        let output = tracker.track_frame_tapped(WARM_UP + i, &frames[i], &mut clock)?;
        drop(output.masks());
        clock.stage("output");
        Ok(())
    })?;
    Ok((track, clock.medians()))
}

/// Times the stages of tracking.
#[derive(Default)]
struct Clock {
    last: Option<Instant>,
    /// Stages in the order of their first occurrence, each with its milliseconds per frame.
    times: Vec<(&'static str, Vec<f64>)>,
    frames: usize,
}

impl Tap for Clock {
    fn enabled(&self) -> bool {
        false
    }
    fn record(&mut self, _: &str, _: &[usize], _: &[f32]) {}
    fn stage(&mut self, name: &'static str) {
        let now = Instant::now();
        let Some(last) = self.last.replace(now) else { return };
        let i = self.times.iter().position(|(stage, _)| *stage == name).unwrap_or_else(|| {
            self.times.push((name, Vec::new()));
            self.times.len() - 1
        });
        let times = &mut self.times[i].1;
        times.resize(self.frames, 0.0);
        // With several objects a stage occurs several times per frame.
        if let Some(time) = times.last_mut() {
            *time += (now - last).as_secs_f64() * 1e3;
        }
    }
}

impl Clock {
    /// Starts a frame.
    fn begin(&mut self) {
        self.last = Some(Instant::now());
        self.frames += 1;
    }

    fn medians(self) -> Vec<(&'static str, f64)> {
        let median = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            middle(&times)
        };
        self.times.into_iter().map(|(name, times)| (name, median(times))).collect()
    }
}

/// Memory attention alone over a full bank: one prompted frame, six recent ones, sixteen pointers.
fn memory_attention(model: &Model, repeat: usize) -> Result<f64> {
    let config = model.config();
    let fill = |n: usize| (0..n).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect::<Vec<f32>>();
    let cells = config.grid().pow(2);
    let bank: Vec<Stored> = (0..WARM_UP)
        .map(|frame| Stored {
            frame,
            cond: frame == 0,
            memory: fill(cells * config.mem_dim),
            obj_ptr: fill(config.d_model),
        })
        .collect();
    let level2 = fill(cells * config.d_model);
    let mut workspace = Workspace::default();
    let mut run = |_| {
        inspect::memory_attention(
            model,
            &mut workspace,
            &mut NoTap,
            &level2,
            &bank,
            (WARM_UP, WARM_UP + 1, false),
        );
        Ok(())
    };
    run(0)?;
    median(repeat, run)
}

fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Median time of `repeat` runs, in milliseconds.
fn median(repeat: usize, mut run: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(repeat);
    for i in 0..repeat {
        let start = Instant::now();
        run(i)?;
        times.push(ms_since(start));
    }
    times.sort_by(f64::total_cmp);
    Ok(middle(&times))
}

/// Centre of the object of the synthetic clip, pixels.
fn centre(index: usize) -> [f32; 2] {
    let t = index as f32 * 0.07;
    [SIZE.0 as f32 * (0.5 + 0.25 * t.sin()), SIZE.1 as f32 * (0.5 + 0.2 * (1.3 * t).sin())]
}

/// A frame of the synthetic clip: a bright disc that moves over a grey pattern.
fn frame(index: usize) -> Result<Frame> {
    let [cx, cy] = centre(index);
    let radius = SIZE.1 as f32 * 0.15;
    let mut rgb = Vec::with_capacity(SIZE.0 * SIZE.1 * 3);
    for y in 0..SIZE.1 {
        for x in 0..SIZE.0 {
            if (x as f32 - cx).hypot(y as f32 - cy) < radius {
                rgb.extend([230, 170, 40]);
            } else {
                // A hash of the position: a fixed fine texture.
                let noise = ((x * 73_856_093) ^ (y * 19_349_663)) >> 4 & 31;
                let shade = (60 + x * 60 / SIZE.0 + noise) as u8;
                rgb.extend([shade, shade, shade + 20]);
            }
        }
    }
    Ok(Frame::new(SIZE.0, SIZE.1, rgb)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_frames_are_whole_and_move() {
        assert_ne!(frame(0).expect("frame"), frame(9).expect("frame"));
    }
}
