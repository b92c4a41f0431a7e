//! Progress bars.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::Console;

/// A bar on stderr, hidden with `--quiet` or if stderr is not a terminal. Without a length it only counts;
/// the length may be set later.
pub fn bar(console: &Console, len: Option<usize>, template: &str) -> ProgressBar {
    let target =
        if console.shows_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(len.map(|len| len as u64), target).with_style(style)
}
