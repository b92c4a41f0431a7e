//! Safetensors files.

use std::collections::BTreeMap;
use std::io::Write;

use ::safetensors::tensor::Metadata;
use serde_json::json;

use super::fault::Fault;
use super::kinds;
use super::output::Output;
use super::select::{Group, Listing, unwrapped};
use super::source::Source;
use super::stored::Stored;
use super::text::quoted;
use crate::error::ConvertError;
use crate::text::message;

/// Maximum length of a header, as in the format's own library, bytes.
const MAX_HEADER: u64 = 100_000_000;

/// Tensors and metadata of a file.
pub(super) fn read(source: Source<'_>) -> Result<Listing<'_>, Fault> {
    let start = source.start(kinds::START)?;
    // Its header is JSON, behind its length.
    let is_header = matches!(start.get(8), Some(b'{'));
    if let Some(found) = kinds::describe(&start).filter(|_| !is_header) {
        return Err(Fault::Foreign(found));
    }
    let Some(length) = start.first_chunk() else {
        return Err(format!("it has {} bytes, too few for a checkpoint", start.len()).into());
    };
    let length = u64::from_le_bytes(*length);
    if !is_header && source.len() > 8 {
        return Err(Fault::Foreign("its first bytes are of no format that is known here".to_owned()));
    }
    if length > MAX_HEADER {
        return Err(format!("its header of {length} bytes is too large").into());
    }
    let text = source.part(8, length).ok_or("its header ends beyond the file")?.read()?;
    let header: Metadata = serde_json::from_slice(&text).map_err(|e| Fault::Damaged(message(&e)))?;
    let data = 8 + length;
    let held = source.len() - data;
    if header.data_len() as u64 != held {
        let needed = header.data_len();
        return Err(format!("its tensors need {needed} bytes and {held} are there").into());
    }
    let mut tensors = BTreeMap::new();
    for (name, info) in header.tensors() {
        let (from, to) = info.data_offsets;
        let bytes = to.checked_sub(from).and_then(|len| source.part(data + from as u64, len as u64));
        let bytes = bytes.ok_or_else(|| format!("tensor {} lies outside the file", quoted(&name)))?;
        let stored = Stored::contiguous(&format!("{:?}", info.dtype), &info.shape, bytes);
        if tensors.insert(unwrapped(&name).into_owned(), stored).is_some() {
            return Err(Fault::Foreign(format!("tensor {} is there under two names", quoted(&name))));
        }
    }
    let about = "it holds no tensors".to_owned();
    let group = Group { path: String::new(), tensors, others: BTreeMap::new() };
    Ok(Listing { groups: vec![group], metadata: header.metadata().clone(), about })
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
