//! Atomic writes: each file is written under a temporary name in its folder and renamed.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sam2_model::atomic;
use tensor::{TensorRef, npy};

use crate::error::MediaError;

/// A file of lines that gets its name when [`LinesFile::commit`] is called.
///
/// ```
/// use sam2_media::files::LinesFile;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("tracks.jsonl");
/// let mut file = LinesFile::create(&path)?;
/// file.line(r#"{"frame":0}"#)?;
/// assert!(!path.exists()); // a reader never sees half a file
/// file.commit()?;
/// assert_eq!(std::fs::read_to_string(&path)?, "{\"frame\":0}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LinesFile {
    file: atomic::AtomicFile,
}

impl LinesFile {
    /// Creates the temporary file.
    ///
    /// # Errors
    /// If its folder is absent or cannot be written.
    pub fn create(path: &Path) -> Result<Self, MediaError> {
        Ok(Self { file: atomic::AtomicFile::create(path).map_err(cannot_write(path))? })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// For instance if the disk is full.
    pub fn line(&mut self, line: &str) -> Result<(), MediaError> {
        let written = writeln!(self.file, "{line}");
        written.map_err(cannot_write(self.file.path()))
    }

    /// Completes the file and renames it.
    ///
    /// # Errors
    /// If the rest cannot be written, or the name is that of a folder.
    pub fn commit(self) -> Result<(), MediaError> {
        let path = self.file.path().to_owned();
        self.file.commit().map_err(cannot_write(&path))
    }
}

/// Writes a whole file, to the disk.
///
/// ```
/// use std::io::Write;
///
/// use sam2_media::files;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("notes.txt");
/// files::write(&path, |file| file.write_all(b"whole"))?;
/// assert_eq!(std::fs::read(&path)?, b"whole");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be written, or `fill` fails; an existing file is then unchanged.
pub fn write(
    path: &Path,
    fill: impl FnOnce(&mut atomic::Writer) -> io::Result<()>,
) -> Result<(), MediaError> {
    atomic::write(path, fill).map_err(cannot_write(path))
}

/// [`write()`] for one of many files of a folder; [`sync_folder`] must follow the last of them.
///
/// ```
/// use std::io::Write;
///
/// use sam2_media::files;
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// for name in ["0.txt", "1.txt"] {
///     files::write_in_series(&folder.join(name), |file| file.write_all(b"whole"))?;
/// }
/// files::sync_folder(folder)?;
/// assert_eq!(files::list(folder, |_| true)?, ["0.txt", "1.txt"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`write()`].
pub fn write_in_series(
    path: &Path,
    fill: impl FnOnce(&mut atomic::Writer) -> io::Result<()>,
) -> Result<(), MediaError> {
    atomic::write_in_series(path, fill).map_err(cannot_write(path))
}

/// Writes the names of the files in a folder to the disk: their contents are there already.
///
/// # Errors
/// If the disk fails.
pub fn sync_folder(folder: &Path) -> Result<(), MediaError> {
    let synced = atomic::sync_folder(folder);
    synced.map_err(|source| MediaError::WriteFolder { folder: folder.to_owned(), source })
}

/// Removes the temporary files of this process, which must end right after: other threads may wait for that.
pub fn remove_temporary() {
    atomic::remove_temporary();
}

/// [`remove_temporary`] where no memory is left: allocates nothing, and removes nothing while a file is being
/// created or completed. The next run then removes the rest.
pub fn remove_temporary_if_free() {
    atomic::remove_temporary_if_free();
}

/// The folder that holds the file of this name.
pub fn folder_of(path: &Path) -> &Path {
    atomic::folder_of(path)
}

/// Writes a float32 `.npy` array as one of many files, see [`write_in_series`].
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("logits.npy");
/// let logits = tensor::Tensor::from_vec(&[1, 2], vec![-3.0, 5.0]);
/// sam2_media::files::write_npy(&path, &logits.view())?;
/// assert_eq!(tensor::npy::read_f32(&path)?, logits);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be written.
pub fn write_npy(path: &Path, array: &TensorRef<'_, f32>) -> Result<(), MediaError> {
    write_in_series(path, |file| npy::write_to(file, array).map_err(io::Error::other))
}

/// Creates a folder if it is missing, and checks that files can be written into it.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// let output = folder.path().join("run1/masks");
/// sam2_media::files::prepare_folder(&output)?;
/// assert!(output.is_dir());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If they cannot.
pub fn prepare_folder(folder: &Path) -> Result<(), MediaError> {
    let created = fs::create_dir_all(folder).and_then(|()| atomic::check(folder));
    created.map_err(|source| MediaError::WriteFolder { folder: folder.to_owned(), source })
}

/// Checks that a file can be written, before its content is computed; creates its folder if it is missing.
///
/// ```
/// use sam2_media::files::prepare_file;
///
/// # let folder = tempfile::tempdir()?;
/// assert!(prepare_file(&folder.path().join("mask.png"), "png").is_ok());
/// assert!(prepare_file(&folder.path().join("mask.jpg"), "png").is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If it cannot, is a folder, or has another extension.
pub fn prepare_file(path: &Path, extension: &str) -> Result<(), MediaError> {
    if path.is_dir() {
        return Err(MediaError::OutputIsFolder(path.to_owned()));
    }
    if !path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension)) {
        return Err(MediaError::OutputExtension { path: path.to_owned(), extension: extension.to_owned() });
    }
    let folder = atomic::folder_of(path);
    fs::create_dir_all(folder).and_then(|()| atomic::check(folder)).map_err(cannot_write(path))
}

/// `folder/name.png` → `folder/name_suffix.png`.
///
/// ```
/// use std::path::Path;
///
/// use sam2_media::files::with_suffix;
///
/// assert_eq!(with_suffix(Path::new("out/cat.png"), "overlay"), Path::new("out/cat_overlay.png"));
/// ```
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("_");
    name.push(suffix);
    name.push(".png");
    path.with_file_name(name)
}

/// Names of the entries of a folder that `wanted` accepts, sorted by their bytes; hidden files are left out.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # for name in ["b.png", "a.png", ".hidden.png", "notes.txt"] {
/// #     std::fs::write(folder.path().join(name), "")?;
/// # }
/// let is_png = |path: &std::path::Path| path.extension().is_some_and(|extension| extension == "png");
/// assert_eq!(sam2_media::files::list(folder.path(), is_png)?, ["a.png", "b.png"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the folder cannot be listed.
pub fn list(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<OsString>, MediaError> {
    let inner = || {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if !name.as_encoded_bytes().starts_with(b".") && wanted(&entry.path()) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    };
    inner().map_err(|source| MediaError::List { folder: folder.to_owned(), source })
}

fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> MediaError {
    let path = path.to_owned();
    move |source| MediaError::Write { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_it_is_whole() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("a.txt");
        let entries = || fs::read_dir(dir.path()).expect("list").count();

        let mut file = LinesFile::create(&path).expect("create");
        file.line("half").expect("write");
        assert!(!path.exists());
        drop(file);
        assert_eq!(entries(), 0, "an abandoned file leaves nothing behind");

        assert!(write(&path, |_| Err(io::Error::other("disk full"))).is_err());
        assert_eq!(entries(), 0);

        write(&path, |w| w.write_all(b"whole")).expect("write");
        assert_eq!(fs::read(&path).expect("read"), b"whole");
        assert_eq!(entries(), 1);
    }

    #[test]
    fn places_that_cannot_be_written_are_found_early() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let file = dir.path().join("file");
        fs::write(&file, "x").expect("write");
        assert!(prepare_folder(&file.join("sub")).is_err());
        assert!(prepare_folder(&dir.path().join("new/sub")).is_ok());
        assert!(prepare_file(&dir.path().join("a.png"), "png").is_ok());
        assert!(prepare_file(&dir.path().join("a.jpg"), "png").is_err());
        assert!(prepare_file(&dir.path().join("missing/sub/a.png"), "png").is_ok());
        assert!(dir.path().join("missing/sub").is_dir());
        assert!(prepare_file(&file.join("a.png"), "png").is_err());
        assert!(prepare_file(dir.path(), "png").is_err());
        assert_eq!(with_suffix(Path::new("d/m.png"), "overlay"), Path::new("d/m_overlay.png"));
    }
}
