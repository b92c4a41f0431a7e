//! Text files that are short by nature: read whole, up to a limit, as UTF-8.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A text cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The bytes cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is longer than such files are.
    #[error("it is longer than {} MB, the limit for such a file", .0 >> 20)]
    TooLong(
        /// The limit, bytes.
        u64,
    ),
    /// Two bytes a character.
    #[error("it is UTF-16 text: save it as UTF-8")]
    Utf16,
    /// No text, or in another encoding.
    #[error("it is not UTF-8 text")]
    NotText,
}

/// Reads a file of at most `max` bytes, without its byte order mark.
///
/// # Errors
/// If it cannot be read, is longer, or is not UTF-8.
pub fn read(path: &Path, max: u64) -> Result<String, TextError> {
    read_from(File::open(path)?, max)
}

/// [`read`] from an open file or a pipe.
///
/// # Errors
/// As [`read`].
pub fn read_from(reader: impl Read, max: u64) -> Result<String, TextError> {
    let mut bytes = Vec::new();
    reader.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(TextError::TooLong(max));
    }
    decode(bytes)
}

/// The text of these bytes, without a byte order mark.
///
/// # Errors
/// If they are not UTF-8.
pub fn decode(bytes: Vec<u8>) -> Result<String, TextError> {
    if is_utf16(&bytes) {
        return Err(TextError::Utf16);
    }
    let mut text = String::from_utf8(bytes).map_err(|_| TextError::NotText)?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    // Lines that end in CR alone, as old programs write them.
    if text.contains('\r') && !text.contains('\n') {
        text = text.replace('\r', "\n");
    }
    Ok(text)
}

/// Characters of a parser's message that are kept, from its beginning and from its end.
const BEGIN: usize = 120;
const END: usize = 60;

/// The message of a parser on one line. It may quote its input at any length, and ends with the place: a long
/// one is shortened in its middle.
///
/// ```
/// let error = serde_json::from_str::<u8>(&format!("{:?}", "x".repeat(1 << 20))).expect_err("not a number");
/// let message = sam2_model::text::message(&error);
/// assert!(message.starts_with("invalid type: string") && message.ends_with("at line 1 column 1048578"));
/// assert!(message.len() < 200);
/// assert_eq!(sam2_model::text::message(&"a \"word\"\non two lines"), "a \"word\"\\non two lines");
/// ```
pub fn message(error: &impl Display) -> String {
    // Quotes and backslashes cannot do any harm.
    let escape = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        _ => c.escape_debug().collect(),
    };
    let text: String = error.to_string().chars().map(escape).collect();
    let count = text.chars().count();
    if count <= BEGIN + END {
        return text;
    }
    let begin: String = text.chars().take(BEGIN).collect();
    let end: String = text.chars().skip(count - END).collect();
    format!("{begin} ... {end}")
}

/// Whether the bytes begin with the mark of UTF-16, or with two of its Latin characters.
fn is_utf16(bytes: &[u8]) -> bool {
    let latin = |bytes: &[u8]| matches!(bytes, [a, 0, b, 0, ..] | [0, a, 0, b, ..] if *a != 0 && *b != 0);
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || latin(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn marks_of_the_encoding_are_understood() {
        assert_eq!(decode(b"\xef\xbb\xbfname\r\n".to_vec()).expect("UTF-8"), "name\r\n");
        assert_eq!(decode(Vec::new()).expect("empty"), "");
        assert_eq!(decode(b"a\rb\r".to_vec()).expect("old lines"), "a\nb\n");
        assert_eq!(decode(b"a\r\nb\r".to_vec()).expect("lines"), "a\r\nb\r");
        for text in ["\u{feff}name", "name"] {
            for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
                let error = decode(utf16(text, bytes)).expect_err("UTF-16").to_string();
                assert!(error.contains("UTF-16") && error.contains("UTF-8"), "{error}");
            }
        }
        assert!(matches!(decode(vec![b'a', 0xff, b'b']), Err(TextError::NotText)));
    }

    #[test]
    fn no_more_is_read_than_the_limit() {
        assert_eq!(read_from(&b"1234"[..], 4).expect("as long as the limit"), "1234");
        let error = read_from(io::repeat(0), 3 << 20).expect_err("endless").to_string();
        assert!(error.contains("3 MB"), "{error}");
    }
}
