//! A parsed checkpoint, and the audit that every tensor was used.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::contents::{CONFIG_KEY, Contents};
use super::fingerprint::fingerprint;
use super::mmap::MappedFile;
use super::names::Naming;
use super::stored::Stored;
use super::{pt, safetensors};
use crate::config::{self, Config, Family, Shapes};
use crate::error::LoadError;

/// Largest magnitude of a weight. Trained weights are far below; a flipped exponent bit is above.
const LARGEST: f32 = 1e6;

/// A parsed checkpoint and the set of tensors that were read.
pub(crate) struct Checkpoint<'a> {
    pub origin: String,
    /// Name of the model being loaded, for error messages.
    pub variant: String,
    pub(super) tensors: BTreeMap<String, Stored<'a>>,
    pub(super) metadata: Option<HashMap<String, String>>,
    /// Naming of the file; in the program all names are Meta's.
    pub(super) naming: Naming,
    /// Size of the file, bytes.
    pub size: u64,
    /// The mapped file; its pages are released after they are read.
    file: Option<&'a MappedFile>,
    record: Mutex<Record>,
}

/// Tensors that were read.
#[derive(Default)]
struct Record {
    used: BTreeSet<String>,
    fingerprint: u64,
}

impl<'a> Checkpoint<'a> {
    /// Parses the directory of a file, by its first bytes a `.pt` or else a safetensors file; reads no
    /// weight.
    pub fn parse(bytes: &'a [u8], origin: &str) -> Result<Self, LoadError> {
        let is_torch = pt::recognised(bytes);
        let contents = if is_torch {
            pt::read(bytes).map(|(tensors, config)| {
                let metadata = config.map(|text| HashMap::from([(CONFIG_KEY.to_owned(), text)]));
                Contents { tensors, metadata, naming: Naming::Meta }
            })
        } else {
            safetensors::read(bytes)
        };
        let Contents { tensors, metadata, naming } = contents.map_err(|reason| LoadError::Format {
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
        })
    }

    /// As [`Self::parse`], for a file that is read once.
    pub fn of_file(file: &'a MappedFile, origin: &str) -> Result<Self, LoadError> {
        Ok(Self { file: Some(file), ..Self::parse(file, origin)? })
    }

    /// An entry of the header's metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.as_ref()?.get(key).map(String::as_str)
    }

    /// The family of its tensors; fails if no supported family has them.
    pub fn family(&self) -> Result<Family, LoadError> {
        config::recognise(&self.shapes()).map_err(|reason| self.unknown(reason))
    }

    /// Its configuration: that of its metadata if there is one, else that of the published model with the
    /// same tensors.
    pub fn config(&self) -> Result<Config, LoadError> {
        match self.metadata(CONFIG_KEY) {
            Some(text) => Config::from_json(text, &self.origin),
            None => config::identify(&self.shapes()).map_err(|reason| self.unknown(reason)),
        }
    }

    fn unknown(&self, reason: String) -> LoadError {
        LoadError::UnknownModel { origin: self.origin.clone(), reason }
    }

    fn shapes(&self) -> Shapes {
        self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect()
    }

    /// All names.
    fn names(&self) -> impl Iterator<Item = &str> {
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

    /// Fails if a tensor was never read.
    pub fn finish(&self) -> Result<(), LoadError> {
        let record = self.record();
        let left: Vec<&str> = self.names().filter(|&name| !record.used.contains(name)).collect();
        if left.is_empty() {
            return Ok(());
        }
        // The map is sorted. Foreign names may contain anything, so they are escaped: the message is one
        // line.
        let some: Vec<String> =
            left.iter().take(3).map(|name| name.escape_debug().take(100).collect()).collect();
        Err(LoadError::UnexpectedTensors {
            origin: self.origin.clone(),
            count: left.len(),
            names: some.join(", "),
            variant: self.variant.clone(),
        })
    }

    /// A hash of the names, shapes and values of all tensors that were read, independent of the kind of file.
    pub fn fingerprint(&self) -> u64 {
        self.record().fingerprint
    }

    /// Counts a tensor as read, if it is there.
    #[cfg(any(test, feature = "inspect"))]
    pub(super) fn ignore(&self, name: &str) {
        self.record().used.insert(name.to_owned());
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tensor by its full name, of exactly the `expected` shape.
    pub(super) fn read(&self, name: &str, expected: &[usize]) -> Result<Values<'_>, LoadError> {
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
        // NaN is in no range. Blocks without an early exit are vectorised.
        let fits = |v: &f32| (-LARGEST..=LARGEST).contains(v);
        if !values.chunks(4096).all(|block| block.iter().fold(true, |all, v| all & fits(v))) {
            let &value = values.iter().find(|v| !fits(v)).expect("there is one");
            return Err(LoadError::BadValue { origin: origin(), name: name.to_owned(), value });
        }
        if self.record().used.insert(name.to_owned()) {
            // A sum is independent of the order of reading.
            let own = fingerprint(name, expected, &values);
            let mut record = self.record();
            record.fingerprint = record.fingerprint.wrapping_add(own);
        }
        Ok(values)
    }
}

/// The elements of a tensor, borrowed from the file if possible. Dropping it releases their pages.
pub(crate) struct Values<'a> {
    pub(super) values: Cow<'a, [f32]>,
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
