//! Errors of single pictures.

use std::io;

use crate::limits::{MAX_PIXELS, MAX_SIDE};

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
    /// The format is unknown.
    #[error("it is not a picture that can be read (PNG, JPEG, GIF, BMP, WebP or TIFF)")]
    Format,
    /// The decoder refuses it.
    #[error(transparent)]
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
    /// A size for which the file has too few bytes.
    #[error("it claims {width}x{height} pixels, which its {bytes} bytes cannot hold")]
    Claim {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Size of the file.
        bytes: u64,
    },
    /// The decoder has panicked.
    #[error("its decoder failed")]
    Panic,
    /// A label map with colours or more than 8 bits.
    #[error("it has {channels} channels of {bits} bits, and object numbers are a palette or 8-bit grey")]
    NotLabels {
        /// Channels of a pixel.
        channels: usize,
        /// Bits of a channel.
        bits: usize,
    },
    /// A mask of another size than the picture that it is for.
    #[error(
        "it has {}x{} pixels, but the picture it is for has {}x{}",
        found.0, found.1, expected.0, expected.1
    )]
    MaskSize {
        /// Width and height of the mask, pixels.
        found: (u32, u32),
        /// Width and height of the picture, pixels.
        expected: (u32, u32),
    },
    /// A mask without a pixel inside.
    #[error("it is black everywhere: it marks no object")]
    BlackMask,
}

impl PictureError {
    pub(crate) fn decode(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Decode(Box::new(error))
    }
}
