//! Events, as a stream that does not end.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::app::App;
use crate::error::Answer;
use crate::events::Parts;
use crate::limits;

pub async fn events(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // Of an earlier server, or a new page: from now on.
    let mut seen = last.filter(|&last| last <= app.hub.last()).unwrap_or_else(|| app.hub.last());
    let (parts, body) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut changed = app.hub.watch();
        // Proxies and browsers show nothing before the first bytes.
        let mut text = ": sam2\n\n".to_owned();
        loop {
            if !text.is_empty() && parts.send(Bytes::from(text)).await.is_err() {
                return;
            }
            changed.mark_unchanged();
            (text, seen) = app.hub.after(seen);
            if !text.is_empty() {
                continue;
            }
            // A page that has gone is noticed when the next part is sent.
            match timeout(limits::KEEP_ALIVE, changed.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => text = ": still here\n\n".to_owned(),
            }
        }
    });
    Ok(([(CONTENT_TYPE, "text/event-stream")], Body::new(Parts(body))).into_response())
}
