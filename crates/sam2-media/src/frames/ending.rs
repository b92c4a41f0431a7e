//! The end of a video that ffmpeg reads without a word although it is missing.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::ogg;

/// Lengths of the packets of a transport stream, bytes, and the offset of their first byte: broadcast, and
/// with a time in front as cameras and Blu-ray discs write them.
const PACKETS: [(u64, usize); 2] = [(188, 0), (192, 4)];
/// The first byte of a packet.
const SYNC: u8 = 0x47;
/// Offset of the number of frames in an AVI file.
const AVI_FRAMES: usize = 48;

/// What is missing of a file of which `frames` frames were read.
pub fn missing(path: &Path, frames: usize) -> Option<String> {
    // What cannot be read any more has just been read by another program.
    let (head, len) = head(path).ok()?;
    if ogg::is_cut(path) {
        Some("the end of the Ogg file is missing".to_owned())
    } else if PACKETS.iter().any(|&(packet, at)| is_stream(&head, packet, at) && len % packet != 0) {
        Some("it ends within a packet".to_owned())
    } else {
        of_avi(&head, len, frames)
    }
}

fn head(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut head = Vec::new();
    file.take(1024).read_to_end(&mut head)?;
    Ok((head, len))
}

fn is_stream(head: &[u8], packet: u64, at: usize) -> bool {
    (0..4).all(|k| head.get(at + k * packet as usize) == Some(&SYNC))
}

fn of_avi(head: &[u8], len: u64, frames: usize) -> Option<String> {
    let number = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    if !head.starts_with(b"RIFF") || head.get(8..12) != Some(b"AVI ") || head.get(24..28) != Some(b"avih") {
        return None;
    }
    let (size, counted) = (u64::from(number(4)?), number(AVI_FRAMES)?);
    if len < size + 8 {
        Some(format!("it has {len} of {} bytes", size + 8))
    } else if frames < counted as usize {
        Some(format!("its header counts {counted}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_that_are_missing_are_found() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("x");
        let missing = |bytes: &[u8], frames: usize| {
            std::fs::write(&path, bytes).expect("write");
            missing(&path, frames).unwrap_or_default()
        };
        for (packet, at) in PACKETS {
            let mut stream = vec![0; 8 * packet as usize];
            (0..8).for_each(|k| stream[at + k * packet as usize] = SYNC);
            assert_eq!(missing(&stream, 1), "");
            assert_eq!(missing(&stream[..stream.len() - 7], 1), "it ends within a packet");
        }
        let mut avi = [b"RIFF", &[0; 4][..], b"AVI LIST", &[0; 4], b"hdrlavih", &[0; 100]].concat();
        avi[4..8].copy_from_slice(&(124_u32 - 8 + 4).to_le_bytes());
        avi[AVI_FRAMES..AVI_FRAMES + 4].copy_from_slice(&8_u32.to_le_bytes());
        avi.resize(124 + 4, 0);
        assert_eq!(missing(&avi, 8), "");
        assert_eq!(missing(&avi, 5), "its header counts 8");
        assert_eq!(missing(&avi[..120], 5), "it has 120 of 128 bytes");
        assert_eq!(missing(b"\0\0\0\x20ftypisom", 1), "");
        assert_eq!(missing(b"", 0), "");
        assert!(super::missing(Path::new("absent"), 0).is_none());
    }
}
