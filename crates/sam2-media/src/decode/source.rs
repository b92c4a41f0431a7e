//! The bytes of a picture.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::PictureError;
use crate::limits::MAX_PICTURE_BYTES;

/// Number of bytes from the beginning that tell the format.
const HEAD: u64 = 4096;

/// A file that can be read in any order.
pub(crate) trait ReadSeek: BufRead + Seek {}
impl<T: BufRead + Seek> ReadSeek for T {}

/// The bytes of a picture, and how many there are.
pub(crate) struct Source {
    /// At its beginning.
    pub reader: Box<dyn ReadSeek>,
    /// Number of bytes.
    pub len: u64,
    /// The first bytes, at most 4096.
    pub head: Vec<u8>,
}

impl Source {
    /// Opens a file, or reads all of stdin (`-`) or of a pipe.
    ///
    /// # Errors
    /// If it cannot be read, is a folder, or is a pipe with more than [`MAX_PICTURE_BYTES`].
    pub fn open(path: &Path) -> Result<Self, PictureError> {
        if path == Path::new("-") {
            return Self::of_bytes(all(io::stdin().lock())?);
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(PictureError::Folder);
        }
        if !metadata.is_file() {
            return Self::of_bytes(all(file)?);
        }
        Self::with(Box::new(BufReader::new(file)), metadata.len())
    }

    /// A picture within something larger.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(mut reader: Box<dyn ReadSeek>) -> Result<Self, PictureError> {
        let len = reader.seek(SeekFrom::End(0))?;
        reader.rewind()?;
        Self::with(reader, len)
    }

    fn of_bytes(bytes: Vec<u8>) -> Result<Self, PictureError> {
        let len = bytes.len() as u64;
        Self::with(Box::new(Cursor::new(bytes)), len)
    }

    fn with(mut reader: Box<dyn ReadSeek>, len: u64) -> Result<Self, PictureError> {
        let mut head = Vec::new();
        reader.by_ref().take(HEAD).read_to_end(&mut head)?;
        reader.rewind()?;
        Ok(Self { reader, len, head })
    }

    /// All bytes.
    ///
    /// # Errors
    /// If they cannot be read, or are more than [`MAX_PICTURE_BYTES`].
    pub fn bytes(self) -> Result<Vec<u8>, PictureError> {
        all(self.reader)
    }
}

fn all(reader: impl Read) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    reader.take(MAX_PICTURE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_PICTURE_BYTES {
        return Err(PictureError::FileTooLarge);
    }
    Ok(bytes)
}
