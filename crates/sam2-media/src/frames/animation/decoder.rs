//! The decoders of animations, with their limits.

use std::io::{BufRead, Cursor, Read, Seek};

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, ImageDecoder, ImageResult, Limits};

use crate::decode::png;
use crate::error::PictureError;
use crate::size::check_claim;

/// Pixels by which a frame may exceed its canvas.
const MARGIN: u64 = 1 << 24;

/// The formats of animations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Format {
    Gif,
    Png,
    WebP,
}

impl Format {
    /// The format of a file that begins with `head`.
    pub fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") {
            Some(Self::Gif)
        } else if head.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
            Some(Self::WebP)
        } else {
            None
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gif => "GIF",
            Self::Png => "PNG",
            Self::WebP => "WebP",
        }
    }
}

pub(super) trait ReadSeek: BufRead + Seek + Send {}
impl<T: BufRead + Seek + Send> ReadSeek for T {}

/// Bytes of a file or in memory.
pub(super) type Source = Box<dyn ReadSeek>;

/// The decoder of a file.
pub(super) enum Decoder {
    Gif(Box<GifDecoder<Source>>),
    Png(Box<PngDecoder<Source>>),
    WebP(Box<WebPDecoder<Source>>),
}

impl Decoder {
    /// Reads the header of a file of this many bytes, and checks the size before memory is reserved.
    pub fn open(mut reader: Source, bytes: u64, format: Format) -> Result<Option<Self>, PictureError> {
        let decoder = match format {
            Format::Gif => Self::Gif(Box::new(GifDecoder::new(reader).map_err(PictureError::decode)?)),
            Format::Png => {
                // This decoder reserves memory for a row before it tells the size.
                let mut head = Vec::new();
                reader.by_ref().take(png::HEAD).read_to_end(&mut head)?;
                reader.rewind()?;
                if head.len() as u64 == png::HEAD {
                    let (width, height) = png::size(&head);
                    check_claim(width, height, bytes)?;
                }
                png::check_palette(&head, &mut reader)?;
                if let Some(bytes) = png::completed(&mut reader, bytes)? {
                    reader = Box::new(Cursor::new(bytes));
                }
                let decoder = PngDecoder::new(reader).map_err(PictureError::decode)?;
                if !decoder.is_apng().map_err(PictureError::decode)? {
                    return Ok(None);
                }
                Self::Png(Box::new(decoder))
            }
            Format::WebP => {
                let decoder = WebPDecoder::new(reader).map_err(PictureError::decode)?;
                if !decoder.has_animation() {
                    return Ok(None);
                }
                Self::WebP(Box::new(decoder))
            }
        };
        let (width, height) = decoder.dimensions();
        check_claim(width, height, bytes)?;
        decoder.limited(width, height).map(Some).map_err(PictureError::decode)
    }

    /// Sets a limit on memory by the size of the canvas.
    fn limited(mut self, width: u32, height: u32) -> ImageResult<Self> {
        let mut limits = Limits::no_limits();
        // Two canvases, a frame and what is composited of them, RGBA each.
        limits.max_alloc = Some(4 * (4 * u64::from(width) * u64::from(height) + MARGIN));
        match &mut self {
            Self::Gif(decoder) => decoder.set_limits(limits)?,
            Self::Png(decoder) => decoder.set_limits(limits)?,
            Self::WebP(decoder) => decoder.set_limits(limits)?,
        }
        Ok(self)
    }

    /// Width and height of the canvas.
    pub fn dimensions(&self) -> (u32, u32) {
        match self {
            Self::Gif(decoder) => decoder.dimensions(),
            Self::Png(decoder) => decoder.dimensions(),
            Self::WebP(decoder) => decoder.dimensions(),
        }
    }

    /// All frames, composited.
    pub fn into_frames(self) -> ImageResult<image::Frames<'static>> {
        Ok(match self {
            Self::Gif(decoder) => decoder.into_frames(),
            Self::Png(decoder) => decoder.apng()?.into_frames(),
            Self::WebP(decoder) => decoder.into_frames(),
        })
    }
}
