//! Prompts that are kept, and tracking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Uri;
use sam2_media::error::printable;
use serde_json::json;
use tokio::sync::oneshot;

use super::answer::{accepted, body, done, json, number, query, timed, wait};
use crate::app::App;
use crate::error::{Answer, ApiError};
use crate::jobs::{Click, Job, Pass, Task};
use crate::limits;
use crate::queue::Urgency;
use crate::state::{Object, Prompt, check_object, read_rle};
use crate::wire::{ObjectRequest, Op, PromptRequest, Range, TrackDirection, TrackRequest};

pub async fn prompts(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let media = app.library.get(&id)?;
    let state = media.state();
    let objects = state.objects().iter();
    let objects =
        objects.map(|(id, object)| json!({ "obj_id": id, "name": object.name, "color": object.color }));
    let prompts = state.prompts().iter().map(|((frame, obj_id), prompt)| {
        json!({
            "frame": frame, "obj_id": obj_id, "points": prompt.points, "labels": prompt.labels,
            "box": prompt.bbox, "candidate": prompt.candidate,
            "mask": prompt.rle.is_some() && prompt.candidate.is_none(),
        })
    });
    let (objects, prompts): (Vec<_>, Vec<_>) = (objects.collect(), prompts.collect());
    json(&json!({ "objects": objects, "prompts": prompts }))
}

/// Refuses what does not fit the operation or the picture.
fn check(request: &PromptRequest, size: (u32, u32), name: &str) -> Result<(), ApiError> {
    let PromptRequest { op, points, labels, bbox, rle, candidate, .. } = request;
    let refuse = |text: &str| Err(ApiError::bad("bad_prompt", text));
    let has_points = !points.is_empty() || !labels.is_empty() || bbox.is_some();
    match op {
        Op::Clear if has_points || rle.is_some() || candidate.is_some() => {
            return refuse("\"op\":\"clear\" has no points, box or mask");
        }
        Op::Clear => return Ok(()),
        Op::Mask if has_points || candidate.is_some() => {
            return refuse("\"op\":\"mask\" has an rle and no points or box");
        }
        Op::Mask => {
            let Some(rle) = rle else { return refuse("\"op\":\"mask\" needs an rle") };
            return read_rle(rle, size).map(drop);
        }
        Op::Set | Op::More if rle.is_some() => return refuse("an rle goes with \"op\":\"mask\""),
        Op::More if bbox.is_some() => return refuse("a box comes first: send it with \"op\":\"set\""),
        Op::More if candidate.is_some() => return refuse("there is one candidate for several points"),
        Op::Set | Op::More => {}
    }
    if candidate.is_some_and(|k| k > 2 || points.len() != 1 || bbox.is_some()) {
        return refuse("candidates are 0, 1 and 2, of a single click");
    }
    let (points, labels) = (points.clone(), labels.clone());
    Prompt { points, labels, bbox: *bbox, ..Prompt::default() }.check(size, name)
}

pub async fn prompt(State(app): State<Arc<App>>, Path(id): Path<String>, content: Body) -> Answer {
    let start = Instant::now();
    let media = app.library.get(&id)?;
    let request: PromptRequest = body(content).await?;
    media.check_frame(request.frame)?;
    check_object(request.obj_id)?;
    check(&request, media.size, &media.name)?;
    if request.op == Op::More {
        // The sum of all is bounded too.
        let state = media.state();
        let known = state.prompts().get(&(request.frame, request.obj_id)).map_or(0, |p| p.points.len());
        if known + request.points.len() > limits::POINTS {
            let text = format!("a prompt has at most {} points", limits::POINTS);
            return Err(ApiError::bad("bad_prompt", text));
        }
    }
    let (reply, answer) = oneshot::channel();
    if !media.is_clip() || app.is_tracking() {
        app.clicks.push(Urgency::Now, Click::Prompt { media, request, reply })?;
    } else {
        let chosen = match request.candidate {
            None => None,
            Some(choice) => {
                let (points, labels) = (request.points.clone(), request.labels.clone());
                let prompt = Prompt { points, labels, ..Prompt::default() };
                let (reply, mask) = oneshot::channel();
                let (media, frame) = (Arc::clone(&media), request.frame);
                app.clicks.push(Urgency::Now, Click::Choose { media, frame, prompt, choice, reply })?;
                Some(wait(mask).await?)
            }
        };
        app.tasks.push(Urgency::Now, Task::Prompt { media, request, chosen, reply })?;
    }
    timed(start, &wait(answer).await?)
}

pub async fn name(
    State(app): State<Arc<App>>,
    Path((id, obj)): Path<(String, String)>,
    content: Body,
) -> Answer {
    let media = app.library.get(&id)?;
    let obj_id: u32 = number(&obj, "object")?;
    check_object(obj_id)?;
    let ObjectRequest { name, color } = body(content).await?;
    let hex = color.strip_prefix('#').filter(|hex| hex.len() == 6);
    if hex.is_none_or(|hex| !hex.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(ApiError::bad("bad_color", "a colour is # and six digits of base 16"));
    }
    if name.len() > limits::NAME || name != printable(&name) {
        let text = format!("a name has at most {} bytes, without control characters", limits::NAME);
        return Err(ApiError::bad("bad_name", text));
    }
    let object = Object { name, color };
    let mut state = media.state();
    app.session.object(&media.key, obj_id, object.clone())?;
    state.set_object(obj_id, object.clone());
    app.hub.send("saved", &json!({ "clip": media.id }));
    json(&json!({ "obj_id": obj_id, "name": object.name, "color": object.color }))
}

pub async fn remove(State(app): State<Arc<App>>, Path((id, obj)): Path<(String, String)>) -> Answer {
    let media = app.library.get(&id)?;
    let obj_id: u32 = number(&obj, "object")?;
    if !media.state().objects().contains_key(&obj_id) {
        return Err(ApiError::not_found(&format!("object {obj_id}")));
    }
    if media.is_clip() {
        app.tasks.push(Urgency::Now, Task::Remove { media: Arc::clone(&media), obj_id })?;
    }
    let mut state = media.state();
    app.session.remove(&media.key, obj_id)?;
    let frames = state.remove_object(obj_id);
    app.hub.send("saved", &json!({ "clip": media.id }));
    json(&json!({ "frames": frames }))
}

pub async fn track(State(app): State<Arc<App>>, Path(id): Path<String>, content: Body) -> Answer {
    let media = app.library.get(&id)?;
    if !media.is_clip() {
        return Err(ApiError::bad("not_a_clip", format!("{} is a picture", media.name)));
    }
    let TrackRequest { start, end, direction, memory } = body(content).await?;
    start.iter().chain(&end).try_for_each(|&frame| media.check_frame(frame))?;
    let first = media.state().prompts().keys().next().map(|(frame, _)| *frame);
    let nothing = "nothing is prompted in this clip: click on an object";
    let first = first.ok_or_else(|| ApiError::conflict("no_prompt", nothing))?;
    let begin = start.unwrap_or(first);
    let wrong = match direction {
        TrackDirection::Reverse => end.is_some_and(|end| end > begin),
        TrackDirection::Forward | TrackDirection::Both => end.is_some_and(|end| end < begin),
    };
    if wrong {
        return Err(ApiError::bad("bad_range", "the end lies before the start of the pass"));
    }
    if direction == TrackDirection::Reverse && begin == 0 {
        return Err(ApiError::bad("bad_range", "nothing lies before frame 0"));
    }
    let policy = memory.map(|name| name.parse()).transpose();
    let policy = policy.map_err(|e| ApiError::bad("bad_memory", format!("memory: {e}")))?;
    let job = {
        let mut running = app.job();
        if running.is_some() {
            return Err(ApiError::conflict("tracking", "a clip is being tracked: stop that first"));
        }
        let id = app.jobs.fetch_add(1, Ordering::Relaxed) + 1;
        let job = Arc::new(Job { id, clip: media.id.clone(), stop: AtomicBool::new(false) });
        let pass = Pass { start, end, direction, policy };
        app.tasks.push(Urgency::Later, Task::Track { media, job: Arc::clone(&job), pass })?;
        *running = Some(Arc::clone(&job));
        job
    };
    accepted(&json!({ "job": job.id }))
}

pub async fn stop(State(app): State<Arc<App>>, Path(job): Path<String>) -> Answer {
    let id: u64 = number(&job, "job")?;
    match app.job().as_ref().filter(|job| job.id == id) {
        Some(job) => job.stop.store(true, Ordering::Relaxed),
        None => return Err(ApiError::not_found(&format!("job {id} in work"))),
    }
    done()
}

pub async fn masks(State(app): State<Arc<App>>, Path(id): Path<String>, uri: Uri) -> Answer {
    let start = Instant::now();
    let media = app.library.get(&id)?;
    let Range { from, to } = query(&uri)?;
    let (from, to) = (from.unwrap_or(0), to.unwrap_or(usize::MAX));
    let state = media.state();
    let frames = state.frames().filter(|frame| (from..=to).contains(frame));
    let frames: Vec<_> = frames.map(|frame| json!({ "frame": frame, "objects": state.on(frame) })).collect();
    timed(start, &json!({ "frames": frames }))
}
