//! A decoded picture.

use image::DynamicImage;
use image::metadata::Orientation;

use super::tiff::values::Samples;

/// A decoded picture, as it is stored.
pub(crate) struct Decoded {
    /// The pixels.
    pub content: Content,
    /// How it is turned for display.
    pub orientation: Orientation,
    /// Whether its format changes values on writing: JPEG and lossy WebP.
    pub lossy: bool,
}

/// The pixels of a picture.
pub(crate) enum Content {
    /// Of 8 or 16 bits, grey or colour, with or without alpha.
    Image(DynamicImage),
    /// Those of a TIFF.
    Samples(Samples),
}
