//! The model and the clip inside this program. Without the feature `embedded` there are none, and the
//! functions say so.

use std::sync::Arc;

use anyhow::Result;
use sam2_model::{Model, ModelOptions};

/// Addresses of the published checkpoints.
pub const PUBLISHED_NOTE: &str = "https://dl.fbaipublicfiles.com/segment_anything_2/092824/\
                                  sam2.1_hiera_{tiny,small,base_plus,large}.pt \
                                  (Hugging Face: facebook/sam2.1-hiera-*); -m takes them as they are";

/// A clip of `sam2 demo`.
pub struct Demo {
    /// What it shows.
    pub name: &'static str,
    /// An animated GIF.
    pub clip: &'static [u8],
    /// An animated GIF that is white where the object is.
    pub truth: &'static [u8],
    /// JSON lines.
    pub prompts: &'static str,
}

#[cfg(feature = "embedded")]
mod files {
    use super::{Arc, Demo, Model, ModelOptions, Result};

    pub fn model(options: &ModelOptions) -> Result<Arc<Model>> {
        Ok(sam2_micro::open(options)?)
    }

    pub fn demos() -> Result<[Demo; 2]> {
        let drawn = Demo {
            name: "drawn",
            clip: sam2_micro::DEMO_CLIP,
            truth: sam2_micro::DEMO_TRUTH,
            prompts: sam2_micro::DEMO_PROMPTS,
        };
        let rendered = Demo {
            name: "rendered",
            clip: sam2_micro::RENDERED_CLIP,
            truth: sam2_micro::RENDERED_TRUTH,
            prompts: sam2_micro::RENDERED_PROMPTS,
        };
        Ok([drawn, rendered])
    }
}

#[cfg(not(feature = "embedded"))]
mod files {
    use anyhow::bail;

    use super::{Arc, Demo, Model, ModelOptions, PUBLISHED_NOTE, Result};

    pub fn model(_: &ModelOptions) -> Result<Arc<Model>> {
        bail!(
            "this build has no embedded model: give a checkpoint with --model or SAM2_MODEL; published ones: \
             {PUBLISHED_NOTE}"
        )
    }

    pub fn demos() -> Result<[Demo; 2]> {
        bail!(
            "this build has no embedded model and no clip: build it with the feature `embedded` for the demo"
        )
    }
}

/// The embedded model.
///
/// # Errors
/// If this build has none, or the options do not fit it.
pub fn model(options: &ModelOptions) -> Result<Arc<Model>> {
    files::model(options)
}

/// The embedded clips: of drawn shapes, and of rendered things.
///
/// # Errors
/// If this build has none.
pub fn demos() -> Result<[Demo; 2]> {
    files::demos()
}
