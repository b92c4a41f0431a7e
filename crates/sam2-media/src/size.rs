//! Sizes of pictures, checked before memory is reserved.

use crate::error::PictureError;
use crate::limits::{MAX_PIXELS, MAX_SIDE};

/// Refuses empty images and images above the memory limit.
///
/// ```
/// use sam2_media::size::check_size;
///
/// assert!(check_size(4000, 3000).is_ok());
/// assert!(check_size(0, 3000).is_err() && check_size(100_000, 1).is_err());
/// ```
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

/// Pixels that a file of any size may claim, and how many a byte more: deflate packs 8256 pixels of one bit
/// into a byte at most.
const CLAIM: (u64, u64) = (1 << 24, 1 << 14);

/// [`check_size`] of an animation's canvas; a large one also needs a file of `bytes` that could hold it.
///
/// ```
/// use sam2_media::size::check_claim;
///
/// assert!(check_claim(10_000, 10_000, 1 << 20).is_ok());
/// assert!(check_claim(10_000, 10_000, 99).is_err());
/// ```
///
/// # Errors
/// As [`check_size`], and [`PictureError::Claim`].
pub fn check_claim(width: u32, height: u32, bytes: u64) -> Result<(), PictureError> {
    check_within(width, height, bytes.saturating_mul(CLAIM.1).saturating_add(CLAIM.0), bytes)
}

/// [`check_size`], and refuses more than `most` pixels, which is what a file of `bytes` could hold.
///
/// # Errors
/// As [`check_claim`].
pub(crate) fn check_within(width: u32, height: u32, most: u64, bytes: u64) -> Result<(), PictureError> {
    check_size(width, height)?;
    if u64::from(width) * u64::from(height) > most {
        return Err(PictureError::Claim { width, height, bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bytes_claim_few_pixels() {
        assert!(check_claim(4096, 4096, 20).is_ok());
        assert!(check_claim(16_384, 8_192, 20).is_err());
        assert!(check_claim(16_384, 8_192, 10_000).is_ok());
        assert!(check_claim(20_000, 1, 10_000).is_err());
    }

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
