//! Tensors by their state-dict path, and the audit that every tensor was used.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use safetensors::tensor::SafeTensors;

use super::stored::Stored;
use super::{CONFIG_KEY, MappedFile, Naming, hf_names, quoted, torch};
use crate::error::LoadError;
use crate::precision::Precision;

/// Largest magnitude that a weight may have. Trained weights stay far below; a flipped exponent bit does not.
const LARGEST: f32 = 1e6;

/// A parsed checkpoint and the record of what was read.
pub(crate) struct Checkpoint<'a> {
    pub origin: String,
    /// Name of the model being loaded, for error messages.
    pub variant: String,
    pub(super) tensors: BTreeMap<String, Stored<'a>>,
    pub(super) metadata: Option<HashMap<String, String>>,
    /// In the file; in here all names are Meta's.
    pub(super) naming: Naming,
    /// Size of the file, bytes.
    pub size: u64,
    /// What was read of it need not stay in memory.
    file: Option<&'a MappedFile>,
    record: Mutex<Record>,
    /// In which the layers that stand it are to run.
    pub precision: Precision,
}

/// What was read.
#[derive(Default)]
struct Record {
    used: BTreeSet<String>,
    fingerprint: u64,
}

impl<'a> Checkpoint<'a> {
    /// Finds out what the file holds, by its first bytes a `.pt` or else a safetensors file; no weight is read yet.
    pub fn parse(bytes: &'a [u8], origin: &str) -> Result<Self, LoadError> {
        let is_torch = torch::recognised(bytes);
        let parsed = if is_torch {
            torch::read(bytes).map(|(tensors, config)| {
                (tensors, config.map(|text| HashMap::from([(CONFIG_KEY.to_owned(), text)])), Naming::Meta)
            })
        } else {
            safetensors(bytes)
        };
        let (tensors, metadata, naming) = parsed.map_err(|reason| LoadError::Format {
            origin: origin.to_owned(),
            kind: if is_torch { "PyTorch" } else { "safetensors" },
            reason,
        })?;
        let variant = "SAM 2".to_owned();
        Ok(Self {
            origin: origin.to_owned(),
            variant,
            tensors,
            metadata,
            naming,
            size: bytes.len() as u64,
            file: None,
            record: Mutex::default(),
            precision: Precision::default(),
        })
    }

    /// As [`Self::parse`], of a file that is read once.
    pub fn of_file(file: &'a MappedFile, origin: &str) -> Result<Self, LoadError> {
        Ok(Self { file: Some(file), ..Self::parse(file, origin)? })
    }

    /// An entry of the header's metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.as_ref()?.get(key).map(String::as_str)
    }

    /// Width of the trunk; fails if this is not a checkpoint of SAM 2 at all.
    pub fn identify(&self) -> Result<usize, LoadError> {
        const NAME: &str = "image_encoder.trunk.patch_embed.proj.weight";
        let width = self.tensors.get(NAME).and_then(|tensor| tensor.shape.first().copied());
        width.ok_or_else(|| LoadError::UnknownModel {
            origin: self.origin.clone(),
            reason: format!("it has no tensor {NAME}"),
        })
    }

    /// Shape of a tensor, if it is there.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.tensors.get(name)?.shape.clone())
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Number of tensors, of elements, and of tensors per type.
    pub fn totals(&self) -> (usize, u64, BTreeMap<String, usize>) {
        let mut types = BTreeMap::new();
        let mut elements = 0;
        for tensor in self.tensors.values() {
            elements += tensor.count() as u64;
            *types.entry(tensor.element.name.clone()).or_default() += 1;
        }
        (self.tensors.len(), elements, types)
    }

    /// The top of the tree of names.
    pub fn root(&self) -> Scope<'_> {
        Scope { checkpoint: self, prefix: String::new() }
    }

    /// Fails if a tensor was never read.
    pub fn finish(&self) -> Result<(), LoadError> {
        let record = self.record();
        let left: Vec<&str> = self.names().filter(|&name| !record.used.contains(name)).collect();
        if left.is_empty() {
            return Ok(());
        }
        // The map is sorted. Foreign names may hold anything, and the message is one line.
        let some: Vec<String> =
            left.iter().take(3).map(|name| name.escape_debug().take(100).collect()).collect();
        Err(LoadError::UnexpectedTensors {
            origin: self.origin.clone(),
            count: left.len(),
            names: some.join(", "),
            variant: self.variant.clone(),
        })
    }

    /// A number that follows from the names, shapes and values of all tensors that were read, and not from the kind of
    /// file that they were in.
    pub fn fingerprint(&self) -> u64 {
        self.record().fingerprint
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, name: &str, expected: &[usize]) -> Result<Values<'_>, LoadError> {
        let origin = || self.origin.clone();
        let tensor = self.tensors.get(name).ok_or_else(|| LoadError::MissingTensor {
            origin: origin(),
            name: name.to_owned(),
            variant: self.variant.clone(),
        })?;
        if tensor.shape != expected {
            return Err(LoadError::ShapeMismatch {
                origin: origin(),
                name: name.to_owned(),
                variant: self.variant.clone(),
                expected: expected.to_vec(),
                found: tensor.shape.clone(),
            });
        }
        let values = tensor.borrowed().map(Cow::Borrowed).or_else(|| tensor.values().map(Cow::Owned));
        let values = values.ok_or_else(|| LoadError::DType {
            origin: origin(),
            name: name.to_owned(),
            dtype: tensor.element.name.clone(),
        })?;
        let values = Values { values, bytes: tensor.bytes(), file: self.file };
        // NaN lies in no range. In blocks without an exit, which become vector instructions.
        let fits = |v: &f32| (-LARGEST..=LARGEST).contains(v);
        if !values.chunks(4096).all(|block| block.iter().fold(true, |all, v| all & fits(v))) {
            let &value = values.iter().find(|v| !fits(v)).expect("there is one");
            return Err(LoadError::BadValue { origin: origin(), name: name.to_owned(), value });
        }
        if self.record().used.insert(name.to_owned()) {
            // A sum does not depend on the order of reading.
            let own = fingerprint(name, expected, &values);
            let mut record = self.record();
            record.fingerprint = record.fingerprint.wrapping_add(own);
        }
        Ok(values)
    }
}

/// The elements of a tensor, where they lie in the file if that can be. With the end of this their pages may leave memory.
pub(crate) struct Values<'a> {
    values: Cow<'a, [f32]>,
    bytes: &'a [u8],
    file: Option<&'a MappedFile>,
}

impl Deref for Values<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl Drop for Values<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.file {
            file.release(self.bytes);
        }
    }
}

/// A hash of one tensor: multiply and fold, two values at a time, in eight chains so that they overlap.
pub(crate) fn fingerprint(name: &str, shape: &[usize], values: &[f32]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let start = name.bytes().map(u64::from).chain(shape.iter().map(|&side| side as u64)).fold(FACTOR, mix);
    let mut chains: [u64; 8] = std::array::from_fn(|i| start.wrapping_add(i as u64));
    let (blocks, rest) = values.as_chunks::<16>();
    let last = std::array::from_fn(|i| rest.get(i).copied().unwrap_or(0.0));
    for block in blocks.iter().chain([&last]) {
        for (chain, pair) in chains.iter_mut().zip(block.as_chunks::<2>().0) {
            *chain = mix(*chain, u64::from(pair[1].to_bits()) << 32 | u64::from(pair[0].to_bits()));
        }
    }
    chains.into_iter().fold(values.len() as u64, mix)
}

type Contents<'a> = (BTreeMap<String, Stored<'a>>, Option<HashMap<String, String>>, Naming);

/// The tensors and the metadata of a safetensors file.
fn safetensors(bytes: &[u8]) -> Result<Contents<'_>, String> {
    let format = |e: safetensors::SafeTensorError| e.to_string().escape_debug().to_string();
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(format)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(bytes).map_err(format)?.tensors() {
        let stored = Stored::contiguous(&format!("{:?}", view.dtype()), view.shape(), view.data());
        if tensors.insert(name.clone(), stored).is_some() {
            return Err(format!("tensor {} is there twice", quoted(&name)));
        }
    }
    let naming = if hf_names::recognised(&tensors) { Naming::HuggingFace } else { Naming::Meta };
    if naming == Naming::HuggingFace {
        tensors = hf_names::to_meta(tensors)?;
    }
    Ok((tensors, header.metadata().clone(), naming))
}

/// A place in the tree of names.
#[derive(Clone)]
pub(crate) struct Scope<'c> {
    checkpoint: &'c Checkpoint<'c>,
    prefix: String,
}

impl<'c> Scope<'c> {
    /// One level down.
    pub fn at(&self, segment: impl std::fmt::Display) -> Self {
        Self { checkpoint: self.checkpoint, prefix: format!("{}{segment}.", self.prefix) }
    }

    /// In which the layers that stand it are to run.
    pub fn precision(&self) -> Precision {
        self.checkpoint.precision
    }

    /// A tensor of exactly this shape, as `f32`.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        Ok(std::mem::take(&mut self.values(name, shape)?.values).into_owned())
    }

    /// As [`Self::tensor`], not copied if it is stored as `f32`: for large ones.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Values<'c>, LoadError> {
        self.checkpoint.read(&format!("{}{name}", self.prefix), shape)
    }

    /// `weight` and `bias` of a linear layer, `[out, in]` and `[out]`.
    pub fn linear(&self, out: usize, input: usize) -> Result<(Values<'c>, Vec<f32>), LoadError> {
        Ok((self.values("weight", &[out, input])?, self.tensor("bias", &[out])?))
    }

    /// `weight` and `bias` of a square convolution, `[out, in, k, k]` and `[out]`.
    pub fn conv(&self, out: usize, input: usize, kernel: usize) -> Result<(Values<'c>, Vec<f32>), LoadError> {
        Ok((self.values("weight", &[out, input, kernel, kernel])?, self.tensor("bias", &[out])?))
    }
}
