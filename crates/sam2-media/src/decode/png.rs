//! What is checked of a PNG before its decoder sees it.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::bound;
use super::kind::Kind;
use super::source::Source;
use crate::error::PictureError;
use crate::limits::MAX_PICTURE_BYTES;

/// Bytes of the signature.
const SIGNATURE: u64 = 8;
/// The colour type whose pixels are indices.
const INDEXED: u8 = 3;
/// The last chunk.
const END: [u8; 12] = *b"\0\0\0\0IEND\xaeB`\x82";
const CGBI: &str = "convert it first (pngcrush -revert-iphone-optimizations IN.png OUT.png)";
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
    if source.head.get(12..16) == Some(b"CgBI") {
        return Err(PictureError::NotRead { what: "a PNG of an iPhone app (CgBI)", advice: CGBI });
    }
    bound::check(Kind::Png, size(&source.head), &source.head, source.len)?;
    check_palette(&source.head, &mut source.reader)
}

/// The bytes of a file that lacks its last chunk alone, or a part of it, with that chunk; `None` for another,
/// and one of more than [`MAX_PICTURE_BYTES`]. The chunk says nothing about the picture, which is whole if
/// the chunks before it are.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn completed(reader: &mut (impl BufRead + Seek), len: u64) -> io::Result<Option<Vec<u8>>> {
    reader.seek(SeekFrom::Start(len.saturating_sub(END.len() as u64)))?;
    let mut tail = Vec::new();
    reader.read_to_end(&mut tail)?;
    let mut completed = None;
    if tail != END && len <= MAX_PICTURE_BYTES {
        let at = last_chunk(reader, len)?;
        let rest = (len - at) as usize;
        if rest < END.len() && tail.ends_with(&END[..rest]) {
            reader.rewind()?;
            let mut bytes = Vec::new();
            reader.take(at).read_to_end(&mut bytes)?;
            bytes.extend(END);
            completed = Some(bytes);
        }
    }
    reader.rewind()?;
    Ok(completed)
}

/// Offset of the last chunk, or of the first one that is not whole.
fn last_chunk(reader: &mut (impl BufRead + Seek), len: u64) -> io::Result<u64> {
    reader.seek(SeekFrom::Start(SIGNATURE))?;
    let mut at = SIGNATURE.min(len);
    while let Some((bytes, name)) = chunk(reader)? {
        let end = at + 12 + u64::from(bytes);
        if name == *b"IEND" || end > len {
            break;
        }
        // Within the buffer where that holds the chunk: many small ones cost no call each.
        reader.seek_relative((end - at) as i64 - 8)?;
        at = end;
    }
    Ok(at)
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
