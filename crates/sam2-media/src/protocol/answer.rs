//! The answers of `sam2 stream` and the lines of `tracks.jsonl`.

use sam2_model::Mask;
use sam2_model::video::{ObjectEvent, ObjectOutput};
use serde::Serialize;

/// One line of `tracks.jsonl`.
#[derive(Serialize)]
pub struct TrackLine {
    /// Index of the frame.
    pub frame: usize,
    /// The object.
    #[serde(flatten)]
    pub object: ObjectLine,
}

/// What is said of an object on a frame.
#[derive(Serialize)]
pub struct ObjectLine {
    obj_id: u32,
    object_score: f32,
    predicted_iou: f32,
    stability_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    area: usize,
    bbox_xyxy: Option<[usize; 4]>,
}

impl ObjectLine {
    /// Of `object`, whose mask is `mask`.
    pub fn new(object: &ObjectOutput, mask: &Mask) -> Self {
        Self {
            obj_id: object.obj_id,
            object_score: object.object_score,
            predicted_iou: object.predicted_iou,
            stability_score: object.stability_score,
            event: object.event.map(ObjectEvent::name),
            area: mask.area(),
            bbox_xyxy: mask.bbox_xyxy(),
        }
    }
}
