//! The thread that decodes frames for the page and opens uploads.

use std::path::Path;
use std::sync::Arc;

use super::work::guarded;
use crate::app::App;
use crate::error::ApiError;
use crate::jobs::Read;
use crate::media::{self, Media};

/// Works until the queue is closed.
pub fn run(app: &App) {
    while let Some(job) = app.reads.pop() {
        match job {
            // The page has moved on.
            Read::Frame { reply, .. } if reply.is_closed() => {}
            Read::Frame { media, frame, reply } => {
                drop(reply.send(guarded(|| app.frames.jpeg(&media, frame))));
            }
            Read::Open { path, name, bytes, reply } => {
                let opened = guarded(|| open(app, &path, name, bytes));
                if opened.is_err() {
                    let _ = std::fs::remove_file(&path);
                }
                drop(reply.send(opened));
            }
            Read::Work { work } => drop(guarded(|| {
                work();
                Ok(())
            })),
        }
    }
}

fn open(app: &App, path: &Path, name: String, bytes: u64) -> Result<Arc<Media>, ApiError> {
    let opened = media::open(path)?;
    let first = opened.into_iter().next().ok_or_else(|| ApiError::bad("bad_media", "it holds no picture"))?;
    app.library.add(first.named(name), Some(bytes), &app.session)
}
