//! `sam2 everything`: all masks of a photo.

mod args;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use sam2_media::export::{Images, Object};
use sam2_media::files;
use sam2_media::frames::still;
use sam2_media::outputs::{Plan, names};
use sam2_media::pictures::{overlay, png};
use sam2_media::text;
use sam2_model::automatic::{AutomaticMaskGenerator, AutomaticOptions, MaskRecord};
use sam2_model::text::message;
use sam2_model::{Frame, ImagePredictor};
use serde_json::{Value, json};

pub use args::Everything;
use args::OutputMode;

use crate::console::Console;
use crate::exporting::{self, Exports};
use crate::{memory, model, progress};

/// Name of the list of masks in the output folder.
const LIST: &str = "masks.json";
/// Name of the picture of all masks.
const OVERLAY: &str = "overlay.png";

/// Runs the command.
pub fn run(args: &Everything, console: &Console) -> Result<()> {
    let mut exports = Exports::new(&args.export, |format| match &args.output {
        Some(folder) => folder.join(format),
        None => exporting::beside(&args.image, format),
    })?;
    let mut plan = plan(args);
    exports.plan(&mut plan, &args.image, Vec::new());
    plan.check()?;
    plan.refuse_earlier(args.overwrite)?;
    if let Some(folder) = &args.output {
        files::prepare_folder(folder)?;
    }
    exports.prepare()?;
    if let Some(path) = &args.embeddings {
        files::prepare_file(path, "safetensors")?;
    }
    let options = options(args)?;
    memory::check_photo(&args.image)?;
    let (photo, note) = still::read(&args.image, args.frame)?;
    console.note_about(&args.image, note.as_deref());
    let model = model::open(&args.model, console)?;
    memory::check_picture(&model, (photo.width(), photo.height()))?;
    let mut generator = AutomaticMaskGenerator::new(Arc::clone(&model), options)?;

    let bar = progress::bar(console, None, "{bar:30} click {pos} of {len}, {eta} left");
    let start = Instant::now();
    let tick = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let records = match &args.embeddings {
        None => generator.generate(&photo, tick)?,
        Some(path) => {
            let mut predictor = ImagePredictor::new(model);
            model::set_image(&mut predictor, &photo, Some(path))?;
            let embedding = predictor.embedding().context("no image was set")?;
            generator.generate_encoded(embedding, tick)?
        }
    };
    bar.finish_and_clear();
    console.note(&format!("{} masks in {:.1} s", records.len(), start.elapsed().as_secs_f64()));

    let list = Value::Array(records.iter().map(|record| describe(record, args)).collect());
    plan.clear()?;
    if let Some(folder) = &args.output {
        write(folder, &photo, &records, &list, args.labels)?;
    }
    exports.add(0, || {
        let object = |(record, id): (&MaskRecord, u32)| Object {
            id,
            score: Some(record.predicted_iou),
            rle: record.segmentation.clone(),
        };
        records.iter().zip(1..).map(object).collect()
    });
    let size = (photo.width() as u32, photo.height() as u32);
    exports.write(Some(&Images::photo(&args.image, args.frame, photo)), &args.image, size, console)?;
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

/// The files that are read, and those that may be written.
fn plan(args: &Everything) -> Plan {
    let mut plan = Plan::default();
    plan.reads(&args.image);
    args.model.plan(&mut plan);
    args.export.classes.names.iter().for_each(|path| plan.reads(path));
    args.point_grids.iter().for_each(|path| plan.reads(path));
    if let Some(path) = &args.embeddings {
        if path.exists() { plan.reads(path) } else { plan.writes(path) }
    }
    if let Some(folder) = &args.output {
        plan.writes_list(folder.join(LIST));
        plan.writes_series(folder, |name| name == OVERLAY || names::rank(name).is_some());
    }
    plan
}

fn options(args: &Everything) -> Result<AutomaticOptions> {
    let grids = |path: &PathBuf| {
        let text = text::read(path, "the clicks in")?;
        serde_json::from_str::<Vec<Vec<[f64; 2]>>>(&text)
            .map_err(|error| anyhow!("cannot read the clicks in {}: {}", path.display(), message(&error)))
    };
    let point_grids = args.point_grids.as_ref().map(grids).transpose()?;
    Ok(AutomaticOptions::default()
        .points_per_side(args.points_per_side)
        .point_grids(point_grids)
        .points_per_batch(args.points_per_batch)
        .min_mask_region_area(args.min_mask_region_area)
        .pred_iou_thresh(args.pred_iou_thresh)
        .stability_score_thresh(args.stability_score_thresh)
        .stability_score_offset(args.stability_score_offset)
        .mask_threshold(args.mask_threshold)
        .box_nms_thresh(args.box_nms_thresh)
        .crop_n_layers(args.crop_n_layers)
        .crop_nms_thresh(args.crop_nms_thresh)
        .crop_overlap_ratio(args.crop_overlap_ratio)
        .crop_n_points_downscale_factor(args.crop_n_points_downscale_factor)
        .use_m2m(args.use_m2m)
        .multimask_output(!args.single_mask))
}

/// A record with the names and types of Meta's.
fn describe(record: &MaskRecord, args: &Everything) -> Value {
    let rle = &record.segmentation;
    let size = [rle.height(), rle.width()];
    let segmentation = match args.output_mode {
        OutputMode::CocoRle => json!({"size": size, "counts": rle.to_coco_string()}),
        OutputMode::UncompressedRle => json!({"size": size, "counts": rle.counts()}),
        OutputMode::BinaryMask => {
            let mask = rle.mask();
            let row = |row: &[bool]| row.iter().map(|&inside| u8::from(inside)).collect::<Vec<u8>>();
            mask.data().chunks_exact(rle.width()).map(row).collect()
        }
    };
    let mut value = json!({
        "segmentation": segmentation,
        "area": rle.area(),
        "bbox": record.bbox,
        "predicted_iou": record.predicted_iou,
        "point_coords": [record.point_coords],
        "stability_score": record.stability_score,
        "crop_box": record.crop_box,
    });
    if args.polygons {
        let polygons = rle.mask().polygons();
        value["polygons"] = polygons.iter().map(|p| json!({"outer": p.outer, "holes": p.holes})).collect();
    }
    value
}

/// The colour of mask `k` in the overlay: those of objects 1 to 255 in turn.
fn colour(k: usize) -> [u8; 3] {
    overlay::colour(k as u32 % 255 + 1)
}

/// One PNG per mask, an overlay of all, largest first so that small ones stay visible, and the list.
fn write(folder: &Path, photo: &Frame, records: &[MaskRecord], list: &Value, labels: bool) -> Result<()> {
    let size = (photo.width() as u32, photo.height() as u32);
    for (k, record) in records.iter().enumerate() {
        png::write_mask(&folder.join(format!("{k:03}.png")), size, record.segmentation.mask().data())?;
    }
    let mut drawn = overlay::picture(photo);
    let mut by_area: Vec<usize> = (0..records.len()).collect();
    by_area.sort_by_key(|&k| std::cmp::Reverse(records[k].segmentation.area()));
    for k in by_area {
        overlay::mask(&mut drawn, records[k].segmentation.mask().data(), colour(k));
    }
    if labels {
        for (k, record) in records.iter().enumerate() {
            overlay::label(&mut drawn, record.segmentation.mask().data(), k as u32, colour(k));
        }
    }
    png::write_rgb(&folder.join(OVERLAY), &drawn)?;
    files::sync_folder(folder)?;
    Ok(files::write(&folder.join(LIST), |file| Ok(serde_json::to_writer(file, list)?))?)
}
