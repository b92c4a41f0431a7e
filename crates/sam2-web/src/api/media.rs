//! Pictures and clips.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use sam2_media::error::printable;
use serde_json::json;
use tokio::sync::oneshot;

use super::answer::{TIMING, done, json, next, number, query, timed, wait};
use crate::app::App;
use crate::error::{Answer, ApiError};
use crate::export::FORMATS;
use crate::guard::random;
use crate::jobs::{Read, Task};
use crate::limits;
use crate::queue::Urgency;
use crate::wire::{MediaEntry, Name};

pub async fn info(State(app): State<Arc<App>>) -> Answer {
    let settings = &app.settings;
    json(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "model": settings.model_name,
        "input_size": app.model.config().image_size,
        "threads": settings.threads,
        "embedded": settings.embedded,
        "limits": {
            "max_upload": settings.max_upload, "objects": limits::OBJECTS, "points": limits::POINTS
        },
        "formats": FORMATS,
        "allow_write": settings.allow_write.is_some(),
    }))
}

pub async fn list(State(app): State<Arc<App>>) -> Answer {
    json(&app.library.all().iter().map(|media| media.entry()).collect::<Vec<MediaEntry>>())
}

pub async fn frame(State(app): State<Arc<App>>, Path((id, frame)): Path<(String, String)>) -> Answer {
    let start = Instant::now();
    let media = app.library.get(&id)?;
    let frame: usize = number(&frame, "frame")?;
    media.check_frame(frame)?;
    let jpeg = match app.frames.known_jpeg(&media, frame) {
        Some(jpeg) => jpeg,
        None => {
            let (reply, answer) = oneshot::channel();
            app.reads.push(Urgency::Now, Read::Frame { media, frame, reply })?;
            wait(answer).await?
        }
    };
    let time = format!("engine;dur={:.2}", start.elapsed().as_secs_f64() * 1e3);
    let headers = [
        (CONTENT_TYPE, "image/jpeg"),
        (CACHE_CONTROL, "private, max-age=31536000, immutable"),
        (TIMING, time.as_str()),
    ];
    Ok((headers, jpeg).into_response())
}

pub async fn remove(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    if app.job().as_ref().is_some_and(|job| job.clip == id) {
        return Err(ApiError::conflict("tracking", "the clip is being tracked: stop that first"));
    }
    app.library.remove(&id)?;
    app.frames.forget(&id);
    app.tasks.push(Urgency::Now, Task::Forget { id })?;
    done()
}

/// Room for uploads that was set aside for one.
struct Room<'a>(&'a App, u64);

impl<'a> Room<'a> {
    fn reserve(app: &'a App, bytes: u64) -> Result<Self, ApiError> {
        let taken = app.library.uploaded() + app.uploading.load(Ordering::Relaxed);
        let most = app.settings.max_upload;
        if bytes > most.saturating_sub(taken) {
            let text = format!("{bytes} bytes: all uploads together may have {most} (--max-upload)");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text));
        }
        app.uploading.fetch_add(bytes, Ordering::Relaxed);
        Ok(Self(app, bytes))
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.uploading.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// A file that is removed unless it was kept.
struct Upload(Option<PathBuf>);

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

pub async fn upload(State(app): State<Arc<App>>, uri: Uri, headers: HeaderMap, mut body: Body) -> Answer {
    let start = Instant::now();
    let Name { name } = query(&uri)?;
    let name = file_name(&name)?;
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let length = length.ok_or_else(|| {
        let text = "an upload needs the header Content-Length";
        ApiError::new(StatusCode::LENGTH_REQUIRED, "no_length", text)
    })?;
    let room = Room::reserve(&app, length)?;
    let failed = |e: std::io::Error| ApiError::internal(format!("cannot keep the upload: {e}"));
    let word = random().map_err(|e| ApiError::internal(e.to_string()))?;
    let path = app.settings.folder.join(format!("{word}.{}", extension(&name)));
    let mut file: File = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
    let mut kept = Upload(Some(path.clone()));
    while let Some(part) = next(&mut body).await? {
        file.write_all(&part).map_err(failed)?;
    }
    drop(file);
    let (reply, answer) = oneshot::channel();
    app.reads.push(Urgency::Now, Read::Open { path, name, bytes: length, reply })?;
    // From here on the thread that opens it answers for it.
    kept.0 = None;
    let media = wait(answer).await.map_err(|e| ApiError { message: without(&e.message, &word), ..e })?;
    drop(room);
    timed(start, &media.entry())
}

/// A message without the folder and the name that an upload has on the disk.
fn without(message: &str, word: &str) -> String {
    let words = message.split(' ').map(|part| if part.contains(word) { "the upload" } else { part });
    words.collect::<Vec<_>>().join(" ")
}

/// The last part of a path, as it is shown.
fn file_name(name: &str) -> Result<String, ApiError> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown = printable(last.trim()).into_owned();
    if shown.is_empty() || shown.len() > limits::NAME {
        let text = format!("a name of a file has 1 to {} bytes", limits::NAME);
        return Err(ApiError::bad("bad_name", text));
    }
    Ok(shown)
}

/// The extension, if it is one, else none that means anything.
fn extension(name: &str) -> String {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let plain = !extension.is_empty()
        && extension.len() <= 8
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { extension.to_ascii_lowercase() } else { "bin".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        for (name, shown) in [
            ("clip.mp4", "clip.mp4"),
            ("../../etc/passwd", "passwd"),
            ("C:\\clips\\a.gif", "a.gif"),
            ("Käfer 1.jpg", "Käfer 1.jpg"),
        ] {
            assert_eq!(file_name(name).expect(name), shown);
        }
        for name in ["", "a/", "..\\", &"x".repeat(201)] {
            assert_eq!(file_name(name).expect_err(name).code, "bad_name");
        }
        assert_eq!(
            [extension("a.JPG"), extension("a"), extension("a.b/c"), extension("a.")],
            ["jpg", "bin", "bin", "bin"]
        );
        assert_eq!(without("cannot read /tmp/x/abc.png: no", "abc"), "cannot read the upload no");
    }
}
