//! Requests and answers as JSON. A request with an unknown field is refused.

use sam2_media::protocol::CocoRle;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize)]
pub struct MediaEntry {
    pub id: String,
    pub name: String,
    pub kind: &'static str,
    pub width: u32,
    pub height: u32,
    pub frames: usize,
    /// Frames a second, if the file says.
    pub fps: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encode {
    pub frame: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predict {
    pub frame: usize,
    pub objects: Vec<PredictObject>,
    #[serde(default)]
    pub multimask: bool,
    #[serde(default)]
    pub seq: u64,
    #[serde(default)]
    pub preview: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictObject {
    pub obj_id: u32,
    #[serde(default)]
    pub points: Vec<[f32; 2]>,
    #[serde(default)]
    pub labels: Vec<i32>,
    #[serde(default, rename = "box")]
    pub bbox: Option<[f32; 4]>,
}

#[derive(Debug, Serialize)]
pub struct Predicted {
    pub seq: u64,
    pub objects: Vec<PredictedObject>,
    pub ms: f64,
}

#[derive(Debug, Serialize)]
pub struct PredictedObject {
    pub obj_id: u32,
    pub candidates: Vec<Candidate>,
    pub best: usize,
    pub object_score: f32,
}

#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    pub rle: CocoRle,
    pub predicted_iou: f32,
    pub stability: f32,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// In place of the prompt that the object has on the frame.
    Set,
    /// Further points.
    More,
    /// A given mask.
    Mask,
    /// No prompt any more.
    Clear,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptRequest {
    pub frame: usize,
    pub obj_id: u32,
    pub op: Op,
    #[serde(default)]
    pub points: Vec<[f32; 2]>,
    #[serde(default)]
    pub labels: Vec<i32>,
    #[serde(default, rename = "box")]
    pub bbox: Option<[f32; 4]>,
    #[serde(default)]
    pub rle: Option<CocoRle>,
    /// Which of the three masks of a single click was chosen.
    #[serde(default)]
    pub candidate: Option<usize>,
}

#[derive(Debug, Serialize)]
pub struct PromptAnswer {
    pub frame: usize,
    pub objects: Vec<FrameObject>,
    /// Whether the mask is the image predictor's, and that of tracking follows as an event.
    pub preview: bool,
}

/// An object on a frame.
#[derive(Clone, Debug, Serialize)]
pub struct FrameObject {
    pub obj_id: u32,
    pub rle: CocoRle,
    pub predicted_iou: f32,
    pub stability: f32,
    pub object_score: f32,
    /// `prompted`, `tracked` or `lost`.
    pub state: &'static str,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectRequest {
    pub name: String,
    pub color: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum TrackDirection {
    #[default]
    Forward,
    Reverse,
    Both,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackRequest {
    /// The first frame of the pass; the first prompted one if absent.
    #[serde(default)]
    pub start: Option<usize>,
    /// The last frame of the pass, in its direction.
    #[serde(default)]
    pub end: Option<usize>,
    #[serde(default)]
    pub direction: TrackDirection,
    /// Memory policy.
    #[serde(default)]
    pub memory: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    pub from: Option<usize>,
    pub to: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    pub name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Id {
    pub id: String,
}
