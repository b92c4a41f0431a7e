//! TIFFs of many kinds, drawn here.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, Rgb, RgbImage};
use sam2_tests::files;

use super::*;
use crate::decode::source::Source;

/// A picture to be written as a TIFF.
#[derive(Clone)]
struct Spec {
    size: (u32, u32),
    bits: u16,
    bands: u16,
    /// 1 unsigned, 2 signed, 3 floating point.
    format: u16,
    photometric: u16,
    extra: Vec<u64>,
    planar: bool,
    big_endian: bool,
    bigtiff: bool,
    tile: Option<(u32, u32)>,
    rows: u32,
    predictor: bool,
    more: Vec<(u16, u16, Vec<u64>)>,
}

impl Spec {
    fn grey(bits: u16) -> Self {
        Self {
            size: (23, 11),
            bits,
            bands: 1,
            format: 1,
            photometric: 1,
            extra: Vec::new(),
            planar: false,
            big_endian: false,
            bigtiff: false,
            tile: None,
            rows: 4,
            predictor: false,
            more: Vec::new(),
        }
    }

    fn number(&self, value: f64) -> Vec<u8> {
        let mut bytes = match (self.format, self.bits) {
            (3, 16) => half::f16::from_f64(value).to_le_bytes().to_vec(),
            (3, 32) => (value as f32).to_le_bytes().to_vec(),
            (3, _) => value.to_le_bytes().to_vec(),
            _ => (value as i64).to_le_bytes()[..usize::from(self.bits / 8)].to_vec(),
        };
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }

    fn row(&self, values: &[f64]) -> Vec<u8> {
        if self.bits.is_multiple_of(8) {
            return values.iter().flat_map(|&value| self.number(value)).collect();
        }
        let bits: Vec<bool> = values
            .iter()
            .flat_map(|&value| (0..self.bits).rev().map(move |bit| (value as u64) >> bit & 1 == 1))
            .collect();
        bits.chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (i, &bit)| sum | u8::from(bit) << (7 - i)))
            .collect()
    }

    /// The file; `value` gives the number at x, y of a band.
    fn file(&self, value: impl Fn(u32, u32, u16) -> f64) -> Vec<u8> {
        let (width, height) = self.size;
        let (part_width, part_height) = self.tile.unwrap_or((width, self.rows));
        let mut parts = Vec::new();
        let planes: Vec<Vec<u16>> = match self.planar {
            true => (0..self.bands).map(|band| vec![band]).collect(),
            false => vec![(0..self.bands).collect()],
        };
        for bands in &planes {
            for y0 in (0..height).step_by(part_height as usize) {
                for x0 in (0..width).step_by(part_width as usize) {
                    let rows = if self.tile.is_some() { part_height } else { part_height.min(height - y0) };
                    let mut part = Vec::new();
                    for y in y0..y0 + rows {
                        let at =
                            |x: u32, band: u16| if x < width && y < height { value(x, y, band) } else { 0.0 };
                        let mut row: Vec<f64> = (x0..x0 + part_width)
                            .flat_map(|x| bands.iter().map(move |&band| at(x, band)))
                            .collect();
                        if self.predictor {
                            let modulus = 2f64.powi(i32::from(self.bits));
                            for i in (bands.len()..row.len()).rev() {
                                row[i] = (row[i] - row[i - bands.len()]).rem_euclid(modulus);
                            }
                        }
                        part.extend(self.row(&row));
                    }
                    parts.push(part);
                }
            }
        }
        self.container(&parts, 1)
    }

    /// The tags around strips or tiles.
    fn container(&self, parts: &[Vec<u8>], compression: u64) -> Vec<u8> {
        let one = |value: u64| vec![value];
        let mut tags: Vec<(u16, u16, Vec<u64>)> = vec![
            (256, 4, one(u64::from(self.size.0))),
            (257, 4, one(u64::from(self.size.1))),
            (258, 3, vec![u64::from(self.bits); usize::from(self.bands)]),
            (259, 3, one(compression)),
            (262, 3, one(u64::from(self.photometric))),
            (277, 3, one(u64::from(self.bands))),
            (284, 3, one(if self.planar { 2 } else { 1 })),
            (317, 3, one(if self.predictor { 2 } else { 1 })),
            (339, 3, vec![u64::from(self.format); usize::from(self.bands)]),
        ];
        if !self.extra.is_empty() {
            tags.push((338, 3, self.extra.clone()));
        }
        tags.extend(self.more.clone());
        let header = if self.bigtiff { 16 } else { 8 };
        let mut offsets = Vec::new();
        let mut data: Vec<u8> = Vec::new();
        for part in parts {
            // A part without bytes is left out.
            offsets.push(if part.is_empty() { 0 } else { header + data.len() as u64 });
            data.extend(part);
        }
        let counts = parts.iter().map(|part| part.len() as u64).collect();
        match self.tile {
            Some((width, height)) => tags.extend([
                (322, 4, one(u64::from(width))),
                (323, 4, one(u64::from(height))),
                (324, if self.bigtiff { 16 } else { 4 }, offsets),
                (325, 4, counts),
            ]),
            None => tags.extend([
                (278, 4, one(u64::from(self.rows))),
                (273, if self.bigtiff { 16 } else { 4 }, offsets),
                (279, 4, counts),
            ]),
        }
        tags.sort_by_key(|tag| tag.0);
        let number = |size: usize, value: u64| match self.big_endian {
            true => value.to_be_bytes()[8 - size..].to_vec(),
            false => value.to_le_bytes()[..size].to_vec(),
        };
        let word = if self.bigtiff { 8 } else { 4 };
        let mut file = if self.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        file.extend(number(2, if self.bigtiff { 43 } else { 42 }));
        if self.bigtiff {
            file.extend([number(2, 8), number(2, 0)].concat());
        }
        let at = header + data.len() as u64;
        file.extend(number(word, at));
        file.extend(data);
        file.extend(number(if self.bigtiff { 8 } else { 2 }, tags.len() as u64));
        let entry = if self.bigtiff { 20 } else { 12 };
        let mut behind = Vec::new();
        let end = file.len() + entry * tags.len() + word;
        for (tag, kind, values) in tags {
            let size = match kind {
                3 => 2,
                4 | 5 => 4,
                16 => 8,
                _ => 1,
            };
            let count = if kind == 5 { values.len() / 2 } else { values.len() };
            let mut bytes: Vec<u8> = values.iter().flat_map(|&value| number(size, value)).collect();
            file.extend(
                [number(2, u64::from(tag)), number(2, u64::from(kind)), number(word, count as u64)].concat(),
            );
            if bytes.len() <= word {
                bytes.resize(word, 0);
                file.extend(bytes);
            } else {
                file.extend(number(word, (end + behind.len()) as u64));
                behind.extend(bytes);
            }
        }
        file.extend(number(word, 0));
        file.extend(behind);
        file
    }
}

fn source(file: &[u8]) -> Source {
    Source { reader: Box::new(Cursor::new(file.to_vec())), len: file.len() as u64, head: Vec::new() }
}

fn decoded(file: &[u8]) -> Result<values::Samples, PictureError> {
    match read(source(file))?.content {
        Content::Samples(samples) => Ok(samples),
        Content::Image(_) => panic!("a TIFF"),
    }
}

fn shown(file: &[u8]) -> Vec<u8> {
    rgb(&decoded(file).expect("read"))
}

/// A whole number below 2^bits, different all over.
fn whole(bits: u16) -> impl Fn(u32, u32, u16) -> f64 + Copy {
    move |x, y, band| f64::from((x * 7 + y * 31 + u32::from(band) * 11) % (1 << bits.min(16)))
}

#[test]
fn numbers_of_every_kind_and_layout_are_read() {
    let kinds = [1, 2, 3, 4, 5, 7, 8, 10, 12, 14, 16, 24, 32, 64].map(|bits| (1, bits));
    let signed = [8, 16, 32, 64].map(|bits| (2, bits));
    let floats = [16, 32, 64].map(|bits| (3, bits));
    for (format, bits) in kinds.into_iter().chain(signed).chain(floats) {
        let value = move |x: u32, y: u32, band: u16| match format {
            1 => whole(bits)(x, y, band),
            2 => whole(7)(x, y, band) - 64.0,
            _ => f64::from(x) * 0.5 - f64::from(y) + f64::from(band),
        };
        for (bands, planar) in [(1, false), (2, false), (3, false), (5, false), (3, true), (2, true)] {
            for (big_endian, bigtiff) in [(false, false), (true, false), (false, true), (true, true)] {
                for tile in [None, Some((16, 16))] {
                    let spec = Spec { format, bands, planar, big_endian, bigtiff, tile, ..Spec::grey(bits) };
                    let what = format!("{format} {bits} {bands} {planar} {big_endian} {bigtiff} {tile:?}");
                    let samples =
                        decoded(&spec.file(value)).unwrap_or_else(|error| panic!("{what}: {error}"));
                    let kept = if bands >= 3 { 3 } else { 1 };
                    assert_eq!(samples.bands, kept, "{what}");
                    let numbers: Vec<f64> = match samples.values {
                        values::Values::U8(values) => values.into_iter().map(f64::from).collect(),
                        values::Values::U16(values) => values.into_iter().map(f64::from).collect(),
                        values::Values::Wide(values) => values,
                    };
                    let expected: Vec<f64> = (0..11)
                        .flat_map(|y| {
                            (0..23).flat_map(move |x| (0..kept as u16).map(move |b| value(x, y, b)))
                        })
                        .collect();
                    assert_eq!(numbers, expected, "{what}");
                }
            }
        }
    }
}

/// What the crate `image` makes of kinds that it reads.
#[test]
fn common_kinds_look_as_before() {
    let specs = [
        Spec::grey(1),
        Spec { photometric: 0, ..Spec::grey(1) },
        Spec::grey(8),
        Spec { photometric: 0, ..Spec::grey(8) },
        Spec::grey(16),
        Spec { photometric: 0, big_endian: true, ..Spec::grey(16) },
        Spec { photometric: 2, bands: 3, ..Spec::grey(8) },
        Spec { photometric: 2, bands: 3, planar: true, ..Spec::grey(8) },
        Spec { photometric: 2, bands: 3, predictor: true, ..Spec::grey(8) },
        Spec { photometric: 2, bands: 3, ..Spec::grey(16) },
        Spec { photometric: 2, bands: 4, extra: vec![2], ..Spec::grey(8) },
        Spec { photometric: 2, bands: 4, ..Spec::grey(16) },
        Spec { photometric: 5, bands: 4, ..Spec::grey(8) },
        Spec { photometric: 5, bands: 4, ..Spec::grey(16) },
    ];
    for (i, spec) in specs.into_iter().enumerate() {
        let scale = if spec.bits == 16 { 200.0 } else { 1.0 };
        let value = whole(spec.bits);
        let file = spec.file(|x, y, band| value(x, y, band) * scale);
        let decoder = image::codecs::tiff::TiffDecoder::new(Cursor::new(&file)).expect("header");
        let before = DynamicImage::from_decoder(decoder).expect("pixels").into_rgb8().into_raw();
        assert_eq!(shown(&file), before, "{i}");
    }
    let floats = Spec { photometric: 2, bands: 3, format: 3, ..Spec::grey(32) };
    let file = floats.file(|x, y, band| f64::from(x * y + u32::from(band)) / 300.0);
    let decoder = image::codecs::tiff::TiffDecoder::new(Cursor::new(&file)).expect("header");
    let before = DynamicImage::from_decoder(decoder).expect("pixels").into_rgb8().into_raw();
    assert_eq!(shown(&file), before);
}

#[test]
fn values_without_a_fixed_range_are_stretched_and_said() {
    let metres = |x: u32, y: u32, _: u16| if x == 3 { -9999.0 } else { 400.0 + f64::from(y * 10) };
    let no_data = vec![(42_113, 2, b"-9999\0".iter().map(|&byte| u64::from(byte)).collect())];
    for (format, bits) in [(3, 32), (3, 64), (2, 16), (2, 32)] {
        let spec = Spec { format, more: no_data.clone(), ..Spec::grey(bits) };
        let samples = decoded(&spec.file(metres)).expect("read");
        let picture = rgb(&samples);
        assert_eq!((picture[0], picture[3 * 3], picture[3 * (23 * 10)]), (0, 0, 255), "{format} {bits}");
        let note = note(&samples).expect("a note");
        assert!(note.contains("400") && note.contains("500"), "{note}");
    }
    let unit =
        decoded(&Spec { format: 3, ..Spec::grey(32) }.file(|x, _, _| f64::from(x) / 22.0)).expect("read");
    assert_eq!((rgb(&unit)[3 * 22], note(&unit)), (255, None));
    let nan =
        Spec { format: 3, ..Spec::grey(32) }.file(|x, _, _| if x == 0 { f64::NAN } else { f64::from(x) });
    assert_eq!(shown(&nan)[..4], [0, 0, 0, 0]);
    for (value, words) in [(3.5, "are 3.5"), (f64::NAN, "none of its values")] {
        let flat = decoded(&Spec { format: 3, ..Spec::grey(32) }.file(|_, _, _| value)).expect("read");
        assert!(note(&flat).is_some_and(|note| note.contains(words)), "{value}");
    }
    let dark = decoded(&Spec::grey(16).file(|x, y, _| f64::from(x * 100 + y))).expect("read");
    let text = note(&dark).expect("a note");
    assert!(text.contains("2210") && text.contains("65535") && text.contains("auto-level"), "{text}");
    let bands = decoded(&Spec { bands: 6, extra: vec![0; 5], ..Spec::grey(8) }.file(whole(8))).expect("read");
    assert!(note(&bands).is_some_and(|note| note.contains("6 bands")));
}

#[test]
fn smaller_copies_in_front_are_skipped() {
    let page = |side: u32, level: u8| RgbImage::from_pixel(side, side, Rgb([level; 3]));
    let mut file = files::tiff(&[page(3, 1), page(4, 2), page(8, 3)]);
    let size_of = |file: &[u8]| size(source(file)).expect("read").0;
    assert_eq!(size_of(&file), (3, 3));
    // Rows of a strip, tag 278, become the kind of the picture, tag 254: a smaller copy.
    let tag = [278_u16.to_le_bytes(), 4_u16.to_le_bytes()].concat();
    for expected in [4, 8, 3] {
        let at = file.windows(4).position(|bytes| bytes == tag).expect("the entry of the next page");
        file[at..at + 2].copy_from_slice(&254_u16.to_le_bytes());
        file[at + 8..at + 12].copy_from_slice(&1_u32.to_le_bytes());
        assert_eq!(size_of(&file), (expected, expected));
    }
    assert_eq!(shown(&file)[0], 1, "all are copies: the first");
}

#[test]
fn palettes_and_colour_spaces_are_read() {
    let map: Vec<u64> = (0..3).flat_map(|band| (0..16).map(move |i| (i * 16 + band) * 257)).collect();
    let spec = Spec { photometric: 3, more: vec![(320, 3, map)], ..Spec::grey(4) };
    let picture = shown(&spec.file(whole(4)));
    let index = whole(4)(5, 2, 0) as u8;
    assert_eq!(picture[3 * (2 * 23 + 5)..][..3], [index * 16, index * 16 + 1, index * 16 + 2]);

    let extra = Spec { photometric: 2, bands: 4, extra: vec![0], predictor: true, ..Spec::grey(8) };
    let picture = shown(&extra.file(whole(8)));
    let expected: Vec<u8> = (0..11)
        .flat_map(|y| (0..23).flat_map(move |x| (0..3).map(move |band| whole(8)(x, y, band) as u8)))
        .collect();
    assert_eq!(picture, expected, "a near-infrared band with a predictor");

    let grey = Spec { photometric: 6, bands: 3, more: vec![(530, 3, vec![1, 1])], ..Spec::grey(8) };
    let picture = shown(&grey.file(|x, _, band| if band == 0 { f64::from(x * 10) } else { 128.0 }));
    assert_eq!(picture[3 * 7..][..3], [70, 70, 70]);
}

fn jpeg(size: (u32, u32)) -> (Vec<u8>, Vec<u8>) {
    let drawn = image::RgbImage::from_fn(size.0, size.1, |x, y| image::Rgb([x as u8 * 3, (y * 5) as u8, 90]));
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, 95).encode_image(&drawn).expect("encode");
    let decoded = image::load_from_memory(&file).expect("read").into_rgb8().into_raw();
    (file, decoded)
}

#[test]
fn parts_of_jpeg_are_read_and_their_end_is_needed() {
    let (part, expected) = jpeg((64, 32));
    let spec = Spec { size: (64, 32), photometric: 6, bands: 3, rows: 32, ..Spec::grey(8) };
    let file = spec.container(std::slice::from_ref(&part), 7);
    let picture = shown(&file);
    assert!(picture.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 2));

    let cut = part[..part.len() * 2 / 3].to_vec();
    let text = decoded(&spec.container(&[cut], 7)).err().expect("cut").to_string();
    assert!(text.contains("cut short"), "{text}");
    // A part must not be larger than the picture says.
    let (large, _) = jpeg((64, 320));
    assert!(decoded(&spec.container(&[large], 7)).is_err());
}

#[test]
fn a_cut_file_and_false_claims_are_refused() {
    for size in [(65_535, 65_535), (16_000, 8_000), (u32::MAX, u32::MAX)] {
        let rows = size.1;
        let huge = Spec { size, rows, ..Spec::grey(8) }.container(&[vec![0; 40]], 1);
        assert!(decoded(&huge).is_err(), "{size:?}");
        let zipped = Spec { size, rows, ..Spec::grey(8) }.container(&[vec![0; 40]], 8);
        let text = decoded(&zipped).err().expect("refused").to_string();
        assert!(text.contains("cannot hold") || text.contains("at most"), "{text}");
    }
    let tile = Spec { tile: Some((1 << 30, 16)), ..Spec::grey(8) };
    assert!(decoded(&tile.container(&[vec![0; 40]], 1)).is_err());

    let strips = Spec::grey(8).file(whole(8));
    // Strips at the end: move the data behind the tags by writing offsets beyond the file.
    let whole_file = strips.len();
    let mut beyond = strips.clone();
    let at = beyond.windows(4).position(|w| w == [0x11, 0x01, 4, 0]).expect("strip offsets");
    let list = u32::from_le_bytes(beyond[at + 8..at + 12].try_into().expect("four")) as usize;
    beyond[list + 8..list + 12].copy_from_slice(&(whole_file as u32 - 5).to_le_bytes());
    let text = decoded(&beyond).err().expect("cut").to_string();
    assert!(text.contains("cut short") && text.contains("1 of its 3 strips"), "{text}");
}

#[test]
fn parts_that_are_left_out_hold_no_data() {
    let spec = Spec { tile: Some((16, 16)), ..Spec::grey(8) };
    let file = spec.container(&[vec![9; 256], Vec::new()], 1);
    let picture = shown(&file);
    assert_eq!((picture[0], picture[3 * 15], picture[3 * 16]), (9, 9, 0));
}

#[test]
fn kinds_that_are_not_supported_are_named() {
    for (compression, name) in [(34_887, "LERC"), (6, "old"), (34_712, "JPEG 2000")] {
        let file = Spec::grey(8).container(&[vec![1; 92], vec![1; 92], vec![1; 69]], compression);
        let text = decoded(&file).err().expect("refused").to_string();
        assert!(text.contains(name) && text.contains("gdal_translate"), "{text}");
    }
    let lab = Spec { photometric: 8, bands: 3, ..Spec::grey(8) }.file(whole(8));
    assert!(decoded(&lab).err().expect("refused").to_string().contains("L*a*b*"));
    let raw = Spec { more: vec![(50_706, 1, vec![1, 4, 0, 0])], ..Spec::grey(8) }.file(whole(8));
    assert!(decoded(&raw).err().expect("refused").to_string().contains("raw"));
}
