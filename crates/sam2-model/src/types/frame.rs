//! An image that owns its pixels.

use super::frame_view::FrameView;
use crate::error::ImageError;

/// An RGB image, 8 bits per channel, row-major. [`FrameView`] borrows pixels instead, in other formats too.
///
/// ```
/// use sam2_model::Frame;
///
/// let frame = Frame::new(2, 1, vec![255, 0, 0, 0, 0, 255])?; // a red pixel and a blue one
/// assert_eq!((frame.width(), frame.height()), (2, 1));
/// # Ok::<(), sam2_model::error::ImageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
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

    /// Replaces size and pixels by those of `view`; the allocation is reused.
    pub(crate) fn copy_from(&mut self, view: FrameView) {
        (self.width, self.height) = (view.width(), view.height());
        self.rgb.resize(self.width * self.height * 3, 0);
        for (y, row) in self.rgb.chunks_exact_mut(self.width * 3).enumerate() {
            view.read_row(y, row, |x| x);
        }
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

impl From<FrameView<'_>> for Frame {
    /// Copies the pixels of the view as RGB.
    fn from(view: FrameView) -> Self {
        let mut frame = Self { width: 0, height: 0, rgb: Vec::new() };
        frame.copy_from(view);
        frame
    }
}
