//! Safetensors files.

use std::collections::BTreeMap;
use std::io::Write;

use ::safetensors::tensor::SafeTensors;
use serde_json::json;

use super::contents::Contents;
use super::names;
use super::output::Output;
use super::stored::Stored;
use super::text::quoted;
use crate::error::ConvertError;

/// Tensors and metadata of a file.
pub(super) fn read(bytes: &[u8]) -> Result<Contents<'_>, String> {
    let format = |e: ::safetensors::SafeTensorError| e.to_string().escape_debug().to_string();
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(format)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(bytes).map_err(format)?.tensors() {
        let stored = Stored::contiguous(&format!("{:?}", view.dtype()), view.shape(), view.data());
        if tensors.insert(name.clone(), stored).is_some() {
            return Err(format!("tensor {} is there twice", quoted(&name)));
        }
    }
    let (tensors, naming) = names::to_meta(tensors)?;
    Ok(Contents { tensors, metadata: header.metadata().clone(), naming })
}

/// Writes `outputs` in their order; `tick` is called after each.
pub(super) fn write(
    writer: &mut impl Write,
    outputs: &[Output],
    metadata: BTreeMap<String, String>,
    tick: &mut impl FnMut(&Output),
) -> Result<(), ConvertError> {
    let mut header = serde_json::Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut end = 0;
    for tensor in outputs {
        let start = end;
        end += tensor.len();
        let entry = json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, end]});
        header.insert(tensor.name.clone(), entry);
    }
    let mut text = serde_json::Value::Object(header).to_string();
    // The format requires the data to begin at a multiple of 8.
    text.extend(std::iter::repeat_n(' ', (8 - text.len() % 8) % 8));
    writer.write_all(&(text.len() as u64).to_le_bytes())?;
    writer.write_all(text.as_bytes())?;
    for tensor in outputs {
        tensor.write(writer)?;
        tick(tensor);
    }
    Ok(())
}
