//! The headers of YUV4MPEG2, the stream of raw frames of `ffmpeg -f yuv4mpegpipe`, mjpegtools and encoders:
//! one line about the stream, then for every frame a line `FRAME` and the planes.

use std::io::{BufRead, Read};

use super::yuv::Subsampling;
use crate::error::Y4mError;
use crate::size::check_size;

/// First bytes of a stream.
pub const MAGIC: &[u8] = b"YUV4MPEG2";
/// The longest header line that is read, in bytes.
const MAX_LINE: u64 = 4096;

/// The first line of a stream.
///
/// ```
/// use sam2_media::frames::y4m::{Header, frame_follows};
///
/// let mut stream = &b"YUV4MPEG2 W640 H360 F25:1 C420jpeg\nFRAME\n"[..];
/// let header = Header::read(&mut stream)?;
/// assert_eq!((header.size, header.subsampling), ((640, 360), Some((2, 2))));
/// assert!(frame_follows(&mut stream)?); // its planes are next
/// # Ok::<(), sam2_media::error::Y4mError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Width and height, pixels.
    pub size: (u32, u32),
    /// Subsampling of the chroma planes.
    pub subsampling: Subsampling,
    /// Whether luma is 0 to 255 rather than 16 to 235.
    pub full_range: bool,
    /// Frames per second, if the header says so.
    pub fps: Option<f64>,
}

impl Header {
    /// Reads the first line.
    ///
    /// # Errors
    /// If it is damaged, or the frames are interlaced, have more than 8 bits or an unknown chroma format.
    pub fn read(reader: &mut impl BufRead) -> Result<Self, Y4mError> {
        let line = line(reader)?.ok_or(Y4mError::Empty)?;
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        if words.next().map(str::as_bytes) != Some(MAGIC) {
            return Err(Y4mError::Magic);
        }
        let (mut width, mut height) = (None, None);
        let mut header = Self { size: (0, 0), subsampling: Some((2, 2)), full_range: false, fps: None };
        for word in words {
            let (tag, value) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            let number = || value.parse::<u32>().map_err(|_| Y4mError::Number(word.to_owned()));
            match tag {
                "W" => width = Some(number()?),
                "H" => height = Some(number()?),
                "C" => header.subsampling = chroma(value)?,
                "F" => header.fps = rate(value),
                "I" if !matches!(value, "p" | "?") => return Err(Y4mError::Interlaced(word.to_owned())),
                "X" => match value.strip_prefix("COLORRANGE=") {
                    Some("FULL") => header.full_range = true,
                    Some("LIMITED") | None => {}
                    Some(other) => return Err(Y4mError::ColourRange(other.to_owned())),
                },
                _ => {}
            }
        }
        let (Some(width), Some(height)) = (width, height) else { return Err(Y4mError::NoSize) };
        check_size(width, height).map_err(Y4mError::Size)?;
        header.size = (width, height);
        Ok(header)
    }
}

/// A rate that is written as a fraction.
fn rate(text: &str) -> Option<f64> {
    let (frames, seconds) = text.split_once(':')?;
    let rate = frames.parse::<f64>().ok()? / seconds.parse::<f64>().ok()?;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

/// The subsampling of a chroma format.
fn chroma(name: &str) -> Result<Subsampling, Y4mError> {
    Ok(match name {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Some((2, 2)),
        "422" => Some((2, 1)),
        "444" => Some((1, 1)),
        "mono" => None,
        other => return Err(Y4mError::Chroma(other.to_owned())),
    })
}

/// Reads the line before a frame; `false` at the end of the stream.
///
/// # Errors
/// If it is another line.
pub fn frame_follows(reader: &mut impl BufRead) -> Result<bool, Y4mError> {
    match line(reader)? {
        None => Ok(false),
        Some(line) if line == "FRAME" || line.starts_with("FRAME ") => Ok(true),
        Some(_) => Err(Y4mError::NoFrameHeader),
    }
}

/// A line without its end, or `None` at the end of the stream.
fn line(reader: &mut impl BufRead) -> Result<Option<String>, Y4mError> {
    let mut line = Vec::new();
    reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(Y4mError::Line);
    }
    String::from_utf8(line).map(Some).map_err(|_| Y4mError::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Header, Y4mError> {
        Header::read(&mut text.as_bytes())
    }

    #[test]
    fn headers_are_understood() {
        let full =
            header("YUV4MPEG2 W640 H360 F30000:1001 Ip A1:1 C422 XYSCSS=422 XCOLORRANGE=FULL\nFRAME\n");
        let expected = Header {
            size: (640, 360),
            subsampling: Some((2, 1)),
            full_range: true,
            fps: Some(30_000.0 / 1001.0),
        };
        assert_eq!(full.expect("full"), expected);
        for (name, subsampling) in [
            ("C420jpeg", Some((2, 2))),
            ("C420mpeg2", Some((2, 2))),
            ("C420paldv", Some((2, 2))),
            ("C420", Some((2, 2))),
            ("C444", Some((1, 1))),
            ("Cmono", None),
            ("I?", Some((2, 2))),
        ] {
            let found = header(&format!("YUV4MPEG2 H3 W5 {name}\n")).expect(name);
            assert_eq!(found, Header { size: (5, 3), subsampling, full_range: false, fps: None });
        }
    }

    #[test]
    fn unsupported_streams_are_named() {
        for (text, words) in [
            ("", "empty"),
            ("RIFF\n", "YUV4MPEG2"),
            ("YUV4MPEG2 W5\n", "size"),
            ("YUV4MPEG2 W5 H0\n", "5x0"),
            ("YUV4MPEG2 W5 H-1\n", "H-1"),
            ("YUV4MPEG2 W99999 H99999\n", "99999x99999"),
            ("YUV4MPEG2 W5 H3 C420p10\n", "420p10"),
            ("YUV4MPEG2 W5 H3 C444alpha\n", "444alpha"),
            ("YUV4MPEG2 W5 H3 It\n", "interlaced"),
            ("YUV4MPEG2 W5 H3 XCOLORRANGE=ODD\n", "ODD"),
            ("YUV4MPEG2 W5 H3", "cut short"),
        ] {
            let message = header(text).expect_err(text).to_string();
            assert!(message.contains(words), "{text:?}: {message}");
        }
    }

    #[test]
    fn frame_lines_may_have_parameters() {
        let mut stream = b"FRAME\nFRAME Ip\n".as_slice();
        assert!(frame_follows(&mut stream).expect("first") && frame_follows(&mut stream).expect("second"));
        assert!(!frame_follows(&mut stream).expect("end"));
        assert!(frame_follows(&mut b"FRAMES\n".as_slice()).is_err());
        assert!(frame_follows(&mut b"FRA".as_slice()).is_err());
    }
}
