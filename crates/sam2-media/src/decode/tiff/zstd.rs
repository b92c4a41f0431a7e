//! Parts compressed with Zstandard, which the crate `tiff` reads only through a library in C.

use std::io::{Read, SeekFrom};

use ruzstd::decoding::StreamingDecoder;

use super::layout::{Layout, NONE, ZSTD};
use crate::decode::source::ReadSeek;
use crate::error::PictureError;
use crate::size::check_size;

/// The parts without their compression, to stand behind the `len` bytes of the file; `layout` then points
/// there. Empty if they are compressed otherwise.
///
/// # Errors
/// If a part is damaged.
pub(super) fn unpacked(
    layout: &mut Layout,
    mut reader: &mut dyn ReadSeek,
    len: u64,
) -> Result<Vec<u8>, PictureError> {
    let mut all = Vec::new();
    if layout.compression != ZSTD {
        return Ok(all);
    }
    let (width, height) = layout.part;
    let height = if layout.tiled { height } else { height.min(layout.size.1) };
    check_size(width, height)?;
    let bands = if layout.planar { 1 } else { layout.bands };
    let row = (u64::from(width) * u64::from(layout.bits) * u64::from(bands)).div_ceil(8);
    let most = row * u64::from(height);
    // The last strip of a plane has the rows that are left.
    let strips = layout.size.1.div_ceil(height);
    let rows = |i: usize| match layout.tiled {
        true => height,
        false => height.min(layout.size.1 - i as u32 % strips * height),
    };
    let mut packed = Vec::new();
    for (i, part) in layout.parts.iter_mut().enumerate().filter(|(_, part)| part.1 > 0) {
        packed.clear();
        reader.seek(SeekFrom::Start(part.0))?;
        (&mut reader).take(part.1).read_to_end(&mut packed)?;
        let damaged = |error: &dyn std::fmt::Display| PictureError::Damaged(error.to_string());
        let decoder = StreamingDecoder::new(packed.as_slice()).map_err(|error| damaged(&error))?;
        let start = all.len() as u64;
        decoder.take(most).read_to_end(&mut all).map_err(|error| damaged(&error))?;
        *part = (len + start, all.len() as u64 - start);
        if part.1 < row * u64::from(rows(i)) {
            return Err(PictureError::CutShort(format!("part {i} of its pixels is incomplete")));
        }
    }
    layout.compression = NONE;
    Ok(all)
}
