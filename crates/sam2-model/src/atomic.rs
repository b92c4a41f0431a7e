//! Files that are complete or absent.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes a file under a temporary name in its folder and renames it; if anything fails, what was there before stays.
pub(crate) fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sam2-").suffix(".part");
    // Temporary files are private by default; results should have the permissions that any new file has here.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder)?;
    let mut writer = BufWriter::new(file.as_file());
    fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.persist(path).map_err(|e| e.error).map(drop)
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
        assert!(write(&folder.path().join("absent/x"), |_| Ok(())).is_err());
    }
}
