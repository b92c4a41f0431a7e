//! Meta's own names. Inside the program keys and values of EdgeTAM's perceiver are two tensors, as in the
//! Hugging Face library; Meta's files have them as the rows of one.

use std::collections::BTreeMap;

use crate::weights::fault::Fault;
use crate::weights::stored::Stored;
use crate::weights::text::quoted;

const BOTH: &str = ".to_kv.weight";
const KEYS: &str = ".to_k.weight";
const VALUES: &str = ".to_v.weight";

/// Meta's tensors with keys and values apart.
pub(super) fn separated(
    tensors: BTreeMap<String, Stored<'_>>,
) -> Result<BTreeMap<String, Stored<'_>>, Fault> {
    let mut named = BTreeMap::new();
    for (name, tensor) in tensors {
        let parts = match (name.strip_suffix(BOTH), &tensor.shape[..]) {
            (Some(stem), &[rows, _]) if rows % 2 == 0 => vec![
                (format!("{stem}{KEYS}"), tensor.rows_of(0..rows / 2)),
                (format!("{stem}{VALUES}"), tensor.rows_of(rows / 2..rows)),
            ],
            _ => vec![(name.clone(), tensor)],
        };
        for (own, part) in parts {
            if named.insert(own, part).is_some() {
                return Err(Fault::Foreign(format!("tensor {} is there under two names", quoted(&name))));
            }
        }
    }
    Ok(named)
}

/// Every tensor under its own name, keys and values together.
pub(super) fn from_meta<'t, 'a>(
    tensors: &'t BTreeMap<String, Stored<'a>>,
) -> BTreeMap<String, Vec<&'t Stored<'a>>> {
    let mut named = BTreeMap::new();
    for (name, tensor) in tensors {
        let pair = |stem: &str, other: &str| tensors.get(&format!("{stem}{other}"));
        if let Some((stem, values)) =
            name.strip_suffix(KEYS).and_then(|stem| Some((stem, pair(stem, VALUES)?)))
        {
            named.insert(format!("{stem}{BOTH}"), vec![tensor, values]);
        } else if name.strip_suffix(VALUES).and_then(|stem| pair(stem, KEYS)).is_none() {
            named.insert(name.clone(), vec![tensor]);
        }
    }
    named
}
