//! Configuration: the differences between the published models, and of custom models.
//!
//! Constants that are equal in all of Meta's configurations are defined where they are used; a custom
//! configuration with another value, or with an unknown key, is refused by name.

mod document;
mod families;
mod fields;
mod multimask;
mod reader;
mod samurai;
#[cfg(test)]
mod tests;
mod trunk;
mod video;

use std::io;
use std::path::Path;

use serde_json::Value;

use crate::error::LoadError;
use crate::text::{self, TextError};
pub(crate) use families::{Shapes, Unidentified, identify, recognise};
pub(crate) use fields::PERCEIVER_SIDE;
pub use fields::{Config, CrossAttention, Family};
pub use multimask::DynamicMultimask;
use reader::Reader;
pub use samurai::SamuraiConfig;
pub use trunk::{HieraConfig, TrunkConfig, VitConfig};
pub use video::VideoConfig;

/// Longer texts are not configurations, bytes. Meta's have 4,000.
const MAX_TEXT: usize = 128 << 10;
/// Nodes that the aliases of a YAML text may repeat: each may be as long as the text.
const MAX_REPEATED: usize = 1000;

impl Config {
    /// A published model of SAM 2 by name and version.
    ///
    /// `size` is one of `tiny`, `small`, `base_plus`, `large`.
    ///
    /// ```
    /// # use sam2_model::config::Config;
    /// let tiny = Config::published("tiny", true).expect("a published model");
    /// assert_eq!((tiny.variant.as_str(), tiny.image_size), ("SAM 2.1 tiny", 1024));
    /// assert!(Config::published("huge", true).is_none());
    /// ```
    pub fn published(size: &str, v21: bool) -> Option<Self> {
        families::published(size, v21)
    }

    /// A published model of any family by the name of its checkpoint, without extension, such as
    /// `sam2.1_hiera_tiny` or `efficienttam_ti_512x512`.
    pub fn named(name: &str) -> Option<Self> {
        let mut published = families::all_published().into_iter();
        published.find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, config)| config)
    }

    /// The names that [`Self::named`] knows.
    pub fn names() -> Vec<String> {
        families::all_published().into_iter().map(|(name, _)| name).collect()
    }

    /// The JSON form that [`Self::from_json`] reads as the same model.
    pub fn to_json(&self) -> String {
        families::write(self).to_string()
    }

    /// From a file: one of Meta's YAML files, or its JSON form; the whole of it or its `model` section.
    ///
    /// ```
    /// # use sam2_model::config::Config;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("sam2.1_micro.yaml");
    /// # std::fs::write(&path, sam2_micro::CONFIG)?;
    /// let config = Config::open(&path)?; // such as configs/sam2.1/sam2.1_hiera_t.yaml of Meta
    /// assert_eq!(&config, sam2_micro::model().config());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read, or as [`Self::from_json`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let io = |source| LoadError::Io { path: path.to_owned(), source };
        let text = text::read(path, MAX_TEXT as u64).map_err(|error| match error {
            TextError::Io(source) => io(source),
            TextError::TooLong(_) => {
                io(io::Error::other("too long for a configuration; is it the checkpoint?"))
            }
            other => io(io::Error::other(format!("{other}, so no configuration"))),
        })?;
        Self::from_yaml(&text, &path.display().to_string())
    }

    /// From the text of one of Meta's YAML files, the whole of it or its `model` section. JSON is YAML too.
    ///
    /// ```
    /// # use sam2_model::config::Config;
    /// let text = sam2_micro::CONFIG.replace("image_size: 256", "image_size: 512");
    /// let config = Config::from_yaml(&text, "sam2.1_micro.yaml")?;
    /// assert_eq!(config.image_size, 512);
    /// # Ok::<(), sam2_model::error::LoadError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn from_yaml(text: &str, origin: &str) -> Result<Self, LoadError> {
        let not_one = |reason: String| LoadError::ConfigText { origin: origin.to_owned(), reason };
        if text.len() > MAX_TEXT {
            return Err(not_one(format!("it has {} bytes, {MAX_TEXT} are read", text.len())));
        }
        let mut options = serde_saphyr::Options::default();
        options.alias_limits.max_total_replayed_events = MAX_REPEATED;
        // A byte order mark is what editors on Windows put first.
        let text = text.trim_start_matches('\u{feff}');
        let root: Value = serde_saphyr::from_str_with_options(text, options).map_err(|e| {
            let text = e.to_string();
            let line = text.lines().next().unwrap_or_default();
            // Advice to programmers.
            let line = [", set DuplicateKeyPolicy", "; use from_str_multiple", " by the configured policy"]
                .iter()
                .fold(line, |line, advice| line.split(advice).next().unwrap_or(line));
            let reason: String = line.strip_prefix("error: ").unwrap_or(line).chars().take(200).collect();
            not_one(reason.escape_debug().to_string())
        })?;
        Self::from_value(root, origin)
    }

    /// From the JSON form of one of Meta's YAML files, the whole of it or its `model` section. A key that is
    /// absent means the default of Meta's class.
    ///
    /// ```
    /// # use sam2_model::config::Config;
    /// # let config: serde_json::Value = serde_saphyr::from_str(sam2_micro::CONFIG)?;
    /// # let text = config.to_string();
    /// let config = Config::from_json(&text, "sam2.1_micro.json")?;
    /// assert_eq!(config.image_size, 256);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If a key is unknown, or its value has the wrong type or is unsupported.
    pub fn from_json(text: &str, origin: &str) -> Result<Self, LoadError> {
        let wrong = |reason: String| LoadError::Config {
            origin: origin.to_owned(),
            key: "sam2.config".to_owned(),
            reason,
        };
        if text.len() > MAX_TEXT {
            return Err(wrong(format!("has {} bytes, {MAX_TEXT} are read", text.len())));
        }
        Self::from_value(serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?, origin)
    }

    fn from_value(root: Value, origin: &str) -> Result<Self, LoadError> {
        let section = document::model_section(root).map_err(|key| {
            let key: String = key.chars().take(200).collect();
            LoadError::Config {
                origin: origin.to_owned(),
                key: key.escape_debug().to_string(),
                reason: "is not known to this program; keys of the model belong into its section".to_owned(),
            }
        })?;
        let section = section.ok_or_else(|| {
            let reason = "it has no section image_encoder, alone or in a section model".to_owned();
            LoadError::ConfigText { origin: origin.to_owned(), reason }
        })?;
        let config = families::read(&Reader::new(&section, origin))?;
        config.check(origin)?;
        Ok(families::published_like(&config).unwrap_or(config))
    }
}
