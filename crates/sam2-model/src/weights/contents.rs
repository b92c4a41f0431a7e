//! Contents of a file of either format.

use std::collections::{BTreeMap, HashMap};

use super::names::Naming;
use super::stored::Stored;

/// Key of the configuration: in the metadata of a safetensors file, next to the model in a `.pt`.
pub(crate) const CONFIG_KEY: &str = "sam2.config";

/// Tensors, under Meta's names, and metadata. No weight has been read yet.
pub(super) struct Contents<'a> {
    pub tensors: BTreeMap<String, Stored<'a>>,
    pub metadata: Option<HashMap<String, String>>,
    /// Names in the file.
    pub naming: Naming,
}
