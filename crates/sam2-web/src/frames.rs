//! Decoded frames at random, in bounded memory. A clip that can only be read forwards is held open where it
//! was read last.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use sam2_media::frames::{FrameIter, photo};
use sam2_model::Frame;

use crate::error::ApiError;
use crate::limits;
use crate::media::{Media, Source};
use crate::spool::Spool;

/// Quality of the JPEGs.
const QUALITY: u8 = 90;

/// A picture or clip, and the index of a frame.
type Key = (String, usize);

/// What was decoded last.
#[derive(Default)]
pub struct Frames {
    frames: Mutex<Cache<Arc<Frame>>>,
    jpegs: Mutex<Cache<Bytes>>,
    open: Mutex<VecDeque<Position>>,
    spool: Mutex<Option<Spool>>,
}

/// A clip that is being read.
struct Position {
    media: String,
    next: usize,
    frames: FrameIter,
}

/// The last values whose bytes are below a limit.
struct Cache<T> {
    /// Most recently used last.
    entries: VecDeque<(Key, usize, T)>,
    bytes: usize,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0 }
    }
}

impl<T: Clone> Cache<T> {
    fn get(&mut self, key: &Key) -> Option<T> {
        let at = self.entries.iter().rposition(|(known, ..)| known == key)?;
        let entry = self.entries.remove(at)?;
        let value = entry.2.clone();
        self.entries.push_back(entry);
        Some(value)
    }

    fn put(&mut self, key: Key, bytes: usize, value: T, limit: usize) {
        self.retain(|known| *known != key);
        self.bytes += bytes;
        self.entries.push_back((key, bytes, value));
        while self.bytes > limit && self.entries.len() > 1 {
            let Some((_, old, _)) = self.entries.pop_front() else { break };
            self.bytes -= old;
        }
    }

    fn retain(&mut self, keep: impl Fn(&Key) -> bool) {
        self.entries.retain(|(key, ..)| keep(key));
        self.bytes = self.entries.iter().map(|(_, bytes, _)| bytes).sum();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Frames {
    /// A decoded frame.
    ///
    /// # Errors
    /// If there is no such frame, or it cannot be decoded.
    pub fn frame(&self, media: &Media, index: usize) -> Result<Arc<Frame>, ApiError> {
        media.check_frame(index)?;
        let key = (media.id.clone(), index);
        if let Some(frame) = lock(&self.frames).get(&key) {
            return Ok(frame);
        }
        match &media.source {
            Source::Photo(path) => Ok(self.keep(key, photo::read(path)?)),
            Source::Clip(clip) if clip.stems().is_some() => match clip.select([index].into())?.next() {
                Some(frame) => Ok(self.keep(key, frame?.1)),
                None => Err(ended(media, index)),
            },
            Source::Clip(clip) => {
                let mut open = lock(&self.open);
                let here = open.iter().position(|at| at.media == media.id && at.next <= index);
                let mut position = match here.and_then(|here| open.remove(here)) {
                    Some(position) => position,
                    None => {
                        // From the beginning: the place behind that was open is of no further use.
                        open.retain(|at| at.media != media.id);
                        Position { media: media.id.clone(), next: 0, frames: clip.frames_from(0)? }
                    }
                };
                loop {
                    let (found, frame) = position.frames.next().ok_or_else(|| ended(media, index))??;
                    position.next = found + 1;
                    let frame = self.keep((media.id.clone(), found), frame);
                    if found == index {
                        if position.next < media.frames {
                            open.push_back(position);
                        }
                        if open.len() > limits::OPEN_CLIPS {
                            open.pop_front();
                        }
                        return Ok(frame);
                    }
                }
            }
        }
    }

    fn keep(&self, key: Key, frame: Frame) -> Arc<Frame> {
        let frame = Arc::new(frame);
        lock(&self.frames).put(key, frame.rgb().len(), Arc::clone(&frame), limits::FRAMES);
        frame
    }

    /// A frame as JPEG, if it was asked for before.
    pub fn known_jpeg(&self, media: &Media, index: usize) -> Option<Bytes> {
        lock(&self.jpegs).get(&(media.id.clone(), index))
    }

    /// A frame as JPEG.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn jpeg(&self, media: &Media, index: usize) -> Result<Bytes, ApiError> {
        if let Some(known) = self.known_jpeg(media, index) {
            return Ok(known);
        }
        if let Some(jpeg) = lock(&self.spool).as_mut().and_then(|spool| spool.read(&media.id, index)) {
            self.keep_jpeg(media, index, &jpeg);
            return Ok(jpeg);
        }
        let jpeg = encode(media, index, &*self.frame(media, index)?)?;
        self.keep_jpeg(media, index, &jpeg);
        Ok(jpeg)
    }

    fn keep_jpeg(&self, media: &Media, index: usize, jpeg: &Bytes) {
        lock(&self.jpegs).put((media.id.clone(), index), jpeg.len(), jpeg.clone(), limits::JPEGS);
    }

    /// The file for frames as JPEG, which [`Self::spool`] fills.
    pub fn begin_spool(&self, spool: Spool) {
        *lock(&self.spool) = Some(spool);
    }

    /// Keeps a frame as JPEG on the disk. Returns whether there is room for more.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn spool(&self, media: &Media, index: usize, frame: &Frame) -> Result<bool, ApiError> {
        let jpeg = encode(media, index, frame)?;
        Ok(lock(&self.spool).as_mut().is_some_and(|spool| spool.write(&media.id, index, &jpeg)))
    }

    /// Whether a frame as JPEG is on the disk.
    pub fn is_spooled(&self, media: &Media, index: usize) -> bool {
        lock(&self.spool).as_ref().is_some_and(|spool| spool.has(&media.id, index))
    }

    /// Drops everything of an entry that was removed.
    pub fn forget(&self, id: &str) {
        lock(&self.frames).retain(|(media, _)| media != id);
        lock(&self.jpegs).retain(|(media, _)| media != id);
        lock(&self.open).retain(|at| at.media != id);
    }
}
/// A frame as JPEG.
fn encode(media: &Media, index: usize, frame: &Frame) -> Result<Bytes, ApiError> {
    let mut jpeg = Vec::new();
    let (width, height) = media.size;
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
    let encoded = encoder.write_image(frame.rgb(), width, height, ExtendedColorType::Rgb8);
    encoded.map_err(|e| ApiError::internal(format!("cannot encode frame {index} of {}: {e}", media.name)))?;
    Ok(Bytes::from(jpeg))
}

fn ended(media: &Media, index: usize) -> ApiError {
    ApiError::new(
        axum::http::StatusCode::UNPROCESSABLE_ENTITY,
        "bad_media",
        format!("{} ends before frame {index}: it has changed since it was opened", media.name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_keeps_the_last_values_within_its_limit() {
        let key = |n: usize| ("a".to_owned(), n);
        let mut cache = Cache::default();
        (0..4).for_each(|n| cache.put(key(n), 10, n, 30));
        assert_eq!((cache.get(&key(0)), cache.get(&key(1)), cache.bytes), (None, Some(1), 30));
        cache.put(key(9), 10, 9, 30);
        assert_eq!((cache.get(&key(2)), cache.get(&key(1))), (None, Some(1)), "the least recently used goes");
        cache.put(key(5), 99, 5, 30);
        assert_eq!(
            (cache.get(&key(5)), cache.entries.len()),
            (Some(5), 1),
            "the last is kept whatever its size"
        );
        cache.put(key(5), 10, 6, 30);
        assert_eq!((cache.get(&key(5)), cache.bytes), (Some(6), 10));
    }
}
