//! The chain of directories of a TIFF file, followed without trust in what it says.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

const NEW_SUBFILE_TYPE: u16 = 254;
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const OFFSETS: [u16; 2] = [273, 324];
const LENGTHS: [u16; 2] = [279, 325];
/// Bits of [`NEW_SUBFILE_TYPE`]: a smaller copy of another page, or its mask.
const NO_FRAME: u64 = 0b101;
/// Most entries of a directory.
const MAX_ENTRIES: u64 = 1 << 16;

/// Byte order, and whether offsets have 64 bits (BigTIFF).
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub little: bool,
    pub big: bool,
}

impl Layout {
    /// That of a TIFF that begins with `head`.
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [b'I', b'I', 42, 0, ..] => Some(Self { little: true, big: false }),
            [b'M', b'M', 0, 42, ..] => Some(Self { little: false, big: false }),
            [b'I', b'I', 43, 0, 8, 0, ..] => Some(Self { little: true, big: true }),
            [b'M', b'M', 0, 43, 0, 8, ..] => Some(Self { little: false, big: true }),
            _ => None,
        }
    }

    /// Where the offset of the first directory is.
    pub fn first(self) -> u64 {
        if self.big { 8 } else { 4 }
    }

    /// Number of bytes of an offset, and of the number of values of an entry.
    pub fn offset(self) -> usize {
        if self.big { 8 } else { 4 }
    }

    /// Number of bytes of the number of entries of a directory.
    fn count(self) -> usize {
        if self.big { 8 } else { 2 }
    }

    fn number(self, bytes: &[u8]) -> u64 {
        let join = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        if self.little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
    }
}

/// A page of a file.
pub(super) struct Page {
    /// Offset of its directory.
    pub at: u64,
    /// Width and height, pixels.
    pub size: (u32, u32),
}

/// What the directories list.
pub(super) struct Found {
    pub pages: Vec<Page>,
    /// Whether the chain of directories leads out of the file or in a circle, or a page is not whole.
    pub early_end: bool,
}

/// Reader of the chain of directories.
pub(super) struct Directories {
    pub reader: BufReader<File>,
    pub layout: Layout,
    /// Bytes of the file.
    pub len: u64,
    /// Bytes that may still be read.
    pub budget: u64,
}

impl Directories {
    /// Follows the chain of directories.
    pub fn pages(&mut self) -> io::Result<Found> {
        let (layout, mut seen) = (self.layout, BTreeSet::new());
        let mut found = Found { pages: Vec::new(), early_end: false };
        let Some(mut at) = self.number(layout.first(), layout.offset())? else { return Ok(found) };
        while at != 0 {
            if !seen.insert(at) {
                found.early_end = true;
                break;
            }
            let Some((page, next)) = self.directory(at)? else {
                found.early_end = true;
                break;
            };
            found.pages.extend(page);
            at = next;
        }
        Ok(found)
    }

    /// The page of a directory, `None` if it is no frame, and the offset of the next directory; `None` if it
    /// is not whole.
    fn directory(&mut self, at: u64) -> io::Result<Option<(Option<Page>, u64)>> {
        let layout = self.layout;
        let count = self.number(at, layout.count())?.filter(|&count| count <= MAX_ENTRIES);
        let Some(count) = count else { return Ok(None) };
        let (from, width) = (at + layout.count() as u64, 4 + 2 * layout.offset());
        let bytes = self.bytes(from, count * width as u64 + layout.offset() as u64)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let (entries, next) = bytes.split_at(bytes.len() - layout.offset());
        let next = layout.number(next);
        let mut size = (0, 0);
        let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
        for entry in entries.chunks_exact(width) {
            if !self.holds(entry) {
                return Ok(None);
            }
            let tag = layout.number(&entry[..2]) as u16;
            if ![NEW_SUBFILE_TYPE, WIDTH, HEIGHT].contains(&tag)
                && !OFFSETS.contains(&tag)
                && !LENGTHS.contains(&tag)
            {
                continue;
            }
            let Some(values) = self.values(entry)? else { return Ok(None) };
            let first = values.first().copied().unwrap_or(0);
            match tag {
                NEW_SUBFILE_TYPE if first & NO_FRAME != 0 => return Ok(Some((None, next))),
                NEW_SUBFILE_TYPE => {}
                WIDTH => size.0 = first as u32,
                HEIGHT => size.1 = first as u32,
                _ if OFFSETS.contains(&tag) => offsets = values,
                _ => lengths = values,
            }
        }
        let inside = |(at, len): (&u64, &u64)| at.checked_add(*len).is_some_and(|end| end <= self.len);
        let whole = offsets.iter().zip(&lengths).all(inside);
        Ok(whole.then_some((Some(Page { at, size }), next)))
    }

    /// Whether the values of an entry, of whatever type, are inside the file.
    fn holds(&self, entry: &[u8]) -> bool {
        let layout = self.layout;
        let width: u64 = match layout.number(&entry[2..4]) {
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            _ => 1,
        };
        let (count, place) = entry[4..].split_at(layout.offset());
        let bytes = layout.number(count).saturating_mul(width);
        bytes <= place.len() as u64 || layout.number(place).saturating_add(bytes) <= self.len
    }

    /// The unsigned values of an entry, which are in it if they are small; `None` if the file ends before.
    fn values(&mut self, entry: &[u8]) -> io::Result<Option<Vec<u64>>> {
        let layout = self.layout;
        let width = match layout.number(&entry[2..4]) {
            1 => 1,
            3 => 2,
            4 | 13 => 4,
            16 | 18 => 8,
            _ => return Ok(Some(Vec::new())),
        };
        let (count, place) = entry[4..].split_at(layout.offset());
        let Some(bytes) = layout.number(count).checked_mul(width as u64) else { return Ok(None) };
        let bytes = match place.get(..bytes as usize) {
            Some(inside) => Some(inside.to_vec()),
            None => self.bytes(layout.number(place), bytes)?,
        };
        Ok(bytes.map(|bytes| bytes.chunks_exact(width).map(|value| layout.number(value)).collect()))
    }

    fn number(&mut self, at: u64, len: usize) -> io::Result<Option<u64>> {
        Ok(self.bytes(at, len as u64)?.map(|bytes| self.layout.number(&bytes)))
    }

    /// `None` if the file ends before, or its directories refer to the same bytes again and again.
    fn bytes(&mut self, at: u64, len: u64) -> io::Result<Option<Vec<u8>>> {
        if at.checked_add(len).is_none_or(|end| end > self.len) || len > self.budget {
            return Ok(None);
        }
        self.budget -= len;
        self.reader.seek(SeekFrom::Start(at))?;
        let mut bytes = vec![0; len as usize];
        match self.reader.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(e) => Err(e),
        }
    }
}
