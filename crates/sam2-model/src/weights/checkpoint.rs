//! A parsed checkpoint, and the audit that every tensor was used.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::advice;
use super::contents::{self, Contents};
use super::fingerprint::fingerprint;
use super::keys::CONFIG_KEY;
use super::names::{self, Naming};
use super::select::WeightCopy;
use super::source::{OpenFile, Source};
use super::stored::Stored;
use crate::config::{self, Config, Family, Shapes, Unidentified};
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
    /// Size of the file or files, bytes.
    pub size: u64,
    /// The key and prefix under which the tensors are, and those of other copies of them.
    pub under: String,
    pub beside: Vec<String>,
    /// What has a name of the model but is no tensor, with what it is.
    others: BTreeMap<String, String>,
    /// Format, for messages.
    kind: &'static str,
    files: &'a [OpenFile],
    record: Mutex<Record>,
}

/// Tensors that were read.
#[derive(Default)]
struct Record {
    used: BTreeSet<String>,
    fingerprint: u64,
}

impl<'a> Checkpoint<'a> {
    /// Parses the directory of a file in memory; reads no weight.
    pub fn parse(bytes: &'a [u8], origin: &str, copy: WeightCopy) -> Result<Self, LoadError> {
        Self::read_directory(&[(Source::Memory(bytes), origin.to_owned())], origin, &[], copy)
    }

    /// As [`Self::parse`], of the files of one checkpoint.
    pub fn of_files(files: &'a [OpenFile], origin: &str, copy: WeightCopy) -> Result<Self, LoadError> {
        let sources: Vec<_> = files.iter().map(|file| (Source::File(file), file.origin())).collect();
        Self::read_directory(&sources, origin, files, copy)
    }

    fn read_directory(
        sources: &[(Source<'a>, String)],
        origin: &str,
        files: &'a [OpenFile],
        copy: WeightCopy,
    ) -> Result<Self, LoadError> {
        let Contents { tensors, others, metadata, naming, kind, under, beside } =
            contents::read(sources, origin, copy)?;
        Ok(Self {
            origin: origin.to_owned(),
            variant: "SAM 2".to_owned(),
            tensors,
            metadata,
            naming,
            size: sources.iter().map(|(source, _)| source.len()).sum(),
            under,
            beside,
            others,
            kind,
            files,
            record: Mutex::default(),
        })
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
    /// same tensors. Where several have the same, the name of the file decides.
    pub fn config(&self) -> Result<Config, LoadError> {
        if let Some(text) = self.metadata(CONFIG_KEY) {
            return Config::from_json(text, &self.origin);
        }
        let stem = Path::new(&self.origin).file_stem().unwrap_or_default();
        config::identify(&self.shapes(), &stem.to_string_lossy()).map_err(|reason| match reason {
            Unidentified::Unknown(reason) => self.unknown(reason),
            Unidentified::OneOf(names) => {
                LoadError::Variant { origin: self.origin.clone(), names: names.join(", ") }
            }
        })
    }

    fn unknown(&self, mut reason: String) -> LoadError {
        let has = |name: &str| self.tensors.contains_key(name);
        let is_sam = has("mask_decoder.iou_token.weight") || has("sam_mask_decoder.iou_token.weight");
        if is_sam && self.names().any(|name| name.starts_with("image_encoder.patch_embed.")) {
            reason.push_str("; it is of the first Segment Anything, SAM 1");
        }
        reason.push_str(&self.advice());
        if let Some((name, found)) = self.others.first_key_value().filter(|_| self.tensors.is_empty()) {
            let name: String = name.escape_debug().take(100).collect();
            reason.push_str(&format!("; its {name} is {found} and not a tensor"));
        }
        LoadError::UnknownModel { origin: self.origin.clone(), reason }
    }

    /// What the names of the tensors and of the file tell, behind a semicolon; empty if nothing.
    fn advice(&self) -> String {
        let advice = advice::of(self.names()).or_else(|| advice::of_file(&self.origin));
        advice.map(|advice| format!("; {advice}")).unwrap_or_default()
    }

    fn shapes(&self) -> Shapes {
        self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect()
    }

    /// All names.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Number of tensors, of elements, and of tensors per type. What a file in Meta's naming has as one
    /// tensor counts as one.
    pub fn totals(&self) -> (usize, u64, BTreeMap<String, usize>) {
        let mut types = BTreeMap::new();
        let elements = self.tensors.values().map(|tensor| tensor.count() as u64).sum();
        let mut count = |tensor: &Stored| *types.entry(tensor.element.name.clone()).or_default() += 1;
        match (self.naming, names::from_meta(&self.tensors, Naming::Meta)) {
            (Naming::Meta, Ok(in_file)) => in_file.values().for_each(|parts| count(parts[0])),
            _ => self.tensors.values().for_each(count),
        }
        (types.values().sum(), elements, types)
    }

    /// Fails if a tensor was never read, or if another program has changed the file in the meantime.
    pub fn finish(&self) -> Result<(), LoadError> {
        self.files.iter().try_for_each(OpenFile::check_unchanged)?;
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
            advice: match self.advice() {
                advice if advice.is_empty() => "; save the tensors of the model alone".to_owned(),
                advice => advice,
            },
        })
    }

    /// A hash of the names, shapes and values of all tensors that were read, independent of the kind of file.
    pub fn fingerprint(&self) -> u64 {
        self.record().fingerprint
    }

    /// Counts a tensor as read, if it is there.
    pub(super) fn ignore(&self, name: &str) {
        self.record().used.insert(name.to_owned());
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tensor by its full name, of exactly the `expected` shape; borrowed if it is in memory as `f32`.
    pub(super) fn read(&self, name: &str, expected: &[usize]) -> Result<Cow<'_, [f32]>, LoadError> {
        let origin = || self.origin.clone();
        let missing = || match self.others.get(name) {
            Some(found) => LoadError::NotACheckpoint {
                origin: origin(),
                found: format!("its {name} is {found} where a tensor is needed"),
            },
            None => LoadError::MissingTensor {
                origin: origin(),
                name: name.to_owned(),
                variant: self.variant.clone(),
                advice: self.advice(),
            },
        };
        let tensor = self.tensors.get(name).ok_or_else(missing)?;
        if tensor.shape != expected {
            return Err(LoadError::ShapeMismatch {
                origin: origin(),
                name: name.to_owned(),
                variant: self.variant.clone(),
                expected: expected.to_vec(),
                found: tensor.shape.clone(),
            });
        }
        if !tensor.element.is_float() {
            let (name, dtype) = (name.to_owned(), tensor.element.name.clone());
            return Err(LoadError::DType { origin: origin(), name, dtype });
        }
        let values = match tensor.borrowed() {
            Some(values) => Cow::Borrowed(values),
            None => Cow::Owned(tensor.values().map_err(|fault| fault.of(&self.origin, self.kind))?),
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::open_files;

    /// A file of two tensors of which one is large.
    fn two_tensors() -> Vec<u8> {
        let header = concat!(
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#,
            r#""b":{"dtype":"F32","shape":[4096],"data_offsets":[4,16388]}}"#
        );
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 16388]].concat()
    }

    #[test]
    fn a_file_that_is_shortened_or_rewritten_while_it_is_read_is_an_error() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("x.safetensors");
        let write = || std::fs::write(&path, two_tensors()).expect("write");
        let shorten = |len| {
            let file = std::fs::OpenOptions::new().write(true).open(&path).expect("open");
            file.set_len(len).expect("truncate");
        };
        for len in [0, 7, 100] {
            write();
            let files = open_files(&path).expect("it is a file");
            shorten(len);
            let error = Checkpoint::of_files(&files, "x", WeightCopy::Raw).map(|_| ()).expect_err("cut");
            assert!(matches!(error, LoadError::Changed { .. }), "{len}: {error}");
        }
        write();
        let files = open_files(&path).expect("it is a file");
        let checkpoint = Checkpoint::of_files(&files, "x", WeightCopy::Raw).expect("it is whole");
        assert_eq!(checkpoint.read("a", &[1]).expect("it is there")[0], 0.0);
        assert!(checkpoint.read("b", &[4096]).is_ok() && checkpoint.finish().is_ok());
        shorten(1000);
        assert!(matches!(checkpoint.read("b", &[4096]), Err(LoadError::Changed { .. })));
        assert!(matches!(checkpoint.finish(), Err(LoadError::Changed { .. })));
        // As long as before, but written again.
        write();
        let files = open_files(&path).expect("it is a file");
        let checkpoint = Checkpoint::of_files(&files, "x", WeightCopy::Raw).expect("it is whole");
        std::thread::sleep(std::time::Duration::from_millis(20));
        write();
        assert!(checkpoint.read("b", &[4096]).is_ok());
        assert!(matches!(checkpoint.finish(), Err(LoadError::Changed { .. })));
    }
}
