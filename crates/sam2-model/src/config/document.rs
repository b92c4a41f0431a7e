//! The document around a model's configuration: where its section is, overrides, and references.

use serde_json::{Map, Value};

/// Sections of Hydra and of Meta's training code, which do not describe the model.
const OTHER_SECTIONS: [&str; 10] = [
    "defaults",
    "hydra",
    "scratch",
    "dataset",
    "vos",
    "trainer",
    "launcher",
    "submitit",
    "_target_",
    "phases_per_epoch",
];
/// Number of references that are resolved, and how often one may lead to another.
const MAX_REFERENCES: usize = 1000;
const MAX_HOPS: usize = 8;

/// The section with the model: `model`, `trainer.model`, or the whole. Fails with the name of a key beside it
/// that has no effect.
pub(super) fn model_section(mut root: Value) -> Result<Option<Value>, String> {
    let document = root.clone();
    let overrides = overrides(&mut root);
    let is_model = |section: &Value| section.get("image_encoder").is_some();
    let training = root.get_mut("trainer").and_then(|trainer| trainer.get_mut("model")).map(Value::take);
    let section = if let Some(section) = root.get_mut("model").map(Value::take) {
        let mut keys = root.as_object().into_iter().flat_map(Map::keys);
        if let Some(key) = keys.find(|key| *key != "model" && !OTHER_SECTIONS.contains(&key.as_str())) {
            return Err(key.clone());
        }
        Some(section)
    } else {
        training.or_else(|| is_model(&root).then_some(root))
    };
    let Some(mut section) = section.filter(is_model) else { return Ok(None) };
    for (path, value) in overrides {
        set(&mut section, &path, value)?;
    }
    let mut left = MAX_REFERENCES;
    resolve(&mut section, &document, &mut left);
    Ok(Some(section))
}

/// Takes the keys that are written as overrides of Hydra's, such as `++model.fill_hole_area`, out of the
/// document: path in the section `model`, and value.
fn overrides(root: &mut Value) -> Vec<(String, Value)> {
    let Some(map) = root.as_object_mut() else { return Vec::new() };
    let path = |key: &str| key.trim_start_matches('+').strip_prefix("model.").map(str::to_owned);
    let keys: Vec<String> = map.keys().filter(|key| path(key).is_some()).cloned().collect();
    keys.into_iter().filter_map(|key| Some((path(&key)?, map.remove(&key)?))).collect()
}

/// Sets a key, and the sections that lead to it; fails with the key if one of them is no section.
fn set(section: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let mut at = section;
    for part in path.split('.') {
        let map = at.as_object_mut().ok_or_else(|| format!("model.{path}"))?;
        at = map.entry(part).or_insert_with(|| Value::Object(Map::new()));
    }
    *at = value;
    Ok(())
}

/// Replaces references to numbers, texts and short lists elsewhere in the document, such as
/// `${scratch.resolution}`. Other references stay, and are refused where they are read.
fn resolve(value: &mut Value, document: &Value, left: &mut usize) {
    match value {
        Value::Object(map) => map.values_mut().for_each(|value| resolve(value, document, left)),
        Value::Array(items) => items.iter_mut().for_each(|value| resolve(value, document, left)),
        Value::String(text) => {
            let mut target = referenced(text, document);
            for _ in 0..MAX_HOPS {
                match target.and_then(Value::as_str).and_then(|text| referenced(text, document)) {
                    Some(next) => target = Some(next),
                    None => break,
                }
            }
            let is_short = |value: &Value| match value {
                Value::Object(_) => false,
                Value::Array(items) => items.len() <= 16 && items.iter().all(Value::is_number),
                Value::String(text) => text.len() <= 100,
                _ => true,
            };
            if let Some(target) = target.filter(|target| *left > 0 && is_short(target)) {
                *left -= 1;
                *value = target.clone();
            }
        }
        _ => {}
    }
}

/// What a text such as `${scratch.resolution}` stands for.
fn referenced<'d>(text: &str, document: &'d Value) -> Option<&'d Value> {
    let path = text.strip_prefix("${")?.strip_suffix('}')?;
    path.split('.').try_fold(document, |value, part| value.get(part))
}
