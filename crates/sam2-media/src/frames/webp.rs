//! The parts of an animated WebP file.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

/// Number of frames that a file of `len` bytes holds whole, and whether it is cut. The decoder takes zeros
/// for the rest of a frame of lossy compression.
///
/// # Errors
/// If the file cannot be read.
pub fn whole_frames(reader: &mut (impl Read + Seek), len: u64) -> io::Result<(usize, bool)> {
    let mut frames = 0;
    // Behind "RIFF", the size of the rest, and "WEBP".
    let mut header = [0; 12];
    reader.rewind()?;
    reader.read_exact(&mut header)?;
    let [.., a, b, c, d, _, _, _, _] = header;
    let end = 8 + u64::from(u32::from_le_bytes([a, b, c, d]));
    let mut at = 12;
    while at < end.min(len) {
        let mut header = [0; 8];
        reader.seek(SeekFrom::Start(at))?;
        match reader.read_exact(&mut header) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok((frames, true)),
            read => read?,
        }
        let [name @ .., a, b, c, d] = header;
        let size = u64::from(u32::from_le_bytes([a, b, c, d]));
        if at + 8 + size > len {
            return Ok((frames, true));
        }
        frames += usize::from(&name == b"ANMF");
        // Parts have an even number of bytes.
        at += 8 + size + size % 2;
    }
    Ok((frames, len < end & !1))
}
