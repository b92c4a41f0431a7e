//! `sam2 demo`: the embedded model on the bundled clips, measured against their ground truth.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use image::RgbImage;
use sam2_media::files;
use sam2_media::frames::{Clip, gif};
use sam2_media::outputs::Plan;
use sam2_media::pictures::{overlay, png, sheet};
use sam2_media::prompts::{Convention, Prompt, Prompts, Target, jsonl, to_points};
use sam2_model::{ImagePredictor, Model, ModelOptions};

use super::eval::region::jaccard;
use crate::console::Console;
use crate::embedded;
use crate::model;
use crate::tracking::{self, FrameNames, Overlay, Writer};

/// Time between frames of the animated overlay, milliseconds.
const DELAY: u32 = 100;
/// Colour of the truth's outline.
const TRUTH: [u8; 3] = [255, 240, 90];
/// Maximum number of frames on the contact sheet, and per row.
const SHEET: (usize, usize) = (12, 4);

/// The folder without `-o`, which only this command writes: a second run replaces the first.
const OWN_FOLDER: &str = "sam2-demo";
/// Names of the files beside those of a tracked clip.
const MASK: &str = "segment.png";
const MASK_OVERLAY: &str = "segment_overlay.png";
const ANIMATION: &str = "overlay.gif";
const SHEET_FILE: &str = "sheet.png";

const EXAMPLES: &str = "\
Examples:
  sam2 demo
  sam2 demo -o /tmp/demo";

/// `sam2 demo`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Demo {
    /// Folder for the pictures
    #[arg(short, long = "output", value_name = "DIR", default_value = OWN_FOLDER)]
    pub output: PathBuf,
    /// Replace the files of an earlier run in DIR; without this they are refused, except in sam2-demo
    #[arg(long)]
    pub overwrite: bool,
}

/// A clip, what is known of it, and the folder of its pictures.
struct Part {
    name: &'static str,
    clip: Clip,
    prompts: Prompts,
    truth: Vec<Vec<bool>>,
    folder: PathBuf,
}

impl Part {
    fn open(files: &embedded::Demo, folder: PathBuf) -> Result<Self> {
        let clip = Clip::embedded(files.clip)?;
        let (prompts, truth) = (embedded_prompts(files.prompts, &clip)?, read_truth(files.truth, &clip)?);
        Ok(Self { name: files.name, clip, prompts, truth, folder })
    }

    /// Adds the files of this part to the plan.
    fn plan(&self, plan: &mut Plan) {
        Writer::plan(plan, &self.folder, None, &FrameNames::default());
        [SHEET_FILE, ANIMATION].iter().for_each(|name| plan.writes_list(self.folder.join(name)));
        plan.writes_series(&self.folder, |name| [MASK, MASK_OVERLAY].contains(&name));
    }
}

/// Runs the command.
pub fn run(args: &Demo, console: &Console) -> Result<()> {
    let folder = &args.output;
    let start = Instant::now();
    let [drawn, rendered] = embedded::demos()?;
    let parts = [Part::open(&drawn, folder.clone())?, Part::open(&rendered, folder.join(rendered.name))?];
    let mut plan = Plan::default();
    parts.iter().for_each(|part| part.plan(&mut plan));
    plan.refuse_earlier(args.overwrite || folder == Path::new(OWN_FOLDER))?;
    parts.iter().try_for_each(|part| Writer::check(&part.folder, Overlay::Plain, None))?;
    let model = embedded::model(&ModelOptions::default())?;
    plan.clear()?;
    console.result(&format!("model    {}", model::EMBEDDED_NOTE))?;
    console.result(&format!("load     {:.0} ms", start.elapsed().as_secs_f64() * 1e3))?;
    parts.iter().try_for_each(|part| show(&model, part, console))?;
    console.result(&format!(
        "look at  {} (dashed: the truth), and {ANIMATION} beside each",
        parts.map(|part| part.folder.join(SHEET_FILE).display().to_string()).join(" and "),
    ))?;
    console.result(&format!(
        "for your own photos and clips use a published checkpoint: {}",
        embedded::PUBLISHED_NOTE
    ))
}

/// Segments the prompted frame of a clip and tracks through it; writes pictures, prints scores and times.
fn show(model: &Arc<Model>, part: &Part, console: &Console) -> Result<()> {
    let Part { name, clip, prompts, truth, folder } = part;
    let (width, height) = clip.size();
    console.result(&format!("{name:<9}{} frames of {width}x{height} pixels", clip.len()))?;
    let start = Instant::now();
    segment(model, part, console)?;
    let segmented = start.elapsed();

    let mut writer = Writer::begin(Some(folder), Overlay::Plain, None, FrameNames::default())?;
    let mut pictures = Vec::with_capacity(clip.len());
    let mut scores = Vec::with_capacity(clip.len());
    let side = model.low_res_size();
    let stats =
        tracking::follow(model.clone(), clip, prompts, Default::default(), console, |frame, result| {
            writer.frame(frame, result, prompts, side)?;
            let masks = result.masks();
            scores.push((result.frame_idx, jaccard(masks[0].data(), &truth[result.frame_idx])));
            pictures.push(tracking::draw(frame, result, &masks, prompts, false)?);
            Ok(())
        })?;
    writer.finish()?;
    console.result(&format!("track    {}", summary(&scores)))?;
    console.result(&format!(
        "time     segment {:.0} ms, track {}",
        segmented.as_secs_f64() * 1e3,
        stats.describe()
    ))?;
    files::write(&folder.join(ANIMATION), |file| gif::write(file, &pictures, DELAY))?;
    png::write_rgb(&folder.join(SHEET_FILE), &contact_sheet(&pictures, truth, &scores))?;
    Ok(files::sync_folder(folder)?)
}

fn embedded_prompts(text: &str, clip: &Clip) -> Result<Prompts> {
    let name = Path::new("the embedded clip");
    let lines = jsonl::parse(text, "the embedded prompts", Path::new(""), Err)?;
    let (num_frames, size) = (clip.len(), clip.size());
    let target = Target { clip: name, num_frames, size, convention: Convention::default(), ids: 1..=255 };
    Ok(Prompts::gather(lines, &target, Err)?)
}

/// The first prompted frame as a photo, with its first object.
fn segment(model: &Arc<Model>, part: &Part, console: &Console) -> Result<()> {
    let Part { clip, prompts, truth, folder, .. } = part;
    let (index, objects) = prompts.frames().next().context("the embedded prompts are empty")?;
    let (&obj_id, (target, _)) = objects.iter().next().context("the embedded prompts are empty")?;
    let Prompt::Points { clicks, bbox } = target else { bail!("the embedded prompts begin with a mask") };
    let (_, frame) = clip.select([index].into())?.next().context("the embedded clip is empty")??;
    let mut predictor = ImagePredictor::new(model.clone());
    predictor.set_image(&frame);
    let prompt = to_points(clicks, *bbox).into();
    let prediction = predictor.predict(&prompt)?;
    let mask = prediction.mask(prediction.best());

    let mut drawn = overlay::picture(&frame);
    let colour = overlay::colour(obj_id);
    overlay::mask(&mut drawn, mask.data(), colour);
    overlay::target(&mut drawn, target, colour);
    png::write_rgb(&folder.join(MASK_OVERLAY), &drawn)?;
    png::write_mask(&folder.join(MASK), clip.size(), mask.data())?;
    console.result(&format!(
        "segment  frame {index}: IoU {:.3} with the truth, {:.3} predicted -> {}",
        jaccard(mask.data(), &truth[index]),
        prediction.ious()[prediction.best()],
        folder.join(MASK_OVERLAY).display()
    ))
}

/// Ground truth of every frame: true inside the object.
fn read_truth(truth: &'static [u8], clip: &Clip) -> Result<Vec<Vec<bool>>> {
    let truth = Clip::embedded(truth)?;
    if (truth.len(), truth.size()) != (clip.len(), clip.size()) {
        bail!("the embedded clip and its truth differ in length or size");
    }
    truth
        .frames_from(0)?
        .map(|item| Ok(item?.1.rgb().chunks_exact(3).map(|pixel| pixel[0] > 127).collect()))
        .collect()
}

/// Mean and minimum IoU over the frames.
fn summary(scores: &[(usize, f64)]) -> String {
    let mean = scores.iter().map(|(_, iou)| iou).sum::<f64>() / scores.len().max(1) as f64;
    let (frame, lowest) = scores.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
    format!(
        "mean IoU {mean:.3} with the truth over {} frames, lowest {lowest:.3} on frame {frame}",
        scores.len()
    )
}

/// Frames of the whole clip at even distances, each with its number, its score and the outline of the truth.
fn contact_sheet(pictures: &[RgbImage], truth: &[Vec<bool>], scores: &[(usize, f64)]) -> RgbImage {
    let (count, columns) = (SHEET.0.min(pictures.len()), SHEET.1);
    let last = pictures.len().saturating_sub(1);
    let chosen = (0..count).map(|i| if count > 1 { (i * last + (count - 1) / 2) / (count - 1) } else { 0 });
    let chosen: Vec<RgbImage> = chosen
        .map(|index| {
            let mut picture = pictures[index].clone();
            let (frame, iou) = scores[index];
            overlay::dashes(&mut picture, &truth[frame], TRUTH);
            sheet::number(&mut picture, frame);
            sheet::score(&mut picture, iou);
            picture
        })
        .collect();
    sheet::contact_sheet(&chosen, columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn summary_names_the_worst_frame() {
        let text = summary(&[(3, 0.5), (4, 0.25), (5, 0.75)]);
        assert_eq!(text, "mean IoU 0.500 with the truth over 3 frames, lowest 0.250 on frame 4");
    }

    #[test]
    fn sheets_take_the_first_and_the_last_frame() {
        for len in [1, 2, 11, 12, 30, 31] {
            let pictures: Vec<RgbImage> =
                (0..len).map(|i| RgbImage::from_pixel(80, 60, Rgb([i as u8; 3]))).collect();
            let truth = vec![vec![false; 80 * 60]; len];
            let scores: Vec<(usize, f64)> = (0..len).map(|frame| (frame, 0.5)).collect();
            let sheet = contact_sheet(&pictures, &truth, &scores);
            // The bottom right corner of a frame has no text on it.
            let (width, height) = sheet.dimensions();
            assert_eq!(sheet.get_pixel(4 + 79, 4 + 59).0, [0; 3]);
            if len >= 12 {
                assert_eq!(sheet.get_pixel(width - 5, height - 5).0, [len as u8 - 1; 3]);
            }
        }
    }

    #[cfg(feature = "embedded")]
    #[test]
    fn bundled_files_fit_together() {
        for files in embedded::demos().expect("the embedded clips") {
            let part = Part::open(&files, PathBuf::new()).expect("prompts and truth fit the clip");
            for (frame, objects) in part.prompts.frames() {
                for (target, _) in objects.values() {
                    let Prompt::Points { clicks, .. } = target else { panic!("clicks expected") };
                    for click in clicks {
                        let pixel = click.y as usize * part.clip.size().0 as usize + click.x as usize;
                        assert_eq!(part.truth[frame][pixel], click.label == 1, "{click:?}");
                    }
                }
            }
        }
    }
}
