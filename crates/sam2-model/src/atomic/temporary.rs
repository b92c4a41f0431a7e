//! Temporary files: locked by the process that writes them, removed when it ends.

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

use super::fault;

const PREFIX: &str = ".sam2-";
const SUFFIX: &str = ".part";
/// How often a new file is tried before the folder is given up.
const ATTEMPTS: usize = 16;

/// The temporary files of this process.
static PRESENT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn present() -> MutexGuard<'static, Vec<PathBuf>> {
    PRESENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the temporary files of this process, which is about to end. Other threads that create or complete
/// a file afterwards wait for the end.
pub fn remove_temporary() {
    let mut files = present();
    for path in files.drain(..) {
        // Nothing can be done about a file that cannot be removed.
        let _ = fs::remove_file(path);
    }
    std::mem::forget(files);
}

/// As [`remove_temporary`], without waiting for a thread that creates or completes a file, which may be this
/// one. Does not allocate.
pub fn remove_temporary_if_free() {
    if let Ok(files) = PRESENT.try_lock() {
        for path in files.iter() {
            let _ = fs::remove_file(path);
        }
        std::mem::forget(files);
    }
}

/// A file without its name; dropped, it is removed.
#[derive(Debug)]
pub struct Temporary {
    file: Option<NamedTempFile>,
}

impl Temporary {
    /// A new file in `folder`.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        fault::point()?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        // Temporary files are private by default; the result gets the permissions of any new file.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        for _ in 0..ATTEMPTS {
            let mut files = present();
            let file = builder.tempfile_in(folder).map_err(plain)?;
            files.push(file.path().to_owned());
            drop(files);
            let file = Self { file: Some(file) };
            if file.lock() {
                return Ok(file);
            }
        }
        Err(io::Error::other("another process removes the temporary files"))
    }

    /// Marks the file as in use. `false` if another process took it for the rest of a dead one in between.
    fn lock(&self) -> bool {
        let Some(file) = &self.file else { return false };
        // Without locks other processes leave the file alone too.
        !matches!(file.as_file().try_lock(), Err(TryLockError::WouldBlock)) && has_name(file.as_file())
    }

    /// Its name; empty when it has got another one.
    pub(super) fn path(&self) -> PathBuf {
        self.file.as_ref().map(|file| file.path().to_owned()).unwrap_or_default()
    }

    /// Syncs the file and gives it its name.
    pub(super) fn persist(mut self, path: &Path) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        keep_mode(file.as_file(), path);
        fault::point()?;
        match file.as_file().sync_all() {
            Err(error) if !is_unsupported(&error) => return Err(error),
            _ => {}
        }
        fault::point()?;
        let mut files = present();
        let Some(file) = self.file.take() else { return Ok(()) };
        let name = file.path().to_owned();
        let renamed = file.persist(path);
        files.retain(|other| *other != name);
        // With an error the file is dropped, and thereby removed.
        renamed.map(drop).map_err(|error| plain(error.error))
    }

    fn as_file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().map(NamedTempFile::as_file_mut).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        let mut files = present();
        files.retain(|other| other != file.path());
        drop(file);
    }
}

impl Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        fault::point()?;
        self.as_file()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Temporary {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.as_file()?.seek(to)
    }
}

/// Removes temporary files that no process has locked: those of processes that were killed.
pub(super) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        if let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            // If it cannot be removed, only space is lost.
            let _ = fs::remove_file(&path);
        }
    }
}

/// Whether a file system does not do what was asked for, and loses nothing by that.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

/// Gives a file the permissions of the one that it will replace.
fn keep_mode(file: &File, replaced: &Path) {
    if cfg!(unix)
        && let Ok(metadata) = fs::metadata(replaced)
        && metadata.is_file()
    {
        // A file system without permissions refuses; there is then nothing to keep.
        let _ = file.set_permissions(metadata.permissions());
    }
}

#[cfg(unix)]
fn has_name(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| std::os::unix::fs::MetadataExt::nlink(&metadata) > 0)
}

#[cfg(not(unix))]
fn has_name(_: &File) -> bool {
    true
}

/// The error without the temporary file's name, which `tempfile` appends to its message and keeps nowhere
/// else.
fn plain(error: io::Error) -> io::Error {
    match error.to_string().rsplit_once(" at path ") {
        Some((cause, _)) if error.get_ref().is_some() => io::Error::new(error.kind(), cause.to_owned()),
        _ => error,
    }
}
