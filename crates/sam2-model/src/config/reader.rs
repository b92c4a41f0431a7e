//! Typed access to a configuration, with a record of the keys that were read.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::LoadError;

/// A configuration as written, and the keys that were read.
pub(super) struct Reader<'a> {
    root: &'a Value,
    origin: &'a str,
    known: RefCell<BTreeSet<String>>,
}

impl<'a> Reader<'a> {
    /// For the section `model` of a configuration.
    pub fn new(root: &'a Value, origin: &'a str) -> Self {
        Self { root, origin, known: RefCell::default() }
    }

    /// Fails if a key was neither read nor is ignored: a key that has no effect is a mistake of its author's.
    pub fn audit(&self, is_ignored: impl Fn(&str) -> bool) -> Result<(), LoadError> {
        self.audit_section(self.root, "", &is_ignored)
    }

    fn audit_section(
        &self,
        value: &Value,
        path: &str,
        is_ignored: &impl Fn(&str) -> bool,
    ) -> Result<(), LoadError> {
        if is_ignored(path) || self.known.borrow().contains(path) {
            return Ok(());
        }
        let Some(section) = value.as_object() else {
            return Err(self.error(path, "is not known to this program".to_owned()));
        };
        section.iter().filter(|(key, _)| *key != "_target_").try_for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.audit_section(value, &path, is_ignored)
        })
    }

    /// The value of a key, which counts as read.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.known.borrow_mut().insert(key.to_owned());
        key.split('.').try_fold(self.root, |value, segment| value.get(segment))
    }

    /// Counts a section as read if it is null, as if it were absent.
    pub fn ignore_if_null(&self, key: &str) {
        if self.root.get(key).is_some_and(Value::is_null) {
            self.known.borrow_mut().insert(key.to_owned());
        }
    }

    /// The class of a section: the last component of its `_target_`, if it has one.
    pub fn class(&self, section: &str) -> Result<Option<&'a str>, LoadError> {
        let key = if section.is_empty() { "_target_".to_owned() } else { format!("{section}._target_") };
        let Some(value) = self.get(&key) else { return Ok(None) };
        match value.as_str() {
            Some(target) => Ok(Some(target.rsplit('.').next().unwrap_or(target))),
            None => self.wrong(&key, value, "the name of a class"),
        }
    }

    /// An error about a key.
    pub fn error(&self, key: &str, reason: String) -> LoadError {
        let key: String = key.escape_debug().take(200).collect();
        LoadError::Config { origin: self.origin.to_owned(), key, reason }
    }

    /// The error for a value of another kind than `expected`; names the cause if the value is a reference to
    /// another key.
    fn wrong<T>(&self, key: &str, value: &Value, expected: &str) -> Result<T, LoadError> {
        let mut shown: String = value.to_string().chars().take(60).collect();
        if value.as_str().is_some_and(|text| text.contains("${")) {
            shown.push_str(", a reference that only Hydra resolves");
        }
        Err(self.error(key, format!("is {shown}, expected {expected}")))
    }

    /// Fails if a key has another value than `expected`, which is JSON, or is absent although it is
    /// `required`.
    pub fn fixed(&self, key: &str, expected: &str, required: bool) -> Result<(), LoadError> {
        let expected: Value = serde_json::from_str(expected).expect("the tables hold JSON");
        let Some(found) = self.get(key) else {
            if required {
                return Err(self.error(key, format!("is absent; it must be {expected}")));
            }
            return Ok(());
        };
        let same = match (found.as_f64(), expected.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => *found == expected,
        };
        if same { Ok(()) } else { self.wrong(key, found, &format!("{expected}: nothing else is supported")) }
    }

    /// A whole number.
    pub fn number(&self, key: &str, default: usize) -> Result<usize, LoadError> {
        self.get(key).map_or(Ok(default), |value| self.whole(key, value))
    }

    /// A number.
    pub fn real(&self, key: &str, default: f64) -> Result<f64, LoadError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_f64().map_or_else(|| self.wrong(key, value, "a number"), Ok)
    }

    /// `value` as a whole number.
    pub fn whole(&self, key: &str, value: &Value) -> Result<usize, LoadError> {
        let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
        number.map_or_else(|| self.wrong(key, value, "a whole number"), Ok)
    }

    /// Fails if a whole number is another one than `expected`.
    pub fn equal(&self, key: &str, default: usize, expected: usize) -> Result<(), LoadError> {
        let found = self.number(key, default)?;
        if found == expected {
            return Ok(());
        }
        Err(self.error(key, format!("is {found}, must be {expected} here")))
    }

    /// True or false.
    pub fn flag(&self, key: &str, default: bool) -> Result<bool, LoadError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_bool().map_or_else(|| self.wrong(key, value, "true or false"), Ok)
    }

    /// A list of whole numbers.
    pub fn list(&self, key: &str, default: &[usize]) -> Result<Vec<usize>, LoadError> {
        let Some(value) = self.get(key) else { return Ok(default.to_vec()) };
        match value.as_array() {
            Some(items) => items.iter().map(|item| self.whole(key, item)).collect(),
            None => self.wrong(key, value, "a list"),
        }
    }

    /// A list of `N` whole numbers.
    pub fn array<const N: usize>(
        &self,
        key: &str,
        default: Option<[usize; N]>,
    ) -> Result<[usize; N], LoadError> {
        let items = self.list(key, default.as_ref().map_or(&[], |default| default))?;
        let found = items.len();
        items.try_into().map_err(|_| self.error(key, format!("has {found} entries, expected {N}")))
    }
}
