//! What is written. Every file is complete or absent: it is written under a temporary name in its folder and renamed.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;
use tensor::{TensorRef, npy};

/// A file that appears under its name only when [`AtomicFile::commit`] is called.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    writer: BufWriter<NamedTempFile>,
}

impl AtomicFile {
    /// Begins the file.
    pub fn create(path: &Path) -> Result<Self> {
        let file = temporary(folder_of(path)).with_context(|| cannot_write(path))?;
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(file) })
    }

    /// Adds a line.
    pub fn line(&mut self, line: &str) -> Result<()> {
        writeln!(self.writer, "{line}").with_context(|| cannot_write(&self.path))
    }

    /// Ends the file and gives it its name.
    pub fn commit(self) -> Result<()> {
        let finish = || {
            let file = self.writer.into_inner().map_err(|e| e.into_error())?;
            file.persist(&self.path)?;
            anyhow::Ok(())
        };
        finish().with_context(|| cannot_write(&self.path))
    }
}

/// Writes a whole file.
pub fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<NamedTempFile>) -> Result<()>) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    fill(&mut file.writer).with_context(|| cannot_write(path))?;
    file.commit()
}

/// Writes a float32 `.npy` array.
pub fn write_npy(path: &Path, array: &TensorRef<'_, f32>) -> Result<()> {
    write(path, |file| Ok(npy::write_to(file, array)?))
}

/// Creates a folder unless it is there, and proves that files can be written into it.
pub fn prepare_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .and_then(|()| temporary(folder))
        .map(drop)
        .with_context(|| format!("cannot write into the folder {}", folder.display()))
}

/// Proves that a file can be written, before the work whose result it will hold.
pub fn prepare_file(path: &Path, extension: &str) -> Result<()> {
    if path.is_dir() {
        bail!("cannot write {}: it is a folder", path.display());
    }
    if !path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension)) {
        bail!("the name of the output {} must end in .{extension}", path.display());
    }
    temporary(folder_of(path)).map(drop).with_context(|| cannot_write(path))
}

/// `folder/name.png` → `folder/name_suffix.png`.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("_");
    name.push(suffix);
    name.push(".png");
    path.with_file_name(name)
}

/// Whether both name the same existing file or folder.
pub fn same_place(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Names of what is in a folder and of this kind, sorted by their bytes, which is Python's order; hidden files
/// are left out.
pub fn list(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<String>> {
    let cannot = || format!("cannot list the folder {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && wanted(&entry.path()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

fn temporary(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sam2-").suffix(".part");
    // Temporary files are private by default; results should have the permissions that any new file has here.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_it_is_whole() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("a.txt");
        let entries = || fs::read_dir(dir.path()).expect("list").count();

        let mut file = AtomicFile::create(&path).expect("create");
        file.line("half").expect("write");
        assert!(!path.exists());
        drop(file);
        assert_eq!(entries(), 0, "an abandoned file leaves nothing behind");

        assert!(write(&path, |_| bail!("disk full")).is_err());
        assert_eq!(entries(), 0);

        write(&path, |w| Ok(w.write_all(b"whole")?)).expect("write");
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
        assert!(prepare_file(&dir.path().join("missing/a.png"), "png").is_err());
        assert!(prepare_file(dir.path(), "png").is_err());
        assert_eq!(with_suffix(Path::new("d/m.png"), "overlay"), Path::new("d/m_overlay.png"));
    }
}
