//! Sizes of pictures, checked before memory is reserved.

use crate::error::PictureError;
use crate::limits::{MAX_PIXELS, MAX_SIDE};

/// Refuses empty images and images above the memory limit.
///
/// # Errors
/// [`PictureError::Empty`] or [`PictureError::TooLarge`].
pub fn check_size(width: u32, height: u32) -> Result<(), PictureError> {
    if width == 0 || height == 0 {
        return Err(PictureError::Empty { width, height });
    }
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PictureError::TooLarge { width, height });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_stated() {
        assert!(check_size(16_384, 8_192).is_ok());
        for (width, height) in [(16_385, 1), (16_384, 8_193), (20_000, 20_000)] {
            let text = check_size(width, height).expect_err("too large").to_string();
            assert!(text.contains("16384") && text.contains("128 megapixels"), "{text}");
        }
        assert!(check_size(0, 4).is_err());
    }
}
