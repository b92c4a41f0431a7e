//! An animated GIF as a clip: frames composited on the full canvas.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Seek};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;

use image::codecs::gif::{GifDecoder, GifEncoder, Repeat};
use image::{AnimationDecoder, DynamicImage, ImageDecoder, RgbImage};

use super::iter::{FrameIter, frame};
use crate::error::{ClipError, MediaError, PictureError};
use crate::size::check_size;

/// Number of decoded frames buffered for the reader of [`Gif::frames`].
const AHEAD: usize = 2;

/// The bytes of a GIF.
#[derive(Clone, Debug)]
enum Origin {
    File(PathBuf),
    Embedded(&'static [u8]),
}

/// A GIF; every pass decodes it again, so no frame is kept.
#[derive(Debug)]
pub struct Gif {
    origin: Origin,
    size: (u32, u32),
    len: usize,
}

trait ReadSeek: BufRead + Seek + Send {}
impl<T: BufRead + Seek + Send> ReadSeek for T {}

impl Gif {
    /// Opens a file and counts its frames, up to `max_frames`.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or holds no frames.
    pub fn open(path: &Path, max_frames: Option<usize>) -> Result<Self, MediaError> {
        Self::count(Origin::File(path.to_owned()), max_frames)
    }

    /// The same for a clip inside the program.
    ///
    /// # Errors
    /// If it is damaged, or holds no frames.
    pub fn embedded(bytes: &'static [u8], max_frames: Option<usize>) -> Result<Self, MediaError> {
        Self::count(Origin::Embedded(bytes), max_frames)
    }

    /// Whether a file that begins with `head` is a GIF.
    pub fn is_gif(head: &[u8]) -> bool {
        head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a")
    }

    fn count(origin: Origin, max_frames: Option<usize>) -> Result<Self, MediaError> {
        let size = decoder(&origin)?.dimensions();
        let mut gif = Self { origin, size, len: max_frames.unwrap_or(usize::MAX) };
        let mut len = 0;
        for frame in gif.frames()? {
            frame?;
            len += 1;
        }
        if len == 0 {
            return Err(ClipError::NoFrames { name: gif.origin.name() }.into());
        }
        gif.len = len;
        Ok(gif)
    }

    /// Width and height of every frame, in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Number of frames, at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// All frames in order. A thread decodes up to `AHEAD` frames ahead and ends when the iterator is
    /// dropped: the decoder's own iterator cannot be sent to another thread.
    ///
    /// # Errors
    /// If the file cannot be opened any more. A damaged frame is an error of the iterator.
    pub fn frames(&self) -> Result<FrameIter, MediaError> {
        let (name, len) = (self.origin.name(), self.len);
        let decoder = decoder(&self.origin)?;
        let (sender, receiver) = sync_channel(AHEAD);
        let decode = move || {
            for decoded in decoder.into_frames().take(len) {
                let decoded = decoded.map_err(PictureError::decode).and_then(|decoded| {
                    let rgb = DynamicImage::from(decoded.into_buffer()).into_rgb8();
                    frame(rgb.dimensions(), rgb.into_raw())
                });
                let failed = decoded.is_err();
                // Sending fails when the iterator has been dropped.
                if sender.send(decoded).is_err() || failed {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("gif".to_owned()).spawn(decode);
        let mut thread = Some(thread.map_err(|e| self.origin.unreadable(e.into()))?);
        let mut index = 0;
        Ok(Box::new(std::iter::from_fn(move || match receiver.recv() {
            Ok(decoded) => {
                index += 1;
                let damaged =
                    |source| ClipError::Frame { name: name.clone(), index: index - 1, source }.into();
                Some(decoded.map(|frame| (index - 1, frame)).map_err(damaged))
            }
            Err(_) => {
                if let Some(Err(panic)) = thread.take().map(thread::JoinHandle::join) {
                    std::panic::resume_unwind(panic);
                }
                None
            }
        })))
    }
}

impl Origin {
    fn name(&self) -> String {
        match self {
            Origin::File(path) => format!("the GIF {}", path.display()),
            Origin::Embedded(_) => "the embedded clip".to_owned(),
        }
    }

    fn unreadable(&self, source: PictureError) -> MediaError {
        ClipError::Header { name: self.name(), source }.into()
    }
}

fn decoder(origin: &Origin) -> Result<GifDecoder<Box<dyn ReadSeek>>, MediaError> {
    let open = || {
        let reader: Box<dyn ReadSeek> = match origin {
            Origin::File(path) => Box::new(BufReader::new(File::open(path)?)),
            Origin::Embedded(bytes) => Box::new(Cursor::new(*bytes)),
        };
        let decoder = GifDecoder::new(reader).map_err(PictureError::decode)?;
        let (width, height) = decoder.dimensions();
        check_size(width, height)?;
        Ok(decoder)
    };
    open().map_err(|source| origin.unreadable(source))
}

/// Writes an animated GIF that repeats endlessly, `milliseconds` per frame.
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

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn a_pass_can_be_dropped_or_moved_to_another_thread() {
        let mut file = Vec::new();
        let frames: Vec<RgbImage> = (0..9).map(|i| RgbImage::from_pixel(8, 6, Rgb([i * 20; 3]))).collect();
        write(&mut file, &frames, 40).expect("encode");
        let gif = Gif::embedded(file.leak(), None).expect("open");
        drop(gif.frames().expect("frames"));
        let frames = gif.frames().expect("frames");
        assert_eq!(thread::spawn(|| frames.count()).join().expect("no panic"), 9);
    }

    #[test]
    fn frames_are_counted_cut_and_read() {
        let frames: Vec<RgbImage> = (0..4).map(|i| RgbImage::from_pixel(8, 6, Rgb([i * 60; 3]))).collect();
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("clip.gif");
        write(File::create(&path).expect("create"), &frames, 40).expect("encode");
        let gif = Gif::open(&path, None).expect("open");
        assert_eq!((gif.len(), gif.size()), (4, (8, 6)));
        for (read, written) in gif.frames().expect("frames").zip(&frames) {
            let (_, read) = read.expect("frame");
            assert!(read.rgb()[3 * (3 * 8 + 3)].abs_diff(written.get_pixel(3, 3).0[0]) <= 2);
        }
        assert_eq!(Gif::open(&path, Some(3)).expect("open").len(), 3);

        let bytes = std::fs::read(&path).expect("read");
        std::fs::write(&path, &bytes[..bytes.len() * 3 / 5]).expect("truncate");
        let text = Gif::open(&path, None).expect_err("truncated").to_string();
        assert!(text.contains("clip.gif"), "{text}");
    }
}
