//! Conversion of checkpoints between formats, tensor by tensor.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::checkpoint::Checkpoint;
use super::keys::CONFIG_KEY;
use super::names::{self, Naming};
use super::output::{DType, Output};
use super::select::WeightCopy;
use super::source::OpenFile;
use super::{locate, pt, safetensors};
use crate::atomic;
use crate::config::{Config, Family};
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
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// `None` keeps the names.
    pub naming: Option<Naming>,
    /// `None` keeps the types; else values are rounded to nearest, ties to even.
    pub precision: Option<DType>,
    /// Configuration that the new file states, in place of the one that the checkpoint states or, where
    /// several published models have its tensors, that its name determines.
    pub config: Option<Config>,
    /// Which copy of the weights is converted.
    pub weights: WeightCopy,
}

setters! {
    ConvertOptions {
        naming: impl Into<Option<Naming>>,
        precision: impl Into<Option<DType>>,
        config: impl Into<Option<Config>>,
        weights: WeightCopy,
    }
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
    let checkpoint = Checkpoint::of_files(&files, &input.display().to_string(), options.weights)?;
    let config = stated_config(&checkpoint, options.config.as_ref())?;
    let is_torch = output.extension().is_some_and(|e| e.eq_ignore_ascii_case("pt"));
    let naming = options.naming.unwrap_or(if is_torch { Naming::Meta } else { checkpoint.naming });
    if is_torch && naming == Naming::HuggingFace {
        return Err(ConvertError::TorchNaming(output.to_owned()));
    }
    if naming == Naming::HuggingFace && checkpoint.family()? == Family::EfficientTam {
        return Err(ConvertError::NoNames { path: input.to_owned(), family: "EfficientTAM" });
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
            pt::write(writer, output, &outputs, config.as_deref(), &mut tick)
        } else {
            safetensors::write(writer, &outputs, metadata(&checkpoint, naming, config.clone()), &mut tick)
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
        advice: String::new(),
    };
    let named = names::from_meta(&checkpoint.tensors, naming).map_err(unknown)?;
    Ok(named
        .into_iter()
        .map(|(name, parts)| Output::new(name, parts, precision, &checkpoint.origin))
        .collect())
}

/// The configuration that the new file states, if any: its tensors alone may not determine the model, and its
/// name may be any.
fn stated_config(checkpoint: &Checkpoint, given: Option<&Config>) -> Result<Option<String>, LoadError> {
    let family = checkpoint.family()?;
    if let Some(config) = given {
        return Ok(Some(config.to_json()));
    }
    if let Some(text) = checkpoint.metadata(CONFIG_KEY) {
        return Ok(Some(text.to_owned()));
    }
    Ok(match family {
        Family::Sam2 | Family::EdgeTam => None,
        Family::EfficientTam => Some(checkpoint.config()?.to_json()),
    })
}

/// Metadata of the new file. The Hugging Face library requires `format: pt`.
fn metadata(checkpoint: &Checkpoint, naming: Naming, config: Option<String>) -> BTreeMap<String, String> {
    let mut metadata: BTreeMap<String, String> =
        checkpoint.metadata.iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    metadata.extend(config.map(|text| (CONFIG_KEY.to_owned(), text)));
    if naming == Naming::HuggingFace {
        metadata.insert("format".to_owned(), "pt".to_owned());
    }
    metadata
}
