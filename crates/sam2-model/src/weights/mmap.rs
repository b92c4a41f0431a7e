//! Memory-mapped files: the only use of a memory map.

#![allow(unsafe_code)]

use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use crate::error::LoadError;

/// A file mapped for reading.
#[derive(Debug)]
pub(crate) struct MappedFile(Mmap);

/// Maps `path` for reading. Loading copies the weights out of the map (packed for the kernels) and then drops
/// it; the file must not be truncated in between.
pub(crate) fn map_file(path: &Path) -> Result<MappedFile, LoadError> {
    let io = |source| LoadError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(io(std::io::Error::other("not a regular file")));
    }
    // SAFETY: the file was checked to be a regular one and is mapped read-only. As with every memory map,
    // another process that truncates it while it is being read ends this one with SIGBUS; nothing is read
    // through the map after loading.
    unsafe { Mmap::map(&file) }.map(MappedFile).map_err(io)
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl MappedFile {
    /// Releases the pages of `part`, which is inside this map, so that a file that is read once does not add
    /// to the peak memory. Later reads fetch them again.
    pub fn release(&self, part: &[u8]) {
        let start = (part.as_ptr() as usize).wrapping_sub(self.0.as_ptr() as usize);
        if start.checked_add(part.len()).is_none_or(|end| end > self.0.len()) {
            return;
        }
        // SAFETY: `part` lies inside the map, checked above. The map is shared with the file and never
        // written, so a page that is dropped comes back from the file with the same bytes.
        #[cfg(unix)]
        let advised =
            unsafe { self.0.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, part.len()) };
        // If the system ignores this, only memory is lost.
        #[cfg(unix)]
        drop(advised);
    }
}
