//! Names of the frames of a run.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use sam2_media::frames::Clip;
use sam2_media::outputs::names;

/// Names of a run's frames: their numbers, or the names of the frames' files.
#[derive(Clone, Debug, Default)]
pub struct FrameNames(Option<Arc<Stems>>);

#[derive(Debug)]
struct Stems {
    in_order: Vec<String>,
    all: BTreeSet<String>,
}

impl FrameNames {
    /// The names of the files of a folder; `path` is for messages.
    ///
    /// # Errors
    /// If the clip is no folder, or a name is not UTF-8 or occurs twice.
    pub fn of(clip: &Clip, path: &Path) -> Result<Self> {
        let Some(stems) = clip.stems() else {
            bail!("{} is no folder, so its frames have no names for --names-from-input", path.display());
        };
        let mut in_order = Vec::with_capacity(stems.len());
        let mut all = BTreeSet::new();
        for stem in stems {
            let name = stem.to_str().with_context(|| format!("the name {} is not UTF-8", stem.display()))?;
            if !all.insert(name.to_owned()) {
                bail!("two frames of {} have the name {name}", path.display());
            }
            in_order.push(name.to_owned());
        }
        Ok(Self(Some(Arc::new(Stems { in_order, all }))))
    }

    /// The name of a frame.
    pub fn get(&self, index: usize) -> String {
        let stem = self.0.as_ref().and_then(|stems| stems.in_order.get(index));
        stem.cloned().unwrap_or_else(|| format!("{index:05}"))
    }

    /// Whether a mask or an overlay of a run may have this name.
    pub fn is_picture(&self, name: &str) -> bool {
        names::frame(name).is_some() || name.strip_suffix(".png").is_some_and(|stem| self.has(stem))
    }

    /// Whether the logits of a run may have this name.
    pub fn is_logits(&self, name: &str) -> bool {
        let stem = name.strip_suffix(".npy").and_then(|name| name.rsplit_once("_obj"));
        let own = |(stem, id): (&str, &str)| self.has(stem) && id.parse::<u32>().is_ok();
        names::logits(name).is_some() || stem.is_some_and(own)
    }

    fn has(&self, stem: &str) -> bool {
        self.0.as_ref().is_some_and(|stems| stems.all.contains(stem))
    }
}
