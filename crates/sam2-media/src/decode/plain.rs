//! PNG, GIF, BMP, WebP and the PNM family, through the crate `image`.

use std::io::{Cursor, Read, Seek, SeekFrom};

use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, pnm::PnmDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, Limits};

use super::content::{Content, Decoded};
use super::kind::Kind;
use super::source::Source;
use super::{bound, png};
use crate::error::PictureError;

/// Bytes that a decoder may reserve for what is no pixel, such as colour profiles and metadata.
const BESIDE_PIXELS: u64 = 32 << 20;
/// Zeros at the end of a WebP that no encoder writes.
const ZEROS: u64 = 256;
/// Bytes that a decoder may reserve for a pixel: 16-bit RGBA, three times.
const PER_PIXEL: u64 = 24;

/// Decodes the picture; of an animation, its first frame.
///
/// # Errors
/// If it is damaged, cut short or too large.
pub(crate) fn read(kind: Kind, source: Source) -> Result<Decoded, PictureError> {
    let lossy = kind == Kind::WebP && source.head.windows(4).any(|name| name == b"VP8 ");
    let mut decoder = open(kind, source)?;
    let orientation = decoder.orientation().map_err(PictureError::decode)?;
    let content = Content::Image(DynamicImage::from_decoder(decoder).map_err(PictureError::decode)?);
    Ok(Decoded { content, orientation, lossy })
}

/// Width and height as stored, and the orientation.
///
/// # Errors
/// As [`read`].
pub(crate) fn size(kind: Kind, source: Source) -> Result<((u32, u32), Orientation), PictureError> {
    let mut decoder = open(kind, source)?;
    Ok((decoder.dimensions(), decoder.orientation().map_err(PictureError::decode)?))
}

fn open(kind: Kind, mut source: Source) -> Result<Box<dyn ImageDecoder>, PictureError> {
    if kind == Kind::Png {
        png::check(&mut source)?;
        if let Some(bytes) = png::completed(&mut source.reader, source.len)? {
            source = Source::of(Box::new(Cursor::new(bytes)))?;
        }
    }
    let Source { mut reader, len, head } = source;
    if kind == Kind::WebP {
        // The decoder of lossy WebP takes a missing end for zeros.
        let claimed = head.get(4..8).and_then(|size| size.try_into().ok()).map_or(0, u32::from_le_bytes);
        if u64::from(claimed & !1) + 8 > len {
            return Err(PictureError::cut(len, u64::from(claimed) + 8));
        }
        // The decoders of WebP take zeros for pixels; a half-copied file may be filled up with them.
        let mut tail = Vec::new();
        reader.seek(SeekFrom::Start(len.saturating_sub(ZEROS)))?;
        reader.read_to_end(&mut tail)?;
        reader.rewind()?;
        if len > 2 * ZEROS && tail.iter().all(|&byte| byte == 0) {
            return Err(PictureError::CutShort("it ends in zeros".to_owned()));
        }
    }
    let (alloc, mut limits) = (|pixels: u64| BESIDE_PIXELS + PER_PIXEL * pixels, Limits::no_limits());
    let mut decoder: Box<dyn ImageDecoder> = match kind {
        Kind::Png => {
            // The limit applies from the header on.
            let size = png::size(&head);
            limits.max_alloc = Some(alloc(u64::from(size.0) * u64::from(size.1)));
            Box::new(PngDecoder::with_limits(reader, limits.clone()).map_err(PictureError::decode)?)
        }
        Kind::Gif => Box::new(GifDecoder::new(reader).map_err(PictureError::decode)?),
        Kind::Bmp => Box::new(BmpDecoder::new(reader).map_err(PictureError::decode)?),
        Kind::WebP => Box::new(WebPDecoder::new(reader).map_err(PictureError::decode)?),
        _ => Box::new(PnmDecoder::new(reader).map_err(PictureError::decode)?),
    };
    let (width, height) = decoder.dimensions();
    bound::check(kind, (width, height), &head, len)?;
    limits.max_alloc = Some(alloc(u64::from(width) * u64::from(height)));
    decoder.set_limits(limits).map_err(PictureError::decode)?;
    Ok(decoder)
}
