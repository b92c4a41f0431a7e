//! Which tensors of a file are the model's. Training scripts put them under a key, give their names a prefix,
//! and keep a second, averaged copy.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use super::fault::Fault;
use super::stored::Stored;
use super::text::quoted;

/// Which of the weights are read, where training keeps a copy that is averaged over its steps.
///
/// ```
/// use sam2_model::models::WeightCopy;
///
/// assert_eq!("ema".parse(), Ok(WeightCopy::Averaged));
/// assert_eq!(WeightCopy::default().to_string(), "raw");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WeightCopy {
    /// Those that are not averaged, as Meta's loader reads them; averaged ones if there are no others.
    #[default]
    Raw,
    /// Averaged ones (`ema`, `swa`, …). A checkpoint without them is refused.
    Averaged,
}

impl fmt::Display for WeightCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Averaged => "ema",
        })
    }
}

impl FromStr for WeightCopy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = [Self::Raw, Self::Averaged].into_iter().find(|copy| copy.to_string() == text);
        named.ok_or_else(|| format!("{text:?} names no weights: use raw or ema"))
    }
}

/// A file as it is read, before the model's tensors are selected.
pub(super) struct Listing<'a> {
    pub groups: Vec<Group<'a>>,
    pub metadata: Option<HashMap<String, String>>,
    /// What the file is, in case that it holds no model.
    pub about: String,
}

/// A dict of a file.
pub(super) struct Group<'a> {
    /// The keys under which it is, joined by dots; empty for the outermost one.
    pub path: String,
    /// By their names without wrappers; see [`unwrapped`].
    pub tensors: BTreeMap<String, Stored<'a>>,
    /// What is no tensor, by name, with what it is.
    pub others: BTreeMap<String, String>,
}

/// The tensors of the model.
pub(super) struct Selected<'a> {
    pub tensors: BTreeMap<String, Stored<'a>>,
    /// What has a name of the model but is no tensor.
    pub others: BTreeMap<String, String>,
    /// The key and prefix under which they are; empty if there is none.
    pub under: String,
    /// The keys and prefixes of other copies.
    pub beside: Vec<String>,
}

/// Tensors of every model, in Meta's and in Hugging Face's naming. A prefix is what stands before them.
const ANCHORS: [&str; 11] = [
    "image_encoder.trunk.patch_embed.proj.weight",
    "image_encoder.neck.convs.0.conv.weight",
    "sam_prompt_encoder.not_a_point_embed.weight",
    "sam_mask_decoder.iou_token.weight",
    "maskmem_tpos_enc",
    "no_mem_embed",
    "vision_encoder.backbone.patch_embed.projection.weight",
    "prompt_encoder.not_a_point_embed.weight",
    "mask_decoder.iou_token.weight",
    "memory_temporal_positional_encoding",
    "no_memory_embedding",
];

/// Parts of names that are added by compiled, distributed and checkpointed modules, at any depth. No tensor
/// of a model has them.
const WRAPPERS: [&str; 5] =
    ["module", "_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// Words for copies that are averaged over the training.
const AVERAGED: [&str; 6] = ["ema", "swa", "averaged", "average", "shadow", "teacher"];

/// A counter that `torch.optim.swa_utils.AveragedModel` adds to the tensors of its model.
const COUNTER: &str = "n_averaged";

/// Keys in the order in which they are preferred; all others come after them.
const KEYS: [&str; 4] = ["model", "", "state_dict", "model_state_dict"];

/// A name without the parts that wrappers add.
pub(super) fn unwrapped(name: &str) -> Cow<'_, str> {
    if !name.split('.').any(|part| WRAPPERS.contains(&part)) {
        return Cow::Borrowed(name);
    }
    let parts: Vec<&str> = name.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
    Cow::Owned(parts.join("."))
}

/// The prefixes of the models among these names, with the number of anchors that have each.
fn prefixes<'n>(names: impl Iterator<Item = &'n str>) -> BTreeMap<&'n str, usize> {
    let mut found = BTreeMap::new();
    for name in names {
        for anchor in ANCHORS {
            let prefix = name.strip_suffix(anchor);
            if let Some(prefix) = prefix.filter(|prefix| prefix.is_empty() || prefix.ends_with('.')) {
                *found.entry(prefix).or_default() += 1;
            }
        }
    }
    found
}

/// Whether a model may be among these names.
pub(super) fn has_model<'n>(names: impl Iterator<Item = &'n str>) -> bool {
    !prefixes(names).is_empty()
}

/// A model in a group: index of the group, prefix, number of anchors.
struct Candidate {
    group: usize,
    prefix: String,
    anchors: usize,
    label: String,
}

impl Candidate {
    fn is_averaged(&self) -> bool {
        self.label.split(['.', '_']).any(|word| AVERAGED.contains(&word))
    }

    /// The most whole one first; then one that is not averaged; then by its key.
    fn rank(&self, path: &str) -> impl Ord + use<> {
        let key = KEYS.iter().position(|key| *key == path).unwrap_or(KEYS.len());
        (Reverse(self.anchors), self.is_averaged(), key, self.prefix.clone(), self.label.clone())
    }
}

/// The tensors of the model in files that are parts of one checkpoint, usually one file.
pub(super) fn select<'a>(listings: Vec<Listing<'a>>, copy: WeightCopy) -> Result<Selected<'a>, Fault> {
    let abouts: Vec<String> = listings.iter().map(|listing| listing.about.clone()).collect();
    let mut groups: Vec<Group> = Vec::new();
    for group in listings.into_iter().flat_map(|listing| listing.groups) {
        match groups.iter_mut().find(|known| known.path == group.path) {
            Some(known) => merge(known, group)?,
            None => groups.push(group),
        }
    }
    let mut candidates = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        let names = group.tensors.keys().chain(group.others.keys()).map(String::as_str);
        for (prefix, anchors) in prefixes(names) {
            let parts = [group.path.as_str(), prefix.trim_end_matches('.')];
            let label = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
            candidates.push(Candidate { group: at, prefix: prefix.to_owned(), anchors, label });
        }
    }
    candidates.sort_by_cached_key(|candidate| candidate.rank(&groups[candidate.group].path));
    if copy == WeightCopy::Averaged {
        // Stable: among the averaged ones the order stays.
        candidates.sort_by_key(|candidate| !candidate.is_averaged());
        if let Some(raw) = candidates.first().filter(|first| !first.is_averaged()) {
            return Err(Fault::NotAveraged(shown(&raw.label)));
        }
    }
    let Some(chosen) = candidates.first() else {
        // A single dict of other tensors is a model of another kind, which its reader names.
        let about = abouts.into_iter().next().unwrap_or_default();
        let only = groups.pop().filter(|group| groups.is_empty() && !group.tensors.is_empty());
        let only = only.ok_or(Fault::Foreign(about))?;
        return Ok(Selected {
            tensors: only.tensors,
            others: BTreeMap::new(),
            under: only.path,
            beside: Vec::new(),
        });
    };
    let Group { tensors, others, .. } = groups.swap_remove(chosen.group);
    let same = candidates.iter().filter(|other| other.group == chosen.group && other.prefix != chosen.prefix);
    let longer: Vec<&str> =
        same.map(|other| other.prefix.as_str()).filter(|prefix| prefix.starts_with(&chosen.prefix)).collect();
    let own = |name: &str| {
        let is_other = longer.iter().any(|prefix| name.starts_with(prefix));
        let own = name.strip_prefix(&chosen.prefix).filter(|own| !is_other && *own != COUNTER);
        own.map(str::to_owned)
    };
    Ok(Selected {
        tensors: tensors.into_iter().filter_map(|(name, tensor)| Some((own(&name)?, tensor))).collect(),
        others: others.into_iter().filter_map(|(name, what)| Some((own(&name)?, what))).collect(),
        under: shown(&chosen.label),
        beside: candidates[1..].iter().map(|candidate| shown(&candidate.label)).collect(),
    })
}

fn shown(label: &str) -> String {
    label.chars().take(100).collect::<String>().escape_debug().to_string()
}

fn merge<'a>(known: &mut Group<'a>, more: Group<'a>) -> Result<(), Fault> {
    for (name, tensor) in more.tensors {
        if known.tensors.contains_key(&name) {
            return Err(format!("tensor {} is in two of its parts", quoted(&name)).into());
        }
        known.tensors.insert(name, tensor);
    }
    known.others.extend(more.others);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_wrappers_are_taken_out_at_any_depth() {
        for (name, plain) in [
            ("module.no_mem_embed", "no_mem_embed"),
            ("module._orig_mod.module.x", "x"),
            ("image_encoder._orig_mod.trunk.pos_embed", "image_encoder.trunk.pos_embed"),
            ("memory_attention.layers.0", "memory_attention.layers.0"),
            ("modules.x", "modules.x"),
        ] {
            assert_eq!(unwrapped(name), plain);
        }
    }

    #[test]
    fn a_prefix_ends_at_a_dot() {
        let names = ["net.no_mem_embed", "sam_mask_decoder.iou_token.weight", "x_no_mem_embed"];
        let found: Vec<_> = prefixes(names.into_iter()).into_iter().collect();
        assert_eq!(found, [("", 1), ("net.", 1)]);
    }
}
