//! Writer of `.pt` files in the format of `torch.save`: `torch.load(weights_only=True)` and [`super::reader`]
//! read them.

use std::io::{Seek, Write};
use std::path::Path;

use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipWriter};

use super::sink::Sink;
use crate::error::ConvertError;
use crate::weights::keys::CONFIG_KEY;
use crate::weights::output::Output;

/// PyTorch maps files and requires storages aligned to this many bytes.
const ALIGNMENT: u16 = 64;

/// The pickle of `{"model": {name: tensor, ..}}` and every tensor as a storage of its own.
pub(in crate::weights) fn write(
    writer: &mut (impl Write + Seek),
    path: &Path,
    outputs: &[Output],
    config: Option<&str>,
    tick: &mut impl FnMut(&Output),
) -> Result<(), ConvertError> {
    let folder = path.file_stem().map_or("archive".into(), |stem| stem.to_string_lossy());
    let stored =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).with_alignment(ALIGNMENT);
    let io = |e: ::zip::result::ZipError| ConvertError::Io(e.into());
    let (sink, errors) = Sink::new(writer);
    let mut archive = ZipWriter::new(sink);
    let pickle = pickle(outputs, config)?;
    let small: [(&str, &[u8]); 3] = [("data.pkl", &pickle), ("byteorder", b"little"), ("version", b"3\n")];
    for (name, bytes) in small {
        archive.start_file(format!("{folder}/{name}"), stored).map_err(io)?;
        archive.write_all(bytes)?;
    }
    for (i, tensor) in outputs.iter().enumerate() {
        archive.start_file(format!("{folder}/data/{i}"), stored).map_err(io)?;
        tensor.write(&mut archive)?;
        errors.check()?;
        tick(tensor);
    }
    archive.finish().map_err(io)?;
    Ok(errors.check()?)
}

fn pickle(outputs: &[Output], config: Option<&str>) -> Result<Vec<u8>, ConvertError> {
    // PROTO 2, the root dict, the key, the dict of tensors.
    let mut out = b"\x80\x02}".to_vec();
    text(&mut out, "model");
    out.extend(b"}(");
    for (i, tensor) in outputs.iter().enumerate() {
        text(&mut out, &tensor.name);
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend(format!("ctorch\n{}\n", storage(tensor)?).bytes());
        text(&mut out, &i.to_string());
        text(&mut out, "cpu");
        int(&mut out, tensor.shape.iter().product());
        // The persistent id ends; then offset, shape, strides, no gradient, no hooks.
        out.extend(b"tQ");
        int(&mut out, 0);
        let strides: Vec<usize> =
            (1..=tensor.shape.len()).map(|axis| tensor.shape[axis..].iter().product()).collect();
        for numbers in [&tensor.shape, &strides] {
            out.push(b'(');
            numbers.iter().for_each(|&n| int(&mut out, n));
            out.push(b't');
        }
        out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    out.extend(b"us");
    if let Some(config) = config {
        text(&mut out, CONFIG_KEY);
        text(&mut out, config);
        out.push(b's');
    }
    out.push(b'.');
    Ok(out)
}

/// PyTorch's name of a storage of this type.
fn storage(tensor: &Output) -> Result<&'static str, ConvertError> {
    match tensor.dtype {
        "F32" => Ok("FloatStorage"),
        "F16" => Ok("HalfStorage"),
        "BF16" => Ok("BFloat16Storage"),
        "F64" => Ok("DoubleStorage"),
        "I64" => Ok("LongStorage"),
        other => Err(ConvertError::Unsupported { name: tensor.name.clone(), dtype: other.to_owned() }),
    }
}

/// BINUNICODE.
fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.bytes());
}

/// BININT, or LONG1 for larger values.
fn int(out: &mut Vec<u8>, value: usize) {
    match i32::try_from(value) {
        Ok(small) => {
            out.push(b'J');
            out.extend(small.to_le_bytes());
        }
        Err(_) => {
            // Nine bytes, so that the sign bit is clear.
            out.extend([0x8a, 9]);
            out.extend((value as u64).to_le_bytes());
            out.push(0);
        }
    }
}
