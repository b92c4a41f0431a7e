//! Motion JPEG: JPEG pictures one after the other, as cameras and `ffmpeg -f mjpeg` write them, also with the
//! headers of a multipart stream between them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use sam2_model::Frame;

use super::photo;
use crate::error::{MjpegError, PictureError};

/// Most bytes between two pictures: padding, or the headers of a multipart stream.
const MAX_GAP: usize = 4096;
/// Most bytes of a picture.
const MAX_BYTES: usize = 256 << 20;

const START: [u8; 2] = [0xff, 0xd8];
const END: [u8; 2] = [0xff, 0xd9];

/// The pictures of a reader.
#[derive(Debug, Default)]
pub struct Pictures {
    /// The picture's bytes, from its start marker to its end marker.
    bytes: Vec<u8>,
    /// Width and height in the header of the last picture.
    size: Option<[u8; 4]>,
    /// Whether the last picture says that other pictures of the same moment follow: the two views of a stereo
    /// camera, or the brightness map of a phone's photo.
    belong_together: bool,
    /// Whether the next picture's start marker has been read.
    started: bool,
}

impl Pictures {
    /// Whether a file that begins with `head` may hold such pictures.
    pub fn may_begin(head: &[u8]) -> bool {
        head.starts_with(&START) || head.starts_with(b"--")
    }

    /// Whether a file holds several pictures of one size.
    pub fn are_in(path: &Path) -> io::Result<bool> {
        let mut reader = BufReader::new(File::open(path)?);
        let mut pictures = Self::default();
        if !matches!(pictures.advance(&mut reader), Ok(true)) || pictures.belong_together {
            return Ok(false);
        }
        let first = pictures.size.take();
        // The second may be cut.
        let _ = pictures.advance(&mut reader);
        Ok(first.is_some() && first == pictures.size)
    }

    /// Reads the next picture; `false` at the end.
    ///
    /// # Errors
    /// If the reader ends within it, or something else follows.
    pub fn advance(&mut self, reader: &mut impl BufRead) -> Result<bool, MjpegError> {
        self.bytes.clear();
        (self.size, self.belong_together) = (None, false);
        if !self.started && !skip_to_start(reader)? {
            return Ok(false);
        }
        self.started = false;
        self.bytes.extend(START);
        let mut marker = self.marker(reader)?;
        loop {
            match marker {
                0xd9 => return Ok(true),
                // The end marker is missing, which cameras do.
                0xd8 => {
                    self.bytes.truncate(self.bytes.len() - START.len());
                    self.bytes.extend(END);
                    self.started = true;
                    return Ok(true);
                }
                0x01 | 0xd0..=0xd7 => marker = self.marker(reader)?,
                _ => {
                    self.segment(marker, reader)?;
                    marker = if marker == 0xda { self.scan(reader)? } else { self.marker(reader)? };
                }
            }
        }
    }

    /// Decodes the picture.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn decode(&mut self) -> Result<Frame, PictureError> {
        photo::decode(Cursor::new(std::mem::take(&mut self.bytes)))
    }

    /// A marker, which must follow.
    fn marker(&mut self, reader: &mut impl BufRead) -> Result<u8, MjpegError> {
        if self.byte(reader)? != 0xff {
            return Err(MjpegError::Marker);
        }
        self.code(reader)
    }

    /// The rest of a marker, after any number of fill bytes.
    fn code(&mut self, reader: &mut impl BufRead) -> Result<u8, MjpegError> {
        loop {
            let code = self.byte(reader)?;
            if code != 0xff {
                return Ok(code);
            }
        }
    }

    fn segment(&mut self, marker: u8, reader: &mut impl BufRead) -> Result<(), MjpegError> {
        let length = [self.byte(reader)?, self.byte(reader)?];
        let length = usize::from(u16::from_be_bytes(length)).checked_sub(2).ok_or(MjpegError::Marker)?;
        let from = self.bytes.len();
        if reader.take(length as u64).read_to_end(&mut self.bytes)? < length {
            return Err(MjpegError::CutShort);
        }
        let content = &self.bytes[from..];
        match marker {
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                self.size = content.get(1..5).and_then(|size| size.try_into().ok());
            }
            0xe2 => self.belong_together |= content.starts_with(b"MPF\0"),
            _ => {}
        }
        Ok(())
    }

    /// Compressed data and the marker behind them.
    fn scan(&mut self, reader: &mut impl BufRead) -> Result<u8, MjpegError> {
        loop {
            let buffer = reader.fill_buf()?;
            if buffer.is_empty() {
                return Err(MjpegError::CutShort);
            }
            if self.bytes.len() + buffer.len() > MAX_BYTES {
                return Err(MjpegError::TooLong(MAX_BYTES >> 20));
            }
            let found = buffer.iter().position(|&byte| byte == 0xff);
            let used = found.map_or(buffer.len(), |at| at + 1);
            self.bytes.extend_from_slice(&buffer[..used]);
            reader.consume(used);
            if found.is_some() {
                // 0 stands for a byte 0xff of the data; d0 to d7 are restarts.
                let code = self.code(reader)?;
                if !matches!(code, 0x00 | 0xd0..=0xd7) {
                    return Ok(code);
                }
            }
        }
    }

    fn byte(&mut self, reader: &mut impl BufRead) -> Result<u8, MjpegError> {
        let byte = byte(reader)?.ok_or(MjpegError::CutShort)?;
        self.bytes.push(byte);
        Ok(byte)
    }
}

fn byte(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    let byte = reader.fill_buf()?.first().copied();
    reader.consume(usize::from(byte.is_some()));
    Ok(byte)
}

/// Reads up to the start marker; `false` if none follows.
fn skip_to_start(reader: &mut impl BufRead) -> Result<bool, MjpegError> {
    let mut last = 0;
    for _ in 0..MAX_GAP + START.len() {
        let Some(byte) = byte(reader)? else { return Ok(false) };
        if [last, byte] == START {
            return Ok(true);
        }
        last = byte;
    }
    Err(MjpegError::NoPicture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use image::{Rgb, RgbImage};

    /// A picture that is darker on the right, with the thumbnail of a camera in its metadata.
    fn jpeg(level: u8, width: u32) -> Vec<u8> {
        let encode = |picture: &RgbImage| {
            let mut bytes = Vec::new();
            JpegEncoder::new(&mut bytes).encode_image(picture).expect("encode");
            bytes
        };
        let thumbnail = encode(&RgbImage::from_pixel(8, 8, Rgb([255, 0, 0])));
        let picture = encode(&RgbImage::from_fn(width, 16, |x, _| Rgb([level.saturating_sub(x as u8); 3])));
        let length = (thumbnail.len() as u16 + 2).to_be_bytes();
        [&START, &[0xff, 0xe1][..], &length, &thumbnail, &picture[2..]].concat()
    }

    fn levels(stream: &[u8]) -> (Vec<u8>, Option<MjpegError>) {
        let (mut reader, mut pictures, mut levels) = (stream, Pictures::default(), Vec::new());
        loop {
            match pictures.advance(&mut reader) {
                Ok(true) => levels.push(pictures.decode().expect("decode").rgb()[0]),
                Ok(false) => return (levels, None),
                Err(e) => return (levels, Some(e)),
            }
        }
    }

    #[test]
    fn pictures_follow_each_other() {
        let all = [jpeg(90, 24), jpeg(150, 24), jpeg(210, 24)];
        let near = |stream: &[u8]| {
            let (levels, error) = levels(stream);
            assert!(error.is_none(), "{error:?}");
            levels.len() == 3 && levels.iter().zip([90, 150, 210]).all(|(a, b)| a.abs_diff(b) < 8)
        };
        assert!(near(&all.concat()));
        assert!(near(&all.each_ref().map(|jpeg| [jpeg, &[0; 77][..]].concat()).concat()), "padding");
        let part = |jpeg: &Vec<u8>| [b"--b\r\nContent-Type: image/jpeg\r\n\r\n", &jpeg[..], b"\r\n"].concat();
        assert!(near(&all.each_ref().map(part).concat()), "a multipart stream");
        let open = all.each_ref().map(|jpeg| &jpeg[..jpeg.len() - 2]);
        assert!(near(&[open[0], open[1], &all[2]].concat()), "without end markers");
    }

    #[test]
    fn a_stream_that_is_cut_or_goes_on_otherwise_is_read_to_there() {
        let stream = [jpeg(90, 24), jpeg(150, 24)].concat();
        let (found, error) = levels(&stream[..stream.len() - 2]);
        assert!(found.len() == 1 && matches!(error, Some(MjpegError::CutShort)));
        let (found, error) = levels(&[&stream[..], &[7; 5000]].concat());
        assert!(found.len() == 2 && matches!(error, Some(MjpegError::NoPicture)));
        let (found, error) = levels(&[&stream[..], &START, b"no marker"].concat());
        assert!(found.len() == 2 && matches!(error, Some(MjpegError::Marker)));
    }

    #[test]
    fn a_photo_with_another_one_inside_is_no_clip() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x.jpg");
        let are_in = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("write");
            Pictures::are_in(&path).expect("read")
        };
        let photo = jpeg(90, 24);
        assert!(are_in(&[&photo[..], &photo].concat()));
        assert!(are_in(&[&photo[..], &photo[..photo.len() - 5]].concat()), "the second one is cut");
        assert!(!are_in(&photo));
        assert!(!are_in(&[&photo[..], b"more"].concat()));
        assert!(!are_in(&[&photo[..], &jpeg(90, 32)].concat()), "another size");
        let first = [&START, &[0xff, 0xe2, 0, 6][..], b"MPF\0", &photo[2..]].concat();
        assert!(!are_in(&[&first[..], &photo].concat()), "views of one moment");
    }
}
