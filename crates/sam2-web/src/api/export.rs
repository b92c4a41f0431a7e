//! Exports: a file to download, or files in the folder of `--allow-write`.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::answer::{body, json, wait};
use crate::app::App;
use crate::error::{Answer, ApiError};
use crate::events::Parts;
use crate::export::{Export, ExportRequest, Exported, send};
use crate::guard::random;
use crate::limits;

/// Remarks about what a format could not hold.
const NOTE: HeaderName = HeaderName::from_static("x-sam2-note");

/// The one export in work.
struct Turn(Arc<App>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.exporting.store(false, Ordering::Release);
    }
}

pub async fn export(State(app): State<Arc<App>>, content: Body) -> Answer {
    let ExportRequest { ids, format, options } = body(content).await?;
    if ids.is_empty() || ids.len() > limits::MEDIA {
        return Err(ApiError::bad("bad_export", "ids names what is to be exported"));
    }
    let mut media = Vec::new();
    for id in &ids {
        media.push(app.library.get(id)?);
    }
    let allowed = app.settings.allow_write.clone();
    if options.write && allowed.is_none() {
        let text = "the server was started without --allow-write DIR: export without \"write\"";
        return Err(ApiError::bad("bad_option", text));
    }
    let into = allowed.filter(|_| options.write);
    let export = Export::new(media, &format, options)?;
    if app.exporting.swap(true, Ordering::Acquire) {
        return Err(ApiError::conflict("exporting", "another export is in work: wait for it"));
    }
    let turn = Turn(Arc::clone(&app));
    let word = random().map_err(|e| ApiError::internal(e.to_string()))?;
    let (reply, answer) = oneshot::channel();
    let (parts, stream) = mpsc::channel::<Bytes>(4);
    // Pictures may take long to draw, and a client to fetch them.
    let (folder, embedded) = (app.settings.folder.join(format!("export-{word}")), app.settings.embedded_clip);
    let work = move || {
        let done = match &into {
            Some(allowed) => export.write_into(allowed, embedded),
            None => fs::create_dir(&folder)
                .map_err(|e| ApiError::internal(format!("cannot export: {e}")))
                .and_then(|()| export.pack(&folder, embedded)),
        };
        // The next may begin while this one is fetched.
        drop(turn);
        let path = match &done {
            Ok(Exported::File { path, .. }) => Some(path.clone()),
            _ => None,
        };
        let done = done.and_then(|done| {
            let bytes = path.as_ref().map(fs::metadata).transpose();
            let bytes = bytes.map_err(|e| ApiError::internal(format!("cannot export: {e}")))?;
            Ok((done, bytes.map_or(0, |data| data.len())))
        });
        let sent = reply.send(done).is_ok();
        if let Some(path) = path.filter(|_| sent) {
            // A file that cannot be read ends the answer early, which its length shows.
            let _ = send(&path, |part| parts.blocking_send(Bytes::from(part)).is_ok());
        }
        let _ = fs::remove_dir_all(&folder);
    };
    let started = thread::Builder::new().name("export".to_owned()).spawn(work);
    started.map_err(|e| ApiError::internal(format!("cannot start a thread: {e}")))?;
    match wait(answer).await? {
        (Exported::Written { files, remarks }, _) => json(&json!({ "files": files, "remarks": remarks })),
        (Exported::File { name, remarks, .. }, bytes) => Ok(file(&name, &remarks, bytes, stream)),
    }
}

fn file(name: &str, remarks: &[String], bytes: u64, stream: mpsc::Receiver<Bytes>) -> Response {
    let mut response = Body::new(Parts(stream)).into_response();
    let headers = response.headers_mut();
    let kind = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("zip") => "application/zip",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("apng") => "image/apng",
        Some("mp4") => "video/mp4",
        Some("webm") => "video/webm",
        Some("mov") => "video/quicktime",
        _ => "application/octet-stream",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    let disposition = format!("attachment; filename*=UTF-8''{}", encoded(name));
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    if !remarks.is_empty()
        && let Ok(value) = HeaderValue::from_str(&encoded(&remarks.join("; ")))
    {
        headers.insert(NOTE, value);
    }
    response
}

/// Percent-encoded, as RFC 8187 wants it.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let parts = text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") });
    parts.collect()
}
