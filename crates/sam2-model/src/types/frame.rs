//! A picture as the caller gives it.

use crate::error::PromptError;

/// An RGB image, 8 bits per channel, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Frame {
    /// `rgb` holds `width · height · 3` bytes.
    ///
    /// # Errors
    /// If it does not, or if the frame has no pixel.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self, PromptError> {
        let expected = width.saturating_mul(height).saturating_mul(3);
        if expected == 0 || rgb.len() != expected {
            return Err(PromptError::FrameSize { width, height, expected, found: rgb.len() });
        }
        Ok(Self { width, height, rgb })
    }

    /// Pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}
