//! Errors of clips and streams.

use std::io;
use std::path::PathBuf;

use super::picture::PictureError;
use super::text::in_full;
use crate::limits::{KINDS, SILENCE};

/// A clip or a stream cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClipError {
    /// A folder without pictures.
    #[error(
        "the folder {} holds no pictures ({}){found}",
        folder.display(), KINDS.map(|(_, extensions)| extensions.join(", ")).join(", ")
    )]
    NoPictures {
        /// The folder.
        folder: PathBuf,
        /// What is there in their place and what to do, behind a semicolon; may be empty.
        found: String,
    },
    /// Pictures of a folder differ in size.
    #[error(
        "frames must all have the size of the first: {} has {}x{} pixels, {} has {}x{}",
        first.0.display(), first.1.0, first.1.1, other.0.display(), other.1.0, other.1.1
    )]
    SizesDiffer {
        /// The first picture, its width and height.
        first: Box<(PathBuf, (u32, u32))>,
        /// The picture that differs, its width and height.
        other: Box<(PathBuf, (u32, u32))>,
    },
    /// A pattern in place of a name.
    #[error("there is no file {}: patterns are not expanded; give the folder of the frames", .0.display())]
    Pattern(PathBuf),
    /// A clip without frames.
    #[error("{name} holds no frames")]
    NoFrames {
        /// The file, or `stdin`.
        name: String,
    },
    /// A still picture in place of a clip.
    #[error(
        "{} is a single picture: use `sam2 segment` for it, or give `sam2 track` a folder of pictures",
        .0.display()
    )]
    SinglePicture(PathBuf),
    /// A file of another kind.
    #[error("{} is not a clip that can be read, but {what}: {advice}", path.display())]
    NotAClip {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A clip in place of a still picture.
    #[error(
        "{} is a video or a folder: --frame N takes one of its frames, and `sam2 track` follows objects \
         through it",
        .0.display()
    )]
    WhichFrame(PathBuf),
    /// A frame that the clip does not have.
    #[error("there is no frame {index} in {}, which has {len} frames (0 to {})", path.display(), len - 1)]
    NoFrame {
        /// The clip.
        path: PathBuf,
        /// The frame.
        index: usize,
        /// Number of its frames.
        len: usize,
    },
    /// A frame of what can be read only once.
    #[error("--frame needs a file: stdin holds one picture")]
    FrameOfStdin,
    /// The header of a clip cannot be read.
    #[error("cannot read {name}")]
    Header {
        /// The file.
        name: String,
        /// Cause.
        source: PictureError,
    },
    /// A frame cannot be decoded.
    #[error("{name} is damaged at frame {index}")]
    Frame {
        /// The file.
        name: String,
        /// Index of the frame.
        index: usize,
        /// Cause.
        source: PictureError,
    },
    /// A frame has another size than the first.
    #[error("frame {index} has {}x{} pixels, the first has {}x{}", found.0, found.1, expected.0, expected.1)]
    FrameSize {
        /// Index of the frame.
        index: usize,
        /// Its width and height.
        found: (u32, u32),
        /// Those of the first.
        expected: (u32, u32),
    },
    /// The clip has become shorter since it was opened.
    #[error("the clip ended before frame {index}")]
    Ended {
        /// The frame that is missing.
        index: usize,
    },
    /// The bytes end within a frame.
    #[error("{name} is cut short in frame {index} of {}x{} pixels", size.0, size.1)]
    CutShort {
        /// The file, or `stdin`.
        name: String,
        /// Index of the frame.
        index: usize,
        /// Width and height of a frame.
        size: (u32, u32),
    },
    /// A file that starts like Y4M, but is malformed.
    #[error("cannot read {name} as Y4M")]
    Y4m {
        /// The file.
        name: String,
        /// Cause.
        source: Y4mError,
    },
    /// A pipe with something else than Y4M and Motion JPEG.
    #[error(
        "{name} can be read only once, so it must be Y4M (ffmpeg ... -f yuv4mpegpipe -), Motion JPEG or bare \
         RGB frames (--raw WIDTHxHEIGHT): cannot read it as Y4M"
    )]
    Stream {
        /// The pipe, or `stdin`.
        name: String,
        /// Cause.
        source: Y4mError,
    },
    /// The bytes between two frames cannot be read.
    #[error("{name} at frame {index}")]
    Between {
        /// The file, or `stdin`.
        name: String,
        /// Index of the frame that should follow.
        index: usize,
        /// Cause.
        source: Y4mError,
    },
}

impl ClipError {
    /// Whether the clip is cut or damaged here; the frames before are good.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::CutShort { .. } => true,
            Self::Frame { source, .. } => !matches!(source, PictureError::Io(_)),
            Self::Between { source, .. } => !matches!(source, Y4mError::Io(_)),
            _ => false,
        }
    }
}

/// A stream of JPEG pictures is damaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MjpegError {
    /// The bytes cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The end of a picture is missing.
    #[error("a JPEG picture is cut short")]
    CutShort,
    /// Other bytes inside a picture.
    #[error("a marker of JPEG is expected")]
    Marker,
    /// A picture without an end.
    #[error("a JPEG picture has more than {0} MB")]
    TooLong(usize),
    /// Other bytes where a picture should start.
    #[error("a JPEG picture is expected")]
    NoPicture,
}

impl From<MjpegError> for PictureError {
    fn from(error: MjpegError) -> Self {
        match error {
            MjpegError::Io(e) => Self::Io(e),
            other => Self::decode(other),
        }
    }
}

/// A Y4M stream is damaged or of a kind that is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Y4mError {
    /// The bytes cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There are no bytes.
    #[error("it is empty")]
    Empty,
    /// Something else.
    #[error("it does not begin with YUV4MPEG2")]
    Magic,
    /// A parameter that is not a number.
    #[error("its header has {0:?}")]
    Number(String),
    /// Interlaced frames.
    #[error("its frames are interlaced ({0}), which is not supported: deinterlace them (ffmpeg -vf yadif)")]
    Interlaced(String),
    /// An unknown colour range.
    #[error("its colour range is {0}; FULL and LIMITED are known")]
    ColourRange(String),
    /// An unsupported chroma format.
    #[error(
        "its chroma format is {0}; 420, 422, 444 and mono with 8 bits are supported (ffmpeg -pix_fmt yuv420p)"
    )]
    Chroma(String),
    /// A header without width or height.
    #[error("its header does not state a size")]
    NoSize,
    /// Frames without pixels, or too many.
    #[error(transparent)]
    Size(PictureError),
    /// Other bytes where a frame should start.
    #[error("it is damaged: FRAME is expected")]
    NoFrameHeader,
    /// A header line without an end.
    #[error("a header line is cut short or too long")]
    Line,
    /// A header line that is not UTF-8.
    #[error("a header line is not text")]
    NotText,
}

/// ffmpeg is missing or cannot read a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FfmpegError {
    /// It is not installed.
    #[error(
        "{} is not a folder, GIF or picture, and reading it as a video needs ffmpeg, which is not installed: \
         install it (Debian, Ubuntu: sudo apt install ffmpeg; macOS: brew install ffmpeg; Windows: winget \
         install ffmpeg) or give a folder of images",
        .0.display()
    )]
    Missing(PathBuf),
    /// It is not installed, and a video is to be written.
    #[error(
        "writing {} needs ffmpeg, which is not installed: install it (Debian, Ubuntu: sudo apt install \
         ffmpeg; macOS: brew install ffmpeg; Windows: winget install ffmpeg), or write .gif, .apng or a \
         folder",
        .0.display()
    )]
    MissingForOutput(PathBuf),
    /// It cannot write a video.
    #[error("ffmpeg cannot write {}{}", path.display(), in_brackets(messages))]
    Write {
        /// The file.
        path: PathBuf,
        /// The last messages of ffmpeg, in one line; may be empty.
        messages: String,
    },
    /// It takes no more frames.
    #[error("ffmpeg took no frame for {SILENCE} s while writing {}, so it was ended", .0.display())]
    Stuck(PathBuf),
    /// The program of `SAM2_FFMPEG` is not there.
    #[error("SAM2_FFMPEG names {}, which is not there: name an ffmpeg program, or unset it", .0.display())]
    Program(PathBuf),
    /// It gives nothing.
    #[error(
        "ffmpeg gave nothing for {SILENCE} s while reading {0}, so it was ended: see what `ffmpeg -i FILE -f \
         null -` does, or convert the clip first"
    )]
    Silent(String),
    /// A file of sound, or of sound with a picture on its cover.
    #[error("{} holds no video, only sound, subtitles or the picture of a cover", .0.display())]
    NoVideoStream(PathBuf),
    /// A program that is not ffmpeg, or that cannot start.
    #[error(
        "{} does not run as ffmpeg does{}; SAM2_FFMPEG names another program",
        program.display(), in_brackets(messages)
    )]
    NotFfmpeg {
        /// The program.
        program: PathBuf,
        /// Its last messages, in one line; may be empty.
        messages: String,
    },
    /// Frames without a header.
    #[error(
        "{name} holds bare frames, whose size and format stand nowhere: give RGB with --raw WIDTHxHEIGHT, \
         others through ffmpeg (ffmpeg -f rawvideo -pix_fmt yuv420p -s WIDTHxHEIGHT -i {name} OUT.mkv)",
        name = .0.display()
    )]
    BareFrames(PathBuf),
    /// A file that names other files, or a format unknown here.
    #[error(
        "{} is a playlist or in a format that is not read as a clip: give the clip itself, or convert it \
         with ffmpeg first",
        .0.display()
    )]
    Playlist(PathBuf),
    /// An MP4 or MOV file without its index, which is written last.
    #[error(
        "{} is cut short or was never finished: the index at the end of an MP4 or MOV file is missing; copy \
         or download it again",
        .0.display()
    )]
    NoIndex(PathBuf),
    /// It cannot be started or waited for.
    #[error("cannot run ffmpeg")]
    Run(#[source] io::Error),
    /// A file without video.
    #[error("no video frames in {}{}", path.display(), in_brackets(messages))]
    NoVideo {
        /// The file.
        path: PathBuf,
        /// The last messages of ffmpeg, in one line; may be empty.
        messages: String,
    },
    /// It has ended with an error.
    #[error("ffmpeg cannot read {name}{}", in_brackets(messages))]
    Failed {
        /// The file.
        name: String,
        /// The last messages of ffmpeg, in one line; may be empty.
        messages: String,
    },
    /// Its output is not a sequence of PPM pictures.
    #[error("cannot read {name} through ffmpeg{}", in_brackets(messages))]
    Output {
        /// The file.
        name: String,
        /// The last messages of ffmpeg, in one line; may be empty.
        messages: String,
        /// Cause.
        source: PpmError,
    },
}

impl FfmpegError {
    /// Whether ffmpeg has ended in the middle of the clip; frames before it are good.
    pub(crate) fn is_early_end(&self) -> bool {
        matches!(
            self,
            Self::Failed { .. } | Self::Output { source: PpmError::HeaderCutShort | PpmError::CutShort, .. }
        )
    }

    /// The messages of ffmpeg, or else the whole error.
    pub(crate) fn into_messages(self) -> String {
        match self {
            Self::Failed { messages, .. } | Self::Output { messages, .. } if !messages.is_empty() => messages,
            other => in_full(&other),
        }
    }
}

/// A picture in the output of ffmpeg is damaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PpmError {
    /// The bytes cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The header ends early.
    #[error("a frame's header is cut short")]
    HeaderCutShort,
    /// The header is another one.
    #[error("a frame's header is not that of a PPM picture")]
    Header,
    /// The pixels end early.
    #[error("a frame is cut short")]
    CutShort,
    /// No pixels, or too many.
    #[error(transparent)]
    Size(#[from] PictureError),
}

/// Messages of ffmpeg as the end of a sentence, without the addresses of its objects
/// (`[mov @ 0x5599bb7b7dc0]`).
pub(crate) fn in_brackets(messages: &str) -> String {
    if messages.is_empty() {
        return String::new();
    }
    let mut parts = messages.split(" @ 0x");
    let mut text = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| text.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit())));
    format!(" (ffmpeg says: {text})")
}

#[cfg(test)]
mod tests {
    use super::in_brackets;

    #[test]
    fn addresses_are_left_out_of_messages() {
        assert_eq!(in_brackets(""), "");
        let messages = "[mov,mp4 @ 0x5599bb7b7dc0] moov atom not found [h264 @ 0xa] x @ home";
        assert_eq!(in_brackets(messages), " (ffmpeg says: [mov,mp4] moov atom not found [h264] x @ home)");
    }
}
