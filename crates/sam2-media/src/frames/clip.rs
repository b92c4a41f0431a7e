//! Clips that can be read several times, and everything that can be tracked.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::iter::{FrameIter, Walk, pick};
use super::{ffmpeg, folder, gif, photo, raw};

/// Frames that are held at once when a clip is walked backwards.
const STRETCH: usize = 32;

/// What can be tracked.
pub enum Input {
    /// Files, which can be read several times.
    Clip(Clip),
    /// Stdin or a pipe, which can be read once.
    Stream(raw::Stream),
}

impl Input {
    /// Opens stdin (`-`), a pipe, or what [`Clip::open`] reads. With `raw`, it holds bare RGB frames of that size.
    pub fn open(path: &Path, raw: Option<raw::RawSize>, max_frames: Option<usize>) -> Result<Self> {
        if path == Path::new("-") || is_pipe(path) {
            return Ok(Self::Stream(raw::Stream::open(path, raw, max_frames)?));
        }
        let clip = match raw {
            Some(_) => Clip { source: Source::Bytes(raw::ByteFile::open(path, raw, max_frames)?) },
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

    /// What was noticed on opening, one line each: [`Clip::notes`].
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        let clip = match self {
            Self::Clip(clip) => Some(clip),
            Self::Stream(_) => None,
        };
        clip.into_iter().flat_map(Clip::notes)
    }

    /// Number of frames, if it is known.
    pub fn len(&self) -> Option<usize> {
        match self {
            Self::Clip(clip) => Some(clip.len()),
            Self::Stream(stream) => stream.len(),
        }
    }
}

/// Whether opening the path twice would not give the same bytes twice.
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
#[derive(Debug)]
pub struct Clip {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Folder(std::sync::Arc<folder::Folder>),
    Gif(gif::Gif),
    Bytes(raw::ByteFile),
    Video(ffmpeg::Video),
}

impl Clip {
    /// Opens a folder, a GIF, a Y4M file or (through ffmpeg) a video, and counts its frames up to `max_frames`.
    pub fn open(path: &Path, max_frames: Option<usize>) -> Result<Self> {
        let metadata = std::fs::metadata(path).with_context(|| format!("cannot open {}", path.display()))?;
        let source = if metadata.is_dir() {
            Source::Folder(folder::Folder::open(path, max_frames)?.into())
        } else {
            let mut head = Vec::new();
            File::open(path)
                .and_then(|file| file.take(16).read_to_end(&mut head))
                .with_context(|| format!("cannot open {}", path.display()))?;
            if gif::Gif::is_gif(&head) {
                Source::Gif(gif::Gif::open(path, max_frames)?)
            } else if raw::ByteFile::is_y4m(&head) {
                Source::Bytes(raw::ByteFile::open(path, None, max_frames)?)
            } else if photo::looks_like_a_picture(path) {
                bail!(
                    "{} is a single picture: use `sam2 segment` for it, or give `sam2 track` a folder of pictures",
                    path.display()
                );
            } else {
                Source::Video(ffmpeg::Video::open(path, max_frames)?)
            }
        };
        Ok(Self { source })
    }

    /// A GIF inside the program.
    pub fn embedded(bytes: &'static [u8]) -> Result<Self> {
        Ok(Self { source: Source::Gif(gif::Gif::embedded(bytes, None)?) })
    }

    /// Width and height of every frame, in pixels.
    pub fn size(&self) -> (u32, u32) {
        match &self.source {
            Source::Folder(folder) => folder.size(),
            Source::Gif(gif) => gif.size(),
            Source::Bytes(file) => file.size(),
            Source::Video(video) => video.size(),
        }
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Folder(folder) => folder.len(),
            Source::Gif(gif) => gif.len(),
            Source::Bytes(file) => file.len(),
            Source::Video(video) => video.len(),
        }
    }

    /// What was noticed on opening, such as complaints of ffmpeg about a file that it could read. One line each.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        let note = match &self.source {
            Source::Video(video) => video.note(),
            Source::Folder(_) | Source::Gif(_) | Source::Bytes(_) => None,
        };
        note.into_iter()
    }

    /// The frames from `first` on, in order.
    pub fn frames_from(&self, first: usize) -> Result<FrameIter> {
        self.select((first..self.len()).collect())
    }

    /// The frames of consecutive indices, ascending or descending. Going back through a clip that can only be read
    /// forwards means reading it again for every stretch of frames.
    pub fn walk<'a>(&'a self, indices: &'a [usize]) -> Result<Walk<'a>> {
        if indices.is_sorted() {
            return self.select(indices.iter().copied().collect()).map(|frames| frames as _);
        }
        let stretches = indices.chunks(STRETCH).flat_map(|stretch| {
            let frames =
                self.select(stretch.iter().copied().collect()).and_then(Iterator::collect::<Result<Vec<_>>>);
            match frames {
                Ok(frames) => frames.into_iter().rev().map(Ok).collect(),
                Err(e) => vec![Err(e)],
            }
        });
        Ok(Box::new(stretches))
    }

    /// The frames of these indices, in order; stops reading after the last of them.
    pub fn select(&self, wanted: BTreeSet<usize>) -> Result<FrameIter> {
        let size = self.size();
        let frames: FrameIter = match &self.source {
            Source::Folder(folder) => {
                let folder = folder.clone();
                Box::new(wanted.into_iter().map(move |index| Ok((index, folder.frame(index)?))))
            }
            Source::Gif(gif) => pick(gif.frames()?, wanted),
            Source::Bytes(file) => pick(file.frames()?, wanted),
            Source::Video(video) => pick(video.frames()?, wanted),
        };
        Ok(Box::new(frames.map(move |item| {
            let (index, frame) = item?;
            if frame.dimensions() != size {
                bail!(
                    "frame {index} has {}x{} pixels, the first has {}x{}",
                    frame.width(),
                    frame.height(),
                    size.0,
                    size.1
                );
            }
            Ok((index, frame))
        })))
    }
}
