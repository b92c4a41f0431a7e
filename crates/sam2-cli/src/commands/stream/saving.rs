//! The session of a stream in a file.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sam2_media::files;
use sam2_model::Tracker;

/// How long a signal waits for the answers of the current frame, which nobody may read.
const PATIENCE: Duration = Duration::from_secs(30);

/// The tracker, which a signal may save.
pub fn locked(tracker: &Mutex<Tracker>) -> MutexGuard<'_, Tracker> {
    tracker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Saves the session when a signal ends the program, after the answers of the current frame. `first` is the
/// first frame of this run: a session without a frame of its own replaces no earlier one.
pub fn save_at_the_end(tracker: &Mutex<Tracker>, path: &Path, first: usize) -> Result<Option<String>> {
    let deadline = Instant::now() + PATIENCE;
    let tracker = loop {
        match tracker.try_lock() {
            Ok(tracker) => break tracker,
            Err(TryLockError::Poisoned(tracker)) => break tracker.into_inner(),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                bail!("the session is not saved: a frame is not finished after {} s", PATIENCE.as_secs())
            }
        }
    };
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
