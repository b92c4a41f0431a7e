//! Frames as JPEG on the disk.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use axum::body::Bytes;

use crate::limits;

/// A file of frames of several clips.
#[derive(Debug)]
pub struct Spool {
    file: File,
    len: u64,
    /// Place and length of every frame.
    places: HashMap<(String, usize), (u64, usize)>,
}

impl Spool {
    /// # Errors
    /// If the file cannot be created.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).open(folder.join("frames"))?;
        Ok(Self { file, len: 0, places: HashMap::new() })
    }

    pub fn has(&self, id: &str, index: usize) -> bool {
        self.places.contains_key(&(id.to_owned(), index))
    }

    /// Adds a frame. Returns whether there is room for more; a full disk is none.
    pub fn write(&mut self, id: &str, index: usize, jpeg: &[u8]) -> bool {
        if self.len + jpeg.len() as u64 > limits::SPOOL {
            return false;
        }
        let written = self.file.seek(SeekFrom::Start(self.len)).and_then(|_| self.file.write_all(jpeg));
        if written.is_err() {
            return false;
        }
        self.places.insert((id.to_owned(), index), (self.len, jpeg.len()));
        self.len += jpeg.len() as u64;
        true
    }

    /// A frame, if it was written.
    pub fn read(&mut self, id: &str, index: usize) -> Option<Bytes> {
        let &(place, len) = self.places.get(&(id.to_owned(), index))?;
        let mut jpeg = vec![0; len];
        let read = self.file.seek(SeekFrom::Start(place)).and_then(|_| self.file.read_exact(&mut jpeg));
        read.is_ok().then(|| Bytes::from(jpeg))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut spool = Spool::new(folder.path()).expect("a file");
        assert!(
            spool.write("a", 3, b"three") && spool.write("b", 3, b"other") && spool.write("a", 4, b"four")
        );
        let read: Vec<_> = [("a", 3), ("a", 4), ("b", 3), ("b", 4)].map(|(id, n)| spool.read(id, n)).into();
        let found: Vec<Option<&[u8]>> = read.iter().map(|bytes| bytes.as_deref()).collect();
        assert_eq!(found, [Some(&b"three"[..]), Some(b"four"), Some(b"other"), None]);
        assert!(spool.has("a", 3) && !spool.has("a", 5));
        spool.len = limits::SPOOL - 2;
        assert!(!spool.write("a", 5, b"five") && spool.write("a", 5, b"5"));
    }
}
