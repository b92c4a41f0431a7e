//! Boxes of a detector become masks: COCO results in, COCO annotations with run lengths out.
//!
//! `cargo run -p sam2 --example detector_boxes [PHOTO DETECTIONS.json]`; the JSON is a list of objects with
//! `bbox` (`[x, y, width, height]`), `category_id` and `score`. Without arguments the bundled picture and two
//! boxes.

use std::env::args;
use std::error::Error;
use std::path::Path;

use sam2::image::ImagePrompt;
use sam2::media::frames::{Clip, photo};
use sam2::{ImagePredictor, embedded};
use serde_json::{Value, json};

const DETECTIONS: &str = r#"[
    {"bbox": [77, 56, 85, 69], "category_id": 3, "score": 0.94},
    {"bbox": [177, 64, 40, 40], "category_id": 1, "score": 0.61}
]"#;

fn main() -> Result<(), Box<dyn Error>> {
    let (picture, detections) = match args().skip(1).collect::<Vec<_>>().as_slice() {
        [picture, boxes] => (photo::read(Path::new(picture))?, std::fs::read_to_string(boxes)?),
        [] => {
            let clip = Clip::embedded(embedded::DEMO_CLIP)?;
            (clip.frames_from(0)?.next().ok_or("the clip is empty")??.1, DETECTIONS.to_owned())
        }
        _ => return Err("give PHOTO DETECTIONS.json, or nothing".into()),
    };
    let detections: Vec<Value> = serde_json::from_str(&detections)?;
    let mut boxes = Vec::new();
    for detection in &detections {
        let [x, y, w, h]: [f32; 4] = serde_json::from_value(detection["bbox"].clone())?;
        boxes.push([x, y, x + w, y + h]);
    }
    let mut predictor = ImagePredictor::new(embedded::model());
    predictor.set_image(&picture);
    // All boxes at once, in parallel; a box has one mask.
    let predictions = predictor.predict_batch(&ImagePrompt::boxes(&boxes))?;
    let annotation = |(id, prediction): (usize, &sam2::image::Prediction)| {
        let rle = prediction.mask(0).rle();
        let bbox = rle.bbox_xyxy().map(|[x0, y0, x1, y1]| [x0, y0, x1 - x0 + 1, y1 - y0 + 1]);
        json!({
            "id": id + 1, "image_id": 1, "iscrowd": 0, "area": rle.area(), "bbox": bbox,
            "category_id": detections[id]["category_id"], "score": detections[id]["score"],
            "segmentation": {"size": [rle.height(), rle.width()], "counts": rle.to_coco_string()},
        })
    };
    let annotations: Vec<Value> = predictions.iter().enumerate().map(annotation).collect();
    println!("{}", serde_json::to_string_pretty(&annotations)?);
    Ok(())
}
