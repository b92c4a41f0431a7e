//! Animated GIF, PNG and WebP files as clips: frames composited on the full canvas.

mod decoder;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use image::DynamicImage;
use sam2_model::Frame;

use super::iter::{FrameIter, frame, until_damage};
use super::webp;
use crate::decode::guard::guarded;
use crate::error::{ClipError, MediaError, PictureError};
use decoder::{Decoder, Format, Source};

/// Number of decoded frames buffered for the reader of [`Animation::frames`].
const AHEAD: usize = 2;
/// Name of the threads that decode.
const THREAD: &str = "frames";

/// The bytes of an animation.
#[derive(Clone, Debug)]
enum Origin {
    File(PathBuf),
    Embedded(&'static [u8]),
}

/// An animation; every pass decodes it again, so no frame is kept.
///
/// ```
/// use sam2_media::frames::animation::Animation;
/// # use sam2_media::frames::gif;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("clip.gif");
/// # gif::write(std::fs::File::create(&path)?, &vec![image::RgbImage::new(4, 2); 3], 40)?;
/// let head = std::fs::read(&path)?; // its first bytes are enough
/// let clip = Animation::open(&path, &head, None)?.expect("it is an animation");
/// assert_eq!((clip.size(), clip.len(), clip.frames()?.count()), ((4, 2), 3, 3));
/// assert_eq!(clip.note(), None); // it is whole
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Animation {
    origin: Origin,
    format: Format,
    size: (u32, u32),
    len: usize,
    note: Option<String>,
}

impl Animation {
    /// Opens a file that begins with `head` and counts its frames, up to `max_frames`; `None` if it is no
    /// animation. One that is cut or damaged is read up to there.
    ///
    /// # Errors
    /// If the file cannot be read, its first frame is damaged, or it holds no frames.
    pub fn open(path: &Path, head: &[u8], max_frames: Option<usize>) -> Result<Option<Self>, MediaError> {
        let Some(format) = Format::of(head) else { return Ok(None) };
        Self::count(Origin::File(path.to_owned()), format, max_frames)
    }

    /// A GIF inside the program.
    ///
    /// # Errors
    /// If it is damaged, or holds no frames.
    pub fn embedded(bytes: &'static [u8], max_frames: Option<usize>) -> Result<Self, MediaError> {
        let origin = Origin::Embedded(bytes);
        let name = origin.name(Format::Gif);
        Self::count(origin, Format::Gif, max_frames)?.ok_or_else(|| ClipError::NoFrames { name }.into())
    }

    fn count(origin: Origin, format: Format, max_frames: Option<usize>) -> Result<Option<Self>, MediaError> {
        let len = max_frames.unwrap_or(usize::MAX);
        let mut animation = Self { origin, format, size: (0, 0), len, note: None };
        let Some(decoder) = animation.decoder()? else { return Ok(None) };
        animation.size = decoder.dimensions();
        let cut = animation.leave_out_the_cut_frame()?;
        let (len, damage) = until_damage(animation.pass(decoder)?)?;
        if len == 0 {
            return Err(ClipError::NoFrames { name: animation.name() }.into());
        }
        let cut = || cut.then(|| format!("{} is cut; whole frames that are read: {len}", animation.name()));
        animation.note = damage.or_else(cut);
        animation.len = len;
        Ok(Some(animation))
    }

    /// Limits a WebP file to the frames that it holds whole; the other decoders report a cut frame
    /// themselves. Returns whether such a frame was among those that are wanted.
    fn leave_out_the_cut_frame(&mut self) -> Result<bool, MediaError> {
        let Origin::File(path) = &self.origin else { return Ok(false) };
        if self.format != Format::WebP {
            return Ok(false);
        }
        let count = |path: &Path| {
            let file = File::open(path)?;
            let bytes = file.metadata()?.len();
            webp::whole_frames(&mut BufReader::new(file), bytes)
        };
        let (whole, cut) = count(path).map_err(|e| self.unreadable(e.into()))?;
        let cut = cut && whole < self.len;
        self.len = self.len.min(whole);
        Ok(cut)
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

    /// Frames per second, by the time that the first frame stays.
    pub fn fps(&self) -> Option<f64> {
        let first = self.decoder().ok()??.into_frames().ok()?.next()?.ok()?;
        let (milliseconds, parts) = first.delay().numer_denom_ms();
        (milliseconds > 0).then(|| 1000.0 * f64::from(parts) / f64::from(milliseconds))
    }

    /// That the end is missing, if it is.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// All frames in order. A thread decodes up to `AHEAD` frames ahead and ends when the iterator is
    /// dropped: the decoders' own iterators cannot be sent to another thread.
    ///
    /// # Errors
    /// If the file cannot be opened any more, or is no animation any more. A damaged frame is an error of the
    /// iterator.
    pub fn frames(&self) -> Result<FrameIter, MediaError> {
        let decoder = self.decoder()?.ok_or_else(|| ClipError::NoFrames { name: self.name() })?;
        Ok(Box::new(self.pass(decoder)?))
    }

    fn pass(&self, decoder: Decoder) -> Result<Pass, MediaError> {
        let (sender, receiver) = sync_channel(AHEAD);
        let len = self.len;
        let decode = move || {
            let mut frames = match guarded(|| decoder.into_frames().map_err(PictureError::decode)) {
                Ok(frames) => frames.take(len),
                Err(e) => return drop(sender.send(Err(e))),
            };
            let mut next = || frames.next().transpose().map_err(PictureError::decode);
            while let Some(decoded) = guarded(&mut next).transpose() {
                let decoded = decoded.and_then(|decoded| {
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
        let thread = thread::Builder::new().name(THREAD.to_owned()).spawn(decode);
        thread.map_err(|e| self.unreadable(e.into()))?;
        Ok(Pass { name: self.name(), receiver, index: 0 })
    }

    fn name(&self) -> String {
        self.origin.name(self.format)
    }

    fn unreadable(&self, source: PictureError) -> MediaError {
        ClipError::Header { name: self.name(), source }.into()
    }

    /// `None` if the picture does not move.
    fn decoder(&self) -> Result<Option<Decoder>, MediaError> {
        let open = || {
            let (reader, bytes): (Source, u64) = match &self.origin {
                Origin::File(path) => {
                    let file = File::open(path)?;
                    let bytes = file.metadata()?.len();
                    (Box::new(BufReader::new(file)), bytes)
                }
                Origin::Embedded(bytes) => (Box::new(Cursor::new(*bytes)), bytes.len() as u64),
            };
            guarded(|| Decoder::open(reader, bytes, self.format))
        };
        open().map_err(|source| self.unreadable(source))
    }
}

impl Origin {
    fn name(&self, format: Format) -> String {
        match self {
            Self::File(path) => format!("the {} {}", format.name(), path.display()),
            Self::Embedded(_) => "the embedded clip".to_owned(),
        }
    }
}

/// A pass over the frames.
struct Pass {
    name: String,
    receiver: Receiver<Result<Frame, PictureError>>,
    index: usize,
}

impl Iterator for Pass {
    type Item = Result<(usize, Frame), MediaError>;

    fn next(&mut self) -> Option<Self::Item> {
        let decoded = self.receiver.recv().ok()?;
        let index = self.index;
        self.index += 1;
        let damaged = |source| ClipError::Frame { name: self.name.clone(), index, source }.into();
        Some(decoded.map(|frame| (index, frame)).map_err(damaged))
    }
}
