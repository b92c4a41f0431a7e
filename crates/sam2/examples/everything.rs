//! All masks of a photo, as Meta's `SAM2AutomaticMaskGenerator` finds them, one JSON object a line.
//!
//! `cargo run -p sam2 --example everything [PHOTO [CHECKPOINT]]`; without arguments the bundled picture and
//! model.

use std::env::args;
use std::error::Error;
use std::path::Path;

use sam2::automatic::{AutomaticMaskGenerator, AutomaticOptions};
use sam2::media::frames::{Clip, photo};
use sam2::{Model, embedded};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let picture = match args().nth(1) {
        Some(path) => photo::read(Path::new(&path))?,
        None => Clip::embedded(embedded::DEMO_CLIP)?.frames_from(0)?.next().ok_or("the clip is empty")??.1,
    };
    let model = args().nth(2).map_or_else(|| Ok(embedded::model()), Model::open)?;
    let options = AutomaticOptions::default()
        .points_per_side(8) // 32 by default: 1024 clicks
        .pred_iou_thresh(0.6)
        .stability_score_thresh(0.8);
    let mut generator = AutomaticMaskGenerator::new(model, options)?;
    let records = generator.generate(&picture, |done, total| eprintln!("{done} of {total} clicks"))?;
    for record in &records {
        let rle = &record.segmentation;
        let line = json!({
            "segmentation": {"size": [rle.height(), rle.width()], "counts": rle.to_coco_string()},
            "area": rle.area(),
            "bbox": record.bbox,
            "predicted_iou": record.predicted_iou,
            "stability_score": record.stability_score,
            "point_coords": [record.point_coords],
        });
        println!("{line}");
    }
    eprintln!("{} masks", records.len());
    Ok(())
}
