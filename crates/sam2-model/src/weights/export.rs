//! Checkpoints from one kind of file to another, tensor by tensor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use half::{bf16, f16};
use serde_json::json;

use super::stored::Stored;
use super::{Checkpoint, hf_names, map_file, torch_writer};
use crate::atomic;
use crate::error::{ConvertError, LoadError};
use crate::types::setters;

/// How tensors are called in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// As in Meta's checkpoints.
    Meta,
    /// As `save_pretrained` of the Hugging Face library's `Sam2VideoModel` calls them.
    HuggingFace,
}

/// How floating-point numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// 4 bytes.
    F32,
    /// 2 bytes, up to 65504.
    F16,
    /// 2 bytes, with the range of `F32` and 8 bits of precision.
    BF16,
}

/// Names and types of the new file.
///
/// ```
/// use sam2_model::convert::{ConvertOptions, DType, Naming};
///
/// let options = ConvertOptions::default().naming(Naming::HuggingFace).precision(DType::BF16);
/// assert_eq!(options.precision, Some(DType::BF16));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// `None` leaves the names as they are.
    pub naming: Option<Naming>,
    /// `None` leaves every tensor as it is stored; else they are rounded to the nearest, ties to even.
    pub precision: Option<DType>,
}

setters! {
    ConvertOptions { naming: impl Into<Option<Naming>>, precision: impl Into<Option<DType>> }
}

/// Contents of the file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConvertReport {
    /// Number of tensors in the new file.
    pub tensors: usize,
    /// Its names.
    pub naming: Naming,
    /// Its size, bytes.
    pub bytes: u64,
}

/// A tensor of the new file: rows of tensors of the old one.
pub(super) struct Output<'t, 'a> {
    pub name: String,
    pub shape: Vec<usize>,
    /// As safetensors calls it.
    pub dtype: &'t str,
    pub size: usize,
    parts: Vec<&'t Stored<'a>>,
    precision: Option<DType>,
}

impl DType {
    fn dtype(self) -> (&'static str, usize) {
        match self {
            Self::F32 => ("F32", 4),
            Self::F16 => ("F16", 2),
            Self::BF16 => ("BF16", 2),
        }
    }
}

impl Output<'_, '_> {
    /// Bytes of its elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.size
    }

    /// The elements in row-major order.
    pub fn write(&self, sink: &mut impl Write) -> Result<(), ConvertError> {
        for part in &self.parts {
            let kept = self.precision.is_none() || part.element.name == self.dtype;
            let bytes = match (kept, part.values(), self.precision) {
                (false, Some(values), Some(precision)) => self.rounded(&values, precision)?,
                _ => part.raw(),
            };
            sink.write_all(&bytes).map_err(ConvertError::from)?;
        }
        Ok(())
    }

    fn rounded(&self, values: &[f32], precision: DType) -> Result<Vec<u8>, ConvertError> {
        let bytes = match precision {
            DType::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            DType::BF16 => values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect(),
            DType::F16 => {
                let too_large = |x: &&f32| x.is_finite() && !f16::from_f32(**x).is_finite();
                if let Some(&value) = values.iter().find(too_large) {
                    return Err(ConvertError::TooLarge { name: self.name.clone(), value });
                }
                values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect()
            }
        };
        Ok(bytes)
    }
}

/// Reads the checkpoint `input`, of any kind that [`crate::Model::open`] reads, and writes `output`: a `.pt`
/// as `torch.save` writes it if the name ends so, else a safetensors file. Metadata is carried over. At no
/// time is more than one tensor held, and the file is complete or absent. `progress` gets the bytes of
/// tensors written and those in all.
///
/// ```no_run
/// use sam2_model::convert::{ConvertOptions, convert};
///
/// convert("sam2.1_hiera_tiny.pt", "tiny.safetensors", ConvertOptions::default(), |done, total| {
///     eprintln!("{done} of {total} bytes");
/// })?;
/// # Ok::<(), sam2_model::error::ConvertError>(())
/// ```
///
/// # Errors
/// If `input` is not a SAM 2 checkpoint, if `output` is the same file or cannot be written, or if a number
/// does not fit.
pub fn convert(
    input: impl AsRef<Path>,
    output: impl AsRef<Path>,
    options: ConvertOptions,
    mut progress: impl FnMut(u64, u64),
) -> Result<ConvertReport, ConvertError> {
    let (input, output) = (input.as_ref(), output.as_ref());
    let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if same(input, output) {
        return Err(ConvertError::SameFile(output.to_owned()));
    }
    let file = map_file(input)?;
    let checkpoint = Checkpoint::parse(&file, &input.display().to_string())?;
    checkpoint.identify()?;
    let is_torch = output.extension().is_some_and(|e| e.eq_ignore_ascii_case("pt"));
    let naming = options.naming.unwrap_or(if is_torch { Naming::Meta } else { checkpoint.naming });
    if is_torch && naming == Naming::HuggingFace {
        return Err(ConvertError::TorchNaming(output.to_owned()));
    }
    let outputs = outputs(&checkpoint, naming, options.precision)?;
    let total: u64 = outputs.iter().map(|tensor| tensor.len() as u64).sum();
    let mut done = 0;
    let mut tick = |tensor: &Output| {
        done += tensor.len() as u64;
        progress(done, total);
    };
    let mut failure = None;
    let written = atomic::write(output, |writer| {
        let result = if is_torch {
            torch_writer::write(writer, output, &outputs, checkpoint.metadata(super::CONFIG_KEY), &mut tick)
        } else {
            safetensors(writer, &outputs, metadata(&checkpoint, naming), &mut tick)
        };
        result.map_err(|e| match e {
            ConvertError::Io(source) => source,
            other => {
                failure = Some(other);
                io::Error::other("the conversion failed")
            }
        })
    });
    match (written, failure) {
        (_, Some(failure)) => Err(failure),
        (Err(source), None) => Err(ConvertError::Write { path: output.to_owned(), source }),
        (Ok(()), None) => {
            let bytes = std::fs::metadata(output).map_or(total, |m| m.len());
            Ok(ConvertReport { tensors: outputs.len(), naming, bytes })
        }
    }
}

fn outputs<'t, 'a>(
    checkpoint: &'t Checkpoint<'a>,
    naming: Naming,
    precision: Option<DType>,
) -> Result<Vec<Output<'t, 'a>>, LoadError> {
    let tensors = &checkpoint.tensors;
    let named = match naming {
        Naming::Meta => tensors.iter().map(|(name, tensor)| (name.clone(), vec![tensor])).collect(),
        Naming::HuggingFace => hf_names::from_meta(tensors).map_err(|name| LoadError::UnexpectedTensors {
            origin: checkpoint.origin.clone(),
            count: 1,
            names: name.escape_debug().take(100).collect(),
            variant: checkpoint.variant.clone(),
        })?,
    };
    let output = |(name, parts): (String, Vec<&'t Stored<'a>>)| {
        let mut shape = parts[0].shape.clone();
        if parts.len() > 1 {
            shape[0] = parts.iter().map(|part| part.shape[0]).sum();
        }
        let element = &parts[0].element;
        let float = matches!(element.name.as_str(), "F32" | "F16" | "BF16");
        let precision = precision.filter(|_| float);
        let (dtype, size) = precision.map_or((element.name.as_str(), element.size), |p| p.dtype());
        Output { name, shape, dtype, size, parts, precision }
    };
    Ok(named.into_iter().map(output).collect())
}

/// Metadata of the new file. The Hugging Face library reads only files that say "pt".
fn metadata(checkpoint: &Checkpoint, naming: Naming) -> BTreeMap<String, String> {
    let mut metadata: BTreeMap<String, String> =
        checkpoint.metadata.iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    if naming == Naming::HuggingFace {
        metadata.insert("format".to_owned(), "pt".to_owned());
    }
    metadata
}

fn safetensors(
    writer: &mut BufWriter<&File>,
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
    // The data starts at a multiple of 8, as the format asks.
    text.extend(std::iter::repeat_n(' ', (8 - text.len() % 8) % 8));
    writer.write_all(&(text.len() as u64).to_le_bytes())?;
    writer.write_all(text.as_bytes())?;
    for tensor in outputs {
        tensor.write(writer)?;
        tick(tensor);
    }
    Ok(())
}
