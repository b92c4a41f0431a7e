//! Files that are complete or absent: written under a temporary name in their folder, then renamed.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that appears under its name only when [`AtomicFile::commit`] is called; dropped before, it leaves
/// nothing.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    writer: BufWriter<NamedTempFile>,
}

impl AtomicFile {
    /// Creates the temporary file.
    ///
    /// # Errors
    /// If its folder is absent or cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(temporary(folder_of(path))?) })
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the file and gives it its name, replacing a file that has it.
    ///
    /// # Errors
    /// If the rest cannot be written, or the name is that of a folder.
    pub fn commit(self) -> io::Result<()> {
        let file = self.writer.into_inner().map_err(|e| plain(e.into_error()))?;
        file.persist(&self.path).map(drop).map_err(|e| plain(e.error))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes).map_err(plain)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(plain)
    }
}

/// Writes a whole file; if anything fails, a file that was there before stays as it was.
///
/// # Errors
/// If the file cannot be written, or `fill` fails.
pub fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    let file = temporary(folder_of(path))?;
    let mut writer = BufWriter::new(file.as_file());
    fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.persist(path).map(drop).map_err(|e| plain(e.error))
}

/// Proves that a file can be written into `folder`.
///
/// # Errors
/// If it cannot.
pub fn check(folder: &Path) -> io::Result<()> {
    temporary(folder).map(drop)
}

/// The folder that holds the file of this name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sam2-").suffix(".part");
    // Temporary files are private by default; the result gets the permissions of any new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder).map_err(plain)
}

/// The error without the temporary file's name, which `tempfile` appends to its message and keeps nowhere
/// else.
fn plain(error: io::Error) -> io::Error {
    match error.to_string().rsplit_once(" at path ") {
        Some((cause, _)) if error.get_ref().is_some() => io::Error::new(error.kind(), cause.to_owned()),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("x");
        write(&path, |file| file.write_all(b"old")).expect("it is written");
        write(&path, |file| file.write_all(b"half").and(Err(io::Error::other("full"))))
            .expect_err("it failed");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1);
        let error = write(&folder.path().join("absent/x"), |_| Ok(())).expect_err("no folder");
        assert!(!error.to_string().contains(".part"), "{error}");
    }
}
