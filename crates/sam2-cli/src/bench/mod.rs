//! `sam2 bench`: how long the parts of the model take on this machine.

mod record;

use std::time::Instant;

use anyhow::{Result, bail};
use kernels::Isa;
use sam2_model::modules::{self, Stored};
use sam2_model::{
    Frame, ImagePredictor, ImagePrompt, Model, NoTap, Points, Tap, VideoInfo, VideoOptions, VideoPredictor,
    Workspace,
};

use crate::args;
use crate::console::Console;
use crate::model;
use record::Record;

/// Size of the synthetic clip, pixels: that of the DAVIS data set.
const SIZE: (usize, usize) = (854, 480);
/// Frames until the memory bank is full: 7 spatial memories and 16 object pointers.
const WARM_UP: usize = 16;

/// Runs the command.
pub fn run(args: &args::Bench, console: &Console) -> Result<()> {
    // Read first: a wrong file must not cost a run.
    let old = args.compare.as_deref().map(Record::read).transpose()?;
    // Once: the next model would find its memory ready.
    let start = Instant::now();
    let model = model::open(&args.model, console)?;
    let load = start.elapsed().as_secs_f64() * 1e3;
    let repeat = args.repeat as usize;

    let first = frame(0)?;
    let mut predictor = ImagePredictor::new(model.clone());
    predictor.set_image(&first);
    let encode = median(repeat, |_| {
        predictor.set_image(&first);
        Ok(())
    })?;
    let click = centre(0);
    let prompt = ImagePrompt { points: Points::click(click[0], click[1]), mask_logits: None };
    let mut answer = |_| {
        let prediction = predictor.predict(&prompt, true)?;
        (0..prediction.len()).for_each(|k| drop(prediction.mask(k)));
        Ok(())
    };
    answer(0)?;
    // Short, so more often.
    let click = median(4 * repeat, answer)?;
    drop(predictor);
    let memory_attention = memory_attention(&model, repeat)?;

    let info = VideoInfo { width: SIZE.0, height: SIZE.1, num_frames: WARM_UP + repeat };
    let mut tracker = VideoPredictor::new(model.clone(), info, VideoOptions::default())?;
    tracker.add_points(0, &first, 1, &prompt.points)?;
    for index in 0..WARM_UP {
        tracker.track_frame(index, &frame(index)?)?;
    }
    let frames = (WARM_UP..WARM_UP + repeat).map(frame).collect::<Result<Vec<_>>>()?;
    let mut clock = Clock::default();
    let track = median(repeat, |i| {
        clock.last = Some(Instant::now());
        tracker.track_frame_tapped(WARM_UP + i, &frames[i], &mut clock)?.mask(0);
        clock.stage("output");
        Ok(())
    })?;
    let stages = clock.medians();

    let round = |ms: f64| (ms * 1e3).round() / 1e3;
    let record = Record {
        model: model.summary().variant.clone(),
        precision: model.precision().to_string(),
        image_size: model.config().image_size,
        isa: Isa::best().name().to_owned(),
        threads: rayon::current_num_threads(),
        repeat,
        load_ms: round(load),
        encode_ms: round(encode),
        click_ms: round(click),
        memory_attention_ms: round(memory_attention),
        track_ms: round(track),
        track_stages_ms: stages.into_iter().map(|(name, ms)| (name.to_owned(), round(ms))).collect(),
    };
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

/// Times the stages of tracking.
#[derive(Default)]
struct Clock {
    last: Option<Instant>,
    /// In the order in which they come; of every stage the times in milliseconds.
    times: Vec<(&'static str, Vec<f64>)>,
}

impl Tap for Clock {
    fn enabled(&self) -> bool {
        false
    }
    fn record(&mut self, _: &str, _: &[usize], _: &[f32]) {}
    fn stage(&mut self, name: &'static str) {
        let now = Instant::now();
        let Some(last) = self.last.replace(now) else { return };
        let ms = (now - last).as_secs_f64() * 1e3;
        match self.times.iter_mut().find(|(stage, _)| *stage == name) {
            Some((_, times)) => times.push(ms),
            None => self.times.push((name, vec![ms])),
        }
    }
}

impl Clock {
    fn medians(self) -> Vec<(&'static str, f64)> {
        let median = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            middle(&times)
        };
        self.times.into_iter().map(|(name, times)| (name, median(times))).collect()
    }
}

/// Memory attention by itself over a full bank: one prompted frame, six recent ones, sixteen pointers.
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
        modules::memory_attention(
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

/// Median time of `repeat` runs, in milliseconds.
fn median(repeat: usize, mut run: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(repeat);
    for i in 0..repeat {
        let start = Instant::now();
        run(i)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(middle(&times))
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { (sorted[half - 1] + sorted[half]) / 2.0 } else { sorted[half] }
}

/// Where the object of the synthetic clip is, pixels.
fn centre(index: usize) -> [f32; 2] {
    let t = index as f32 * 0.07;
    [SIZE.0 as f32 * (0.5 + 0.25 * t.sin()), SIZE.1 as f32 * (0.5 + 0.2 * (1.3 * t).sin())]
}

/// A bright disc that wanders over a grey pattern.
fn frame(index: usize) -> Result<Frame> {
    let [cx, cy] = centre(index);
    let radius = SIZE.1 as f32 * 0.15;
    let mut rgb = Vec::with_capacity(SIZE.0 * SIZE.1 * 3);
    for y in 0..SIZE.1 {
        for x in 0..SIZE.0 {
            if (x as f32 - cx).hypot(y as f32 - cy) < radius {
                rgb.extend([230, 170, 40]);
            } else {
                // Multiplicative hashing of the position: a fixed fine texture.
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
    fn medians_of_even_and_odd_counts() {
        assert_eq!(middle(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(middle(&[1.0, 2.0, 4.0, 9.0]), 3.0);
    }

    #[test]
    fn synthetic_frames_are_whole_and_move() {
        assert_ne!(frame(0).expect("frame"), frame(9).expect("frame"));
    }
}
