//! Masks that are not kept.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::json;
use tokio::sync::oneshot;

use super::answer::{accepted, body, timed, wait};
use crate::app::App;
use crate::error::{Answer, ApiError};
use crate::jobs::{Click, stale};
use crate::limits;
use crate::queue::Urgency;
use crate::state::{Prompt, check_object};
use crate::wire::{Encode, Predict};

/// The header by which the tabs of a browser are told apart.
const CLIENT: &str = "x-sam2-client";

pub async fn encode(State(app): State<Arc<App>>, Path(id): Path<String>, content: Body) -> Answer {
    let media = app.library.get(&id)?;
    let Encode { frame } = body(content).await?;
    media.check_frame(frame)?;
    let waiting =
        |job: &Click| matches!(job, Click::Encode { media, frame: at } if media.id == id && *at == frame);
    if !app.clicks.any(waiting) {
        app.clicks.push(Urgency::Later, Click::Encode { media, frame })?;
    }
    accepted(&json!({}))
}

pub async fn predict(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    content: Body,
) -> Answer {
    let start = Instant::now();
    let media = app.library.get(&id)?;
    let request: Predict = body(content).await?;
    media.check_frame(request.frame)?;
    if request.objects.is_empty() || request.objects.len() > limits::OBJECTS as usize {
        return Err(ApiError::bad(
            "bad_prompt",
            format!("a request is about 1 to {} objects", limits::OBJECTS),
        ));
    }
    let points: usize = request.objects.iter().map(|object| object.points.len()).sum();
    if points > limits::POINTS {
        return Err(ApiError::bad("bad_prompt", format!("a request has at most {} points", limits::POINTS)));
    }
    for object in &request.objects {
        check_object(object.obj_id)?;
        let (points, labels) = (object.points.clone(), object.labels.clone());
        let prompt = Prompt { points, labels, bbox: object.bbox, ..Prompt::default() };
        prompt.check(media.size, &media.name)?;
    }
    let client = headers.get(CLIENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let client: String = client.chars().take(64).collect();
    if request.preview {
        let of = |job: &Click| job.preview_of(&client);
        if app.clicks.any(|job| of(job).is_some_and(|seq| seq > request.seq)) {
            return Err(stale());
        }
        for older in app.clicks.take(|job| of(job).is_some_and(|seq| seq <= request.seq)) {
            if let Click::Predict { reply, .. } = older {
                drop(reply.send(Err(stale())));
            }
        }
    }
    let (reply, answer) = oneshot::channel();
    app.clicks.push(Urgency::Now, Click::Predict { media, client, request, reply })?;
    timed(start, &wait(answer).await?)
}
