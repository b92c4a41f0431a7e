//! Cameras of Video4Linux, read by an `ffmpeg` child: the latest frame wins.

use std::ffi::OsString;
use std::io::{BufRead, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use sam2_model::Frame;

use super::child::Child;
use super::ffmpeg;
use super::iter::ended_early;
use super::raw::{Format, Frames, RawSize};
use crate::error::{ClipError, FfmpegError, MediaError};

/// What a camera is asked for; it chooses the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CameraOptions {
    /// Size of the frames, pixels.
    pub size: Option<RawSize>,
    /// Frames per second.
    pub fps: Option<u32>,
}

impl CameraOptions {
    /// What the camera itself prefers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for frames of this size.
    pub fn size(mut self, size: Option<RawSize>) -> Self {
        self.size = size;
        self
    }

    /// Asks for so many frames per second.
    pub fn fps(mut self, fps: Option<u32>) -> Self {
        self.fps = fps;
        self
    }
}

/// A camera. A thread reads its frames as they come; whoever asks gets the latest one, so that work that is
/// slower than the camera does not fall behind.
///
/// ```no_run
/// use sam2_media::frames::camera::{Camera, CameraOptions};
///
/// let mut camera = Camera::open("/dev/video0".as_ref(), CameraOptions::new().fps(Some(15)))?;
/// while let Some(frame) = camera.next_frame()? {
///     println!("{} bytes, {} frames dropped", frame.rgb().len(), camera.dropped());
/// }
/// # Ok::<(), sam2_media::MediaError>(())
/// ```
pub struct Camera {
    size: (u32, u32),
    latest: Arc<Latest>,
    note: Option<String>,
}

/// What the thread has read.
#[derive(Default)]
struct Latest {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    frame: Option<Frame>,
    /// Frames that have arrived, and those of them that a later one replaced.
    arrived: usize,
    dropped: usize,
    end: Option<Option<ClipError>>,
    /// Nobody asks any more.
    left: bool,
}

impl Latest {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Camera {
    /// Whether a path is a camera: `/dev/video0` and the like, or a link to one in `/dev/v4l`.
    ///
    /// ```
    /// use sam2_media::frames::camera::Camera;
    ///
    /// assert!(Camera::is_one("/dev/video0".as_ref()));
    /// assert!(!Camera::is_one("video0".as_ref()));
    /// ```
    pub fn is_one(path: &Path) -> bool {
        let name = path.to_string_lossy();
        name.starts_with("/dev/video") || name.starts_with("/dev/v4l/")
    }

    /// Opens a camera.
    ///
    /// # Errors
    /// If ffmpeg is missing, or cannot open the camera as asked.
    pub fn open(path: &Path, options: CameraOptions) -> Result<Self, MediaError> {
        let program = ffmpeg::program();
        let cannot_run = |e: std::io::Error| ffmpeg::cannot_run(&program, path, e);
        let mut child = Child::start(&program, &arguments(path, options)).map_err(cannot_run)?;
        let name = path.display().to_string();
        match child.fill_buf() {
            Ok(bytes) if !bytes.is_empty() => {}
            Ok(_) => {
                let (_, messages) = child.finish().map_err(cannot_run)?;
                return Err(FfmpegError::Failed { name, messages }.into());
            }
            Err(e) if e.kind() == ErrorKind::TimedOut => return Err(FfmpegError::Silent(name).into()),
            Err(e) => return Err(FfmpegError::Run(e).into()),
        }
        let reader: Box<dyn BufRead + Send> = Box::new(child);
        let mut frames = Frames::begin(reader, Format::Y4m, &name)?;
        let size = frames.size();
        let latest = Arc::new(Latest::default());
        let shared = Arc::clone(&latest);
        let read = move || {
            loop {
                let next = frames.next_frame();
                let mut state = shared.lock();
                match next {
                    _ if state.left => return,
                    Ok(Some(frame)) => {
                        state.arrived += 1;
                        state.dropped += usize::from(state.frame.replace(frame).is_some());
                    }
                    Ok(None) => state.end = Some(None),
                    Err(e) => state.end = Some(Some(e)),
                }
                shared.changed.notify_one();
                if state.end.is_some() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("camera".to_owned()).spawn(read);
        thread.map_err(|source| MediaError::Open { path: path.to_owned(), source })?;
        Ok(Self { size, latest, note: None })
    }

    /// Width and height of every frame, in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Frames that arrived and that a later one replaced before they were asked for.
    pub fn dropped(&self) -> usize {
        self.latest.lock().dropped
    }

    /// That the camera has ended within a frame, if it has.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The latest frame that was not given yet; waits for one. None at the end.
    ///
    /// # Errors
    /// If the first frame is damaged, or the camera gives nothing for 30 s.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, MediaError> {
        let waits = |state: &mut State| state.frame.is_none() && state.end.is_none();
        let guard = self.latest.changed.wait_while(self.latest.lock(), waits);
        let mut state = guard.unwrap_or_else(PoisonError::into_inner);
        if let Some(frame) = state.frame.take() {
            return Ok(Some(frame));
        }
        match state.end.replace(None).flatten() {
            Some(e) if state.arrived > 0 && e.is_damage() => {
                self.note = Some(ended_early(state.arrived, &e));
                Ok(None)
            }
            Some(e) => Err(e.into()),
            None => Ok(None),
        }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // The thread ends at its next frame, and the child with it.
        self.latest.lock().left = true;
    }
}

fn arguments(path: &Path, options: CameraOptions) -> Vec<OsString> {
    let mut args: Vec<OsString> = ["-v", "error", "-nostdin", "-f", "v4l2"].map(OsString::from).into();
    if let Some(fps) = options.fps {
        args.extend(["-framerate".into(), fps.to_string().into()]);
    }
    if let Some(RawSize(width, height)) = options.size {
        args.extend(["-video_size".into(), format!("{width}x{height}").into()]);
    }
    args.extend(["-i".into(), path.into()]);
    args.extend(["-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "pipe:1"].map(OsString::from));
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_is_asked_for_size_and_rate() {
        let options = CameraOptions::new().size(Some(RawSize(640, 480))).fps(Some(15));
        let args = arguments("/dev/video2".as_ref(), options);
        let line = args.join(" ".as_ref());
        let expected = "-v error -nostdin -f v4l2 -framerate 15 -video_size 640x480 -i /dev/video2 \
                        -pix_fmt yuv420p -f yuv4mpegpipe pipe:1";
        assert_eq!(line, expected);
        let plain = arguments("/dev/video0".as_ref(), CameraOptions::new()).join(" ".as_ref());
        assert!(plain.to_string_lossy().starts_with("-v error -nostdin -f v4l2 -i /dev/video0 "));
    }
}
