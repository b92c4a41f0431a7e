//! One file per family: the keys of its configurations, its published models, and how its checkpoints are
//! recognised.
//!
//! A new family adds its file and one line to each `match` here.

mod common;
mod sam2;
mod table;

use super::fields::{Config, Family};
use super::reader::Reader;
use crate::error::LoadError;
use table::KeyTable;
pub(crate) use table::Shapes;

/// All families.
const ALL: [Family; 1] = [Family::Sam2];

fn keys(family: Family) -> &'static KeyTable {
    match family {
        Family::Sam2 => &sam2::KEYS,
    }
}

/// The model that a configuration describes. Its family is that of its classes; without `_target_`s it is the
/// first.
pub(super) fn read(reader: &Reader) -> Result<Config, LoadError> {
    let family = family_of(reader)?;
    let keys = keys(family);
    common::KEYS.check_fixed(reader)?;
    keys.check_fixed(reader)?;
    let config = match family {
        Family::Sam2 => sam2::read(reader),
    }?;
    reader.audit(|key| common::KEYS.ignores(key) || keys.ignores(key))?;
    Ok(config)
}

/// The family whose classes the configuration names; else an error about the class that the closest family
/// has not.
fn family_of(reader: &Reader) -> Result<Family, LoadError> {
    let unknown = |section: &str, class: &str, known: &str| {
        let class: String = class.chars().take(60).collect();
        let reason = format!("names the class {class:?}; {known} is supported");
        reader.error(&format!("{section}._target_"), reason)
    };
    let mut closest: Option<(usize, LoadError)> = None;
    for family in ALL {
        let classes = keys(family).classes;
        let Some((at, found)) = keys(family).other_class(reader)? else {
            if let Some((at, found)) = common::KEYS.other_class(reader)? {
                let (section, class) = common::KEYS.classes[at];
                return Err(unknown(section, found, class));
            }
            return Ok(family);
        };
        if closest.as_ref().is_none_or(|(best, _)| at > *best) {
            let (section, class) = classes[at];
            closest = Some((at, unknown(section, found, class)));
        }
    }
    let (_, error) = closest.expect("there is a family, and its classes differ");
    Err(error)
}

/// A published model of SAM 2 by name and version.
pub(super) fn published(size: &str, v21: bool) -> Option<Config> {
    sam2::published(size, v21)
}

/// The published model that has the same fields, apart from its name and the defaults of tracking.
pub(super) fn published_like(config: &Config) -> Option<Config> {
    let mut published = match config.family {
        Family::Sam2 => sam2::all_published(),
    }
    .into_iter();
    let like = |published: Config| {
        let named = Config { video: config.video, ..published };
        (Config { variant: config.variant.clone(), ..named.clone() } == *config).then_some(named)
    };
    published.find_map(like)
}

/// The family of a checkpoint with tensors of these shapes; else the reason why there is none.
pub(crate) fn recognise(shapes: &Shapes) -> Result<Family, String> {
    let is_of = |family: &Family| match family {
        Family::Sam2 => sam2::has_marker(shapes),
    };
    ALL.into_iter().find(is_of).ok_or_else(|| {
        let markers = ALL.map(|family| match family {
            Family::Sam2 => sam2::MARKER,
        });
        format!("it has no tensor {}", markers.join(" or "))
    })
}

/// The published model of a checkpoint without a configuration; else the reason why there is none.
pub(crate) fn identify(shapes: &Shapes) -> Result<Config, String> {
    match recognise(shapes)? {
        Family::Sam2 => sam2::identify(shapes),
    }
}
