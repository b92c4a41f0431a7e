//! Animated GIFs are written here; [`super::animation`] reads them.

use std::io;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{DynamicImage, RgbImage};

/// An animated GIF that is written frame by frame and repeats endlessly.
pub struct Writer<'a>(GifEncoder<Box<dyn io::Write + 'a>>);

impl<'a> Writer<'a> {
    /// Begins a file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(sink: impl io::Write + 'a) -> io::Result<Self> {
        // Speed 10 of 30: the palette search dominates the time, and slower settings make no visible
        // difference.
        let mut encoder = GifEncoder::new_with_speed(Box::new(sink) as Box<dyn io::Write + 'a>, 10);
        encoder.set_repeat(Repeat::Infinite).map_err(other)?;
        Ok(Self(encoder))
    }

    /// Adds a frame that stays for `milliseconds`, which the format rounds down to tens.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn push(&mut self, frame: RgbImage, milliseconds: u32) -> io::Result<()> {
        let rgba = DynamicImage::from(frame).into_rgba8();
        let delay = image::Delay::from_numer_denom_ms(milliseconds, 1);
        self.0.encode_frame(image::Frame::from_parts(rgba, 0, 0, delay)).map_err(other)
    }
}

fn other(error: image::ImageError) -> io::Error {
    match error {
        image::ImageError::IoError(e) => e,
        e => io::Error::other(e),
    }
}

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
    let mut gif = Writer::new(writer)?;
    frames.iter().try_for_each(|frame| gif.push(frame.clone(), milliseconds))
}
