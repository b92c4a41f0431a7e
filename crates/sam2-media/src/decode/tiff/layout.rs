//! The tags of a picture, checked against the file.

use std::io::{Read, Seek, SeekFrom};

use image::metadata::Orientation;
use tiff::TiffError;
use tiff::decoder::Decoder;
use tiff::decoder::ifd::Value;
use tiff::tags::{ByteOrder, Tag};

use super::values::{Format, Meaning};
use crate::decode::source::{ReadSeek, Source};
use crate::decode::{bound, jpeg};
use crate::error::PictureError;

/// The compression of JPEG parts.
pub(crate) const JPEG: u16 = 7;
pub(super) const NONE: u16 = 1;
const LZW: u16 = 5;
const PACKBITS: u16 = 32_773;
const FAX4: u16 = 4;
pub(super) const ZSTD: u16 = 50_000;
/// Longest side of a tile, pixels.
const MAX_TILE: u32 = 32_768;
/// Smaller copies of the picture that are skipped at most.
const COPIES: u32 = 16;
/// Bytes of a JPEG part that hold its header.
const JPEG_HEADER: u64 = 65_536;

/// The tags of a picture.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Width and height as stored.
    pub size: (u32, u32),
    pub orientation: Orientation,
    pub meaning: Meaning,
    pub format: Format,
    /// Bits of a number.
    pub bits: u16,
    /// Numbers of a pixel.
    pub bands: u16,
    /// Whether the band behind the colours is their opacity.
    pub alpha: bool,
    /// The value that means "no data".
    pub no_data: Option<f64>,
    pub compression: u16,
    pub predictor: u16,
    /// Whether each band is stored by itself.
    pub planar: bool,
    /// Width and height of a tile, or of a strip.
    pub part: (u32, u32),
    pub tiled: bool,
    /// Offset and number of bytes of every strip or tile, band after band if planar.
    pub parts: Vec<(u64, u64)>,
    /// Tables that all JPEG parts share.
    pub tables: Option<Vec<u8>>,
    pub big_endian: bool,
}

impl Layout {
    /// Reads the tags of the first picture that is no smaller copy of another, which some writers put first.
    ///
    /// # Errors
    /// If they are damaged, claim more than the file holds, or describe something that is not supported.
    pub fn read(source: Source) -> Result<(Self, Source), PictureError> {
        let Source { mut reader, len, head } = source;
        let mut tags = Decoder::new(&mut reader).map_err(unreadable)?;
        skip_copies(&mut tags)?;
        let layout = Self::of(&mut tags, len)?;
        layout.check_parts(&mut reader, len)?;
        Ok((layout, Source { reader, len, head }))
    }

    fn of<R: Read + Seek>(tags: &mut Decoder<R>, len: u64) -> Result<Self, PictureError> {
        let size = tags.dimensions().map_err(unreadable)?;
        let number = |tags: &mut Decoder<R>, tag: Tag, default: u16| -> Result<u16, PictureError> {
            Ok(tags.find_tag_unsigned(tag).map_err(unreadable)?.unwrap_or(default))
        };
        let list = |tags: &mut Decoder<R>, tag: Tag| -> Result<Vec<u64>, PictureError> {
            Ok(tags.find_tag_unsigned_vec(tag).map_err(unreadable)?.unwrap_or_default())
        };
        if tags.find_tag(Tag::Unknown(50_706)).map_err(unreadable)?.is_some()
            || number(tags, Tag::NewSubfileType, 0)? & 1 == 1
                && tags.find_tag(Tag::SubIfd).map_err(unreadable)?.is_some()
        {
            return Err(PictureError::NotRead {
                what: "a camera's raw picture",
                advice: "develop it to JPEG or TIFF first (darktable, RawTherapee, or dcraw -T)",
            });
        }
        if number(tags, Tag::FillOrder, 1)? != 1 {
            return Err(unsupported("bits in reverse order (FillOrder 2)"));
        }
        let bits = *list(tags, Tag::BitsPerSample)?.first().unwrap_or(&1) as u16;
        let bands = number(tags, Tag::SamplesPerPixel, 1)?;
        let format = match list(tags, Tag::SampleFormat)?.first().unwrap_or(&1) {
            1 | 4 => Format::Unsigned,
            2 => Format::Signed,
            3 => Format::Float,
            _ => return Err(unsupported("complex numbers")),
        };
        let compression = number(tags, Tag::Compression, NONE)?;
        let photometric = number(tags, Tag::PhotometricInterpretation, 1)?;
        let meaning = meaning(tags, photometric, bits, bands, compression)?;
        let extra = list(tags, Tag::ExtraSamples)?;
        let colours = match meaning {
            Meaning::Rgb | Meaning::YCbCr { .. } => 3,
            Meaning::Cmyk => 4,
            _ => 1,
        };
        let no_data =
            tags.find_tag(Tag::GdalNodata).ok().flatten().and_then(|value| value.into_string().ok());
        let tiled = tags.find_tag(Tag::TileOffsets).map_err(unreadable)?.is_some();
        let (offsets, counts) = if tiled {
            (list(tags, Tag::TileOffsets)?, list(tags, Tag::TileByteCounts)?)
        } else {
            (list(tags, Tag::StripOffsets)?, list(tags, Tag::StripByteCounts)?)
        };
        let orientation = number(tags, Tag::Orientation, 1)?;
        let layout = Self {
            size,
            orientation: Orientation::from_exif(orientation.min(255) as u8)
                .unwrap_or(Orientation::NoTransforms),
            meaning,
            format,
            bits,
            bands,
            alpha: bands > colours
                && (matches!(extra.first(), Some(1 | 2)) || extra.is_empty() && (bands, colours) == (4, 3)),
            no_data: no_data.and_then(|text| text.trim_matches(['\0', ' ']).parse().ok()),
            compression,
            predictor: number(tags, Tag::Predictor, 1)?,
            planar: number(tags, Tag::PlanarConfiguration, 1)? == 2 && bands > 1,
            part: tags.chunk_dimensions(),
            tiled,
            parts: offsets.into_iter().zip(counts).collect(),
            tables: tags
                .find_tag(Tag::JPEGTables)
                .ok()
                .flatten()
                .and_then(|tables| tables.into_u8_vec().ok()),
            big_endian: tags.byte_order() == ByteOrder::BigEndian,
        };
        layout.check(colours, len)?;
        Ok(layout)
    }

    fn check(&self, colours: u16, len: u64) -> Result<(), PictureError> {
        let known = match self.format {
            Format::Unsigned => (1..=16).contains(&self.bits) || matches!(self.bits, 24 | 32 | 64),
            Format::Signed => matches!(self.bits, 8 | 16 | 32 | 64),
            Format::Float => matches!(self.bits, 16 | 32 | 64),
        };
        if !known || self.bands < colours {
            return Err(unsupported(&format!("{} bands of {} bits", self.bands, self.bits)));
        }
        if !self.bits.is_multiple_of(8) && self.bits > 8 && self.predictor != 1 {
            return Err(unsupported("a predictor beside bits that fill no bytes"));
        }
        if matches!(self.meaning, Meaning::Palette(_)) && (self.bits > 16 || self.format != Format::Unsigned)
        {
            return Err(unsupported("a palette of more than 65536 colours"));
        }
        // A tile larger than the picture is cut; its decoder still reserves a whole row of it.
        if self.tiled && (self.part.0 > MAX_TILE || self.part.1 > MAX_TILE) {
            return Err(PictureError::Damaged(format!("a tile has {}x{} pixels", self.part.0, self.part.1)));
        }
        // What the compressed parts can hold.
        let stored: u64 = self.parts.iter().map(|&(_, count)| count.min(len)).fold(0, u64::saturating_add);
        let bits = u64::from(self.bits) * u64::from(self.bands);
        let bytes = |ratio: u64| stored.saturating_mul(ratio).saturating_mul(8) / bits.max(1);
        let most = match self.compression {
            LZW => bytes(bound::LZW),
            PACKBITS => bytes(64),
            JPEG => stored.saturating_mul(bound::JPEG),
            // A line without a change takes one bit.
            FAX4 => stored.saturating_mul(8 * u64::from(self.size.0)),
            NONE => bytes(1),
            // Runs of any length take a few bytes.
            ZSTD => bytes(bound::ZSTD),
            _ => bytes(bound::DEFLATE),
        };
        // Parts that GDAL leaves out, since they hold no data, cost the file nothing.
        let sparse = self.parts.iter().any(|&(_, count)| count == 0);
        bound::holds(self.size, if sparse { u64::MAX } else { most }, len)
    }

    /// Every part must lie within the file, and a JPEG part have its end.
    fn check_parts(&self, reader: &mut impl ReadSeek, len: u64) -> Result<(), PictureError> {
        let end = |&(offset, count): &(u64, u64)| offset.saturating_add(count);
        let beyond = self.parts.iter().filter(|part| end(part) > len).count();
        if beyond > 0 {
            let (what, all) = (if self.tiled { "tiles" } else { "strips" }, self.parts.len());
            return Err(PictureError::CutShort(format!(
                "{beyond} of its {all} {what} of pixels are missing or incomplete"
            )));
        }
        for &(offset, count) in self.parts.iter().filter(|part| self.compression == JPEG && part.1 > 0) {
            let mut part = |from: u64, count: u64| {
                let mut bytes = vec![0; count as usize];
                reader.seek(SeekFrom::Start(offset + from))?;
                reader.read_exact(&mut bytes).map(|()| bytes)
            };
            // Some writers count a few bytes of filling.
            let tail = count.min(16);
            if !part(count - tail, tail)?.windows(2).any(|pair| pair == [0xff, 0xd9]) {
                return Err(PictureError::CutShort("a JPEG part of it has lost its end".to_owned()));
            }
            let (width, height) = jpeg::claimed(&part(0, count.min(JPEG_HEADER))?).unwrap_or((0, 0));
            // Sides are rounded up to whole blocks.
            if u32::from(width) > self.part.0.max(self.size.0) + 16
                || u32::from(height) > self.part.1.max(16) + 16
            {
                return Err(PictureError::Damaged(format!("a part of it claims {width}x{height} pixels")));
            }
        }
        Ok(())
    }
}

fn meaning<R: Read + Seek>(
    tags: &mut Decoder<R>,
    photometric: u16,
    bits: u16,
    bands: u16,
    compression: u16,
) -> Result<Meaning, PictureError> {
    Ok(match photometric {
        0 => Meaning::WhiteIsZero,
        1 | 4 => Meaning::Grey,
        2 if bands < 3 => Meaning::Grey,
        2 => Meaning::Rgb,
        3 => {
            let map: Vec<u16> =
                tags.find_tag_unsigned_vec(Tag::ColorMap).map_err(unreadable)?.unwrap_or_default();
            let count = 1usize << bits.min(16);
            if map.len() < 3 * count {
                return Err(PictureError::Damaged("its palette is incomplete".to_owned()));
            }
            // Some writers store 8-bit colours.
            let shift = if map.iter().any(|&value| value > 255) { 8 } else { 0 };
            let colour = |i: usize, band: usize| (map[band * count + i] >> shift) as u8;
            Meaning::Palette((0..count).flat_map(|i| (0..3).map(move |band| colour(i, band))).collect())
        }
        5 => Meaning::Cmyk,
        6 => {
            let sampling: Vec<u16> =
                tags.find_tag_unsigned_vec(Tag::ChromaSubsampling).map_err(unreadable)?.unwrap_or(vec![2, 2]);
            if compression != JPEG && sampling != [1, 1] {
                return Err(unsupported("YCbCr with subsampled colours outside of JPEG"));
            }
            let mut floats = |tag| tags.find_tag(tag).ok().flatten().map(floats).unwrap_or_default();
            let luma = floats(Tag::Unknown(529)).try_into().ok();
            let range = floats(Tag::Unknown(532)).try_into().ok();
            Meaning::YCbCr {
                luma: luma.unwrap_or([0.299, 0.587, 0.114]),
                range: range.unwrap_or([0.0, 255.0, 128.0, 255.0, 128.0, 255.0]),
            }
        }
        8..=10 => return Err(unsupported("colours in CIE L*a*b*")),
        _ => return Err(unsupported(&format!("colours of the kind {photometric}"))),
    })
}

/// Fractions and other numbers as floating point.
fn floats(value: Value) -> Vec<f32> {
    match value {
        Value::List(values) => values.into_iter().flat_map(floats).collect(),
        Value::Rational(above, below) => vec![above as f32 / below as f32],
        Value::Float(value) => vec![value],
        value => value.into_u32().map(|value| vec![value as f32]).unwrap_or_default(),
    }
}

/// A kind of TIFF that is not supported.
/// Goes to the first picture that is no smaller copy of another, or stays where there is none, and at a raw
/// picture of a camera, which is refused.
fn skip_copies<R: Read + Seek>(tags: &mut Decoder<R>) -> Result<(), PictureError> {
    let mut pictures = 0;
    while pictures < COPIES && is_copy(tags)? && tags.more_images() {
        tags.next_image().map_err(unreadable)?;
        pictures += 1;
    }
    if is_copy(tags)? && pictures > 0 {
        tags.seek_to_image(0).map_err(unreadable)?;
    }
    Ok(())
}

fn is_copy<R: Read + Seek>(tags: &mut Decoder<R>) -> Result<bool, PictureError> {
    let kind = tags.find_tag_unsigned(Tag::NewSubfileType).map_err(unreadable)?.unwrap_or(0_u32);
    Ok(kind & 1 == 1 && tags.find_tag(Tag::SubIfd).map_err(unreadable)?.is_none())
}

pub(super) fn unsupported(what: &str) -> PictureError {
    PictureError::Tiff(what.to_owned())
}

/// The error of a decoder, in this crate's words.
pub(super) fn unreadable(error: TiffError) -> PictureError {
    match error {
        TiffError::UnsupportedError(tiff::TiffUnsupportedError::UnsupportedCompressionMethod(method)) => {
            let number = method.to_u16();
            let name = match number {
                2 | 3 => "fax, group 3".to_owned(),
                6 => "JPEG of the old kind".to_owned(),
                34_712 => "JPEG 2000".to_owned(),
                34_887 => "LERC".to_owned(),
                34_925 => "LZMA".to_owned(),
                50_001 => "WebP".to_owned(),
                50_002 | 52_546 => "JPEG XL".to_owned(),
                _ => format!("number {number}"),
            };
            unsupported(&format!("the compression {name}"))
        }
        TiffError::UnsupportedError(tiff::TiffUnsupportedError::UnknownInterpretation) => {
            unsupported("colours of a kind that is unknown or not stated")
        }
        TiffError::UnsupportedError(error) => unsupported(&error.to_string()),
        error => PictureError::decode(error),
    }
}
