//! Iterators over frames.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Read};

use sam2_model::Frame;

use crate::error::{ClipError, MediaError, PictureError, in_full};

/// Number of bytes for which memory is reserved before they are read.
const TRUSTED: usize = 32 << 20;

/// Frames in order, each with its index.
pub type FrameIter = Box<dyn Iterator<Item = Result<(usize, Frame), MediaError>> + Send>;

/// [`FrameIter`] that borrows its clip.
pub type Walk<'a> = Box<dyn Iterator<Item = Result<(usize, Frame), MediaError>> + Send + 'a>;

/// The frames of these indices, in ascending order, out of all frames.
pub(super) fn pick(mut frames: FrameIter, wanted: BTreeSet<usize>) -> FrameIter {
    let mut wanted = wanted.into_iter();
    Box::new(std::iter::from_fn(move || {
        let next = wanted.next()?;
        loop {
            match frames.next() {
                Some(Ok((index, _))) if index < next => {}
                Some(item) => return Some(item),
                None => return Some(Err(ClipError::Ended { index: next }.into())),
            }
        }
    }))
}

/// Number of frames, and a note if the clip is cut or damaged after them.
///
/// # Errors
/// If the first frame is damaged, or the clip cannot be read.
pub(super) fn until_damage(
    frames: impl Iterator<Item = Result<(usize, Frame), MediaError>>,
) -> Result<(usize, Option<String>), MediaError> {
    let mut len = 0;
    for frame in frames {
        match frame {
            Ok(_) => len += 1,
            Err(MediaError::Clip(e)) if len > 0 && e.is_damage() => {
                return Ok((len, Some(ended_early(len, &e))));
            }
            Err(e) => return Err(e),
        }
    }
    Ok((len, None))
}

/// The note of a clip that is cut or damaged after `len` frames.
pub(super) fn ended_early(len: usize, cause: &(dyn Error + 'static)) -> String {
    let frames = if len == 1 { "frame before it is" } else { "frames before it are" };
    format!("{}; the {len} {frames} read", in_full(cause))
}

/// Width and height of a frame, in pixels.
pub(crate) fn size_of(frame: &Frame) -> (u32, u32) {
    (frame.width() as u32, frame.height() as u32)
}

/// A frame of `width · height · 3` bytes.
pub(super) fn frame((width, height): (u32, u32), rgb: Vec<u8>) -> Result<Frame, PictureError> {
    // The readers exclude the only other error, a wrong number of bytes.
    Frame::new(width as usize, height as usize, rgb).map_err(|_| PictureError::Empty { width, height })
}

/// Reads this many bytes; `None` if the reader ends before. Memory grows with what is there, not with what a
/// header claims.
pub(super) fn read_exactly(reader: &mut impl Read, len: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(len.min(TRUSTED));
    reader.take(len as u64).read_to_end(&mut bytes)?;
    Ok((bytes.len() == len).then_some(bytes))
}
