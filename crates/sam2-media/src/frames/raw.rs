//! Frames one after the other in a file: Y4M, raw RGB of a given size, or Motion JPEG.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sam2_model::Frame;

use super::iter::{FrameIter, ended_early, frame, read_exactly, size_of};
use super::{mjpeg, y4m, yuv};
use crate::error::{ClipError, MediaError, Y4mError};
use crate::size::check_size;

/// Width and height of raw RGB frames: `640x480`.
///
/// ```
/// # use sam2_media::frames::RawSize;
/// assert_eq!("640x480".parse(), Ok(RawSize(640, 480)));
/// ```
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

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format {
    /// YUV4MPEG2.
    Y4m,
    /// RGB, 3 bytes a pixel.
    Rgb(RawSize),
    /// Motion JPEG.
    Mjpeg,
}

/// Layout of the bytes.
enum Layout {
    Y4m(y4m::Header),
    Rgb(RawSize),
    /// The pictures, the size of the first one, and that one itself until it is given out.
    Mjpeg(mjpeg::Pictures, (u32, u32), Option<Frame>),
}

impl Layout {
    fn size(&self) -> (u32, u32) {
        match self {
            Self::Y4m(header) => header.size,
            Self::Rgb(RawSize(width, height)) => (*width, *height),
            Self::Mjpeg(_, size, _) => *size,
        }
    }

    /// Number of bytes of a frame, if all have the same.
    fn len(&self) -> Option<usize> {
        let size = (self.size().0 as usize, self.size().1 as usize);
        match self {
            Self::Y4m(header) => Some(yuv::len(size, header.subsampling)),
            Self::Rgb(_) => Some(size.0 * size.1 * 3),
            Self::Mjpeg(..) => None,
        }
    }
}

/// Reader of frames from bytes.
pub(super) struct Frames<R> {
    reader: R,
    layout: Layout,
    name: String,
    index: usize,
}

impl<R: BufRead> Frames<R> {
    /// Reads the header.
    pub(super) fn begin(mut reader: R, format: Format, name: &str) -> Result<Self, ClipError> {
        let name = name.to_owned();
        let layout = match format {
            Format::Rgb(size) => Layout::Rgb(size),
            Format::Y4m => match y4m::Header::read(&mut reader) {
                Ok(header) => Layout::Y4m(header),
                Err(source) => return Err(ClipError::Y4m { name, source }),
            },
            Format::Mjpeg => {
                let mut pictures = mjpeg::Pictures::default();
                let damaged = |source| ClipError::Frame { name: name.clone(), index: 0, source };
                let first = match pictures.advance(&mut reader) {
                    Ok(true) => pictures.decode().map_err(damaged)?,
                    Ok(false) => return Err(ClipError::NoFrames { name }),
                    Err(e) => return Err(damaged(e.into())),
                };
                Layout::Mjpeg(pictures, size_of(&first), Some(first))
            }
        };
        Ok(Self { reader, layout, name, index: 0 })
    }

    /// Width and height of every frame, in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        self.layout.size()
    }

    /// The file, or `stdin`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reads up to the next frame's bytes, or over those of a JPEG picture; `false` at the end.
    fn advance(&mut self) -> Result<bool, ClipError> {
        let (name, index) = (&self.name, self.index);
        let between = |source| ClipError::Between { name: name.clone(), index, source };
        let more = match &mut self.layout {
            Layout::Y4m(_) => y4m::frame_follows(&mut self.reader).map_err(between)?,
            Layout::Rgb(_) => {
                let bytes = self.reader.fill_buf().map_err(|e| between(Y4mError::Io(e)))?;
                !bytes.is_empty()
            }
            Layout::Mjpeg(_, _, Some(_)) => true,
            Layout::Mjpeg(pictures, ..) => pictures
                .advance(&mut self.reader)
                .map_err(|e| ClipError::Frame { name: name.clone(), index, source: e.into() })?,
        };
        self.index += usize::from(more);
        Ok(more)
    }

    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, ClipError> {
        if !self.advance()? {
            return Ok(None);
        }
        let (name, index) = (self.name.clone(), self.index - 1);
        let expected = self.size();
        if let Layout::Mjpeg(pictures, _, first) = &mut self.layout {
            let decoded = first.take().map_or_else(|| pictures.decode(), Ok);
            let frame = decoded.map_err(|source| ClipError::Frame { name, index, source })?;
            let found = size_of(&frame);
            return if found == expected {
                Ok(Some(frame))
            } else {
                Err(ClipError::FrameSize { index, found, expected })
            };
        }
        let bytes = read_exactly(&mut self.reader, self.layout.len().unwrap_or_default());
        let bytes = bytes.map_err(|e| ClipError::Frame { name: name.clone(), index, source: e.into() })?;
        let bytes = bytes.ok_or_else(|| self.cut_short())?;
        let (width, height) = expected;
        let rgb = match &self.layout {
            Layout::Y4m(header) => {
                let size = (width as usize, height as usize);
                yuv::to_rgb(&bytes, size, header.subsampling, header.full_range)
            }
            _ => bytes,
        };
        frame(expected, rgb).map(Some).map_err(|source| ClipError::Frame { name, index, source })
    }

    /// The error of a truncated last frame.
    fn cut_short(&self) -> ClipError {
        ClipError::CutShort { name: self.name.clone(), index: self.index - 1, size: self.layout.size() }
    }
}

/// A file of frames one after the other.
///
/// ```
/// use sam2_media::frames::raw::{ByteFile, Format};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("clip.y4m");
/// let gray = b"YUV4MPEG2 W2 H1 Cmono\nFRAME\n\x00\x40FRAME\n\x80\xff";
/// std::fs::write(&path, gray)?;
/// assert!(ByteFile::is_y4m(gray));
/// let clip = ByteFile::open(&path, Format::Y4m, None)?;
/// assert_eq!((clip.size(), clip.len(), clip.frames()?.count()), ((2, 1), 2, 2));
/// assert_eq!(clip.note(), None); // it is whole
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ByteFile {
    path: PathBuf,
    format: Format,
    size: (u32, u32),
    len: usize,
    note: Option<String>,
}

impl ByteFile {
    /// Whether a file that begins with `head` is Y4M.
    pub fn is_y4m(head: &[u8]) -> bool {
        head.starts_with(y4m::MAGIC)
    }

    /// Counts the frames, skipping over their pixels. A file that is cut or damaged is read up to there.
    ///
    /// # Errors
    /// If the file cannot be read, or holds no frames.
    pub fn open(path: &Path, format: Format, max_frames: Option<usize>) -> Result<Self, MediaError> {
        let mut frames = begin(path, format)?;
        let mut file = Self { path: path.to_owned(), format, size: frames.size(), len: 0, note: None };
        while file.len < max_frames.unwrap_or(usize::MAX) {
            match skip(&mut frames) {
                Ok(true) => file.len += 1,
                Ok(false) => break,
                Err(MediaError::Clip(e)) if file.len > 0 && e.is_damage() => {
                    file.note = Some(ended_early(file.len, &e));
                    break;
                }
                Err(e) => return Err(e),
            }
        }
        if file.len == 0 {
            return Err(ClipError::NoFrames { name: path.display().to_string() }.into());
        }
        Ok(file)
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

    /// Frames per second, if a header says so.
    pub fn fps(&self) -> Option<f64> {
        match begin(&self.path, self.format).ok()?.layout {
            Layout::Y4m(header) => header.fps,
            _ => None,
        }
    }

    /// That the end is missing, if it is.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// All frames in order.
    ///
    /// # Errors
    /// If the file cannot be opened any more.
    pub fn frames(&self) -> Result<FrameIter, MediaError> {
        let mut frames = begin(&self.path, self.format)?;
        let pictures = std::iter::from_fn(move || frames.next_frame().transpose());
        Ok(Box::new(pictures.take(self.len).enumerate().map(|(index, frame)| Ok((index, frame?)))))
    }
}

/// Goes to the next frame and over its bytes; `false` at the end.
fn skip(frames: &mut Frames<BufReader<File>>) -> Result<bool, MediaError> {
    let Some(bytes) = frames.layout.len() else {
        return Ok(frames.next_frame()?.is_some());
    };
    if !frames.advance()? {
        return Ok(false);
    }
    let unreadable = |e: std::io::Error| ClipError::Header { name: frames.name.clone(), source: e.into() };
    let at = frames.reader.stream_position().map_err(unreadable)?;
    let left = frames.reader.get_ref().metadata().map_err(unreadable)?.len().saturating_sub(at);
    if bytes as u64 > left {
        return Err(frames.cut_short().into());
    }
    frames.reader.seek_relative(bytes as i64).map_err(unreadable)?;
    Ok(true)
}

fn begin(path: &Path, format: Format) -> Result<Frames<BufReader<File>>, MediaError> {
    let file = File::open(path).map_err(|source| MediaError::Open { path: path.to_owned(), source })?;
    let name = path.display().to_string();
    Ok(Frames::begin(BufReader::with_capacity(1 << 20, file), format, &name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_end_early_are_read_as_far_as_they_go() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x");
        let open = |bytes: &[u8], format| {
            std::fs::write(&path, bytes).expect("write");
            let file = ByteFile::open(&path, format, None)?;
            assert_eq!(file.frames()?.filter(Result::is_ok).count(), file.len());
            Ok::<_, MediaError>((file.len(), file.note().unwrap_or_default().to_owned()))
        };
        let raw = Format::Rgb(RawSize(2, 1));
        assert_eq!(open(&[1; 12], raw).expect("two frames"), (2, String::new()));
        let (len, note) = open(&[1; 13], raw).expect("cut");
        assert!(len == 2 && note.contains("cut short in frame 2") && note.contains("2 frames"), "{note}");
        assert!(open(&[1; 5], raw).is_err());
        let y4m = b"YUV4MPEG2 W2 H2 C420jpeg\nFRAME\n123456FRAME x\n123456".as_slice();
        assert_eq!(open(y4m, Format::Y4m).expect("two frames"), (2, String::new()));
        for end in 39..y4m.len() {
            let (len, note) = open(&y4m[..end], Format::Y4m).expect("cut");
            assert!(len == 1 && !note.is_empty(), "{end}: {len} {note}");
        }
        assert!(open(&y4m[..25], Format::Y4m).expect_err("none").to_string().contains("no frames"));
        let other = [y4m, b"something else"].concat();
        assert_eq!(open(&other, Format::Y4m).expect("damaged").0, 2);
    }

    #[test]
    fn a_size_that_the_file_does_not_hold_costs_nothing() {
        let header = b"YUV4MPEG2 W16384 H8192 C444\nFRAME\n1234".as_slice();
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x");
        std::fs::write(&path, header).expect("write");
        assert!(ByteFile::open(&path, Format::Y4m, None).is_err());
        let mut frames = Frames::begin(header, Format::Y4m, "x").expect("a header");
        assert!(frames.next_frame().is_err_and(|e| e.is_damage()));
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
                let open = |path: &Path, format| {
                    let file = ByteFile::open(path, format, None).expect("frames");
                    (
                        file.len(),
                        file.frames().expect("frames").map(|f| f.expect("frame").1).collect::<Vec<_>>(),
                    )
                };
                let (count, frames) = open(&y4m, Format::Y4m);
                let (expected_count, expected) = open(&rgb, Format::Rgb(RawSize(66, 50)));
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
