//! A header's claim is believed as far as the file could hold it: no memory is reserved for 65535 by 65535
//! pixels of 50 bytes.

use super::kind::Kind;
use crate::error::PictureError;
use crate::size::check_within;

/// Pixels that any file may claim.
const FREE: u64 = 1 << 20;
/// Most bytes that one byte of a deflate stream stands for.
pub(crate) const DEFLATE: u64 = 1032;
/// Most bytes that one byte of an LZW stream of 12-bit codes stands for.
pub(crate) const LZW: u64 = 4096;
/// Most bytes that one byte of a Zstandard stream stands for: a block of 128 KiB takes four.
pub(crate) const ZSTD: u64 = 32_768;
/// Most pixels of a byte of JPEG: a progressive file spends one bit on a block of 64.
pub(crate) const JPEG: u64 = 512;
/// Pixels of a byte of WebP above which a picture is of one colour.
const WEBP: u64 = 16_384;
/// Most pixels of a byte of a run-length-coded BMP.
const BMP_RUNS: u64 = 256;

/// Refuses a size that is empty, above the limits, or more than `len` bytes of this kind could hold.
///
/// # Errors
/// [`PictureError::Empty`], [`PictureError::TooLarge`] or [`PictureError::Claim`].
pub(crate) fn check(kind: Kind, size: (u32, u32), head: &[u8], len: u64) -> Result<(), PictureError> {
    let most = match kind {
        Kind::Png => {
            let samples = if matches!(byte(head, 25), 2 | 6) { 3 } else { 1 };
            len.saturating_mul(8 * DEFLATE) / (samples * u64::from(byte(head, 24).max(1)))
        }
        Kind::Jpeg => len.saturating_mul(JPEG),
        Kind::Gif => len.saturating_mul(LZW),
        Kind::Bmp => {
            // The old header, of 12 bytes, knows no compression.
            let (bits, runs) =
                if byte(head, 14) == 12 { (24, false) } else { (28, matches!(byte(head, 30), 1 | 2)) };
            let bits = u64::from(byte(head, bits).max(1));
            if runs { len.saturating_mul(BMP_RUNS) } else { len.saturating_mul(8) / bits }
        }
        Kind::WebP => len.saturating_mul(WEBP),
        Kind::Pnm if head.starts_with(b"P4") => len.saturating_mul(8),
        Kind::Pnm => len,
        // A TIFF lists the bytes of its parts, which its own reader adds up.
        Kind::Tiff => u64::MAX,
    };
    holds(size, most, len)
}

/// Refuses a size above the limits, or above `most` pixels, which is what `len` bytes could hold.
///
/// # Errors
/// As [`check`].
pub(crate) fn holds((width, height): (u32, u32), most: u64, len: u64) -> Result<(), PictureError> {
    check_within(width, height, most.saturating_add(FREE), len)
}

fn byte(head: &[u8], at: usize) -> u8 {
    head.get(at).copied().unwrap_or(0)
}
