//! Files of still pictures, decoded. The content decides the format, not the name; files that are damaged or
//! cut short are refused alike in all formats; memory follows the size of the file.

pub(crate) mod bound;
pub(crate) mod content;
pub(crate) mod guard;
pub(crate) mod jpeg;
pub(crate) mod kind;
pub(crate) mod plain;
pub(crate) mod png;
pub(crate) mod source;
pub(crate) mod tiff;

use std::path::Path;

use image::metadata::Orientation;

use crate::error::PictureError;
use content::Decoded;
use guard::guarded;
use kind::Kind;
use source::{ReadSeek, Source};

/// Decodes a picture; `-` is stdin.
///
/// # Errors
/// If the file cannot be read, is no picture, is damaged or cut short, or is too large.
pub(crate) fn read(path: &Path) -> Result<Decoded, PictureError> {
    let source = Source::open(path)?;
    read_source(kind::of(&source.head, source.len)?, source)
}

/// Decodes a picture in memory or within a file.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_from(reader: Box<dyn ReadSeek>) -> Result<Decoded, PictureError> {
    let source = Source::of(reader)?;
    read_source(kind::of(&source.head, source.len)?, source)
}

/// Decodes a picture of a known kind.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_source(kind: Kind, source: Source) -> Result<Decoded, PictureError> {
    guarded(|| match kind {
        Kind::Jpeg => jpeg::read(source),
        Kind::Tiff => tiff::read(source),
        kind => plain::read(kind, source),
    })
}

/// Whether a picture may have more than 8 bits a value.
///
/// # Errors
/// If the file cannot be read or is no picture.
pub(crate) fn is_wide(path: &Path) -> Result<bool, PictureError> {
    let source = Source::open(path)?;
    Ok(match kind::of(&source.head, source.len)? {
        Kind::Tiff | Kind::Pnm => true,
        Kind::Png => source.head.get(24) == Some(&16),
        _ => false,
    })
}

/// Width and height for display, from the headers alone; files whose end is missing are refused here already.
///
/// # Errors
/// As [`read`].
pub(crate) fn size(path: &Path) -> Result<(u32, u32), PictureError> {
    let source = Source::open(path)?;
    let kind = kind::of(&source.head, source.len)?;
    let (size, orientation) = guarded(|| match kind {
        Kind::Jpeg => jpeg::size(source),
        Kind::Tiff => tiff::size(source),
        kind => plain::size(kind, source),
    })?;
    let turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    Ok(if turned { (size.1, size.0) } else { size })
}

#[cfg(test)]
mod tests;
