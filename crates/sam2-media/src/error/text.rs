//! Text of messages.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write;

/// Joins a text into one line: trims its lines, drops empty ones.
///
/// ```
/// assert_eq!(sam2_media::error::one_line("  broken\n\n header "), "broken header");
/// ```
pub fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// An error and its causes in one line, each once: the messages of some libraries end with their cause.
pub fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        next = error.source();
        let cause = one_line(&error.to_string());
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// A text that a terminal shows as it is: control characters, which files and their names may hold, and those
/// that reorder a line are written as `\u001b`. Inside a JSON string that means the same character.
///
/// ```
/// use sam2_media::error::printable;
///
/// assert_eq!(printable("a\u{1b}[31m.png"), "a\\u001b[31m.png");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, acts_on_terminal)
}

/// [`printable`] of a text that has lines and columns.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| acts_on_terminal(c) && c != '\n' && c != '\t')
}

fn escaped(text: &str, acts: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Control characters, line separators, and the marks that change the direction of text.
fn acts_on_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_written_out() {
        assert_eq!(printable("Größe_фото_写真.png"), "Größe_фото_写真.png");
        assert_eq!(printable("a\x1b[31mb\x07\r\n\t"), "a\\u001b[31mb\\u0007\\u000d\\u000a\\u0009");
        assert_eq!(printable("\u{9b}2J\u{7f}\u{202e}gpj.exe"), "\\u009b2J\\u007f\\u202egpj.exe");
        assert_eq!(printable_lines("a\tb\nc\x1b"), "a\tb\nc\\u001b");
        let json = serde_json::to_string("a\u{9b}b").expect("JSON");
        let read: String = serde_json::from_str(&printable_lines(&json)).expect("JSON");
        assert_eq!(read, "a\u{9b}b");
    }
}
