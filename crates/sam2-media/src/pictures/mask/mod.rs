//! Pictures that mark objects, read by one rule for prompts, label maps and evaluations.
//!
//! * A palette, grey with small numbers or with areas of several values, and 16 bits are a label map: a
//!   pixel's value is its object's number.
//! * Black and white, 0 and 1, soft edges, and everything in JPEG is one shape: inside from half of the
//!   largest brightness on.
//! * Where the alpha channel is not opaque, it is the shape.
//!
//! What can be read in two ways is refused.

mod rule;
mod texture;
mod values;

use std::path::Path;

use crate::error::PictureError;
pub(crate) use rule::Marks;
pub(crate) use values::{Pixels, Stored};

/// Reads what a picture marks, and its width and height.
///
/// # Errors
/// If it cannot be read, or can be read in two ways.
pub(crate) fn read(path: &Path) -> Result<(Marks, (u32, u32)), PictureError> {
    let stored = values::read(path)?;
    let size = stored.size;
    Ok((rule::marks(stored)?, size))
}

/// Reads the values of a picture, uninterpreted.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn stored(path: &Path) -> Result<Stored, PictureError> {
    values::read(path)
}

/// What the values of a picture mark.
///
/// # Errors
/// If they can be read in two ways.
pub(crate) fn marks(stored: Stored) -> Result<Marks, PictureError> {
    rule::marks(stored)
}

#[cfg(test)]
mod tests;
