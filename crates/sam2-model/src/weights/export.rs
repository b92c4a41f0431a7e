//! Conversion of checkpoints between formats, tensor by tensor.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::checkpoint::Checkpoint;
use super::keys::CONFIG_KEY;
use super::names::{self, Naming};
use super::output::{DType, Output};
use super::source::OpenFile;
use super::{locate, pt, safetensors};
use crate::atomic;
use crate::error::{ConvertError, LoadError};
use crate::types::setters;

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
    /// `None` keeps the names.
    pub naming: Option<Naming>,
    /// `None` keeps the types; else values are rounded to nearest, ties to even.
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

/// Converts the checkpoint `input`, in any format of [`crate::Model::open`], to `output`: a `.pt` as written
/// by `torch.save` if the name ends so, else a safetensors file. Metadata is copied. At most one tensor is in
/// memory, and the file is complete or absent. `progress` gets the bytes of tensors written and in total.
///
/// ```
/// use sam2_model::convert::{ConvertOptions, DType, convert};
/// # let folder = tempfile::tempdir()?;
/// # let (input, output) = (folder.path().join("micro.safetensors"), folder.path().join("micro.pt"));
/// # std::fs::write(&input, sam2_micro::CHECKPOINT)?;
///
/// let single = ConvertOptions::default().precision(DType::F32);
/// let report = convert(&input, &output, single, |done, total| eprintln!("{done} of {total} bytes"))?;
/// println!("{} tensors, {} bytes", report.tensors, report.bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
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
    if atomic::FileId::of(output).is_some_and(|id| atomic::FileId::of(input) == Some(id)) {
        return Err(ConvertError::SameFile(output.to_owned()));
    }
    let files = locate::open(input)?;
    let is_output =
        |id: &atomic::FileId| files.iter().any(|f| atomic::FileId::of(f.path()).as_ref() == Some(id));
    if atomic::FileId::of(output).as_ref().is_some_and(is_output) {
        return Err(ConvertError::SameFile(output.to_owned()));
    }
    let checkpoint = Checkpoint::of_files(&files, &input.display().to_string())?;
    checkpoint.family()?;
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
            pt::write(writer, output, &outputs, checkpoint.metadata(CONFIG_KEY), &mut tick)
        } else {
            safetensors::write(writer, &outputs, metadata(&checkpoint, naming), &mut tick)
        };
        // A file that was rewritten while it was read may have given parts of two versions.
        let result = result
            .and_then(|()| files.iter().try_for_each(OpenFile::check_unchanged).map_err(ConvertError::from));
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
    let unknown = |name: String| LoadError::UnexpectedTensors {
        origin: checkpoint.origin.clone(),
        count: 1,
        names: name.escape_debug().take(100).collect(),
        variant: checkpoint.variant.clone(),
    };
    let named = names::from_meta(&checkpoint.tensors, naming).map_err(unknown)?;
    Ok(named
        .into_iter()
        .map(|(name, parts)| Output::new(name, parts, precision, &checkpoint.origin))
        .collect())
}

/// Metadata of the new file. The Hugging Face library requires `format: pt`.
fn metadata(checkpoint: &Checkpoint, naming: Naming) -> BTreeMap<String, String> {
    let mut metadata: BTreeMap<String, String> =
        checkpoint.metadata.iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    if naming == Naming::HuggingFace {
        metadata.insert("format".to_owned(), "pt".to_owned());
    }
    metadata
}
