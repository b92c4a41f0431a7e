//! `sam2 segment`: one photo, one object.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sam2_model::{Frame, ImagePredictor, ImagePrompt, Mask, Prediction, mask_to_logits};
use serde::Serialize;

use crate::args;
use crate::console::Console;
use crate::input::photo;
use crate::output::{self, overlay, picture};
use crate::{model, prompt};

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    masks: Vec<MaskReport>,
    best: usize,
    object_score: f32,
    timing_ms: Timing,
}

#[derive(Serialize)]
struct MaskReport {
    predicted_iou: f32,
    area: usize,
    bbox_xyxy: Option<[usize; 4]>,
    stability_score: f32,
}

#[derive(Serialize)]
struct Timing {
    load: f64,
    encode: f64,
    decode: f64,
}

/// Runs the command.
pub fn run(args: &args::Segment, console: &Console) -> Result<()> {
    let (clicks, bbox) = (&args.prompt.points, args.prompt.bbox);
    if clicks.is_empty() && bbox.is_none() && args.mask_prompt.is_none() {
        bail!(
            "nothing points at the object: give a click (-p x,y), a box (-b x0,y0,x1,y1) or --mask-prompt FILE.png"
        );
    }
    prepare_outputs(args)?;
    let photo = photo::read(&args.image)?;
    let size = photo.dimensions();
    if !clicks.is_empty() || bbox.is_some() {
        prompt::check_points(clicks, bbox, size, &args.image)?;
    }
    let mask_prompt = args.mask_prompt.as_deref().map(|path| read_mask(path, size)).transpose()?;

    let start = Instant::now();
    let model = model::open(&args.model, console)?;
    let load = start.elapsed();
    let mask_logits = mask_prompt.map(|mask| mask_to_logits(&mask, model.low_res_size()));
    let single_click = clicks.len() == 1 && bbox.is_none() && mask_logits.is_none();
    let multimask = args.multimask || (single_click && !args.single_mask);
    let prompt = ImagePrompt { points: model::points(clicks, bbox), mask_logits };

    let mut predictor = ImagePredictor::new(model);
    let start = Instant::now();
    let photo = Frame::new(size.0 as usize, size.1 as usize, photo.into_raw())?;
    predictor.set_image(&photo);
    let encode = start.elapsed();
    let start = Instant::now();
    let prediction = predictor.predict(&prompt, multimask)?;
    let decode = start.elapsed();

    let masks: Vec<Mask> = (0..prediction.len()).map(|k| prediction.mask(k)).collect();
    let written = write_outputs(args, &photo, &masks, &prediction)?;
    let report = report(&prediction, &masks, [load, encode, decode]);
    if args.json {
        return console.result(&serde_json::to_string(&report)?);
    }
    for line in describe(&report, size, args.output.as_deref()) {
        console.result(&line)?;
    }
    for path in written {
        console.detail(&format!("wrote {}", path.display()));
    }
    console.detail(&format!(
        "load {:.0} ms, encode {:.0} ms, decode {:.0} ms",
        report.timing_ms.load, report.timing_ms.encode, report.timing_ms.decode
    ));
    Ok(())
}

/// Every file that may be written, so that none of them fails after the long part.
fn prepare_outputs(args: &args::Segment) -> Result<()> {
    let mut files = Vec::new();
    if let Some(path) = &args.output {
        output::prepare_file(path, "png")?;
        files.push(path.clone());
        let suffixes = [(args.overlay, "overlay"), (args.cutout, "cutout")];
        files.extend(
            suffixes.iter().filter(|(on, _)| *on).map(|(_, suffix)| output::with_suffix(path, suffix)),
        );
        if args.multimask {
            files.extend((0..3).map(|k| output::with_suffix(path, &k.to_string())));
        }
    }
    if let Some(path) = &args.save_logits {
        output::prepare_file(path, "npy")?;
        files.push(path.clone());
    }
    let inputs = [Some(&args.image), args.mask_prompt.as_ref(), args.model.model.as_ref()];
    for file in &files {
        if inputs.iter().flatten().any(|input| output::same_place(file, input)) {
            bail!("writing {} would overwrite an input: choose another name for -o", file.display());
        }
    }
    Ok(())
}

fn read_mask(path: &Path, size: (u32, u32)) -> Result<Mask> {
    let inside = prompt::mask::read(path, size)?;
    Mask::new(size.0 as usize, size.1 as usize, inside)
        .with_context(|| format!("cannot use the mask {}", path.display()))
}

fn write_outputs(
    args: &args::Segment,
    photo: &Frame,
    masks: &[Mask],
    prediction: &Prediction,
) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let size = (photo.width() as u32, photo.height() as u32);
    if let Some(path) = &args.save_logits {
        output::write_npy(path, &prediction.low_res().view())?;
        written.push(path.clone());
    }
    let Some(path) = &args.output else { return Ok(written) };
    let best = masks[prediction.best()].data();
    if args.overlay {
        let file = output::with_suffix(path, "overlay");
        let mut drawn = overlay::picture(photo)?;
        let colour = overlay::colour(1);
        overlay::mask(&mut drawn, best, colour);
        overlay::points(&mut drawn, &args.prompt.points, args.prompt.bbox, colour);
        picture::write_rgb(&file, &drawn)?;
        written.push(file);
    }
    if args.cutout {
        let file = output::with_suffix(path, "cutout");
        picture::write_cutout(&file, size, photo.rgb(), best)?;
        written.push(file);
    }
    if args.multimask {
        for (k, mask) in masks.iter().enumerate() {
            let file = output::with_suffix(path, &k.to_string());
            picture::write_mask(&file, size, mask.data())?;
            written.push(file);
        }
    }
    picture::write_mask(path, size, best)?;
    written.push(path.clone());
    Ok(written)
}

fn report(prediction: &Prediction, masks: &[Mask], [load, encode, decode]: [Duration; 3]) -> Report {
    let ms = |d: Duration| (d.as_secs_f64() * 1e6).round() / 1e3;
    let masks = masks.iter().zip(prediction.ious()).enumerate();
    Report {
        masks: masks
            .map(|(k, (mask, &predicted_iou))| MaskReport {
                predicted_iou,
                area: mask.area(),
                bbox_xyxy: mask.bbox_xyxy(),
                stability_score: prediction.stability_score(k),
            })
            .collect(),
        best: prediction.best(),
        object_score: prediction.object_score(),
        timing_ms: Timing { load: ms(load), encode: ms(encode), decode: ms(decode) },
    }
}

fn describe(report: &Report, (width, height): (u32, u32), output: Option<&Path>) -> Vec<String> {
    let pixels = f64::from(width) * f64::from(height);
    let line = |(k, mask): (usize, &MaskReport)| {
        let bbox = match mask.bbox_xyxy {
            Some([x0, y0, x1, y1]) => format!("box {x0},{y0},{x1},{y1}"),
            None => "empty".to_owned(),
        };
        let mut text = format!(
            "mask {k}: predicted IoU {:.3}, stability {:.3}, {} pixels ({:.1} %), {bbox}",
            mask.predicted_iou,
            mask.stability_score,
            mask.area,
            100.0 * mask.area as f64 / pixels
        );
        if k == report.best {
            let place = output.map(|path| format!(" -> {}", path.display())).unwrap_or_default();
            text += &if report.masks.len() > 1 { format!(" (best){place}") } else { place };
        }
        text
    };
    report.masks.iter().enumerate().map(line).collect()
}
