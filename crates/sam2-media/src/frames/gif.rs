//! Animated GIFs are written here; [`super::animation`] reads them.

use std::io;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{DynamicImage, RgbImage};

/// Writes an animated GIF that repeats endlessly, `milliseconds` per frame.
///
/// ```
/// use sam2_media::frames::{Clip, gif};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("clip.gif");
/// let frames = vec![image::RgbImage::new(4, 2); 3];
/// gif::write(std::fs::File::create(&path)?, &frames, 40)?; // 40 ms per frame
/// assert_eq!(Clip::open(&path, None)?.len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If it cannot be written.
pub fn write(writer: impl io::Write, frames: &[RgbImage], milliseconds: u32) -> io::Result<()> {
    // Speed 10 of 30: the palette search dominates the time, and slower settings make no visible difference.
    let mut encoder = GifEncoder::new_with_speed(writer, 10);
    let other = |e: image::ImageError| match e {
        image::ImageError::IoError(e) => e,
        e => io::Error::other(e),
    };
    encoder.set_repeat(Repeat::Infinite).map_err(other)?;
    for frame in frames {
        let rgba = DynamicImage::from(frame.clone()).into_rgba8();
        let delay = image::Delay::from_numer_denom_ms(milliseconds, 1);
        encoder.encode_frame(image::Frame::from_parts(rgba, 0, 0, delay)).map_err(other)?;
    }
    Ok(())
}
