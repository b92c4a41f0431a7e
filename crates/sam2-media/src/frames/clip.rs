//! Clips that can be read several times, and the inputs of tracking.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::animation::Animation;
use super::ffmpeg::Video;
use super::folder::Folder;
use super::iter::{FrameIter, Walk, pick, size_of};
use super::mjpeg;
use super::pages::Pages;
use super::photo;
use super::raw::{ByteFile, Format, RawSize};
use super::stream::Stream;
use crate::decode::kind;
use crate::error::{ClipError, FfmpegError, MediaError, PictureError};

/// Number of frames held while a clip is read backwards.
const STRETCH: usize = 32;

/// A source of frames.
///
/// ```
/// use sam2_media::frames::{Input, RawSize};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("frames.rgb");
/// # std::fs::write(&path, [0; 3 * 4 * 2 * 3])?;
/// let input = Input::open(&path, Some(RawSize(4, 2)), None)?; // or a clip, or `-` for stdin
/// assert_eq!((input.size(), input.num_frames()), ((4, 2), Some(3)));
/// input.notes().for_each(|note| eprintln!("{note}"));
/// if let Input::Clip(clip) = input {
///     assert_eq!(clip.frames_from(0)?.count(), 3);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub enum Input {
    /// Files, which can be read several times.
    Clip(Clip),
    /// Stdin or a pipe, which can be read once.
    Stream(Stream),
}

impl Input {
    /// Opens stdin (`-`), a pipe, or a file or folder as in [`Clip::open`]. With `raw`, it contains raw RGB
    /// frames of that size.
    ///
    /// # Errors
    /// If it cannot be read, or holds no frames.
    pub fn open(path: &Path, raw: Option<RawSize>, max_frames: Option<usize>) -> Result<Self, MediaError> {
        if path == Path::new("-") || is_pipe(path) {
            return Ok(Self::Stream(Stream::open(path, raw, max_frames)?));
        }
        let clip = match raw {
            Some(size) => {
                Clip { source: Source::Bytes(ByteFile::open(path, Format::Rgb(size), max_frames)?) }
            }
            None => Clip::open(path, max_frames)?,
        };
        Ok(Self::Clip(clip))
    }

    /// Width and height of every frame, in pixels.
    pub fn size(&self) -> (u32, u32) {
        match self {
            Self::Clip(clip) => clip.size(),
            Self::Stream(stream) => stream.size(),
        }
    }

    /// Notes about the input, see [`Clip::notes`]; those of a stream come with its end, [`Stream::note`].
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        let clip = match self {
            Self::Clip(clip) => Some(clip),
            Self::Stream(_) => None,
        };
        clip.into_iter().flat_map(Clip::notes)
    }

    /// Number of frames, if it is known.
    pub fn num_frames(&self) -> Option<usize> {
        match self {
            Self::Clip(clip) => Some(clip.len()),
            Self::Stream(stream) => stream.num_frames(),
        }
    }
}

/// Whether a name is a pattern of ffmpeg or of a shell.
fn is_pattern(path: &Path) -> bool {
    path.file_name().unwrap_or_default().to_string_lossy().contains(['%', '*', '?'])
}

/// The error of ffmpeg, or what the file is in place of a clip.
fn in_words(path: &Path, error: MediaError) -> MediaError {
    let named = matches!(
        &error,
        MediaError::Ffmpeg(
            FfmpegError::Failed { .. }
                | FfmpegError::NoIndex(_)
                | FfmpegError::NoVideo { .. }
                | FfmpegError::Missing(_)
        )
    );
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| {
        let len = file.metadata()?.len();
        file.take(512).read_to_end(&mut head)?;
        Ok(len)
    });
    match read.ok().filter(|_| named).and_then(|len| kind::of_no_clip(&head, len)) {
        Some((what, advice)) => ClipError::NotAClip { path: path.to_owned(), what, advice }.into(),
        None => error,
    }
}

/// Whether the path can be read only once.
#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_socket()
    })
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

/// A clip that can be read several times.
///
/// ```
/// use sam2_media::frames::Clip;
///
/// # let folder = tempfile::tempdir()?;
/// # for name in ["0.png", "1.png", "2.png"] {
/// #     sam2_media::pictures::png::write_rgb(&folder.path().join(name), &image::RgbImage::new(4, 2))?;
/// # }
/// let clip = Clip::open(folder.path(), None)?; // or a GIF, a Y4M file, a video
/// assert_eq!((clip.size(), clip.len()), ((4, 2), 3));
/// for item in clip.frames_from(1)? {
///     let (frame_idx, frame) = item?;
///     println!("frame {frame_idx}: {} bytes", frame.rgb().len());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Clip {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Folder(Arc<Folder>),
    Pages(Arc<Pages>),
    Animation(Animation),
    Bytes(ByteFile),
    Video(Video),
}

impl Clip {
    /// Opens a folder or a file and counts its frames up to `max_frames`. What a file is, is found by trying:
    /// an animated GIF, PNG or WebP, a TIFF of several pages, Y4M, Motion JPEG, or, through ffmpeg, a video.
    ///
    /// # Errors
    /// If it cannot be read, holds no frames, or is a single picture.
    pub fn open(path: &Path, max_frames: Option<usize>) -> Result<Self, MediaError> {
        let cannot_open = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound if is_pattern(path) => ClipError::Pattern(path.to_owned()).into(),
            _ => MediaError::Open { path: path.to_owned(), source },
        };
        let source = if std::fs::metadata(path).map_err(cannot_open)?.is_dir() {
            Source::Folder(Folder::open(path, max_frames)?.into())
        } else {
            Self::open_file(path, max_frames)?
        };
        Ok(Self { source })
    }

    fn open_file(path: &Path, max_frames: Option<usize>) -> Result<Source, MediaError> {
        let cannot_open = |source| MediaError::Open { path: path.to_owned(), source };
        let mut head = Vec::new();
        let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut head));
        read.map_err(cannot_open)?;
        let animation = match Animation::open(path, &head, max_frames) {
            // For instance a PNG with 16 bits a channel.
            Err(e) if is_unsupported(&e) => {
                return Video::open(path, max_frames).map(Source::Video).map_err(|_| e);
            }
            other => other?,
        };
        if let Some(animation) = animation {
            Ok(Source::Animation(animation))
        } else if let Some(pages) = Pages::open(path, &head, max_frames)? {
            Ok(Source::Pages(pages.into()))
        } else if ByteFile::is_y4m(&head) {
            Ok(Source::Bytes(ByteFile::open(path, Format::Y4m, max_frames)?))
        } else if mjpeg::Pictures::may_begin(&head) && mjpeg::Pictures::are_in(path).map_err(cannot_open)? {
            Ok(Source::Bytes(ByteFile::open(path, Format::Mjpeg, max_frames)?))
        } else if photo::is_picture(path) && !are_several(path, &head) {
            Err(ClipError::SinglePicture(path.to_owned()).into())
        } else {
            Video::open(path, max_frames).map(Source::Video).map_err(|e| in_words(path, e))
        }
    }

    /// A GIF inside the program.
    ///
    /// ```
    /// use sam2_media::frames::{Clip, gif};
    ///
    /// # let mut file = Vec::new();
    /// # gif::write(&mut file, &[image::RgbImage::new(4, 2)], 40)?;
    /// # let bytes: &'static [u8] = file.leak();
    /// let clip = Clip::embedded(bytes)?; // such as include_bytes!("clip.gif")
    /// assert_eq!(clip.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If it is damaged, or holds no frames.
    pub fn embedded(bytes: &'static [u8]) -> Result<Self, MediaError> {
        Ok(Self { source: Source::Animation(Animation::embedded(bytes, None)?) })
    }

    /// Width and height of every frame, in pixels.
    pub fn size(&self) -> (u32, u32) {
        match &self.source {
            Source::Folder(folder) => folder.size(),
            Source::Pages(pages) => pages.size(),
            Source::Animation(animation) => animation.size(),
            Source::Bytes(file) => file.size(),
            Source::Video(video) => video.size(),
        }
    }

    /// Names of the frames' files without extensions, if the clip is a folder.
    pub fn stems(&self) -> Option<Vec<&OsStr>> {
        match &self.source {
            Source::Folder(folder) => Some((0..folder.len()).map(|index| folder.stem(index)).collect()),
            _ => None,
        }
    }

    /// The file of a frame, if the clip is a folder.
    pub fn file(&self, index: usize) -> Option<&Path> {
        match &self.source {
            Source::Folder(folder) if index < folder.len() => Some(folder.file(index)),
            _ => None,
        }
    }

    /// Frames per second, where the file says so: a video, Y4M, an animated GIF or PNG.
    pub fn fps(&self) -> Option<f64> {
        match &self.source {
            Source::Folder(_) | Source::Pages(_) => None,
            Source::Animation(animation) => animation.fps(),
            Source::Bytes(file) => file.fps(),
            Source::Video(video) => video.fps(),
        }
    }

    /// Number of frames, at least one.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Folder(folder) => folder.len(),
            Source::Pages(pages) => pages.len(),
            Source::Animation(animation) => animation.len(),
            Source::Bytes(file) => file.len(),
            Source::Video(video) => video.len(),
        }
    }

    /// Notes about the clip, one line each, for instance ffmpeg's warnings about a readable file.
    pub fn notes(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match &self.source {
            Source::Folder(folder) => Box::new(folder.notes()),
            Source::Pages(pages) => Box::new(pages.notes()),
            Source::Animation(animation) => Box::new(animation.note().into_iter()),
            Source::Bytes(file) => Box::new(file.note().into_iter()),
            Source::Video(video) => Box::new(video.note().into_iter()),
        }
    }

    /// The frames from `first` on, in order.
    ///
    /// # Errors
    /// If the clip can no longer be opened.
    pub fn frames_from(&self, first: usize) -> Result<FrameIter, MediaError> {
        self.select((first..self.len()).collect())
    }

    /// The frames of consecutive indices, ascending or descending. For a descending range, a clip that can
    /// only be read forwards is read again every 32 frames.
    ///
    /// ```
    /// # use sam2_media::frames::Clip;
    /// # let folder = tempfile::tempdir()?;
    /// # for name in ["0.png", "1.png", "2.png"] {
    /// #     sam2_media::pictures::png::write_rgb(&folder.path().join(name), &image::RgbImage::new(4, 2))?;
    /// # }
    /// # let clip = Clip::open(folder.path(), None)?;
    /// let indices = clip.walk(&[2, 1, 0])?.map(|item| item.map(|(frame_idx, _)| frame_idx));
    /// assert_eq!(indices.collect::<Result<Vec<_>, _>>()?, [2, 1, 0]); // for a pass backwards
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the clip can no longer be opened.
    pub fn walk<'a>(&'a self, indices: &'a [usize]) -> Result<Walk<'a>, MediaError> {
        if indices.is_sorted() {
            return self.select(indices.iter().copied().collect()).map(|frames| frames as _);
        }
        let stretches = indices.chunks(STRETCH).flat_map(|stretch| {
            let frames = self.select(stretch.iter().copied().collect());
            match frames.and_then(Iterator::collect::<Result<Vec<_>, _>>) {
                Ok(frames) => frames.into_iter().rev().map(Ok).collect(),
                Err(e) => vec![Err(e)],
            }
        });
        Ok(Box::new(stretches))
    }

    /// The frames of these indices, in ascending order; reading stops after the last of them.
    ///
    /// ```
    /// # use sam2_media::frames::Clip;
    /// # let folder = tempfile::tempdir()?;
    /// # for name in ["0.png", "1.png", "2.png"] {
    /// #     sam2_media::pictures::png::write_rgb(&folder.path().join(name), &image::RgbImage::new(4, 2))?;
    /// # }
    /// # let clip = Clip::open(folder.path(), None)?;
    /// for item in clip.select([0, 2].into())? {
    ///     let (frame_idx, frame) = item?;
    ///     assert!(frame_idx != 1 && frame.width() == 4);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the clip can no longer be opened.
    pub fn select(&self, wanted: BTreeSet<usize>) -> Result<FrameIter, MediaError> {
        let expected = self.size();
        let frames: FrameIter = match &self.source {
            Source::Folder(folder) => {
                let folder = folder.clone();
                Box::new(wanted.into_iter().map(move |index| Ok((index, folder.frame(index)?))))
            }
            Source::Pages(pages) => {
                let pages = pages.clone();
                Box::new(wanted.into_iter().map(move |index| Ok((index, pages.frame(index)?))))
            }
            Source::Animation(animation) => pick(animation.frames()?, wanted),
            Source::Bytes(file) => pick(file.frames()?, wanted),
            Source::Video(video) => pick(video.frames()?, wanted),
        };
        Ok(Box::new(frames.map(move |item| {
            let (index, frame) = item?;
            let found = size_of(&frame);
            if found != expected {
                return Err(ClipError::FrameSize { index, found, expected }.into());
            }
            Ok((index, frame))
        })))
    }
}

/// Whether ffmpeg finds further pictures in a file that begins like one, such as PPM or PNG pictures one
/// after the other. JPEG is not asked about: pictures that belong to a photo lie behind it.
fn are_several(path: &Path, head: &[u8]) -> bool {
    !mjpeg::Pictures::may_begin(head) && Video::open(path, Some(2)).is_ok_and(|video| video.len() > 1)
}

/// Whether the file is whole, but of a kind that this program's own decoder does not read.
fn is_unsupported(error: &MediaError) -> bool {
    let MediaError::Clip(ClipError::Frame { index: 0, source: PictureError::Decode(cause), .. }) = error
    else {
        return false;
    };
    matches!(cause.downcast_ref(), Some(image::ImageError::Unsupported(_)))
}
