//! The prompts of a picture or clip, as the file that `sam2 track --prompts` reads.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::IntoResponse;
use sam2_media::prompts::{BoxPrompt, Click as Point, Convention, Prompt, Prompts, Target, jsonl};
use serde_json::json;
use tokio::sync::oneshot;

use super::answer::{json, query, read, wait};
use crate::app::App;
use crate::error::{Answer, ApiError};
use crate::jobs::{Click, Task};
use crate::limits;
use crate::media::Media;
use crate::queue::Urgency;
use crate::wire::{Id, Op, PromptAnswer, PromptRequest};

const NOTE: HeaderName = HeaderName::from_static("x-sam2-note");

pub async fn get(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let Id { id } = query(&uri)?;
    let media = app.library.get(&id)?;
    let (mut text, mut left_out) = (String::new(), 0);
    for ((frame, obj_id), prompt) in media.state().prompts() {
        if prompt.points.is_empty() && prompt.bbox.is_none() {
            left_out += 1;
            continue;
        }
        let mut line = json!({ "frame": frame, "obj_id": obj_id });
        if !prompt.points.is_empty() {
            line["points"] = json!(prompt.points);
            line["labels"] = json!(prompt.labels);
        }
        if let Some(corners) = prompt.bbox {
            line["box"] = json!(corners);
        }
        text += &format!("{line}\n");
    }
    // A given mask would be a file of its own.
    let note = format!("{left_out} given masks are left out");
    let mut response = ([(CONTENT_TYPE, "application/jsonl; charset=utf-8")], text).into_response();
    if left_out > 0
        && let Ok(note) = note.parse()
    {
        response.headers_mut().insert(NOTE, note);
    }
    Ok(response)
}

pub async fn put(State(app): State<Arc<App>>, uri: Uri, content: Body) -> Answer {
    let Id { id } = query(&uri)?;
    let media = app.library.get(&id)?;
    let bytes = read(content, limits::JSON).await?;
    let text = String::from_utf8(bytes).map_err(|_| ApiError::bad("bad_prompt", "the file is not UTF-8"))?;
    if app.is_tracking() {
        return Err(ApiError::conflict("tracking", "a clip is being tracked: stop that first"));
    }
    let requests = requests(&text, &media)?;
    // What is there and not in the file goes, object by object.
    let old: Vec<(usize, u32)> = media.state().prompts().keys().copied().collect();
    for (frame, obj_id) in old {
        if !requests.iter().any(|request| (request.frame, request.obj_id) == (frame, obj_id)) {
            apply(&app, &media, request(frame, obj_id, Op::Clear)).await?;
        }
    }
    let count = requests.len();
    for request in requests {
        apply(&app, &media, request).await?;
    }
    json(&json!({ "prompts": count }))
}

async fn apply(app: &App, media: &Arc<Media>, request: PromptRequest) -> Result<PromptAnswer, ApiError> {
    let (reply, answer) = oneshot::channel();
    let media = Arc::clone(media);
    if media.is_clip() {
        app.tasks.push(Urgency::Now, Task::Prompt { media, request, chosen: None, reply })?;
    } else {
        app.clicks.push(Urgency::Now, Click::Prompt { media, request, reply })?;
    }
    wait(answer).await
}

fn request(frame: usize, obj_id: u32, op: Op) -> PromptRequest {
    let (points, labels) = (Vec::new(), Vec::new());
    PromptRequest { frame, obj_id, op, points, labels, bbox: None, rle: None, candidate: None }
}

/// The lines of the file, checked as at the command line.
fn requests(text: &str, media: &Media) -> Result<Vec<PromptRequest>, ApiError> {
    let lines = jsonl::parse(text, "the file", Path::new(""), Err).map_err(|e| bad(&e))?;
    // The name of a file on this machine, which no page may open.
    if lines.iter().any(|line| line.mask().is_some()) {
        return Err(ApiError::bad("bad_prompt", "a mask of a file cannot be opened by the page"));
    }
    let target = Target {
        clip: Path::new(&media.name),
        num_frames: media.frames,
        size: media.size,
        convention: Convention::default(),
        ids: 1..=limits::OBJECTS,
    };
    let prompts = Prompts::gather(lines, &target, Err).map_err(|e| bad(&e))?;
    let mut requests = Vec::new();
    for (frame, _) in prompts.frames() {
        for (obj_id, prompt) in prompts.on(frame) {
            let Prompt::Points { clicks, bbox } = prompt else { continue };
            let mut request = request(frame, obj_id, Op::Set);
            request.points = clicks.iter().map(|&Point { x, y, .. }| [x, y]).collect();
            request.labels = clicks.iter().map(|click| click.label).collect();
            request.bbox = bbox.map(|BoxPrompt(corners)| corners);
            requests.push(request);
        }
    }
    if requests.iter().map(|request| request.points.len()).max() > Some(limits::POINTS) {
        return Err(ApiError::bad("bad_prompt", format!("a prompt has at most {} points", limits::POINTS)));
    }
    Ok(requests)
}

fn bad(error: &sam2_media::MediaError) -> ApiError {
    ApiError::prompt(error)
}
