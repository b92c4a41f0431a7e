//! `sam2 segment`: one photo, one object, or one per box.

mod answer;
mod args;
mod files;
mod mask_prompt;
mod report;

use std::time::Instant;

use anyhow::{Result, bail};
use sam2_media::export::{Images, Object};
use sam2_media::frames::still;
use sam2_media::prompts::{BoxPrompt, Click, Prompt, check_points, to_points};
use sam2_model::ImagePredictor;
use sam2_model::image::{ImageOptions, ImagePrompt, Multimask, Prediction};

use crate::console::Console;
use crate::exporting::{self, Exports};
use crate::memory;
use crate::model;
use answer::Answer;
pub use args::Segment;
use mask_prompt::MaskPrompt;
use report::{Report, Timing};

/// Runs the command.
pub fn run(args: &Segment, console: &Console) -> Result<()> {
    check(args)?;
    let mut exports = Exports::new(&args.export, |format| exporting::beside(args.base(), format))?;
    files::prepare(args, &exports)?;
    memory::check_photo(&args.image)?;
    let (photo, note) = still::read(&args.image, args.frame)?;
    console.note_about(&args.image, note.as_deref());
    let size = (photo.width() as u32, photo.height() as u32);
    let points = points(args, size, console)?;
    let mask_prompt = args
        .mask_prompt
        .as_deref()
        .map(|path| MaskPrompt::read(path, args.mask_object, console))
        .transpose()?;

    let start = Instant::now();
    let model = model::open(&args.model, console)?;
    let load = start.elapsed();
    memory::check_picture(&model, (photo.width(), photo.height()))?;
    let mask_logits = mask_prompt.map(|mask| mask.logits(&model)).transpose()?;
    let multimask = match (args.multimask, args.single_mask) {
        (true, _) => Multimask::Three,
        (_, true) => Multimask::One,
        _ => Multimask::Auto,
    };
    let prompt = |(clicks, bbox): &PointPrompt| {
        let prompt = ImagePrompt::from(to_points(clicks, *bbox));
        prompt.mask_logits(mask_logits.clone()).multimask(multimask)
    };
    let prompts: Vec<ImagePrompt> = points.iter().map(prompt).collect();

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

    let answer = |(prediction, (clicks, bbox)): (Prediction, PointPrompt)| {
        let masks = (0..prediction.len()).map(|k| prediction.mask(k)).collect();
        Answer { clicks, bbox, prediction, masks }
    };
    let answers: Vec<Answer> = predictions.into_iter().zip(points).map(answer).collect();
    let written = files::write(args, &photo, &answers, console)?;
    exports.add(0, || objects(&answers));
    let images = Images::photo(&args.image, args.frame, photo);
    exports.write(Some(&images), &args.image, size, console)?;
    let several = answers.len() > 1;
    let report = Report::new(&answers, several, args.rle, Timing::new([load, encode, decode], embeddings));
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
        let line = format!("wrote {}", path.display());
        // Without -o no line of the results names the file.
        if args.output.is_none() { console.note(&line) } else { console.detail(&line) }
    }
    console.detail(&report.timing_ms.describe());
    Ok(())
}

/// The best mask of every object, numbered from 1.
fn objects(answers: &[Answer]) -> Vec<Object> {
    let object = |(answer, id): (&Answer, u32)| {
        let score = answer.prediction.ious().get(answer.prediction.best()).copied();
        Object { id, score, rle: answer.best().rle() }
    };
    answers.iter().zip(1..).map(object).collect()
}

/// Clicks and a box of one object, in pixels.
type PointPrompt = (Vec<Click>, Option<BoxPrompt>);

fn check(args: &Segment) -> Result<()> {
    if args.prompt.is_empty() && args.mask_prompt.is_none() {
        bail!(
            "nothing points at the object: give a click (-p x,y), a box (-b x0,y0,x1,y1) or --mask-prompt \
             FILE.png"
        );
    }
    if args.prompt.boxes.len() > 1 && args.mask_prompt.is_some() {
        bail!("several boxes are several objects, and a mask would belong to one of them: give one box");
    }
    args.prompt.prompts().map(drop)
}

/// Clicks and box of every object, checked; of one object without either if there is a mask only.
fn points(args: &Segment, size: (u32, u32), console: &Console) -> Result<Vec<PointPrompt>> {
    let written = args.prompt.prompts()?;
    let mut points = Vec::new();
    for prompt in written.iter().cloned() {
        if let Prompt::Points { clicks, bbox } = args.coordinates.convention().read(prompt, size) {
            check_points(&clicks, bbox, size, &args.image)?;
            points.push((clicks, bbox));
        }
    }
    args.coordinates.note(&written, size).iter().for_each(|note| console.note(note));
    if points.is_empty() {
        points.push((Vec::new(), None));
    }
    Ok(points)
}
