//! What is checked of a PNG before its decoder sees it.

use std::io::{self, Read, Seek, SeekFrom};

use super::bound;
use super::kind::Kind;
use super::source::Source;
use crate::error::PictureError;

/// Bytes of the signature.
const SIGNATURE: u64 = 8;
/// The colour type whose pixels are indices.
const INDEXED: u8 = 3;
/// Most bytes of a palette: 256 colours.
const PALETTE: u32 = 768;

/// Number of bytes from the beginning that say how pixels are stored.
pub(crate) const HEAD: u64 = 26;

/// Width and height as the header states them, in a fixed place; 0 where it ends before.
pub(crate) fn size(head: &[u8]) -> (u32, u32) {
    let side =
        |at: usize| head.get(at..at + 4).and_then(|side| side.try_into().ok()).map_or(0, u32::from_be_bytes);
    (side(16), side(20))
}

/// Refuses a size that the file cannot hold, and a palette that is no list of colours: the decoder panics on
/// one whose length is no multiple of three.
///
/// # Errors
/// Those of [`bound::check`], or [`PictureError::Damaged`].
pub(crate) fn check(source: &mut Source) -> Result<(), PictureError> {
    bound::check(Kind::Png, size(&source.head), &source.head, source.len)?;
    check_palette(&source.head, &mut source.reader)
}

/// Reads the chunks up to the pixels, if these are indices, and goes back to the beginning.
///
/// # Errors
/// [`PictureError::Damaged`].
pub(crate) fn check_palette(head: &[u8], reader: &mut (impl Read + Seek)) -> Result<(), PictureError> {
    if head.get(25) != Some(&INDEXED) {
        return Ok(());
    }
    reader.seek(SeekFrom::Start(SIGNATURE))?;
    while let Some((len, name)) = chunk(reader)? {
        match &name {
            b"PLTE" if len % 3 != 0 || len > PALETTE => {
                let what = format!("its palette has {len} bytes, and colours have 3 bytes each, at most 256");
                return Err(PictureError::Damaged(what));
            }
            b"PLTE" | b"IDAT" | b"IEND" => break,
            // A checksum of four bytes follows.
            _ => reader.seek_relative(i64::from(len) + 4)?,
        }
    }
    reader.rewind()?;
    Ok(())
}

/// Length and name of the chunk that begins here; `None` at the end of the file, which the decoder reports.
fn chunk(reader: &mut impl Read) -> io::Result<Option<(u32, [u8; 4])>> {
    let (mut len, mut name) = ([0; 4], [0; 4]);
    match reader.read_exact(&mut len).and_then(|()| reader.read_exact(&mut name)) {
        Ok(()) => Ok(Some((u32::from_be_bytes(len), name))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
