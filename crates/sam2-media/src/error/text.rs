//! Text of messages.

/// Joins a text into one line: trims its lines, drops empty ones.
pub fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
