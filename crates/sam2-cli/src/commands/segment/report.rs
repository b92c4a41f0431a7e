//! The scores of the masks, as JSON and as text.

use std::path::Path;
use std::time::Duration;

use sam2_media::protocol::CocoRle;
use serde::Serialize;

use super::answer::Answer;

/// The output of `--json`.
#[derive(Serialize)]
pub struct Report {
    #[serde(flatten)]
    found: Found,
    pub timing_ms: Timing,
}

/// One object, or one per box.
#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    One(Object),
    Several { objects: Vec<Object> },
}

#[derive(Serialize)]
struct Object {
    #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
    bbox: Option<[f32; 4]>,
    masks: Vec<MaskReport>,
    best: usize,
    object_score: f32,
}

#[derive(Serialize)]
struct MaskReport {
    predicted_iou: f32,
    area: usize,
    bbox_xyxy: Option<[usize; 4]>,
    stability_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rle: Option<CocoRle>,
}

/// Milliseconds.
#[derive(Serialize)]
pub struct Timing {
    pub load: f64,
    /// Encoding the photo, or reading its embeddings.
    pub encode: f64,
    pub decode: f64,
    /// `saved` or `loaded`, if a file of embeddings was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<&'static str>,
}

impl Timing {
    pub fn new([load, encode, decode]: [Duration; 3], embeddings: Option<&'static str>) -> Self {
        let ms = |d: Duration| (d.as_secs_f64() * 1e6).round() / 1e3;
        Self { load: ms(load), encode: ms(encode), decode: ms(decode), embeddings }
    }

    /// As text.
    pub fn describe(&self) -> String {
        let embeddings = self.embeddings.map(|what| format!(" (embeddings {what})")).unwrap_or_default();
        let Self { load, encode, decode, .. } = self;
        format!("load {load:.0} ms, encode {encode:.0} ms{embeddings}, decode {decode:.0} ms")
    }
}

impl Report {
    /// `several`: whether there is one result per box; `rle`: whether results have their masks.
    pub fn new(answers: &[Answer], several: bool, rle: bool, timing_ms: Timing) -> Self {
        let mut objects: Vec<Object> = answers.iter().map(|answer| object(answer, several, rle)).collect();
        let found = match (several, objects.pop()) {
            (false, Some(one)) => Found::One(one),
            (_, last) => {
                objects.extend(last);
                Found::Several { objects }
            }
        };
        Self { found, timing_ms }
    }

    /// A line per mask; `file` gives the file of the best mask of an object.
    pub fn describe(
        &self,
        (width, height): (u32, u32),
        file: impl Fn(usize) -> Option<String>,
    ) -> Vec<String> {
        let pixels = f64::from(width) * f64::from(height);
        let (objects, several) = match &self.found {
            Found::One(object) => (std::slice::from_ref(object), false),
            Found::Several { objects } => (objects.as_slice(), true),
        };
        let mut lines = Vec::new();
        for (i, object) in objects.iter().enumerate() {
            for (k, mask) in object.masks.iter().enumerate() {
                let of = if several { format!("box {i}, ") } else { String::new() };
                let mut line = format!("{of}{}", mask.describe(k, pixels));
                if k == object.best {
                    if object.masks.len() > 1 {
                        line += " (best)";
                    }
                    line += &file(i).map(|file| format!(" -> {file}")).unwrap_or_default();
                }
                lines.push(line);
            }
        }
        lines
    }
}

impl MaskReport {
    fn describe(&self, k: usize, pixels: f64) -> String {
        let bbox = match self.bbox_xyxy {
            Some([x0, y0, x1, y1]) => format!("box {x0},{y0},{x1},{y1}"),
            None => "empty".to_owned(),
        };
        format!(
            "mask {k}: predicted IoU {:.3}, stability {:.3}, {} pixels ({:.1} %), {bbox}",
            self.predicted_iou,
            self.stability_score,
            self.area,
            100.0 * self.area as f64 / pixels
        )
    }
}

fn object(answer: &Answer, with_box: bool, rle: bool) -> Object {
    let prediction = &answer.prediction;
    let masks = answer.masks.iter().zip(prediction.ious()).enumerate();
    Object {
        bbox: answer.bbox.filter(|_| with_box).map(|bbox| bbox.0),
        masks: masks
            .map(|(k, (mask, &predicted_iou))| MaskReport {
                predicted_iou,
                area: mask.area(),
                bbox_xyxy: mask.bbox_xyxy(),
                stability_score: prediction.stability_score(k),
                rle: rle.then(|| CocoRle::from(&mask.rle())),
            })
            .collect(),
        best: prediction.best(),
        object_score: prediction.object_score(),
    }
}

/// The path of a file as text.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}
