//! Which file a path leads to.

use std::fs;
use std::io;
use std::path::Path;

/// The file or folder that a path leads to, through links: equal for two names of one file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileId(Id);

/// Device and inode.
#[cfg(unix)]
type Id = (u64, u64);
/// Systems whose standard library does not tell the number of a file: its path without links.
#[cfg(not(unix))]
type Id = std::path::PathBuf;

impl FileId {
    /// The file or folder at `path`; `None` if there is none, or a device such as `/dev/null`, to which
    /// nothing can be lost.
    pub fn of(path: &Path) -> Option<Self> {
        id(path, &fs::metadata(path).ok()?)
    }

    /// The file that stdin is read from.
    pub fn of_stdin() -> Option<Self> {
        of_stream(&io::stdin())
    }

    /// The file that stdout is written to.
    pub fn of_stdout() -> Option<Self> {
        of_stream(&io::stdout())
    }
}

#[cfg(unix)]
fn id(_: &Path, metadata: &fs::Metadata) -> Option<FileId> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let kind = metadata.file_type();
    let is_device = kind.is_char_device() || kind.is_block_device();
    (!is_device).then(|| FileId((metadata.dev(), metadata.ino())))
}

#[cfg(not(unix))]
fn id(path: &Path, _: &fs::Metadata) -> Option<FileId> {
    path.canonicalize().ok().map(FileId)
}

/// A pipe or a terminal is no file.
#[cfg(unix)]
fn of_stream(stream: &impl std::os::fd::AsFd) -> Option<FileId> {
    let file = fs::File::from(stream.as_fd().try_clone_to_owned().ok()?);
    let metadata = file.metadata().ok()?;
    if metadata.is_file() { id(Path::new(""), &metadata) } else { None }
}

#[cfg(not(unix))]
fn of_stream<T>(_: &T) -> Option<FileId> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_file_are_equal() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "x").expect("write");
        fs::write(path("b"), "x").expect("write");
        fs::create_dir(path("sub")).expect("folder");
        let of = |name: &str| FileId::of(&path(name)).expect("it exists");
        assert_eq!(of("a"), of("sub/../a"));
        assert_ne!(of("a"), of("b"));
        assert_eq!(FileId::of(&path("absent")), None);
        #[cfg(unix)]
        {
            fs::hard_link(path("a"), path("hard")).expect("a link");
            std::os::unix::fs::symlink(path("hard"), path("soft")).expect("a link");
            std::os::unix::fs::symlink(path("absent"), path("broken")).expect("a link");
            assert_eq!((of("hard"), of("soft")), (of("a"), of("a")));
            assert_eq!(FileId::of(&path("broken")), None);
            assert_eq!(FileId::of(Path::new("/dev/null")), None);
        }
    }
}
