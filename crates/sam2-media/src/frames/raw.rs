//! Uncompressed frames: Y4M, or raw RGB of a given size. Files can be read several times; stdin and pipes
//! once.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sam2_model::Frame;

use super::iter::{FrameIter, frame};
use super::{y4m, yuv};
use crate::error::{ClipError, MediaError, Y4mError};
use crate::size::check_size;

/// Width and height of raw RGB frames: `640x480`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawSize(pub u32, pub u32);

impl FromStr for RawSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (width, height) = text.split_once('x').ok_or("a size is WIDTHxHEIGHT, such as 640x480")?;
        let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is not a number of pixels"));
        let (width, height) = (number(width)?, number(height)?);
        check_size(width, height).map_err(|e| e.to_string())?;
        Ok(Self(width, height))
    }
}

/// Layout of the bytes.
#[derive(Clone, Debug)]
enum Layout {
    Y4m(y4m::Header),
    Rgb(RawSize),
}

impl Layout {
    fn size(&self) -> (u32, u32) {
        match self {
            Self::Y4m(header) => header.size,
            Self::Rgb(RawSize(width, height)) => (*width, *height),
        }
    }

    /// Number of bytes of a frame.
    fn len(&self) -> usize {
        let size = (self.size().0 as usize, self.size().1 as usize);
        match self {
            Self::Y4m(header) => yuv::len(size, header.subsampling),
            Self::Rgb(_) => size.0 * size.1 * 3,
        }
    }
}

/// Reader of frames from bytes.
struct Frames<R> {
    reader: R,
    layout: Layout,
    name: String,
    index: usize,
}

impl<R: BufRead> Frames<R> {
    fn begin(mut reader: R, raw: Option<RawSize>, name: &str) -> Result<Self, Y4mError> {
        let layout = match raw {
            Some(size) => Layout::Rgb(size),
            None => Layout::Y4m(y4m::Header::read(&mut reader)?),
        };
        Ok(Self { reader, layout, name: name.to_owned(), index: 0 })
    }

    /// Reads up to the next frame's bytes; `false` at the end.
    fn advance(&mut self) -> Result<bool, ClipError> {
        let more = match self.layout {
            Layout::Y4m(_) => y4m::frame_follows(&mut self.reader),
            Layout::Rgb(_) => self.reader.fill_buf().map(|bytes| !bytes.is_empty()).map_err(Y4mError::Io),
        };
        let between = |source| ClipError::Between { name: self.name.clone(), index: self.index, source };
        let more = more.map_err(between)?;
        self.index += usize::from(more);
        Ok(more)
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, ClipError> {
        if !self.advance()? {
            return Ok(None);
        }
        let mut bytes = vec![0; self.layout.len()];
        self.reader.read_exact(&mut bytes).map_err(|_| self.cut_short())?;
        let (width, height) = self.layout.size();
        let rgb = match &self.layout {
            Layout::Rgb(_) => bytes,
            Layout::Y4m(header) => {
                let size = (width as usize, height as usize);
                yuv::to_rgb(&bytes, size, header.subsampling, header.full_range)
            }
        };
        let damaged = |source| ClipError::Frame { name: self.name.clone(), index: self.index - 1, source };
        frame((width, height), rgb).map(Some).map_err(damaged)
    }

    /// The error of a truncated last frame.
    fn cut_short(&self) -> ClipError {
        ClipError::CutShort { name: self.name.clone(), index: self.index - 1, size: self.layout.size() }
    }
}

/// A file of uncompressed frames.
#[derive(Debug)]
pub struct ByteFile {
    path: PathBuf,
    raw: Option<RawSize>,
    size: (u32, u32),
    len: usize,
}

impl ByteFile {
    /// Whether a file that begins with `head` is Y4M.
    pub fn is_y4m(head: &[u8]) -> bool {
        head.starts_with(y4m::MAGIC)
    }

    /// Counts the frames, skipping over their pixels.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged or cut short, or holds no frames.
    pub fn open(path: &Path, raw: Option<RawSize>, max_frames: Option<usize>) -> Result<Self, MediaError> {
        let cannot_open = |source| MediaError::Open { path: path.to_owned(), source };
        let mut frames = begin(path, raw)?;
        let mut left = frames.reader.get_ref().metadata().map_or(u64::MAX, |metadata| metadata.len());
        left -= frames.reader.stream_position().map_err(cannot_open)?.min(left);
        let mut len = 0;
        while len < max_frames.unwrap_or(usize::MAX) {
            let before = frames.reader.stream_position().map_err(cannot_open)?;
            if !frames.advance()? {
                break;
            }
            left -= (frames.reader.stream_position().map_err(cannot_open)? - before).min(left);
            let bytes = frames.layout.len();
            left = left.checked_sub(bytes as u64).ok_or_else(|| frames.cut_short())?;
            frames.reader.seek_relative(bytes as i64).map_err(cannot_open)?;
            len += 1;
        }
        if len == 0 {
            return Err(ClipError::NoFrames { name: path.display().to_string() }.into());
        }
        Ok(Self { path: path.to_owned(), raw, size: frames.layout.size(), len })
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

    /// All frames in order.
    ///
    /// # Errors
    /// If the file cannot be opened any more.
    pub fn frames(&self) -> Result<FrameIter, MediaError> {
        let mut frames = begin(&self.path, self.raw)?;
        let pictures = std::iter::from_fn(move || frames.next_frame().transpose());
        Ok(Box::new(pictures.take(self.len).enumerate().map(|(index, frame)| Ok((index, frame?)))))
    }
}

fn begin(path: &Path, raw: Option<RawSize>) -> Result<Frames<BufReader<File>>, MediaError> {
    let file = open(path)?;
    let name = path.display().to_string();
    Frames::begin(BufReader::with_capacity(1 << 20, file), raw, &name)
        .map_err(|source| ClipError::Y4m { name, source }.into())
}

fn open(path: &Path) -> Result<File, MediaError> {
    File::open(path).map_err(|source| MediaError::Open { path: path.to_owned(), source })
}

/// Frames that can be read once. Some can be buffered, to detect short clips.
pub struct Stream {
    frames: Frames<Box<dyn BufRead + Send>>,
    ahead: VecDeque<Frame>,
    /// Number of frames that may still be read from `frames`; 0 at its end.
    more: usize,
    next: usize,
}

impl Stream {
    /// Opens stdin (`-`) or a pipe.
    ///
    /// # Errors
    /// If it cannot be opened, or is not Y4M and `raw` is absent.
    pub fn open(path: &Path, raw: Option<RawSize>, max_frames: Option<usize>) -> Result<Self, MediaError> {
        let (reader, name): (Box<dyn BufRead + Send>, _) = if path == Path::new("-") {
            (Box::new(BufReader::with_capacity(1 << 20, std::io::stdin())), "stdin".to_owned())
        } else {
            let file = open(path)?;
            (Box::new(BufReader::with_capacity(1 << 20, file)), path.display().to_string())
        };
        Ok(Self::begin(reader, raw, max_frames, &name)?)
    }

    fn begin(
        reader: Box<dyn BufRead + Send>,
        raw: Option<RawSize>,
        max_frames: Option<usize>,
        name: &str,
    ) -> Result<Self, ClipError> {
        let frames = Frames::begin(reader, raw, name)
            .map_err(|source| ClipError::Stream { name: name.to_owned(), source })?;
        let more = max_frames.unwrap_or(usize::MAX);
        Ok(Self { frames, ahead: VecDeque::new(), more, next: 0 })
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
        self.frames.layout.size()
    }

    /// Name in messages: the path, or `stdin`.
    pub fn name(&self) -> &str {
        &self.frames.name
    }

    /// The number of frames, buffered ones included, if the stream has ended.
    pub fn num_frames(&self) -> Option<usize> {
        (self.more == 0).then_some(self.next + self.ahead.len())
    }

    /// The next frame and its index.
    ///
    /// # Errors
    /// If the stream is damaged.
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
        let frame = self.frames.next_frame()?;
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
    fn bytes_that_end_early_are_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x");
        let open = |bytes: &[u8], raw| {
            std::fs::write(&path, bytes).expect("write");
            ByteFile::open(&path, raw, None)
        };
        let raw = Some(RawSize(2, 1));
        assert_eq!(open(&[1; 12], raw).expect("two frames").len(), 2);
        let text = open(&[1; 13], raw).expect_err("cut").to_string();
        assert!(text.contains("cut short in frame 2"), "{text}");
        let y4m = b"YUV4MPEG2 W2 H2 C420jpeg\nFRAME\n123456FRAME x\n123456".as_slice();
        let file = open(y4m, None).expect("two frames");
        assert_eq!((file.len(), file.size(), file.frames().expect("frames").count()), (2, (2, 2), 2));
        assert!(open(&y4m[..y4m.len() - 1], None).is_err());
        assert!(open(&y4m[..25], None).expect_err("none").to_string().contains("no frames"));
        assert!(open(b"YUV4MPEG2 W2 H2\nFRAME\n1234567", None).is_err());
    }

    /// ffmpeg rounds subsampled chroma coarsely, so it is a reference only to within 3 levels.
    #[test]
    fn colours_are_those_of_ffmpeg() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let (y4m, rgb) = (dir.path().join("x.y4m"), dir.path().join("x.rgb"));
        let ffmpeg = |args: &[&str], out: &Path| {
            let mut command = std::process::Command::new("ffmpeg");
            command
                .args(["-v", "error", "-nostdin", "-y"])
                .args(args)
                .arg(out)
                .status()
                .is_ok_and(|s| s.success())
        };
        for (format, tolerance) in [("yuv420p", 3), ("yuv422p", 3), ("yuv444p", 1), ("gray", 0)] {
            for range in ["tv", "pc"] {
                let filter =
                    format!("testsrc2=size=66x50:rate=5:duration=1,scale=out_range={range},format={format}");
                let made = ["-f", "lavfi", "-i", &filter, "-color_range", range, "-f", "yuv4mpegpipe"];
                if !ffmpeg(&made, &y4m) {
                    eprintln!("skipped: ffmpeg is not installed");
                    return;
                }
                let input = y4m.to_str().expect("UTF-8");
                assert!(ffmpeg(&["-i", input, "-f", "rawvideo", "-pix_fmt", "rgb24"], &rgb));
                let open = |path: &Path, raw| {
                    let file = ByteFile::open(path, raw, None).expect("frames");
                    (
                        file.len(),
                        file.frames().expect("frames").map(|f| f.expect("frame").1).collect::<Vec<_>>(),
                    )
                };
                let (count, frames) = open(&y4m, None);
                let (expected_count, expected) = open(&rgb, Some(RawSize(66, 50)));
                assert_eq!((count, expected_count), (5, 5));
                for (frame, expected) in frames.iter().zip(&expected) {
                    let far = frame.rgb().iter().zip(expected.rgb()).map(|(a, b)| a.abs_diff(*b)).max();
                    assert!(far <= Some(tolerance), "{format} {range}: {far:?} levels");
                }
            }
        }
    }

    #[test]
    fn sizes_are_parsed() {
        assert_eq!("640x480".parse(), Ok(RawSize(640, 480)));
        for bad in ["640", "640x", "x480", "0x4", "640x480x3", "-1x4", "99999x99999"] {
            assert!(bad.parse::<RawSize>().is_err(), "{bad}");
        }
    }
}
