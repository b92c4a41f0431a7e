//! Meta's own names.

use std::collections::BTreeMap;

use crate::weights::stored::Stored;

/// Every tensor under its own name.
pub(super) fn from_meta<'t, 'a>(
    tensors: &'t BTreeMap<String, Stored<'a>>,
) -> BTreeMap<String, Vec<&'t Stored<'a>>> {
    tensors.iter().map(|(name, tensor)| (name.clone(), vec![tensor])).collect()
}
