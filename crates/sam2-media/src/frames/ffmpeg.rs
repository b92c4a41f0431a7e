//! Video files, decoded by one `ffmpeg` child process per pass over the clip.
//!
//! The child decodes the whole clip and writes its frames as PPM images into a pipe. Unlike raw RGB, PPM has
//! the size of every frame; `ffprobe` reports the size before rotation.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use sam2_model::Frame;

use super::iter::{FrameIter, frame, size_of};
use crate::error::{FfmpegError, MediaError, PpmError, in_brackets, one_line};
use crate::size::check_size;

/// Bytes kept of the child's stderr; the rest is read and dropped, so that the child never blocks.
const KEPT_STDERR: usize = 4096;

/// A video file.
#[derive(Debug)]
pub struct Video {
    path: PathBuf,
    /// Option of this ffmpeg version that outputs every coded frame exactly once.
    passthrough: &'static str,
    size: (u32, u32),
    len: usize,
    note: Option<String>,
}

impl Video {
    /// Counts the frames by decoding the clip once: the count in containers is unreliable.
    ///
    /// # Errors
    /// If ffmpeg is missing or cannot read the file, or it holds no video.
    pub fn open(path: &Path, max_frames: Option<usize>) -> Result<Self, MediaError> {
        let passthrough = passthrough_option(path)?;
        let len = max_frames.unwrap_or(usize::MAX);
        let mut video = Self { path: path.to_owned(), passthrough, size: (0, 0), len, note: None };
        let mut reader = video.spawn()?;
        let mut len = 0;
        while let Some(frame) = reader.next_frame()? {
            if len == 0 {
                video.size = size_of(&frame);
            }
            len += 1;
        }
        let messages = std::mem::take(&mut reader.messages);
        if len == 0 {
            return Err(FfmpegError::NoVideo { path: path.to_owned(), messages }.into());
        }
        let note = || format!("{}: {len} frames read{}", path.display(), in_brackets(&messages));
        video.note = (!messages.is_empty()).then(note);
        video.len = len;
        Ok(video)
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

    /// ffmpeg's warnings about a readable file, in one line.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// All frames in order, from a new child.
    ///
    /// # Errors
    /// If ffmpeg cannot be started.
    pub fn frames(&self) -> Result<FrameIter, MediaError> {
        let mut reader = self.spawn()?;
        let mut index = 0;
        Ok(Box::new(std::iter::from_fn(move || {
            let frame = reader.next_frame().transpose()?;
            index += 1;
            Some(frame.map(|frame| (index - 1, frame)).map_err(MediaError::from))
        })))
    }

    fn spawn(&self) -> Result<Reader, MediaError> {
        // `file:` prevents names like "concat:a|b" or "-" from being interpreted, and the protocol list
        // prevents playlists from opening network addresses.
        let mut name = OsString::from("file:");
        name.push(&self.path);
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-protocol_whitelist", "file,crypto,data", "-i"]).arg(name);
        command.args(["-map", "0:v:0", self.passthrough, "passthrough"]);
        if self.len != usize::MAX {
            command.args(["-frames:v", &self.len.to_string()]);
        }
        command.args(["-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "pipe:1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(FfmpegError::Run)?;
        let stdout = child.stdout.take().expect("stdout was piped");
        let stderr = child.stderr.take().expect("stderr was piped");
        Ok(Reader {
            name: self.path.display().to_string(),
            child,
            stdout: BufReader::with_capacity(1 << 20, stdout),
            stderr: Some(std::thread::spawn(move || read_tail(stderr))),
            messages: String::new(),
            done: false,
        })
    }
}

/// Checks that ffmpeg is installed. Its versions before 5.1 call the option `-vsync`, later ones `-fps_mode`.
fn passthrough_option(path: &Path) -> Result<&'static str, MediaError> {
    let output = Command::new("ffmpeg").arg("-version").stdin(Stdio::null()).output();
    let output = output.map_err(|e| match e.kind() {
        ErrorKind::NotFound => FfmpegError::Missing(path.to_owned()),
        _ => FfmpegError::Run(e),
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let old = version(&text).is_some_and(|version| version < (5, 1));
    Ok(if old { "-vsync" } else { "-fps_mode" })
}

/// Major and minor number out of `ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright ...`; development builds
/// have none.
fn version(text: &str) -> Option<(u32, u32)> {
    let word = text.strip_prefix("ffmpeg version ")?.split_whitespace().next()?;
    let mut numbers = word.trim_start_matches('n').split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    Some((major, numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

/// Reads to the end and keeps the last bytes.
fn read_tail(mut stream: impl Read) -> String {
    let mut tail = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(n @ 1..) = stream.read(&mut chunk) {
        tail.extend_from_slice(&chunk[..n]);
        let excess = tail.len().saturating_sub(KEPT_STDERR);
        tail.drain(..excess);
    }
    one_line(&String::from_utf8_lossy(&tail))
}

/// The running child. Dropping it ends the child and waits for it, so no process is left behind.
struct Reader {
    name: String,
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<JoinHandle<String>>,
    /// The end of the child's stderr in one line, once the child has ended.
    messages: String,
    done: bool,
}

impl Reader {
    fn next_frame(&mut self) -> Result<Option<Frame>, FfmpegError> {
        if self.done {
            return Ok(None);
        }
        match read_ppm(&mut self.stdout) {
            Ok(Some(frame)) => Ok(Some(frame)),
            Ok(None) => {
                self.done = true;
                let status = self.child.wait().map_err(FfmpegError::Run)?;
                self.collect_stderr();
                if !status.success() {
                    let (name, messages) = self.described();
                    return Err(FfmpegError::Failed { name, messages });
                }
                Ok(None)
            }
            Err(source) => {
                self.end();
                let (name, messages) = self.described();
                Err(FfmpegError::Output { name, messages, source })
            }
        }
    }

    /// Name of the file and messages of ffmpeg, for an error.
    fn described(&self) -> (String, String) {
        (self.name.clone(), self.messages.clone())
    }

    fn collect_stderr(&mut self) {
        if let Some(thread) = self.stderr.take() {
            self.messages = thread.join().unwrap_or_default();
        }
    }

    fn end(&mut self) {
        self.done = true;
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.collect_stderr();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.end();
    }
}

/// One binary PPM picture with 8 bits a channel, or `None` at the end of the stream.
fn read_ppm(reader: &mut impl BufRead) -> Result<Option<Frame>, PpmError> {
    if reader.fill_buf()?.is_empty() {
        return Ok(None);
    }
    // "P6", width, height, 255, each followed by one white space.
    let mut fields = [const { String::new() }; 4];
    for field in &mut fields {
        loop {
            let mut byte = [0];
            reader.read_exact(&mut byte).map_err(|_| PpmError::HeaderCutShort)?;
            if byte[0].is_ascii_whitespace() {
                break;
            }
            field.push(char::from(byte[0]));
            if field.len() > 10 {
                return Err(PpmError::Header);
            }
        }
    }
    let [magic, width, height, depth] = &fields;
    let (Ok(width), Ok(height), "P6", "255") =
        (width.parse(), height.parse(), magic.as_str(), depth.as_str())
    else {
        return Err(PpmError::Header);
    };
    check_size(width, height)?;
    let mut pixels = vec![0; width as usize * height as usize * 3];
    reader.read_exact(&mut pixels).map_err(|_| PpmError::CutShort)?;
    Ok(Some(frame((width, height), pixels)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_understood() {
        assert_eq!(version("ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright (c)"), Some((4, 4)));
        assert_eq!(version("ffmpeg version 5.1.9-0+deb12u1 Copyright"), Some((5, 1)));
        assert_eq!(version("ffmpeg version n7.1 Copyright"), Some((7, 1)));
        assert_eq!(version("ffmpeg version 8 Copyright"), Some((8, 0)));
        assert_eq!(version("ffmpeg version N-112345-gdeadbeef Copyright"), None);
        assert_eq!(version("something else"), None);
    }

    #[test]
    fn ppm_frames_are_read_one_after_the_other() {
        let stream =
            [b"P6\n2 1\n255\n".as_slice(), &[1, 2, 3, 4, 5, 6], b"P6\n1 1\n255\n", &[7, 8, 9]].concat();
        let mut reader = stream.as_slice();
        let first = read_ppm(&mut reader).expect("read").expect("frame");
        assert_eq!((size_of(&first), first.rgb()), ((2, 1), [1, 2, 3, 4, 5, 6].as_slice()));
        assert_eq!(read_ppm(&mut reader).expect("read").expect("frame").rgb(), [7, 8, 9]);
        assert!(read_ppm(&mut reader).expect("end").is_none());

        for broken in [
            "P6\n2 1\n255\n12",
            "P6\n2 1\n",
            "P5\n2 1\n255\n123456",
            "P6\n99999 99999\n255\n",
            "P6 123456789012",
        ] {
            assert!(read_ppm(&mut broken.as_bytes()).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn only_the_end_of_a_long_complaint_is_kept() {
        let text = format!("{}end", "x".repeat(10_000));
        let tail = read_tail(text.as_bytes());
        assert!(tail.ends_with("xend") && tail.len() == KEPT_STDERR);
    }
}
