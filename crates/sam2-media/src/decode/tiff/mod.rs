//! TIFF as cameras, microscopes and GDAL write it: classic and BigTIFF, strips and tiles, 1 to 64 bits, whole
//! numbers and floating point, any number of bands, palettes, CMYK and YCbCr.
//!
//! The crate `tiff` reads the tags and the compressed parts. It interprets few kinds of pixels, so it is
//! given every picture as bands of numbers ([`directory`]), which are interpreted here ([`show`]).

mod directory;
mod layout;
mod samples;
mod show;
pub(crate) mod values;
mod zstd;

use image::metadata::Orientation;

use super::content::{Content, Decoded};
use super::source::Source;
use crate::error::PictureError;
pub(crate) use show::{narrow, note, rgb};

/// Decodes the first picture of the file.
///
/// # Errors
/// If it is damaged, cut short, too large, or of a kind that is not supported.
pub(crate) fn read(source: Source) -> Result<Decoded, PictureError> {
    let (layout, source) = layout::Layout::read(source)?;
    let orientation = layout.orientation;
    let lossy = layout.compression == layout::JPEG;
    Ok(Decoded { content: Content::Samples(samples::read(layout, source)?), orientation, lossy })
}

/// Width and height as stored, and the orientation.
///
/// # Errors
/// As [`read`], as far as the tags tell.
pub(crate) fn size(source: Source) -> Result<((u32, u32), Orientation), PictureError> {
    let (layout, _) = layout::Layout::read(source)?;
    Ok((layout.size, layout.orientation))
}

#[cfg(test)]
mod tests;
