//! The session of a stream in a file.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sam2_media::files;
use sam2_model::Tracker;

/// How long a signal waits for the answers of the current frame, which nobody may read.
const PATIENCE: Duration = Duration::from_secs(30);

/// The tracker of a stream, which a signal may save.
pub struct Shared {
    tracker: Mutex<Tracker>,
    /// Whether a signal waits for it.
    ending: AtomicBool,
}

impl Shared {
    pub fn new(tracker: Tracker) -> Arc<Self> {
        Arc::new(Self { tracker: Mutex::new(tracker), ending: AtomicBool::new(false) })
    }

    /// The tracker for the next frame, or for the last words. Does not return while a signal is ending the
    /// program: frames follow each other too fast for the signal to get the tracker in between.
    pub fn lock(&self) -> MutexGuard<'_, Tracker> {
        while self.ending.load(Ordering::Acquire) {
            thread::park();
        }
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tracker after the current frame, for the end.
    fn lock_for_the_end(&self) -> Result<MutexGuard<'_, Tracker>> {
        self.ending.store(true, Ordering::Release);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.tracker.try_lock() {
                Ok(tracker) => return Ok(tracker),
                Err(TryLockError::Poisoned(tracker)) => return Ok(tracker.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    bail!("the session is not saved: a frame is not finished after {} s", PATIENCE.as_secs())
                }
            }
        }
    }
}

/// Saves the session when a signal ends the program, after the answers of the current frame. `first` is the
/// first frame of this run: a session without a frame of its own replaces no earlier one.
pub fn save_at_the_end(shared: &Shared, path: &Path, first: usize) -> Result<Option<String>> {
    let tracker = shared.lock_for_the_end()?;
    if tracker.frame_idx().is_none_or(|last| last < first) {
        return Ok(None);
    }
    save(&tracker, path)?;
    Ok(Some(format!("the session is in {}", path.display())))
}

/// Writes the session.
pub fn save(tracker: &Tracker, path: &Path) -> Result<()> {
    let bytes = tracker.save_session();
    Ok(files::write(path, |file| std::io::Write::write_all(file, &bytes))?)
}
