//! Contents of a checkpoint of any format.

use std::collections::{BTreeMap, HashMap};

use super::fault::Fault;
use super::keys::CONFIG_KEY;
use super::names::{self, Naming};
use super::select::{Listing, Selected, WeightCopy, select};
use super::source::Source;
use super::stored::Stored;
use super::{kinds, pt, safetensors};
use crate::error::LoadError;

/// Views may overlap, so a small file can describe much data. All tensors together may have at most this many
/// times the file's size plus this many bytes.
const MAX_EXPANSION: u64 = 4;
const EXPANSION_SLACK: u64 = 1 << 20;

/// Tensors, under Meta's names, and metadata. No weight has been read yet.
pub(super) struct Contents<'a> {
    pub tensors: BTreeMap<String, Stored<'a>>,
    /// What has a name of the model but is no tensor, with what it is.
    pub others: BTreeMap<String, String>,
    pub metadata: Option<HashMap<String, String>>,
    /// Names in the file.
    pub naming: Naming,
    /// Format of the file, for messages.
    pub kind: &'static str,
    /// The key and prefix under which the tensors are, and those of other copies.
    pub under: String,
    pub beside: Vec<String>,
}

/// Reads the directories of the files of one checkpoint; `name` is that of the whole.
pub(super) fn read<'a>(
    sources: &[(Source<'a>, String)],
    name: &str,
    copy: WeightCopy,
) -> Result<Contents<'a>, LoadError> {
    let mut listings = Vec::new();
    let mut format = "safetensors";
    for (source, origin) in sources {
        let (kind, listing) = listing(*source, sources.len() > 1);
        listings.push(listing.map_err(|fault| fault.of(origin, kind))?);
        format = kind;
    }
    let metadata = listings.iter_mut().find_map(|listing| {
        listing.metadata.take_if(|metadata| metadata.contains_key(CONFIG_KEY) || sources.len() == 1)
    });
    let selected = select(listings, copy).and_then(|Selected { tensors, others, under, beside }| {
        let held = sources.iter().fold(0_u64, |sum, (source, _)| sum.saturating_add(source.len()));
        let total = tensors.values().fold(0_u64, |sum, tensor| sum.saturating_add(tensor.size()));
        if total > held.saturating_mul(MAX_EXPANSION).saturating_add(EXPANSION_SLACK) {
            return Err(Fault::Foreign(format!("its tensors have {total} bytes in a file of {held}")));
        }
        let (tensors, naming) = names::to_meta(tensors)?;
        Ok(Contents { tensors, others, metadata, naming, kind: format, under, beside })
    });
    selected.map_err(|fault| fault.of(name, format))
}

/// Format and contents of one file, by its first bytes.
fn listing(source: Source<'_>, is_part: bool) -> (&'static str, Result<Listing<'_>, Fault>) {
    match source.start(kinds::START) {
        Err(fault) => ("checkpoint", Err(fault)),
        Ok(start) if start.len() < 9 && !pt::recognised(&start) => ("checkpoint", safetensors::read(source)),
        Ok(start) if pt::recognised(&start) => ("PyTorch", pt::read(source, is_part)),
        Ok(_) => ("safetensors", safetensors::read(source)),
    }
}
