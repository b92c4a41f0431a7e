//! Files that are complete or absent: written under a temporary name in their folder, synced to the disk,
//! then renamed.
//!
//! The temporary file is locked while it is written. [`remove_temporary`] removes those of this process when
//! a signal ends it; those of a process that was killed are no longer locked, and [`check`] removes them.

mod fault;
mod identity;
mod temporary;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

pub use identity::FileId;
use temporary::is_unsupported;
pub use temporary::{Temporary, remove_temporary, remove_temporary_if_free};

/// Size of the blocks that are written, bytes.
const BLOCK: usize = 256 << 10;

/// What the content of a file is written to.
pub type Writer = BufWriter<Temporary>;

/// A file that appears under its name only when [`AtomicFile::commit`] is called; dropped before, it leaves
/// nothing.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    writer: Writer,
}

impl AtomicFile {
    /// Creates the temporary file.
    ///
    /// # Errors
    /// If its folder is absent or cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), writer: begin(path)? })
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name that it has until then, for a program that writes into it.
    pub fn temporary_path(&self) -> PathBuf {
        self.writer.get_ref().path()
    }

    /// Ends the file and gives it its name, replacing a file that has it, whose permissions it gets. On
    /// return file and name are on the disk.
    ///
    /// # Errors
    /// If the rest cannot be written, or the name is that of a folder.
    pub fn commit(self) -> io::Result<()> {
        let Self { path, writer } = self;
        finish(writer, &path)?;
        sync_folder(folder_of(&path))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Writes a whole file; if anything fails, a file that was there before stays as it was.
///
/// # Errors
/// If the file cannot be written, or `fill` fails.
pub fn write(path: &Path, fill: impl FnOnce(&mut Writer) -> io::Result<()>) -> io::Result<()> {
    write_in_series(path, fill)?;
    sync_folder(folder_of(path))
}

/// [`write`] for one of many files of a folder: [`sync_folder`] must follow the last of them, so that their
/// names are on the disk too.
///
/// # Errors
/// As [`write`].
pub fn write_in_series(path: &Path, fill: impl FnOnce(&mut Writer) -> io::Result<()>) -> io::Result<()> {
    let mut writer = begin(path)?;
    fill(&mut writer)?;
    finish(writer, path)
}

fn begin(path: &Path) -> io::Result<Writer> {
    Ok(BufWriter::with_capacity(BLOCK, Temporary::create(folder_of(path))?))
}

fn finish(writer: Writer, path: &Path) -> io::Result<()> {
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.persist(path)
}

/// Writes the names in a folder to the disk.
///
/// # Errors
/// If the disk fails.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    fault::point()?;
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // A folder that may be written but not listed, or a file system that syncs no folders.
        Err(error) if is_unsupported(&error) || error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// Removes a file or a link.
///
/// # Errors
/// If it cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    fault::point()?;
    fs::remove_file(path)
}

/// Proves that a file can be written into `folder`, and removes the temporary files that killed processes
/// left there.
///
/// # Errors
/// If it cannot.
pub fn check(folder: &Path) -> io::Result<()> {
    temporary::sweep(folder);
    Temporary::create(folder).map(drop)
}

/// The folder that holds the file of this name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).expect("list").count()
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("x");
        write(&path, |file| file.write_all(b"old")).expect("it is written");
        write(&path, |file| file.write_all(b"half").and(Err(io::Error::other("full"))))
            .expect_err("it failed");
        assert_eq!(fs::read(&path).expect("it is there"), b"old");
        assert_eq!(entries(folder.path()), 1);
        let error = write(&folder.path().join("absent/x"), |_| Ok(())).expect_err("no folder");
        assert!(!error.to_string().contains(".part"), "{error}");
        fs::create_dir(folder.path().join("sub")).expect("folder");
        let error = write(&folder.path().join("sub"), |_| Ok(())).expect_err("a folder");
        assert!(!error.to_string().contains(".part"), "{error}");
        assert_eq!(entries(folder.path()), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_the_mode_of_the_one_that_it_replaces() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("x");
        let mode = || fs::metadata(&path).expect("it is there").permissions().mode() & 0o7777;
        write(&path, |_| Ok(())).expect("it is written");
        let usual = mode();
        for kept in [0o600, 0o640, 0o444, 0o755] {
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).expect("chmod");
            write(&path, |_| Ok(())).expect("it is written");
            assert_eq!(mode(), kept);
        }
        fs::remove_file(&path).expect("remove");
        write(&path, |_| Ok(())).expect("it is written");
        assert_eq!(mode(), usual);
    }

    #[test]
    fn files_of_dead_processes_are_removed_and_those_of_living_ones_stay() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let dead = folder.path().join(".sam2-abcdef.part");
        fs::write(&dead, "half").expect("write");
        for kept in ["sam2-abcdef.part", ".sam2-abcdef", "other.part"] {
            fs::write(folder.path().join(kept), "kept").expect("write");
        }
        let living = AtomicFile::create(&folder.path().join("x")).expect("create");
        check(folder.path()).expect("it can be written");
        assert!(!dead.exists());
        assert_eq!(entries(folder.path()), 4);
        living.commit().expect("it was not removed");
        assert_eq!(entries(folder.path()), 4);
    }
}
