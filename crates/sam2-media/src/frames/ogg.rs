//! The end of an Ogg file: the last page of a stream is marked.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Length of a page with its header, bytes, at most.
const PAGE: u64 = 27 + 255 + 255 * 255;
const MAGIC: &[u8] = b"OggS";
/// Bit of a page's type: the last one of its stream.
const LAST: u8 = 4;

/// Whether this is an Ogg file that ends within a page, or with one that is not the last of its stream.
pub fn is_cut(path: &Path) -> bool {
    // What cannot be read any more has just been read by another program.
    tail(path).is_ok_and(|tail| tail.is_some_and(|tail| !ends(&tail)))
}

/// The end of the file, if it is Ogg.
fn tail(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?;
    let mut magic = Vec::new();
    file.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic)?;
    if magic != MAGIC {
        return Ok(None);
    }
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(2 * PAGE)))?;
    let mut tail = Vec::new();
    file.take(2 * PAGE).read_to_end(&mut tail)?;
    Ok(Some(tail))
}

fn ends(tail: &[u8]) -> bool {
    let Some(start) = tail.windows(MAGIC.len()).rposition(|window| window == MAGIC) else { return false };
    let page = &tail[start..];
    let (Some(kind), Some(&segments)) = (page.get(5), page.get(26)) else { return false };
    let lengths = page.get(27..27 + usize::from(segments));
    let whole = lengths.is_some_and(|lengths| {
        let data: usize = lengths.iter().map(|&length| usize::from(length)).sum();
        page.len() >= 27 + lengths.len() + data
    });
    whole && kind & LAST != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(kind: u8, data: &[u8]) -> Vec<u8> {
        let mut page = [&b"OggS\0"[..], &[kind], &[0; 20], &[1, data.len() as u8]].concat();
        page.extend(data);
        page
    }

    #[test]
    fn the_last_page_is_marked_and_whole() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("x.ogv");
        let cut = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("write");
            is_cut(&path)
        };
        let whole = [page(2, b"head"), page(0, b"data"), page(LAST, b"end")].concat();
        assert!(!cut(&whole));
        assert!(!cut(b"\x1aE\xdf\xa3 another format") && !cut(b"") && !is_cut(Path::new("absent.ogv")));
        for end in MAGIC.len()..whole.len() {
            assert!(cut(&whole[..end]), "{end}");
        }
    }
}
