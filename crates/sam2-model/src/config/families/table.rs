//! The keys of a family's configurations.

use std::collections::BTreeMap;

use crate::config::reader::Reader;
use crate::error::LoadError;

/// Shapes of the tensors of a checkpoint, by Meta's names.
pub(crate) type Shapes = BTreeMap<String, Vec<usize>>;

/// Keys by their permitted values.
pub(super) struct KeyTable {
    /// Sections with the classes that they may be of, if they have a `_target_`, the usual one first. The
    /// package does not matter: forks move classes.
    pub classes: &'static [(&'static str, &'static [&'static str])],
    /// Keys whose value is built into the code, with that value, which is also the default of Meta's classes.
    pub fixed: &'static [(&'static str, &'static str)],
    /// As `fixed`, but Meta's classes have another default or none, so that the key must be there.
    pub required: &'static [(&'static str, &'static str)],
    /// Keys of training, of initialisation, and of tables that are computed at their size anyway. Sections
    /// and `_target_` are not listed.
    pub ignored: &'static [&'static str],
}

impl KeyTable {
    /// Index and class of the first of `classes` for which the configuration names another class.
    pub fn other_class<'a>(&self, reader: &Reader<'a>) -> Result<Option<(usize, &'a str)>, LoadError> {
        for (i, (section, classes)) in self.classes.iter().enumerate() {
            match reader.class(section)? {
                Some(found) if !classes.contains(&found) => return Ok(Some((i, found))),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Fails if a key that is built into the code has another value.
    pub fn check_fixed(&self, reader: &Reader) -> Result<(), LoadError> {
        self.fixed.iter().try_for_each(|(key, expected)| reader.fixed(key, expected, false))?;
        self.required.iter().try_for_each(|(key, expected)| reader.fixed(key, expected, true))
    }

    /// Whether a key has no effect on results.
    pub fn ignores(&self, key: &str) -> bool {
        self.ignored.contains(&key)
    }
}
