//! Progress: a bar on a terminal, or an event a second with `--log json`.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::console::{self, Console};

/// Time between two events.
const EVERY: Duration = Duration::from_secs(1);

/// How far a piece of work is.
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    /// When the last event was written, if events are written.
    last: Option<Mutex<Instant>>,
}

/// A bar on stderr, hidden with `--quiet` or if stderr is not a terminal. Without a length it only counts;
/// the length may be set later.
pub fn bar(console: &Console, len: Option<usize>, template: &str) -> Progress {
    let target =
        if console.shows_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(len.map(|len| len as u64), target).with_style(style);
    let begun = Instant::now();
    Progress { bar, begun, last: console.logs_progress().then(|| Mutex::new(begun)) }
}

impl Progress {
    pub fn inc(&self, by: u64) {
        self.bar.inc(by);
        self.log(EVERY);
    }

    pub fn set_position(&self, done: u64) {
        self.bar.set_position(done);
        self.log(EVERY);
    }

    pub fn set_length(&self, total: u64) {
        self.bar.set_length(total);
    }

    pub fn set_message(&self, message: String) {
        self.bar.set_message(message);
    }

    /// Runs `work` while the bar is hidden.
    pub fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bar.suspend(work)
    }

    pub fn finish_and_clear(&self) {
        self.log(Duration::ZERO);
        self.bar.finish_and_clear();
    }

    /// Writes an event if the last one is so long ago.
    fn log(&self, pause: Duration) {
        let Some(Ok(mut last)) = self.last.as_ref().map(Mutex::try_lock) else { return };
        if last.elapsed() < pause {
            return;
        }
        *last = Instant::now();
        let (done, total) = (self.bar.position(), self.bar.length());
        let rate = done as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
        let left = total.filter(|_| done > 0).map(|total| total.saturating_sub(done) as f64 / rate);
        let round = |x: f64| (100.0 * x).round() / 100.0;
        console::event(
            "info",
            "progress",
            json!({
                "done": done, "total": total, "per_second": round(rate), "eta_s": left.map(round),
                "of": self.bar.message(),
            }),
        );
    }
}
