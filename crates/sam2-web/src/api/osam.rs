//! The request of osam's clients: a picture and points in, a mask out. Nothing is kept.

use std::fs;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::{BASE64_STANDARD, Engine};
use sam2_media::frames::photo;
use sam2_media::pictures::png;
use sam2_model::{Frame, Points};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;

use super::answer::{json, read, wait};
use crate::app::App;
use crate::error::{Answer, ApiError};
use crate::guard::random;
use crate::jobs::{Click, Read};
use crate::limits;
use crate::queue::Urgency;

/// The request; fields that mean nothing here are left alone, as osam does.
#[derive(Debug, Deserialize)]
struct Generate {
    model: String,
    image: Option<String>,
    prompt: Option<Prompt>,
}

#[derive(Debug, Deserialize)]
struct Prompt {
    points: Option<Vec<[f32; 2]>>,
    point_labels: Option<Vec<i32>>,
}

pub async fn generate(State(app): State<Arc<App>>, content: Body) -> Answer {
    if !app.settings.osam {
        return Err(ApiError::not_found("such address: start sam2 serve with --osam"));
    }
    let bytes = read(content, limits::PICTURE).await?;
    let request: Generate =
        serde_json::from_slice(&bytes).map_err(|e| ApiError::bad("bad_json", e.to_string()))?;
    drop(bytes);
    let refuse = |text: &str| ApiError::bad("bad_prompt", text);
    let image = request.image.ok_or_else(|| refuse("the request has no image; embeddings are not taken"))?;
    let image = decode(&image).ok_or_else(|| refuse("the image is not base64"))?;
    let prompt = request.prompt.ok_or_else(|| refuse("the request has no prompt"))?;
    let points = prompt.points.ok_or_else(|| refuse("the prompt has no points; texts are not understood"))?;
    let labels = prompt.point_labels.unwrap_or_else(|| vec![1; points.len()]);
    if points.is_empty() || points.len() > limits::POINTS {
        return Err(refuse(&format!("a prompt has 1 to {} points", limits::POINTS)));
    }
    let points = Points::labelled(&points, &labels).map_err(|e| ApiError::prompt(&e))?;
    let picture = picture(&app, image).await?;
    let (reply, answer) = oneshot::channel();
    app.clicks.push(Urgency::Now, Click::Once { picture, points, reply })?;
    let (mask, score) = wait(answer).await?;
    let annotations = match mask.bbox_xyxy() {
        None => json!([]),
        Some([x0, y0, x1, y1]) => {
            let rows = mask.data().chunks_exact(mask.width()).skip(y0).take(y1 - y0 + 1);
            let inside: Vec<bool> = rows.flat_map(|row| row[x0..=x1].iter().copied()).collect();
            let picture = png::encode_mask(((x1 - x0 + 1) as u32, (y1 - y0 + 1) as u32), &inside);
            json!([{
                "bounding_box": { "xmin": x0, "ymin": y0, "xmax": x1, "ymax": y1 },
                "text": null, "score": score, "mask": BASE64_STANDARD.encode(&picture),
            }])
        }
    };
    json(&json!({ "model": request.model, "image_embedding": null, "annotations": annotations }))
}

/// Decodes the picture on the thread for files.
async fn picture(app: &Arc<App>, bytes: Vec<u8>) -> Result<Frame, ApiError> {
    let word = random().map_err(|e| ApiError::internal(e.to_string()))?;
    let path = app.settings.folder.join(word);
    let (reply, answer) = oneshot::channel();
    let work = Box::new(move || {
        let read = fs::write(&path, bytes)
            .map_err(|e| ApiError::internal(format!("cannot keep the picture: {e}")))
            .and_then(|()| {
                let refused =
                    |_| ApiError::bad("bad_media", "the image is no picture, or is damaged or too large");
                photo::read(&path).map_err(refused)
            });
        let _ = fs::remove_file(&path);
        drop(reply.send(read));
    });
    app.reads.push(Urgency::Now, Read::Work { work })?;
    wait(answer).await
}

/// The bytes of base64 text, whose padding may be missing; `None` if it is something else.
fn decode(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet::STANDARD, config).decode(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_may_be_missing() {
        for text in ["Zm8=", "Zm8", " Zm8=\n"] {
            assert_eq!(decode(text).as_deref(), Some(&b"fo"[..]), "{text}");
        }
        for text in ["Z", "Zm9v!", "Zm 9v", "Zm9=v"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
