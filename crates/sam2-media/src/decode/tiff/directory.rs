//! A picture of bands of numbers in place of the one in the file: the decoder reads the same strips or tiles,
//! and leaves what the numbers mean to the caller.

use std::io::{self, Read, Seek, SeekFrom};

use tiff::decoder::{Decoder, Limits};

use super::layout::{Layout, unreadable};
use super::values::Format;
use crate::decode::source::ReadSeek;
use crate::error::PictureError;

/// Bytes of the header of a BigTIFF, which stands before the file.
const HEADER: u64 = 16;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const LONG8: u16 = 16;
const UNDEFINED: u16 = 7;

/// A decoder of all bands, or of band `plane` alone if each is stored by itself. `more` follows the `len`
/// bytes of the file.
///
/// # Errors
/// If the parts do not fit the size.
pub(super) fn open<'a>(
    layout: &Layout,
    plane: u16,
    reader: &'a mut dyn ReadSeek,
    len: u64,
    more: &'a [u8],
) -> Result<Decoder<Overlay<'a>>, PictureError> {
    let directory = HEADER + len + more.len() as u64;
    let tags = Tags { bytes: Vec::new(), big_endian: layout.big_endian, at: directory };
    let tail = tags.write(layout, plane);
    let mut head = if layout.big_endian { b"MM\0+\0\x08\0\0".to_vec() } else { b"II+\0\x08\0\0\0".to_vec() };
    head.extend(if layout.big_endian { directory.to_be_bytes() } else { directory.to_le_bytes() });
    let overlay = Overlay { reader, head, more, tail, len, at: 0 };
    Ok(Decoder::new(overlay).map_err(unreadable)?.with_limits(Limits::unlimited()))
}

/// Bits of a number and numbers of a pixel, as the decoder is told: it reads 1 to 8, 16, 32 and 64 bits, so
/// that 12 bits become three numbers of four.
pub(super) fn declared(layout: &Layout, plane_bands: u16) -> (u16, u16) {
    if layout.bits <= 8 || matches!(layout.bits, 16 | 32 | 64) {
        return (layout.bits, plane_bands);
    }
    let bits = (1..8).rev().find(|&bits| layout.bits.is_multiple_of(bits)).unwrap_or(1);
    (bits, plane_bands.saturating_mul(layout.bits / bits))
}

struct Tags {
    bytes: Vec<u8>,
    big_endian: bool,
    /// Offset of the directory.
    at: u64,
}

impl Tags {
    fn write(mut self, layout: &Layout, plane: u16) -> Vec<u8> {
        let bands = if layout.planar { 1 } else { layout.bands };
        let (bits, samples) = declared(layout, bands);
        let format = match layout.format {
            Format::Unsigned => 1,
            Format::Signed => 2,
            Format::Float => 3,
        };
        let count = layout.parts.len() / usize::from(layout.bands / bands);
        let parts = layout.parts.iter().skip(usize::from(plane) * count).take(count);
        let (offsets, counts): (Vec<u64>, Vec<u64>) = parts.map(|part| (HEADER + part.0, part.1)).unzip();
        let (width, height) = layout.size;
        let one = |value: u32| vec![u64::from(value)];
        let short = |value: u16| vec![u64::from(value)];
        let mut tags: Vec<(u16, u16, Vec<u64>)> = vec![
            (256, LONG, one(width)),
            (257, LONG, one(height)),
            (258, SHORT, short(bits)),
            (259, SHORT, short(layout.compression)),
            (262, SHORT, short(1)),
            (277, SHORT, short(samples)),
            (317, SHORT, short(layout.predictor)),
            (339, SHORT, short(format)),
        ];
        if layout.tiled {
            let sides = [(322, layout.part.0), (323, layout.part.1)];
            tags.extend(sides.map(|(tag, side)| (tag, LONG, one(side))));
            tags.extend([(324, LONG8, offsets), (325, LONG8, counts)]);
        } else {
            tags.push((278, LONG, one(layout.part.1.min(height))));
            tags.extend([(273, LONG8, offsets), (279, LONG8, counts)]);
        }
        if let Some(tables) = &layout.tables {
            tags.push((347, UNDEFINED, tables.iter().map(|&byte| u64::from(byte)).collect()));
        }
        tags.sort_by_key(|tag| tag.0);
        let mut data = Tags { bytes: Vec::new(), big_endian: self.big_endian, at: 0 };
        let behind = self.at + 8 + 20 * tags.len() as u64 + 8;
        self.number(LONG8, tags.len() as u64);
        for (tag, kind, values) in tags {
            self.number(SHORT, u64::from(tag));
            self.number(SHORT, u64::from(kind));
            self.number(LONG8, values.len() as u64);
            let mut packed = Tags { bytes: Vec::new(), big_endian: self.big_endian, at: 0 };
            values.into_iter().for_each(|value| packed.number(kind, value));
            if packed.bytes.len() <= 8 {
                packed.bytes.resize(8, 0);
                self.bytes.extend(packed.bytes);
            } else {
                self.number(LONG8, behind + data.bytes.len() as u64);
                data.bytes.extend(packed.bytes);
            }
        }
        self.number(LONG8, 0);
        self.bytes.extend(data.bytes);
        self.bytes
    }

    fn number(&mut self, kind: u16, value: u64) {
        let len = match kind {
            SHORT => 2,
            LONG => 4,
            LONG8 => 8,
            _ => 1,
        };
        match self.big_endian {
            true => self.bytes.extend(&value.to_be_bytes()[8 - len..]),
            false => self.bytes.extend(&value.to_le_bytes()[..len]),
        }
    }
}

/// A file between a header of its own and more behind its end.
pub(super) struct Overlay<'a> {
    reader: &'a mut dyn ReadSeek,
    head: Vec<u8>,
    more: &'a [u8],
    tail: Vec<u8>,
    len: u64,
    at: u64,
}

impl Read for Overlay<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = if self.at < HEADER {
            (&self.head[self.at as usize..]).read(buffer)?
        } else if self.at < HEADER + self.len {
            let rest = usize::try_from(HEADER + self.len - self.at).unwrap_or(usize::MAX).min(buffer.len());
            self.reader.read(&mut buffer[..rest])?
        } else {
            let at = usize::try_from(self.at - HEADER - self.len).unwrap_or(usize::MAX);
            let mut rest = match self.more.get(at..).filter(|rest| !rest.is_empty()) {
                Some(rest) => rest,
                None => self.tail.get(at - self.more.len().min(at)..).unwrap_or_default(),
            };
            rest.read(buffer)?
        };
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Overlay<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.at = match position {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
            SeekFrom::End(by) => {
                let end = HEADER + self.len + (self.more.len() + self.tail.len()) as u64;
                end.saturating_add_signed(by)
            }
        };
        self.reader.seek(SeekFrom::Start(self.at.saturating_sub(HEADER).min(self.len)))?;
        Ok(self.at)
    }
}
