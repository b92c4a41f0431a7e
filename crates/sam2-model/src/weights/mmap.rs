//! The one place that maps a file.

#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::error::LoadError;

/// Maps `path` for reading. The weights are copied out of the map (packed for the kernels) while the model is
/// built, and the map is dropped with the end of loading; the file must not be truncated in between.
pub(crate) fn map_file(path: &Path) -> Result<Mmap, LoadError> {
    let io = |source| LoadError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(io(std::io::Error::other("not a regular file")));
    }
    // SAFETY: the file was checked to be a regular one and is mapped read-only. As with every memory map, another
    // process that truncates it while it is being read ends this one with SIGBUS; nothing is read through
    // the map after loading.
    unsafe { Mmap::map(&file) }.map_err(io)
}
