//! Speed and memory of a run.

use std::time::Duration;

use crate::system;

/// Number of frames and time of a run.
pub struct Stats {
    /// Frames tracked.
    pub frames: usize,
    /// Time from the first prompt to the last frame, outputs included.
    pub elapsed: Duration,
}

impl Stats {
    /// One line of text, with the peak memory where it is known.
    pub fn describe(&self) -> String {
        let seconds = self.elapsed.as_secs_f64();
        let rate = self.frames as f64 / seconds.max(1e-9);
        let memory = system::peak_memory().map(|bytes| format!(", peak memory {}", system::megabytes(bytes)));
        format!("{} frames in {seconds:.1} s ({rate:.2} frames/s){}", self.frames, memory.unwrap_or_default())
    }
}
