//! One file per family: the keys of its configurations, its published models, and how its checkpoints are
//! recognised.
//!
//! A new family adds its file and one line to each `match` here.

mod common;
mod edgetam;
mod efficienttam;
mod sam2;
mod table;
#[cfg(test)]
mod tests;
mod unidentified;

use serde_json::{Map, Value};

use super::fields::{Config, Family};
use super::reader::Reader;
use crate::error::LoadError;
use table::KeyTable;
pub(crate) use table::Shapes;
pub(crate) use unidentified::Unidentified;

/// All families.
const ALL: [Family; 3] = [Family::Sam2, Family::EdgeTam, Family::EfficientTam];

fn keys(family: Family) -> &'static KeyTable {
    match family {
        Family::Sam2 => &sam2::KEYS,
        Family::EdgeTam => &edgetam::KEYS,
        Family::EfficientTam => &efficienttam::KEYS,
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
        Family::EdgeTam => edgetam::read(reader),
        Family::EfficientTam => efficienttam::read(reader),
    }?;
    reader.audit(|key| common::KEYS.ignores(key) || keys.ignores(key))?;
    Ok(config)
}

/// The section `model` that [`read`] reads as this configuration, apart from its name.
pub(super) fn write(config: &Config) -> Value {
    let keys = keys(config.family);
    let own = match config.family {
        Family::Sam2 => sam2::write(config),
        Family::EdgeTam => edgetam::write(config),
        Family::EfficientTam => efficienttam::write(config),
    };
    let mut root = Map::new();
    for table in [&common::KEYS, keys] {
        for (section, classes) in table.classes {
            set(&mut root, &format!("{section}._target_"), classes[0].into());
        }
        for (key, value) in table.required {
            set(&mut root, key, serde_json::from_str(value).expect("the tables hold JSON"));
        }
    }
    for (key, value) in common::write(config).into_iter().chain(own) {
        set(&mut root, key, value);
    }
    root.into()
}

/// Sets the value at a path of keys, separated by dots.
fn set(section: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        section.insert(path.to_owned(), value);
        return;
    };
    let inner = section.entry(first).or_insert_with(|| Map::new().into());
    set(inner.as_object_mut().expect("no key of the tables is also a section"), rest, value);
}

/// The family whose classes the configuration names; else an error about the class that the closest families
/// have not.
fn family_of(reader: &Reader) -> Result<Family, LoadError> {
    let unknown = |section: &str, class: &str, known: &[&str]| {
        let class: String = class.chars().take(60).collect();
        let (known, verb) = (known.join(" or "), if known.len() == 1 { "is" } else { "are" });
        let reason = format!("names the class {class:?}; {known} {verb} supported");
        reader.error(&format!("{section}._target_"), reason)
    };
    let mut misfits = Vec::new();
    for family in ALL {
        let Some((at, found)) = keys(family).other_class(reader)? else {
            if let Some((at, found)) = common::KEYS.other_class(reader)? {
                let (section, classes) = common::KEYS.classes[at];
                return Err(unknown(section, found, classes));
            }
            return Ok(family);
        };
        misfits.push((at, found, keys(family).classes[at]));
    }
    let furthest = misfits.iter().map(|(at, ..)| *at).max();
    let mut closest = misfits.iter().filter(|(at, ..)| Some(*at) == furthest);
    let (_, found, (section, classes)) = closest.next().expect("there is a family, and its classes differ");
    let known: Vec<&str> = closest.flat_map(|(_, _, (_, classes))| *classes).copied().collect();
    Err(unknown(section, found, &[classes, &known[..]].concat()))
}

/// A published model of SAM 2 by name and version.
pub(super) fn published(size: &str, v21: bool) -> Option<Config> {
    sam2::published(size, v21)
}

/// All published models of a family, by the stems of their checkpoints.
fn all_published_of(family: Family) -> Vec<(String, Config)> {
    match family {
        Family::Sam2 => sam2::all_published(),
        Family::EdgeTam => edgetam::all_published(),
        Family::EfficientTam => efficienttam::all_published(),
    }
}

/// All published models, by the stems of their checkpoints.
pub(super) fn all_published() -> Vec<(String, Config)> {
    ALL.into_iter().flat_map(all_published_of).collect()
}

/// The published model that has the same fields, apart from its name, the choice of an unstable
/// mask and the defaults of tracking.
pub(super) fn published_like(config: &Config) -> Option<Config> {
    let like = |(_, published): (String, Config)| {
        let Config { dynamic_multimask, video, .. } = *config;
        let named = Config { dynamic_multimask, video, ..published };
        (Config { variant: config.variant.clone(), ..named.clone() } == *config).then_some(named)
    };
    all_published_of(config.family).into_iter().find_map(like)
}

/// The family of a checkpoint with tensors of these shapes; else the reason why there is none.
pub(crate) fn recognise(shapes: &Shapes) -> Result<Family, String> {
    let is_of = |family: &Family| match family {
        Family::Sam2 => sam2::has_marker(shapes),
        Family::EdgeTam => edgetam::has_marker(shapes),
        Family::EfficientTam => efficienttam::has_marker(shapes),
    };
    ALL.into_iter().find(is_of).ok_or_else(|| {
        let markers = ALL.map(|family| match family {
            Family::Sam2 => sam2::MARKER,
            Family::EdgeTam => edgetam::MARKER,
            Family::EfficientTam => efficienttam::MARKER,
        });
        format!("it has no tensor {}", markers.join(" or "))
    })
}

/// The published model of a checkpoint without a configuration, in a file whose name without extension is
/// `stem`; else why there is none.
pub(crate) fn identify(shapes: &Shapes, stem: &str) -> Result<Config, Unidentified> {
    match recognise(shapes).map_err(Unidentified::Unknown)? {
        Family::Sam2 => sam2::identify(shapes),
        Family::EdgeTam => Ok(edgetam::identify()),
        Family::EfficientTam => efficienttam::identify(shapes, stem),
    }
}
