//! `sam2 everything`: all masks of a photo.

mod args;

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sam2_model::{AutomaticMaskGenerator, AutomaticOptions, Frame, Record};
use serde_json::{Value, json};

pub use args::Everything;

use crate::console::Console;
use crate::input::photo;
use crate::model;
use crate::output::{self, overlay, picture};

/// Name of the list of masks in the output folder.
const LIST: &str = "masks.json";

/// Runs the command.
pub fn run(args: &Everything, console: &Console) -> Result<()> {
    if let Some(folder) = &args.output {
        output::prepare_folder(folder)?;
        if output::same_place(&folder.join("overlay.png"), &args.image) {
            bail!("writing {} would overwrite the input: choose another folder for -o", args.image.display());
        }
    }
    let photo = photo::read(&args.image)?;
    let size = photo.dimensions();
    let photo = Frame::new(size.0 as usize, size.1 as usize, photo.into_raw())?;
    let options = options(args);
    let model = model::open(&args.model, console)?;
    let mut generator = AutomaticMaskGenerator::new(model, options)?;

    let bar = progress_bar(console);
    let start = Instant::now();
    let records = generator.generate(&photo, |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    console.note(&format!("{} masks in {:.1} s", records.len(), start.elapsed().as_secs_f64()));

    let list = Value::Array(records.iter().map(describe).collect());
    if let Some(folder) = &args.output {
        write(folder, &photo, &records, &list)?;
    }
    if args.json {
        return console.result(&list.to_string());
    }
    for (k, record) in records.iter().enumerate() {
        let [x, y, w, h] = record.bbox;
        console.result(&format!(
            "mask {k}: predicted IoU {:.3}, stability {:.3}, {} pixels, box {x},{y},{},{}",
            record.predicted_iou,
            record.stability_score,
            record.segmentation.area(),
            x + w,
            y + h
        ))?;
    }
    Ok(())
}

fn options(args: &Everything) -> AutomaticOptions {
    AutomaticOptions {
        points_per_side: args.points_per_side,
        pred_iou_thresh: args.pred_iou_thresh,
        stability_score_thresh: args.stability_score_thresh,
        stability_score_offset: args.stability_score_offset,
        mask_threshold: args.mask_threshold,
        box_nms_thresh: args.box_nms_thresh,
        crop_n_layers: args.crop_n_layers,
        crop_nms_thresh: args.crop_nms_thresh,
        crop_overlap_ratio: args.crop_overlap_ratio,
        crop_n_points_downscale_factor: args.crop_n_points_downscale_factor,
        use_m2m: args.use_m2m,
        multimask_output: !args.single_mask,
    }
}

/// A record under the names and in the types of Meta's, the mask as COCO RLE.
fn describe(record: &Record) -> Value {
    let rle = &record.segmentation;
    json!({
        "segmentation": {"size": [rle.height(), rle.width()], "counts": rle.to_coco_string()},
        "area": rle.area(),
        "bbox": record.bbox,
        "predicted_iou": record.predicted_iou,
        "point_coords": [record.point_coords],
        "stability_score": record.stability_score,
        "crop_box": record.crop_box,
    })
}

/// One PNG per mask, an overlay of all, largest first so that small ones stay visible, and the list.
fn write(folder: &Path, photo: &Frame, records: &[Record], list: &Value) -> Result<()> {
    let size = (photo.width() as u32, photo.height() as u32);
    for (k, record) in records.iter().enumerate() {
        picture::write_mask(&folder.join(format!("{k:03}.png")), size, record.segmentation.mask().data())?;
    }
    let mut drawn = overlay::picture(photo)?;
    let mut by_area: Vec<usize> = (0..records.len()).collect();
    by_area.sort_by_key(|&k| std::cmp::Reverse(records[k].segmentation.area()));
    for k in by_area {
        overlay::mask(&mut drawn, records[k].segmentation.mask().data(), overlay::colour(k as u32 % 255 + 1));
    }
    picture::write_rgb(&folder.join("overlay.png"), &drawn)?;
    output::write(&folder.join(LIST), |file| Ok(serde_json::to_writer(file, list)?))
}

fn progress_bar(console: &Console) -> ProgressBar {
    let target =
        if console.shows_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:30} click {pos} of {len}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, target).with_style(style)
}
