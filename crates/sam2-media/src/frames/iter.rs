//! Iterators over frames.

use std::collections::BTreeSet;

use anyhow::Result;
use image::RgbImage;

/// Frames in order, each with its index.
pub type FrameIter = Box<dyn Iterator<Item = Result<(usize, RgbImage)>> + Send>;

/// [`FrameIter`] that borrows its clip.
pub type Walk<'a> = Box<dyn Iterator<Item = Result<(usize, RgbImage)>> + Send + 'a>;

/// The frames of these indices out of all frames.
pub(super) fn pick(mut frames: FrameIter, wanted: BTreeSet<usize>) -> FrameIter {
    let mut wanted = wanted.into_iter();
    Box::new(std::iter::from_fn(move || {
        let next = wanted.next()?;
        loop {
            match frames.next() {
                Some(Ok((index, _))) if index < next => {}
                Some(item) => return Some(item),
                None => return Some(Err(anyhow::anyhow!("the clip ended before frame {next}"))),
            }
        }
    }))
}
