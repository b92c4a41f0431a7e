//! The bytes of a checkpoint: a file that is read at positions, or memory.
//!
//! Files are not mapped. A mapped file that another process truncates ends this one with SIGBUS; a read
//! returns an error. The weights are copied once anyway, when they are packed.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::fault::Fault;
use crate::error::LoadError;

/// An open file, with its length when it was opened.
#[derive(Debug)]
pub(crate) struct OpenFile {
    path: PathBuf,
    file: File,
    len: u64,
    modified: Option<SystemTime>,
}

impl OpenFile {
    /// Opens `path`, which must be a regular file.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let io = |source| LoadError::Io { path: path.to_owned(), source };
        // Asked before it is opened: opening a pipe would wait for its writer.
        if !std::fs::metadata(path).map_err(io)?.is_file() {
            return Err(io(io::Error::other("not a regular file")));
        }
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        Ok(Self { path: path.to_owned(), len: metadata.len(), modified: metadata.modified().ok(), file })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path, for messages.
    pub fn origin(&self) -> String {
        self.path.display().to_string()
    }

    /// Fails if the file is not the one that was opened: parts of it may come from two versions.
    pub fn check_unchanged(&self) -> Result<(), LoadError> {
        let now = self.file.metadata();
        let now = now.map_err(|source| LoadError::Io { path: self.path.clone(), source })?;
        if now.len() == self.len && now.modified().ok() == self.modified {
            return Ok(());
        }
        Err(LoadError::Changed { origin: self.origin() })
    }
}

/// Where the bytes of a checkpoint are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    Memory(&'a [u8]),
    File(&'a OpenFile),
}

impl<'a> Source<'a> {
    /// Length, bytes.
    pub fn len(self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.len,
        }
    }

    /// `len` bytes from `at` on; `None` if they are not all inside.
    pub fn part(self, at: u64, len: u64) -> Option<Part<'a>> {
        let end = at.checked_add(len)?;
        let len = usize::try_from(len).ok()?;
        (end <= self.len()).then_some(Part { source: self, at, len })
    }

    /// The first bytes, at most `len`.
    pub fn start(self, len: usize) -> Result<Cow<'a, [u8]>, Fault> {
        Part { source: self, at: 0, len: len.min(usize::try_from(self.len()).unwrap_or(len)) }.read()
    }
}

/// A range of bytes that lies inside its source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    source: Source<'a>,
    at: u64,
    /// Bytes.
    pub len: usize,
}

impl<'a> Part<'a> {
    /// `len` bytes from `at` on.
    ///
    /// # Panics
    /// If they are not all inside; the caller has checked it.
    pub fn sub(self, at: usize, len: usize) -> Self {
        assert!(at.checked_add(len).is_some_and(|end| end <= self.len), "the range is inside the part");
        Self { at: self.at + at as u64, len, ..self }
    }

    /// The bytes in place, if they are in memory.
    pub fn in_memory(self) -> Option<&'a [u8]> {
        match self.source {
            // Both fit: `Source::part` checked the range.
            Source::Memory(bytes) => Some(&bytes[self.at as usize..self.at as usize + self.len]),
            Source::File(_) => None,
        }
    }

    /// The bytes.
    pub fn read(self) -> Result<Cow<'a, [u8]>, Fault> {
        if let Some(bytes) = self.in_memory() {
            return Ok(Cow::Borrowed(bytes));
        }
        let mut bytes = vec![0; self.len];
        self.read_into(&mut bytes)?;
        Ok(Cow::Owned(bytes))
    }

    /// Fills `out`, of exactly this length.
    pub fn read_into(self, out: &mut [u8]) -> Result<(), Fault> {
        match self.source {
            Source::Memory(_) => out.copy_from_slice(self.in_memory().unwrap_or_default()),
            Source::File(open) => {
                read_exact_at(&open.file, out, self.at).map_err(|e| match e.kind() {
                    // The range was inside when the file was opened.
                    io::ErrorKind::UnexpectedEof => Fault::Changed,
                    _ => Fault::Io(e),
                })?;
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, out: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut out: &mut [u8], mut at: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !out.is_empty() {
        match file.seek_read(out, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                out = &mut out[n..];
                at += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(not(any(unix, windows)))]
fn read_exact_at(_: &File, _: &mut [u8], _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
