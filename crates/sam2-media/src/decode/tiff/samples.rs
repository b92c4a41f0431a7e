//! The numbers of a picture, read.

use half::f16;

use super::layout::{Layout, unreadable};
use super::values::{Format, Meaning, Samples, Values};
use super::{directory, zstd};
use crate::decode::source::Source;
use crate::error::PictureError;

/// Bytes that the numbers may take: 128 megapixels of one 64-bit band.
const MAX_BYTES: u64 = 1 << 30;

/// Reads the numbers.
///
/// # Errors
/// If they are damaged, or too many.
pub(crate) fn read(mut layout: Layout, source: Source) -> Result<Samples, PictureError> {
    let Source { mut reader, len, .. } = source;
    let unpacked = zstd::unpacked(&mut layout, &mut *reader, len)?;
    let colours = match layout.meaning {
        Meaning::Rgb | Meaning::YCbCr { .. } => 3,
        Meaning::Cmyk => 4,
        // Bands without a stated meaning: the first three are colours.
        Meaning::Grey | Meaning::WhiteIsZero if layout.bands >= 3 && !layout.alpha => 3,
        _ => 1,
    };
    let alpha = layout.alpha && colours < usize::from(layout.bands);
    let bands = colours + usize::from(alpha);
    let (width, height) = (layout.size.0 as usize, layout.size.1 as usize);
    let count = width * height * bands;
    let fits = |bytes: usize| match (count as u64).saturating_mul(bytes as u64) <= MAX_BYTES {
        true => Ok(count),
        false => Err(PictureError::TooLarge { width: layout.size.0, height: layout.size.1 }),
    };
    let empty = layout.no_data.unwrap_or(0.0);
    let mut values = match (layout.format, layout.bits) {
        (Format::Unsigned, 1..=8) => Values::U8(vec![empty as u8; fits(1)?]),
        (Format::Unsigned, 9..=16) => Values::U16(vec![empty as u16; fits(2)?]),
        _ => Values::Wide(vec![empty; fits(8)?]),
    };
    let planes = if layout.planar { bands as u16 } else { 1 };
    for plane in 0..planes {
        let mut decoder = directory::open(&layout, plane, &mut *reader, len, &unpacked)?;
        let across = layout.size.0.div_ceil(layout.part.0) as usize;
        let parts = layout.parts.len() / if layout.planar { usize::from(layout.bands) } else { 1 };
        let first = usize::from(plane) * parts;
        for (i, &(_, bytes)) in layout.parts[first..first + parts].iter().enumerate() {
            // A part without bytes holds no data.
            if bytes == 0 {
                continue;
            }
            let index = i as u32;
            let part = decoder.image_chunk_buffer_layout(index).map_err(unreadable)?;
            let mut buffer = vec![0; part.len];
            decoder.read_chunk_bytes(index, &mut buffer).map_err(unreadable)?;
            let (part_width, part_height) = decoder.chunk_data_dimensions(index);
            let stride = part.row_stride.map_or(part.len, std::num::NonZero::get);
            let (x0, y0) = (i % across * layout.part.0 as usize, i / across * layout.part.1 as usize);
            let row = Row {
                format: layout.format,
                bits: usize::from(layout.bits),
                stored: if layout.planar { 1 } else { usize::from(layout.bands) },
                big_endian: layout.big_endian,
            };
            for (y, bytes) in buffer.chunks_exact(stride).take(part_height as usize).enumerate() {
                let start = ((y0 + y) * width + x0) * bands;
                let end = start + part_width as usize * bands;
                // Of a plane every band-th number is filled, else all.
                let (offset, step, kept) =
                    if layout.planar { (usize::from(plane), bands, 1) } else { (0, 1, bands) };
                match &mut values {
                    Values::U8(all) if layout.bits == 8 && row.stored == bands => {
                        all[start..end].copy_from_slice(&bytes[..end - start]);
                    }
                    Values::U8(all) => {
                        row.fill(&mut all[start..end], bytes, (offset, step, kept), |v| v as u8)
                    }
                    Values::U16(all) => {
                        row.fill(&mut all[start..end], bytes, (offset, step, kept), |v| v as u16)
                    }
                    Values::Wide(all) => row.fill(&mut all[start..end], bytes, (offset, step, kept), |v| v),
                }
            }
        }
    }
    let Layout { size, meaning, format, bits, no_data, bands: stored_bands, .. } = layout;
    Ok(Samples { size, meaning, format, bits, bands, stored_bands, alpha, no_data, values })
}

/// How a row of a part is packed.
struct Row {
    format: Format,
    bits: usize,
    /// Numbers of a pixel in the part.
    stored: usize,
    big_endian: bool,
}

impl Row {
    /// Writes the first `kept` numbers of every pixel to every `step`-th place from `offset` on.
    fn fill<T>(
        &self,
        target: &mut [T],
        bytes: &[u8],
        (offset, step, kept): (usize, usize, usize),
        of: impl Fn(f64) -> T,
    ) {
        let mut numbers = (0..target.len() / step / kept)
            .flat_map(|pixel| (0..kept).map(move |band| pixel * self.stored + band));
        for value in target[offset..].iter_mut().step_by(step) {
            if let Some(i) = numbers.next() {
                *value = of(self.number(bytes, i));
            }
        }
    }

    /// Number `i` of a row. Whole bytes are in the order of this machine, but for 24 bits.
    fn number(&self, bytes: &[u8], i: usize) -> f64 {
        fn array<const N: usize>(bytes: &[u8], i: usize) -> [u8; N] {
            bytes.get(i * N..(i + 1) * N).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
        }
        match (self.format, self.bits) {
            (Format::Unsigned, 8) => f64::from(bytes.get(i).copied().unwrap_or(0)),
            (Format::Unsigned, 16) => f64::from(u16::from_ne_bytes(array(bytes, i))),
            (Format::Unsigned, 32) => f64::from(u32::from_ne_bytes(array(bytes, i))),
            (Format::Unsigned, 64) => u64::from_ne_bytes(array(bytes, i)) as f64,
            (Format::Unsigned, 24) => {
                let [a, b, c] = array(bytes, i);
                let [a, b, c] = if self.big_endian { [c, b, a] } else { [a, b, c] };
                f64::from(u32::from_le_bytes([a, b, c, 0]))
            }
            (Format::Unsigned, bits) => {
                let bit = |at: usize| u16::from(bytes.get(at / 8).copied().unwrap_or(0) >> (7 - at % 8) & 1);
                f64::from((i * bits..(i + 1) * bits).fold(0, |value, at| value << 1 | bit(at)))
            }
            (Format::Signed, 8) => f64::from(bytes.get(i).copied().unwrap_or(0) as i8),
            (Format::Signed, 16) => f64::from(i16::from_ne_bytes(array(bytes, i))),
            (Format::Signed, 32) => f64::from(i32::from_ne_bytes(array(bytes, i))),
            (Format::Signed, _) => i64::from_ne_bytes(array(bytes, i)) as f64,
            (Format::Float, 16) => f16::from_ne_bytes(array(bytes, i)).to_f64(),
            (Format::Float, 32) => f64::from(f32::from_ne_bytes(array(bytes, i))),
            (Format::Float, _) => f64::from_ne_bytes(array(bytes, i)),
        }
    }
}
