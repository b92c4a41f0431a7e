//! Iterators over frames.

use std::collections::BTreeSet;

use sam2_model::Frame;

use crate::error::{ClipError, MediaError, PictureError};

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

/// Width and height of a frame, in pixels.
pub(crate) fn size_of(frame: &Frame) -> (u32, u32) {
    (frame.width() as u32, frame.height() as u32)
}

/// A frame of `width · height · 3` bytes.
pub(super) fn frame((width, height): (u32, u32), rgb: Vec<u8>) -> Result<Frame, PictureError> {
    // The readers exclude the only other error, a wrong number of bytes.
    Frame::new(width as usize, height as usize, rgb).map_err(|_| PictureError::Empty { width, height })
}
