//! The folder of uploads and of exports in work.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::guard::random;

const PREFIX: &str = "sam2-serve-";
/// A file that is locked while the server runs.
const LOCK: &str = "lock";

/// A folder that only this user may look into. It is removed at the end; that of a server that was killed is
/// removed by the next one.
#[derive(Debug)]
pub struct Private {
    path: PathBuf,
    /// `None` when it was removed.
    lock: Option<File>,
}

impl Private {
    /// # Errors
    /// If it cannot be created.
    pub fn new() -> io::Result<Self> {
        Self::new_in(&std::env::temp_dir())
    }

    fn new_in(parent: &Path) -> io::Result<Self> {
        let word = random().map_err(io::Error::other)?;
        let path = parent.join(format!("{PREFIX}{word}"));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        let lock = File::create_new(path.join(LOCK))?;
        // Without locks nobody knows that the server lives, and nothing is removed.
        let _ = lock.try_lock();
        remove_dead(parent, &path);
        Ok(Self { path, lock: Some(lock) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn remove(&mut self) {
        if self.lock.take().is_some() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Removes folders of servers that were killed: those of this user whose lock is free.
fn remove_dead(parent: &Path, own: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        if !name.to_string_lossy().starts_with(PREFIX) || path == own || !is_ours(&path, own) {
            continue;
        }
        // Open for writing: some systems lock nothing else.
        let lock = fs::OpenOptions::new().write(true).open(path.join(LOCK));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Whether it is a folder, not a link to one, of the owner of `own`.
#[cfg(unix)]
fn is_ours(path: &Path, own: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owner =
        |path: &Path| path.symlink_metadata().ok().filter(|data| data.is_dir()).map(|data| data.uid());
    owner(path).is_some() && owner(path) == owner(own)
}

#[cfg(not(unix))]
fn is_ours(path: &Path, _: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|data| data.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_killed_server_goes_and_that_of_a_living_one_stays() {
        let parent = tempfile::tempdir().expect("temporary folder");
        let mut living = Private::new_in(parent.path()).expect("a folder");
        let dead = parent.path().join(format!("{PREFIX}dead"));
        let other = parent.path().join("other");
        for folder in [&dead, &other] {
            fs::create_dir(folder).expect("a folder");
            fs::write(folder.join(LOCK), "").expect("a lock");
            fs::write(folder.join("upload.png"), "x").expect("a file");
        }
        let next = Private::new_in(parent.path()).expect("a folder");
        assert!(!dead.exists() && other.exists());
        assert!(living.path().exists() && next.path().exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(next.path().metadata().expect("it is there").permissions().mode() & 0o777, 0o700);
        }
        living.remove();
        assert!(!living.path().exists());
    }
}
