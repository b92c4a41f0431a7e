//! The thread that decodes frames for the page and opens uploads. When it has nothing else to do it reads on
//! in the clip that the page is at, and keeps its frames as JPEG on the disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sam2_media::frames::FrameIter;

use super::work::guarded;
use crate::app::App;
use crate::error::ApiError;
use crate::jobs::Read;
use crate::media::{self, Media, Source};
use crate::queue::Closed;
use crate::spool::Spool;

/// How often it looks whether it may read on again.
const PAUSE: Duration = Duration::from_millis(500);
/// How long nothing was asked for before it reads on.
const SILENCE: Duration = Duration::from_millis(20);

/// Works until the queue is closed.
pub fn run(app: &App) {
    if let Ok(spool) = Spool::new(&app.settings.folder) {
        app.frames.begin_spool(spool);
    }
    let mut ahead = None;
    loop {
        // While a clip is tracked the processor has enough to do.
        let pause = if ahead.is_some() && !app.is_tracking() { SILENCE } else { PAUSE };
        match app.reads.pop_within(pause) {
            Err(Closed) => return,
            Ok(Some(job)) => work(app, job, &mut ahead),
            Ok(None) if app.is_tracking() => {}
            Ok(None) => ahead = ahead.and_then(|ahead: Ahead| guarded(|| ahead.step(app)).ok().flatten()),
        }
    }
}

fn work(app: &App, job: Read, ahead: &mut Option<Ahead>) {
    match job {
        // The page has moved on.
        Read::Frame { reply, .. } if reply.is_closed() => {}
        Read::Frame { media, frame, reply } => {
            drop(reply.send(guarded(|| app.frames.jpeg(&media, frame))));
            if ahead.as_ref().is_none_or(|ahead| ahead.media.id != media.id) {
                *ahead = Ahead::begin(app, &media);
            }
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

/// A clip that is read on.
struct Ahead {
    media: Arc<Media>,
    frames: FrameIter,
}

impl Ahead {
    /// Only clips that can be read forwards alone, and whose last frame is not there yet.
    fn begin(app: &App, media: &Arc<Media>) -> Option<Self> {
        let Source::Clip(clip) = &media.source else { return None };
        if clip.stems().is_some() || app.frames.is_spooled(media, media.frames - 1) {
            return None;
        }
        let first = (0..media.frames).find(|&index| !app.frames.is_spooled(media, index))?;
        Some(Self { media: Arc::clone(media), frames: clip.frames_from(first).ok()? })
    }

    /// Reads one more frame; `None` when all were read, or there is no room.
    fn step(mut self, app: &App) -> Result<Option<Self>, ApiError> {
        let Some(item) = self.frames.next() else { return Ok(None) };
        let (index, frame) = item?;
        let room =
            app.frames.is_spooled(&self.media, index) || app.frames.spool(&self.media, index, &frame)?;
        Ok(room.then_some(self))
    }
}

fn open(app: &App, path: &Path, name: String, bytes: u64) -> Result<Arc<Media>, ApiError> {
    let opened = media::open(path)?;
    let first = opened.into_iter().next().ok_or_else(|| ApiError::bad("bad_media", "it holds no picture"))?;
    app.library.add(first.named(name), Some(bytes), &app.session)
}
