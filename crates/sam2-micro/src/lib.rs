//! A small SAM 2.1 embedded as bytes, so that tests, examples and first trials need no download.
//!
//! 4.16 M parameters in half precision, 256×256 pixels, trained on drawn and rendered scenes; its masks
//! of photos are rough. Beside it are the clips of `sam2 demo`, with prompts and ground truth.
//!
//! ```
//! use sam2_model::{Frame, ImagePredictor, Points};
//!
//! let mut predictor = ImagePredictor::new(sam2_micro::model());
//! predictor.set_image(&Frame::new(64, 64, vec![128; 64 * 64 * 3])?);
//! assert_eq!(predictor.predict(&Points::click(32.0, 32.0).into())?.len(), 3);
//! # Ok::<(), sam2_model::error::ImageError>(())
//! ```
#![forbid(unsafe_code)]

use std::sync::{Arc, OnceLock};

use sam2_model::error::LoadError;
use sam2_model::{Model, ModelOptions};

/// Name of the embedded checkpoint in error messages.
pub const NAME: &str = "embedded sam2.1_micro";

/// The checkpoint, a safetensors file of 8.4 MB.
pub const CHECKPOINT: &[u8] = include_bytes!("../assets/sam2.1_micro.safetensors");

/// Its configuration in the form of Meta's YAML files. Loading does not need it.
pub const CONFIG: &str = include_str!("../assets/sam2.1_micro.yaml");

/// An animated GIF in which an identical distractor passes in front of the object.
pub const DEMO_CLIP: &[u8] = include_bytes!("../assets/demo.gif");

/// Ground truth of [`DEMO_CLIP`]: an animated GIF of the same size and length, white where the object is.
pub const DEMO_TRUTH: &[u8] = include_bytes!("../assets/demo_truth.gif");

/// The prompt for [`DEMO_CLIP`], a click on the object, as one JSON line.
pub const DEMO_PROMPTS: &str = include_str!("../assets/demo_prompts.jsonl");

/// An animated GIF of rendered 3-D models: a car drives along a street behind others.
pub const RENDERED_CLIP: &[u8] = include_bytes!("../assets/rendered.gif");

/// Ground truth of [`RENDERED_CLIP`], as [`DEMO_TRUTH`].
pub const RENDERED_TRUTH: &[u8] = include_bytes!("../assets/rendered_truth.gif");

/// The prompt for [`RENDERED_CLIP`], as [`DEMO_PROMPTS`].
pub const RENDERED_PROMPTS: &str = include_str!("../assets/rendered_prompts.jsonl");

/// The embedded model with default options, loaded once per process and shared.
///
/// ```
/// assert_eq!(sam2_micro::model().config().image_size, 256);
/// ```
pub fn model() -> Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    let load = || open(&ModelOptions::default()).expect("a test loads the embedded checkpoint");
    MODEL.get_or_init(load).clone()
}

/// Loads the embedded model with other options, for instance in 8 bits.
///
/// ```
/// use sam2_model::models::{ModelOptions, Precision};
///
/// let model = sam2_micro::open(&ModelOptions::default().precision(Precision::Int8))?;
/// assert_eq!(model.precision(), Precision::Int8);
/// # Ok::<(), sam2_model::error::LoadError>(())
/// ```
///
/// # Errors
/// If the options do not fit the model, such as an image size that is no multiple of 64.
pub fn open(options: &ModelOptions) -> Result<Arc<Model>, LoadError> {
    Model::from_bytes_with(CHECKPOINT, NAME, options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sam2_model::config::Config;

    #[test]
    fn the_checkpoint_loads_once_and_fits_its_configuration() {
        assert!(Arc::ptr_eq(&model(), &model()));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/sam2.1_micro.yaml");
        assert_eq!(&Config::open(path).expect("the configuration"), model().config());
    }

    #[test]
    fn options_are_checked() {
        let options = ModelOptions::default().image_size(100);
        assert!(open(&options).expect_err("not a multiple of 64").to_string().contains("multiple of 64"));
    }
}
