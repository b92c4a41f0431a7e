//! Videos, written through ffmpeg. [`super::ffmpeg`] reads them.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use sam2_model::atomic::AtomicFile;

use super::child::{Child, Feed};
use super::ffmpeg;
use crate::error::{FfmpegError, MediaError};

/// Extensions of the videos that are written.
pub const EXTENSIONS: [&str; 3] = ["mp4", "webm", "mov"];

/// A video that gets its name when [`Encoder::finish`] is called.
///
/// ```no_run
/// use sam2_media::frames::encode::Encoder;
///
/// let mut video = Encoder::start("clip.mp4".as_ref(), (4, 2), 25.0, false)?;
/// video.push(vec![0; 4 * 2 * 3])?; // RGB, row by row
/// video.finish()?;
/// # Ok::<(), sam2_media::MediaError>(())
/// ```
pub struct Encoder {
    file: AtomicFile,
    child: Child,
    feed: Feed,
}

impl Encoder {
    /// Starts ffmpeg. Its format is that of the extension: H.264 in MP4 and MOV, VP9 in WebM; with `alpha`,
    /// for frames of RGBA, VP9 with transparency in WebM and ProRes 4444 in MOV.
    ///
    /// # Errors
    /// If ffmpeg is missing, or the file cannot be written.
    pub fn start(path: &Path, size: (u32, u32), fps: f64, alpha: bool) -> Result<Self, MediaError> {
        let file =
            AtomicFile::create(path).map_err(|source| MediaError::Write { path: path.to_owned(), source })?;
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
        let mut args: Vec<OsString> = arguments(&extension, size, fps, alpha).map(OsString::from).collect();
        args.push(ffmpeg::file_name(&file.temporary_path()));
        let (child, feed) =
            Child::start_fed(&ffmpeg::program(), &args).map_err(|error| missing(path, error))?;
        Ok(Self { file, child, feed })
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// If ffmpeg has ended, or takes nothing any more.
    pub fn push(&mut self, pixels: Vec<u8>) -> Result<(), MediaError> {
        self.feed.send(pixels).map_err(|error| {
            let path = self.file.path().to_owned();
            if error.kind() == ErrorKind::TimedOut {
                self.child.end();
                return FfmpegError::Stuck(path).into();
            }
            // It has ended, and says why.
            let messages = match self.child.finish() {
                Ok((status, messages)) => cause(status, messages),
                Err(_) => self.child.end(),
            };
            FfmpegError::Write { path, messages }.into()
        })
    }

    /// Completes the video and gives it its name.
    ///
    /// # Errors
    /// If ffmpeg fails, or the file cannot be renamed.
    pub fn finish(self) -> Result<(), MediaError> {
        let Self { file, mut child, feed } = self;
        drop(feed);
        let path = file.path().to_owned();
        let (status, messages) = child.finish().map_err(|error| match error.kind() {
            ErrorKind::TimedOut => FfmpegError::Stuck(path.clone()),
            _ => FfmpegError::Run(error),
        })?;
        if !status.success() {
            return Err(FfmpegError::Write { path, messages: cause(status, messages) }.into());
        }
        file.commit().map_err(|source| MediaError::Write { path, source })
    }
}

/// Checks that ffmpeg is there, before a video is computed.
///
/// # Errors
/// If it is not, or cannot be run.
pub fn check(path: &Path) -> Result<(), MediaError> {
    let started = Child::start(&ffmpeg::program(), &["-version".into()]).and_then(|mut child| {
        std::io::copy(&mut child, &mut std::io::sink())?;
        child.finish()
    });
    started.map(drop).map_err(|error| missing(path, error).into())
}

fn missing(path: &Path, error: std::io::Error) -> FfmpegError {
    let program = ffmpeg::program();
    match error.kind() {
        ErrorKind::NotFound if program == OsStr::new("ffmpeg") => {
            FfmpegError::MissingForOutput(path.to_owned())
        }
        ErrorKind::NotFound => FfmpegError::Program(PathBuf::from(program)),
        _ => FfmpegError::Run(error),
    }
}

/// The colours of a video without transparency: BT.709, and sides padded to even ones, which H.264 needs.
const OPAQUE: &str = "-vf \
    pad=ceil(iw/2)*2:ceil(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p \
    -colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv";

/// The arguments but for the name of the file.
fn arguments(
    extension: &str,
    (width, height): (u32, u32),
    fps: f64,
    alpha: bool,
) -> impl Iterator<Item = String> {
    let pixels = if alpha { "rgba" } else { "rgb24" };
    let input = format!(
        "-v error -y -protocol_whitelist file,pipe -f rawvideo -pix_fmt {pixels} -s {width}x{height} \
         -r {fps} -i pipe:0"
    );
    let vp9 = "-c:v libvpx-vp9 -crf 18 -b:v 0 -deadline good -cpu-used 4 -row-mt 1";
    let output = match (extension, alpha) {
        ("webm", false) => format!("{OPAQUE} {vp9} -f webm"),
        ("webm", true) => format!("-pix_fmt yuva420p {vp9} -auto-alt-ref 0 -f webm"),
        (_, true) => "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le -f mov".to_owned(),
        ("mov", false) => format!("{OPAQUE} -c:v libx264 -crf 18 -movflags +faststart -f mov"),
        _ => format!("{OPAQUE} -c:v libx264 -crf 18 -movflags +faststart -f mp4"),
    };
    let words: Vec<String> = input.split(' ').chain(output.split(' ')).map(str::to_owned).collect();
    words.into_iter()
}
/// Why it has ended: its messages, or the signal that ended it before it could give one.
fn cause(status: ExitStatus, messages: String) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        // SIGXFSZ.
        let what = match signal {
            25 => "the limit on the size of a file is reached (ulimit -f)".to_owned(),
            other => format!("signal {other} ended it"),
        };
        return if messages.is_empty() { what } else { format!("{messages}; {what}") };
    }
    let _ = status;
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_signal_is_a_cause() {
        use std::os::unix::process::ExitStatusExt;
        assert!(cause(ExitStatus::from_raw(25), String::new()).contains("ulimit -f"));
        assert_eq!(cause(ExitStatus::from_raw(9), "x".to_owned()), "x; signal 9 ended it");
        assert_eq!(cause(ExitStatus::from_raw(256), "x".to_owned()), "x");
    }
}
