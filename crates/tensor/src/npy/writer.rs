//! Writes arrays.

use super::{error::NpyError, header};
use crate::element::Element;
use crate::view::TensorRef;
use std::io::Write;

/// Writes one array to a stream, format version 1.0.
///
/// # Errors
/// If the stream fails.
pub fn write_to<T: Element>(mut writer: impl Write, tensor: &TensorRef<'_, T>) -> Result<(), NpyError> {
    const CHUNK: usize = 1 << 16;
    writer.write_all(&header::encode(T::NPY_DESCR, tensor.shape()))?;
    let mut bytes = Vec::with_capacity(CHUNK * T::SIZE);
    for chunk in tensor.data().chunks(CHUNK) {
        bytes.clear();
        chunk.iter().for_each(|v| v.push_le_bytes(&mut bytes));
        writer.write_all(&bytes)?;
    }
    Ok(())
}
