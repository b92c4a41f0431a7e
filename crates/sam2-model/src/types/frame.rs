//! An image that owns its pixels.

use crate::error::ImageError;

/// An RGB image, 8 bits per channel, row-major. [`FrameView`](super::FrameView) borrows pixels instead, in
/// other formats too.
///
/// ```
/// use sam2_model::Frame;
///
/// let frame = Frame::new(2, 1, vec![255, 0, 0, 0, 0, 255])?; // a red pixel and a blue one
/// assert_eq!((frame.width(), frame.height()), (2, 1));
/// assert_eq!(frame.rgb()[3..], [0, 0, 255]);
/// assert_eq!(frame.into_rgb().len(), 6);
/// # Ok::<(), sam2_model::error::ImageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgb: Vec<u8>,
}

impl Frame {
    /// An image of `width · height · 3` bytes, red first.
    ///
    /// # Errors
    /// If `rgb` has another length, or there is no pixel.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self, ImageError> {
        let expected = width.saturating_mul(height).saturating_mul(3);
        if expected == 0 || rgb.len() != expected {
            return Err(ImageError::FrameSize { width, height, format: "RGB", expected, found: rgb.len() });
        }
        Ok(Self { width, height, rgb })
    }

    /// Width, pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height, pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes, `[height, width, 3]`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Returns the bytes without a copy.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }
}
