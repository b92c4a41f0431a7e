//! Errors of single pictures.

use std::io;

use super::text::one_line;
use crate::limits::{MAX_PICTURE_BYTES, MAX_PIXELS, MAX_SIDE};

const FORMATS: &str = "PNG, JPEG, GIF, BMP, WebP, TIFF, PPM, PGM, PBM or PAM";

/// A file is no picture, or one that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The bytes cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The path is a folder.
    #[error("it is a folder")]
    Folder,
    /// The file has no bytes.
    #[error("it is empty (0 bytes), not a picture: copy or download it again")]
    NoBytes,
    /// The format is unknown.
    #[error("it is not a picture that can be read ({FORMATS})")]
    Format,
    /// The format is known and not read.
    #[error("it is not a picture that can be read, but {what}: {advice}")]
    NotRead {
        /// What it is.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A TIFF of a kind that is not supported.
    #[error(
        "it is a TIFF with {0}, which is not supported: convert it first (gdal_translate IN.tif OUT.png)"
    )]
    Tiff(String),
    /// Its end is missing.
    #[error("it is cut short: {0}; copy or download it again")]
    CutShort(String),
    /// Its content contradicts itself.
    #[error("it is damaged: {}; copy or download it again", plain(.0))]
    Damaged(String),
    /// The header claims more than the file could hold.
    #[error(
        "it is damaged or cut short: its {bytes} bytes cannot hold the {width}x{height} pixels of its header"
    )]
    Claim {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Size of the file.
        bytes: u64,
    },
    /// The file is too long to be read as a picture.
    #[error("it has more than {} MB, and a picture may have no more", MAX_PICTURE_BYTES >> 20)]
    FileTooLarge,
    /// The decoder refuses it.
    #[error("{}; convert it to JPEG or PNG first", plain(&.0.to_string()))]
    Decode(Box<dyn std::error::Error + Send + Sync>),
    /// It has no pixels.
    #[error("it is empty ({width}x{height} pixels)")]
    Empty {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// It exceeds the memory limit.
    #[error(
        "it has {width}x{height} pixels, and at most {MAX_SIDE} a side and {} megapixels in all are read; \
         scale it down first",
        MAX_PIXELS >> 20
    )]
    TooLarge {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The decoder has panicked.
    #[error("its decoder failed")]
    Panic,
    /// A label map whose numbers do not fit into 8 bits.
    #[error("it has an object {0}, and objects are numbered 1 to 255 here")]
    LargeLabel(u32),
    /// A mask that can be read in two ways.
    #[error("it can be read in two ways: {0}")]
    Ambiguous(String),
    /// A label map without the object that is asked for.
    #[error("as a label map it holds {}, not object {object}{hint}", in_words(.held))]
    NoObject {
        /// The object.
        object: u32,
        /// The objects in the picture.
        held: Vec<u32>,
        /// What else can be done.
        hint: &'static str,
    },
    /// A label map of several objects, of which none is named.
    #[error("it is a label map with {}: name one of them (--mask-object N)", in_words(.0))]
    SeveralObjects(Vec<u32>),
    /// A mask without a pixel inside.
    #[error("it is black everywhere: it marks no object")]
    BlackMask,
}

impl PictureError {
    /// The error of a decoder; one that lacks bytes is told apart.
    pub(crate) fn decode(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            let io = match inner.downcast_ref::<image::ImageError>() {
                Some(image::ImageError::IoError(error)) => Some(error),
                _ => inner.downcast_ref::<io::Error>(),
            };
            if io.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
                return Self::CutShort("its data end before its last pixel".to_owned());
            }
            cause = inner.source();
        }
        let text = error.to_string();
        if text.to_lowercase().contains("unexpected end of file") {
            return Self::CutShort("its data end before its last pixel".to_owned());
        }
        let any: &dyn std::any::Any = &error;
        match any.downcast_ref::<image::ImageError>() {
            Some(image::ImageError::Decoding(_)) => Self::Damaged(text),
            _ if matches!(any.downcast_ref(), Some(tiff::TiffError::FormatError(_))) => Self::Damaged(text),
            _ => Self::Decode(Box::new(error)),
        }
    }

    /// A file of `found` bytes whose header states `expected`.
    pub(crate) fn cut(found: u64, expected: u64) -> Self {
        let missing = 100 * (expected - found) / expected.max(1);
        Self::CutShort(format!("it has {found} of {expected} bytes ({} % are missing)", missing.max(1)))
    }
}

/// The message of a decoder without what only its authors need: quotation marks around it, a full stop, and
/// the bits of a PNG chunk's name.
fn plain(text: &str) -> String {
    const CHUNK: &str = "ChunkType { type: ";
    let mut text = one_line(text);
    while let Some(at) = text.find(CHUNK) {
        let name = &text[at + CHUNK.len()..];
        let name: String = name.chars().take_while(|&c| c != ',' && c != ' ').collect();
        let end = text[at..].find('}').map_or(text.len(), |end| at + end + 1);
        text.replace_range(at..end, &name);
    }
    text.trim_matches('"').trim_end_matches('.').to_owned()
}

/// Object numbers in words, the first few of them.
fn in_words(numbers: &[u32]) -> String {
    const SHOWN: usize = 8;
    let list: Vec<String> = numbers.iter().take(SHOWN).map(u32::to_string).collect();
    let more =
        if numbers.len() > SHOWN { format!(" and {} more", numbers.len() - SHOWN) } else { String::new() };
    match numbers.len() {
        1 => format!("object {}", list[0]),
        _ => format!("the objects {}{more}", list.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_decoders_are_plain() {
        for (text, expected) in [
            ("\"Number of components cannot be zero.\"", "Number of components cannot be zero"),
            (
                "CRC error while decoding ChunkType { type: IDAT, critical: true, safecopy: false } chunk.",
                "CRC error while decoding IDAT chunk",
            ),
            ("Chunk ChunkType { type: IHDR", "Chunk IHDR"),
            ("image\n  truncated", "image truncated"),
        ] {
            assert_eq!(plain(text), expected);
        }
        let format = tiff::TiffError::FormatError(tiff::TiffFormatError::InconsistentSizesEncountered);
        assert!(PictureError::decode(format).to_string().starts_with("it is damaged: "));
    }
}
