//! The segments of a JPEG before its pixels.

/// Marker and offset of every segment before the data of the first scan.
pub(super) fn of(bytes: &[u8]) -> impl Iterator<Item = (u8, usize)> {
    let mut at = 2;
    std::iter::from_fn(move || {
        loop {
            let &[0xff, marker, high, low] = bytes.get(at..at + 4)? else { return None };
            let start = at;
            // 0xff is a fill byte.
            at += if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
            if marker != 0xff {
                return Some((marker, start));
            }
        }
    })
}
