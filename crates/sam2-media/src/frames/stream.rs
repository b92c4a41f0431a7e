//! Frames from stdin or a pipe, which can be read once.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use sam2_model::Frame;

use super::iter::ended_early;
use super::raw::{Format, Frames, RawSize};
use crate::error::{ClipError, MediaError};

/// Frames that can be read once. Some can be buffered, to detect short clips.
///
/// ```
/// use sam2_media::frames::{RawSize, Stream};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("pipe");
/// # std::fs::write(&path, [0; 2 * 4 * 2 * 3])?;
/// let mut stream = Stream::open(&path, Some(RawSize(4, 2)), None)?; // or "-".as_ref() for stdin
/// println!("{}: {:?} pixels", stream.name(), stream.size());
/// stream.read_ahead(8)?; // shorter clips have a known length
/// assert_eq!(stream.num_frames(), Some(2));
/// while let Some((frame_idx, frame)) = stream.next_frame()? {
///     println!("frame {frame_idx}: {} bytes", frame.rgb().len());
/// }
/// assert_eq!(stream.note(), None); // it did not end within a frame
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Stream {
    frames: Frames<Box<dyn BufRead + Send>>,
    ahead: VecDeque<Frame>,
    /// Number of frames that may still be read from `frames`; 0 at its end.
    more: usize,
    next: usize,
    note: Option<String>,
}

impl Stream {
    /// Opens stdin (`-`) or a pipe.
    ///
    /// # Errors
    /// If it cannot be opened, or is neither Y4M nor Motion JPEG and `raw` is absent.
    pub fn open(path: &Path, raw: Option<RawSize>, max_frames: Option<usize>) -> Result<Self, MediaError> {
        let (reader, name): (Box<dyn BufRead + Send>, _) = if path == Path::new("-") {
            (Box::new(BufReader::with_capacity(1 << 20, std::io::stdin())), "stdin".to_owned())
        } else {
            let file =
                File::open(path).map_err(|source| MediaError::Open { path: path.to_owned(), source })?;
            (Box::new(BufReader::with_capacity(1 << 20, file)), path.display().to_string())
        };
        Ok(Self::begin(reader, raw, max_frames, &name)?)
    }

    fn begin(
        mut reader: Box<dyn BufRead + Send>,
        raw: Option<RawSize>,
        max_frames: Option<usize>,
        name: &str,
    ) -> Result<Self, ClipError> {
        let unreadable = |source| ClipError::Stream { name: name.to_owned(), source };
        let format = match raw {
            Some(size) => Format::Rgb(size),
            // A JPEG picture, or the boundary of a multipart stream of them; Y4M begins with a letter.
            None => match reader.fill_buf().map_err(|e| unreadable(e.into()))?.first() {
                Some(0xff | b'-') => Format::Mjpeg,
                _ => Format::Y4m,
            },
        };
        let frames = Frames::begin(reader, format, name).map_err(|e| match e {
            ClipError::Y4m { source, .. } => unreadable(source),
            other => other,
        })?;
        let more = max_frames.unwrap_or(usize::MAX);
        Ok(Self { frames, ahead: VecDeque::new(), more, next: 0, note: None })
    }

    /// Reads until this many frames are buffered, or the stream ends.
    ///
    /// # Errors
    /// If the stream is damaged, or has ended before its first frame.
    pub fn read_ahead(&mut self, frames: usize) -> Result<(), MediaError> {
        while self.ahead.len() < frames {
            let Some(frame) = self.read()? else { break };
            self.ahead.push_back(frame);
        }
        if self.next == 0 && self.ahead.is_empty() {
            return Err(ClipError::NoFrames { name: self.name().to_owned() }.into());
        }
        Ok(())
    }

    /// Width and height of every frame, in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.frames.size()
    }

    /// Name in messages: the path, or `stdin`.
    pub fn name(&self) -> &str {
        self.frames.name()
    }

    /// The number of frames, buffered ones included, if the stream has ended.
    pub fn num_frames(&self) -> Option<usize> {
        (self.more == 0).then_some(self.next + self.ahead.len())
    }

    /// That the stream has ended within a frame or gone on with something else, if it has.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The next frame and its index; none after the last whole one.
    ///
    /// # Errors
    /// If the first frame is damaged, frames differ in size, or the stream cannot be read.
    pub fn next_frame(&mut self) -> Result<Option<(usize, Frame)>, MediaError> {
        let frame = match self.ahead.pop_front() {
            Some(frame) => Some(frame),
            None => self.read()?,
        };
        let index = self.next;
        self.next += usize::from(frame.is_some());
        Ok(frame.map(|frame| (index, frame)))
    }

    fn read(&mut self) -> Result<Option<Frame>, ClipError> {
        if self.more == 0 {
            return Ok(None);
        }
        let read = self.next + self.ahead.len();
        let frame = match self.frames.next_frame() {
            Err(e) if read > 0 && e.is_damage() => {
                self.note = Some(ended_early(read, &e));
                None
            }
            other => other?,
        };
        self.more = if frame.is_some() { self.more - 1 } else { 0 };
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw_stream(frames: u8, max_frames: Option<usize>, read_ahead: usize) -> Result<Stream, MediaError> {
        let bytes: Vec<u8> = (0..frames).flat_map(|i| [i; 6]).collect();
        let reader = Box::new(std::io::Cursor::new(bytes));
        let mut stream = Stream::begin(reader, Some(RawSize(2, 1)), max_frames, "stdin")?;
        stream.read_ahead(read_ahead).map(|()| stream)
    }

    #[test]
    fn a_stream_gives_every_frame_once_and_tells_its_length_when_it_is_known() {
        for (frames, max, ahead, known) in [
            (5, None, 16, Some(5)),
            (5, None, 5, None),
            (5, None, 2, None),
            (5, Some(3), 16, Some(3)),
            (5, Some(2), 2, Some(2)),
        ] {
            let mut stream = raw_stream(frames, max, ahead).expect("stream");
            assert_eq!((stream.num_frames(), stream.size()), (known, (2, 1)));
            let mut seen = Vec::new();
            while let Some((index, frame)) = stream.next_frame().expect("frame") {
                assert_eq!(usize::from(frame.rgb()[5]), index);
                seen.push(index);
            }
            assert_eq!(seen, (0..max.unwrap_or(5)).collect::<Vec<_>>());
            assert_eq!(stream.num_frames(), Some(seen.len()));
        }
        assert!(raw_stream(0, None, 4).is_err());
    }

    #[test]
    fn a_producer_that_dies_within_a_frame_costs_that_frame_only() {
        let mut bytes: Vec<u8> = (0..3).flat_map(|i| [i; 6]).collect();
        bytes.pop();
        let open = |ahead| {
            let reader = Box::new(std::io::Cursor::new(bytes.clone()));
            let mut stream = Stream::begin(reader, Some(RawSize(2, 1)), None, "stdin")?;
            stream.read_ahead(ahead)?;
            let count = std::iter::from_fn(|| stream.next_frame().transpose()).collect::<Result<Vec<_>, _>>();
            assert!(stream.note().is_some_and(|note| note.contains("cut short in frame 2")));
            count.map(|frames| (frames.len(), stream.num_frames()))
        };
        assert_eq!(open(1).expect("read"), (2, Some(2)));
        assert_eq!(open(9).expect("read"), (2, Some(2)));
        bytes.truncate(5);
        let reader = Box::new(std::io::Cursor::new(bytes));
        let mut stream = Stream::begin(reader, Some(RawSize(2, 1)), None, "stdin").expect("no header");
        assert!(stream.next_frame().is_err(), "there is no whole frame");
    }

    #[test]
    fn motion_jpeg_is_recognised() {
        let mut jpeg = Vec::new();
        let picture = image::RgbImage::from_pixel(16, 8, image::Rgb([200; 3]));
        image::codecs::jpeg::JpegEncoder::new(&mut jpeg).encode_image(&picture).expect("encode");
        let multipart = [b"--boundary\r\nContent-Type: image/jpeg\r\n\r\n", &jpeg[..], b"\r\n"].concat();
        for part in [jpeg, multipart] {
            let reader = Box::new(std::io::Cursor::new(part.repeat(3)));
            let mut stream = Stream::begin(reader, None, None, "stdin").expect("stream");
            assert_eq!(stream.size(), (16, 8));
            assert_eq!(std::iter::from_fn(|| stream.next_frame().expect("frame")).count(), 3);
        }
        let text = Stream::begin(Box::new(&b"RIFF"[..]), None, None, "stdin").err().expect("refused");
        assert!(text.to_string().contains("Motion JPEG"), "{text}");
    }
}
