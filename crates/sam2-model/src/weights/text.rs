//! Text from a file, for messages.

/// Quoted, on one line, at most 100 characters.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(100).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    format!("{shown:?}")
}
