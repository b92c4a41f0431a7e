//! An animated GIF as a clip: frames as a viewer shows them, composited on the full canvas.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use anyhow::{Context, Result, bail};
use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, DynamicImage, ImageDecoder, RgbImage};

use super::iter::FrameIter;
use super::photo;

/// Number of decoded frames that wait for the reader of [`Gif::frames`].
const AHEAD: usize = 2;

/// Where the bytes are.
#[derive(Clone, Debug)]
enum Origin {
    File(PathBuf),
    Embedded(&'static [u8]),
}

/// A GIF; it is decoded anew for every pass, so no frame is kept.
#[derive(Debug)]
pub struct Gif {
    origin: Origin,
    size: (u32, u32),
    len: usize,
}

trait ReadSeek: BufRead + Seek {}
impl<T: BufRead + Seek> ReadSeek for T {}

impl Gif {
    /// Opens a file and counts its frames.
    pub fn open(path: &Path, max_frames: Option<usize>) -> Result<Self> {
        Self::count(Origin::File(path.to_owned()), max_frames)
    }

    /// The same for a clip inside the program.
    pub fn embedded(bytes: &'static [u8], max_frames: Option<usize>) -> Result<Self> {
        Self::count(Origin::Embedded(bytes), max_frames)
    }

    /// Whether a file begins like a GIF.
    pub fn is_gif(head: &[u8]) -> bool {
        head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a")
    }

    fn count(origin: Origin, max_frames: Option<usize>) -> Result<Self> {
        let size = decoder(&origin)?.dimensions();
        let mut gif = Self { origin, size, len: max_frames.unwrap_or(usize::MAX) };
        let mut len = 0;
        for frame in gif.frames()? {
            frame?;
            len += 1;
        }
        if len == 0 {
            bail!("{} holds no frames", gif.origin.name());
        }
        gif.len = len;
        Ok(gif)
    }

    /// Width and height of every frame.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.len
    }

    /// All frames in order. A thread decodes ahead by up to [`AHEAD`] frames and ends when the iterator is dropped: the
    /// decoder's own iterator cannot be sent to another thread.
    pub fn frames(&self) -> Result<FrameIter> {
        let (origin, len) = (self.origin.clone(), self.len);
        let name = origin.name();
        // Opened here, so that a damaged header is an error of this call.
        drop(decoder(&origin)?);
        let (sender, frames) = sync_channel(AHEAD);
        let decode = move || match decoder(&origin) {
            Ok(decoder) => {
                for (index, frame) in decoder.into_frames().take(len).enumerate() {
                    let frame =
                        frame.with_context(|| format!("{} is damaged at frame {index}", origin.name()));
                    let frame = frame.map(|f| (index, DynamicImage::from(f.into_buffer()).into_rgb8()));
                    if frame.is_err() | sender.send(frame).is_err() {
                        return;
                    }
                }
            }
            Err(e) => drop(sender.send(Err(e))),
        };
        std::thread::Builder::new()
            .name("gif".to_owned())
            .spawn(decode)
            .with_context(|| format!("cannot read {name}"))?;
        Ok(Box::new(frames.into_iter()))
    }
}

impl Origin {
    fn name(&self) -> String {
        match self {
            Origin::File(path) => format!("the GIF {}", path.display()),
            Origin::Embedded(_) => "the embedded clip".to_owned(),
        }
    }
}

fn decoder(origin: &Origin) -> Result<GifDecoder<Box<dyn ReadSeek>>> {
    let open = || {
        let reader: Box<dyn ReadSeek> = match origin {
            Origin::File(path) => Box::new(BufReader::new(File::open(path)?)),
            Origin::Embedded(bytes) => Box::new(Cursor::new(*bytes)),
        };
        let decoder = GifDecoder::new(reader)?;
        let (width, height) = decoder.dimensions();
        photo::check_size(width, height)?;
        anyhow::Ok(decoder)
    };
    open().with_context(|| format!("cannot read {}", origin.name()))
}

/// Writes an animated GIF that repeats for ever.
pub fn write(writer: impl std::io::Write, frames: &[RgbImage], milliseconds: u32) -> Result<()> {
    use image::codecs::gif::{GifEncoder, Repeat};
    // Speed 10 of 30: the palette search is the cost, and differences below it are not visible here.
    let mut encoder = GifEncoder::new_with_speed(writer, 10);
    encoder.set_repeat(Repeat::Infinite)?;
    for frame in frames {
        let rgba = DynamicImage::from(frame.clone()).into_rgba8();
        let delay = image::Delay::from_numer_denom_ms(milliseconds, 1);
        encoder.encode_frame(image::Frame::from_parts(rgba, 0, 0, delay))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

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
            assert!(read.get_pixel(3, 3).0[0].abs_diff(written.get_pixel(3, 3).0[0]) <= 2);
        }
        assert_eq!(Gif::open(&path, Some(3)).expect("open").len(), 3);

        let bytes = std::fs::read(&path).expect("read");
        std::fs::write(&path, &bytes[..bytes.len() * 3 / 5]).expect("truncate");
        let text = format!("{:#}", Gif::open(&path, None).expect_err("truncated"));
        assert!(text.contains("clip.gif"), "{text}");
    }
}
