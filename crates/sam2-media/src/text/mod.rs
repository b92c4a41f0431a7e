//! Text files: lists, tables, prompts. UTF-8, with or without a byte order mark, lines ending in LF or CRLF.

pub mod table;

use std::io;
use std::path::Path;

use sam2_model::text;

use crate::error::{MediaError, TableError};
use crate::limits::MAX_NAME;

/// The longest text that is read, bytes.
pub const MAX_BYTES: u64 = 64 << 20;

/// Reads a text file; `what` it is comes before its name in errors, as in "the list of videos".
///
/// # Errors
/// If it cannot be read, is longer than [`MAX_BYTES`], or is not UTF-8.
pub fn read(path: &Path, what: &'static str) -> Result<String, MediaError> {
    named(path, what, text::read(path, MAX_BYTES))
}

/// [`read`] from stdin.
///
/// # Errors
/// As [`read`].
pub fn read_stdin(what: &'static str) -> Result<String, MediaError> {
    named(Path::new("stdin"), what, text::read_from(io::stdin().lock(), MAX_BYTES))
}

/// Reads a list of names, one a line; spaces around them and empty lines are dropped.
///
/// # Errors
/// As [`read`], and if a line is longer than [`MAX_NAME`].
pub fn read_names(path: &Path, what: &'static str) -> Result<Vec<String>, MediaError> {
    let text = read(path, what)?;
    let name = |(line, text): (usize, &str)| match text.len() {
        0 => None,
        1..=MAX_NAME => Some(Ok(text.to_owned())),
        bytes => {
            let source = TableError::LongName { bytes };
            Some(Err(MediaError::TableLine { path: path.to_owned(), line, source }))
        }
    };
    (1..).zip(text.lines().map(str::trim)).filter_map(name).collect()
}

fn named(
    path: &Path,
    what: &'static str,
    text: Result<String, text::TextError>,
) -> Result<String, MediaError> {
    text.map_err(|source| MediaError::Text { what, name: path.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;

    #[test]
    fn names_are_the_same_from_every_editor() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("list.txt");
        for text in ["a\nb b\n", "\u{feff}a\r\nb b", "\r\n  a  \r\n\r\n\tb b\r\n\r\n"] {
            std::fs::write(&path, text).expect("write");
            assert_eq!(read_names(&path, "the list").expect("names"), ["a", "b b"], "{text:?}");
        }
        std::fs::write(&path, format!("a\n{}\n", "b".repeat(MAX_NAME))).expect("write");
        assert_eq!(read_names(&path, "the list").expect("names").len(), 2);
        std::fs::write(&path, format!("a\n\n{}\n", "b".repeat(1 << 20))).expect("write");
        let error = in_full(&read_names(&path, "the list").expect_err("a long name"));
        assert!(
            error.ends_with("list.txt line 3: it is 1048576 bytes long, and a name has at most 1024"),
            "{error}"
        );
        let utf16: Vec<u8> = "\u{feff}a\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        std::fs::write(&path, utf16).expect("write");
        let error = in_full(&read_names(&path, "the list").expect_err("UTF-16"));
        assert!(error.starts_with("cannot read the list ") && error.contains("list.txt"), "{error}");
        assert!(error.contains("UTF-16"), "{error}");
    }
}
