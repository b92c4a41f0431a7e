//! Stored entries of a zip archive, found through its central directory. Nothing is decompressed.

use std::collections::{BTreeMap, BTreeSet};

use crate::weights::fault::Fault;
use crate::weights::source::{Part, Source};
use crate::weights::text::quoted;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
/// Length of the end record, and maximum length of the comment after it.
const END_LEN: usize = 22;
const MAX_COMMENT: usize = u16::MAX as usize;
const LOCATOR_LEN: usize = 20;
/// Flags of encrypted entries: plain, strong, and of the directory itself.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;

/// An entry of the central directory.
struct Entry {
    flags: u16,
    method: u16,
    packed: u64,
    size: u64,
    header: u64,
}

/// A zip archive.
pub(super) struct Archive<'a> {
    source: Source<'a>,
    /// Offset of the central directory; payloads are before it.
    directory: u64,
    entries: BTreeMap<String, Entry>,
    /// Offset of the entries.
    headers: BTreeSet<u64>,
}

impl<'a> Archive<'a> {
    /// Reads the central directory.
    pub fn parse(source: Source<'a>) -> Result<Self, Fault> {
        let (directory, size, count) = locate(source)?;
        let bytes = part(source, directory, size, "the central directory")?.read()?;
        let mut rest = &bytes[..];
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let (name, entry, next) = central(rest)?;
            if entries.insert(name.to_owned(), entry).is_some() {
                return Err(format!("its zip directory has two entries {}", quoted(name)).into());
            }
            rest = next;
        }
        if !rest.is_empty() {
            return Err("its zip directory is longer than its entries".into());
        }
        let headers = entries.values().map(|entry| entry.header).collect();
        Ok(Self { source, directory, entries, headers })
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Where the contents of the entry of this name are.
    pub fn get(&self, name: &str) -> Result<Option<Part<'a>>, Fault> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        let fail = |what: &str| format!("its zip entry {} {what}", quoted(name));
        if entry.flags & ENCRYPTED != 0 {
            return Err(Fault::Foreign(fail("is encrypted; decrypt the archive first")));
        }
        if entry.method != 0 {
            let method = entry.method;
            return Err(Fault::Foreign(fail(&format!(
                "is compressed (method {method}), which torch.save never does; unpack it and pack it again \
                 without compression (zip -0 -r), or save it again with PyTorch"
            ))));
        }
        if entry.packed != entry.size {
            return Err(fail("has two different sizes although it is not compressed").into());
        }
        let inside = |at: u64, len: u64| {
            let part = self.source.part(at, len).filter(|_| at + len <= self.directory);
            part.ok_or_else(|| Fault::from(fail("lies outside the file")))
        };
        let header = inside(entry.header, 30)?.read()?;
        if !header.starts_with(LOCAL) {
            return Err(fail("has no header where the directory says").into());
        }
        // Sizes in this header may be zero (they follow the data), so only the lengths of its own fields
        // count.
        let (name_len, extra_len) = (u64::from(u16_at(&header, 26)), u64::from(u16_at(&header, 28)));
        if inside(entry.header + 30, name_len)?.read()? != name.as_bytes() {
            return Err(fail("has another name in its own header").into());
        }
        let start = entry.header + 30 + name_len + extra_len;
        let payload = inside(start, entry.size)?;
        let next = self.headers.range(entry.header + 1..).next();
        if next.is_some_and(|&next| start + entry.size > next) {
            return Err(fail("overlaps the next one").into());
        }
        Ok(Some(payload))
    }
}

/// Offset, length and number of entries of the central directory.
fn locate(source: Source) -> Result<(u64, u64, u64), Fault> {
    let cut = || Fault::from("it is not a whole zip archive: the directory at its end is missing");
    // The end record, the longest comment after it, and the zip64 locator before it.
    let tail_len = source.len().min((END_LEN + MAX_COMMENT + LOCATOR_LEN) as u64);
    let tail_at = source.len() - tail_len;
    let tail = part(source, tail_at, tail_len, "the end")?.read()?;
    let last = tail.len().checked_sub(END_LEN).ok_or_else(cut)?;
    // Behind the record and its comment are at most zeros, to which a copy was filled up.
    let zeros = tail.len() - tail.iter().rev().take_while(|&&byte| byte == 0).count();
    let at = (last.saturating_sub(MAX_COMMENT)..=last)
        .rev()
        .find(|&at| {
            let end = at + END_LEN;
            tail[at..].starts_with(END)
                && (zeros.max(end)..=tail.len()).contains(&(end + usize::from(u16_at(&tail, at + 20))))
        })
        .ok_or_else(cut)?;
    let end = &tail[at..];
    let locator = at.checked_sub(LOCATOR_LEN).filter(|&locator| tail[locator..].starts_with(LOCATOR_64));
    let (offset, size, count, limit) = if let Some(locator) = locator {
        let record_at = u64_at(&tail, locator + 8);
        let record = part(source, record_at, 56, "the zip64 directory")?.read()?;
        let before = record_at.checked_add(56).is_some_and(|end| end <= tail_at + locator as u64);
        if !before || !record.starts_with(END_64) || u32_at(&record, 16) != 0 || u32_at(&record, 20) != 0 {
            return Err("its zip64 directory is damaged".into());
        }
        (u64_at(&record, 48), u64_at(&record, 40), u64_at(&record, 32), record_at)
    } else {
        if u16_at(end, 4) != 0 || u16_at(end, 6) != 0 {
            return Err(Fault::Foreign("it is one part of a split zip archive; join the parts".to_owned()));
        }
        let wide = |at| u64::from(u32_at(end, at));
        (wide(16), wide(12), u64::from(u16_at(end, 10)), tail_at + at as u64)
    };
    if offset.checked_add(size).is_none_or(|end| end > limit) {
        return Err("its zip directory lies outside the file".into());
    }
    Ok((offset, size, count))
}

/// The first remaining record of the central directory.
fn central(rest: &[u8]) -> Result<(&str, Entry, &[u8]), String> {
    let damaged = || "its zip directory is damaged".to_owned();
    if rest.len() < 46 || !rest.starts_with(CENTRAL) {
        return Err(damaged());
    }
    let [name_len, extra_len, comment_len] = [28, 30, 32].map(|at| usize::from(u16_at(rest, at)));
    let end = 46 + name_len + extra_len + comment_len;
    if rest.len() < end {
        return Err(damaged());
    }
    let name = std::str::from_utf8(&rest[46..46 + name_len]).map_err(|_| damaged())?;
    let mut entry = Entry {
        flags: u16_at(rest, 8),
        method: u16_at(rest, 10),
        packed: u64::from(u32_at(rest, 20)),
        size: u64::from(u32_at(rest, 24)),
        header: u64::from(u32_at(rest, 42)),
    };
    let mut extra = &rest[46 + name_len..46 + name_len + extra_len];
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let mut field = extra.get(4..4 + len).ok_or_else(damaged)?;
        if id == 1 {
            // Only values that do not fit in 32 bits are here, in this order.
            for value in [&mut entry.size, &mut entry.packed, &mut entry.header] {
                if *value == u64::from(u32::MAX) {
                    let (wide, next) = field.split_first_chunk().ok_or_else(damaged)?;
                    *value = u64::from_le_bytes(*wide);
                    field = next;
                }
            }
        }
        extra = &extra[4 + len..];
    }
    if entry.header > i64::MAX as u64 || entry.size > i64::MAX as u64 {
        return Err(damaged());
    }
    Ok((name, entry, &rest[end..]))
}

fn part<'a>(source: Source<'a>, offset: u64, len: u64, what: &str) -> Result<Part<'a>, Fault> {
    source.part(offset, len).ok_or_else(|| format!("{what} lies outside the file").into())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
