//! `sam2 segment`: one photo, one object, or one per box.

mod answer;
mod args;
mod files;
mod report;

use std::time::Instant;

use anyhow::{Result, bail};
use sam2_media::frames::photo;
use sam2_media::prompts::{BoxPrompt, check_points, mask_file, to_points};
use sam2_model::ImagePredictor;
use sam2_model::image::{ImageOptions, ImagePrompt, Multimask, Prediction};

use crate::console::Console;
use crate::memory;
use crate::model;
use answer::Answer;
pub use args::Segment;
use report::{Report, Timing};

/// Runs the command.
pub fn run(args: &Segment, console: &Console) -> Result<()> {
    check(args)?;
    files::prepare(args)?;
    memory::check_photo(&args.image)?;
    let (photo, note) = photo::read_with_notes(&args.image)?;
    console.note_about(&args.image, note.as_deref());
    let size = (photo.width() as u32, photo.height() as u32);
    if args.boxes.is_empty() && !args.points.is_empty() {
        check_points(&args.points, None, size, &args.image)?;
    }
    for &bbox in &args.boxes {
        check_points(&args.points, Some(bbox), size, &args.image)?;
    }
    let mask_prompt =
        args.mask_prompt.as_deref().map(|path| mask_file::read(path, args.mask_object)).transpose()?;

    let start = Instant::now();
    let model = model::open(&args.model, console)?;
    let load = start.elapsed();
    memory::check_picture(&model, (photo.width(), photo.height()))?;
    let mask_logits = mask_prompt.map(|mask| model.mask_logits(&mask));
    let multimask = match (args.multimask, args.single_mask) {
        (true, _) => Multimask::Three,
        (_, true) => Multimask::One,
        _ => Multimask::Auto,
    };
    let boxes: Vec<Option<BoxPrompt>> =
        if args.boxes.is_empty() { vec![None] } else { args.boxes.iter().copied().map(Some).collect() };
    let prompt = |&bbox: &Option<BoxPrompt>| {
        let prompt = ImagePrompt::from(to_points(&args.points, bbox));
        prompt.mask_logits(mask_logits.clone()).multimask(multimask)
    };
    let prompts: Vec<ImagePrompt> = boxes.iter().map(prompt).collect();

    let options = ImageOptions::default()
        .mask_threshold(args.mask_threshold)
        .max_hole_area(args.max_hole_area)
        .max_sprinkle_area(args.max_sprinkle_area);
    let mut predictor = ImagePredictor::with_options(model, options)?;
    let start = Instant::now();
    let embeddings = model::set_image(&mut predictor, &photo, args.embeddings.as_deref())?;
    let encode = start.elapsed();
    let start = Instant::now();
    let predictions = predictor.predict_batch(&prompts)?;
    let decode = start.elapsed();

    let answer = |(prediction, bbox): (Prediction, Option<BoxPrompt>)| {
        let masks = (0..prediction.len()).map(|k| prediction.mask(k)).collect();
        Answer { bbox, prediction, masks }
    };
    let answers: Vec<Answer> = predictions.into_iter().zip(boxes).map(answer).collect();
    let written = files::write(args, &photo, &answers, console)?;
    let several = answers.len() > 1;
    let report = Report::new(&answers, several, Timing::new([load, encode, decode], embeddings));
    if args.json {
        console.result(&serde_json::to_string(&report)?)?;
    } else {
        let output = args.output.as_deref();
        let file = |i: usize| {
            output.map(|path| report::shown(&if several { files::of_box(path, i) } else { path.to_owned() }))
        };
        let to_stdout = output.is_some_and(files::is_stream);
        for line in report.describe(size, file) {
            // stdout holds the picture only.
            if to_stdout { console.note(&line) } else { console.result(&line)? }
        }
    }
    for path in written {
        console.detail(&format!("wrote {}", path.display()));
    }
    console.detail(&report.timing_ms.describe());
    Ok(())
}

fn check(args: &Segment) -> Result<()> {
    if args.points.is_empty() && args.boxes.is_empty() && args.mask_prompt.is_none() {
        bail!(
            "nothing points at the object: give a click (-p x,y), a box (-b x0,y0,x1,y1) or --mask-prompt \
             FILE.png"
        );
    }
    if args.boxes.len() > 1 && (!args.points.is_empty() || args.mask_prompt.is_some()) {
        bail!(
            "several boxes are several objects, and a click or a mask would belong to one of them: give one \
             box"
        );
    }
    Ok(())
}
