//! SAM 2 and SAM 2.1 on the CPU: masks of objects in images, clips and streams from clicks, boxes or masks.
//! Reads the published checkpoints without conversion. Needs no GPU, Python or network, and has no global
//! state.
//!
//! ```
//! use sam2_model::{Frame, ImagePredictor, Points};
//!
//! let model = sam2_micro::model(); // or Model::open("sam2.1_hiera_tiny.pt")?
//! let photo = Frame::new(160, 120, vec![128; 160 * 120 * 3])?; // 8-bit RGB, row by row
//! let mut predictor = ImagePredictor::new(model);
//! predictor.set_image(&photo); // once per photo
//! let prediction = predictor.predict(&Points::click(80.0, 60.0).into())?; // once per prompt
//! let mask = prediction.mask(prediction.best());
//! println!("{} pixels, predicted IoU {}", mask.area(), prediction.ious()[prediction.best()]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```
//! use sam2_model::video::VideoOptions;
//! use sam2_model::{Frame, Points, Tracker};
//!
//! let model = sam2_micro::model(); // or Model::open("sam2.1_hiera_tiny.pt")?
//! let mut tracker = Tracker::new(model, 160, 120, VideoOptions::default())?;
//! for frame_idx in 0..3 {
//!     let frame = Frame::new(160, 120, vec![128; 160 * 120 * 3])?; // the next frame of a camera
//!     let output = tracker.push(&frame)?; // objects are tracked into it
//!     if frame_idx == 0 {
//!         tracker.add_points(1, &Points::bbox(40.0, 30.0, 120.0, 90.0))?; // object 1
//!     } else {
//!         println!("frame {frame_idx}: {} pixels", output.mask(0).area());
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # From Python
//!
//! | Meta's Python | here |
//! |---|---|
//! | `build_sam2(config, checkpoint)` | [`Model::open`], [`Model::open_with`], [`Model::from_bytes`] |
//! | `SAM2ImagePredictor(model, …)` | [`ImagePredictor`], [`image::ImageOptions`] |
//! | `.set_image`, `.set_image_batch` | [`ImagePredictor::set_image`], [`image::ImageBatch`] |
//! | `.predict(point_coords, …)` | [`ImagePredictor::predict`] with an [`image::ImagePrompt`] |
//! | `.get_image_embedding()` | [`image::ImageEmbedding::image_embed`] |
//! | `SAM2VideoPredictor.init_state(path)` | [`VideoPredictor::new`]; the caller decodes the frames |
//! | `.add_new_points_or_box(…)` | [`VideoPredictor::add_points`] |
//! | … with `clear_old_points=False` | [`VideoPredictor::add_more_points`] |
//! | `.add_new_mask(…)` | [`VideoPredictor::add_mask`] |
//! | `.propagate_in_video(…)` | [`VideoPredictor::begin`], [`VideoPredictor::track_frame`] |
//! | `.clear_all_prompts_in_frame(…)` | [`VideoPredictor::clear_prompts`] |
//! | `.remove_object(…)`, `.reset_state(…)` | [`VideoPredictor::remove_object`], [`VideoPredictor::reset`] |
//! | `SAM2AutomaticMaskGenerator.generate` | [`automatic::AutomaticMaskGenerator::generate`] |
//! | `point_labels` 1, 0, 2, 3, −1 | [`types::Label`] |
//! | `++model.…` overrides | [`config::Config`], [`video::VideoOptions`] and its `of` |
//!
//! Memory policies besides Meta's: SAMURAI, DAM4SAM and SAM2Long have names; any other implements
//! [`policy::MemoryPolicy`].
//!
//! # Threads
//!
//! Work runs in the current [rayon](https://docs.rs/rayon) pool; results are the same bits for any number of
//! threads. [`Model`] is immutable and shared behind an `Arc`. [`ImagePredictor::predict`] takes `&self`, so
//! several threads can decode prompts about one picture. [`VideoPredictor`] and [`Tracker`] are `Send` and
//! belong to one thread at a time.
//!
//! # Memory
//!
//! A model holds its weights once: 156 MB for tiny in single precision. An encoded picture of a published
//! model takes 20 MB. Tracking keeps a constant amount per object for any length of the video; see
//! [`video::Retention`].
//!
//! # Errors and panics
//!
//! Files and prompts are checked: every failure is an [`error`] of one line that names the cause and the
//! remedy. A method panics only where its documentation says so, for an index that is out of range.
//!
//! # Features
//!
//! `image`: conversions between [`Frame`], [`Mask`] and the types of the crate `image`.
#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod atomic;
mod components;
pub mod config;
pub mod error;
mod features;
mod heads;
mod image_encoder;
mod mask_decoder;
mod memory;
mod model;
mod neck;
mod nn;
mod precision;
mod predictor;
mod prompt_encoder;
pub mod published;
mod scores;
mod shared_frame;
mod tap;
#[doc(hidden)]
pub mod text;
mod transforms;
mod trunk;
pub mod types;
mod weights;
mod workspace;

#[cfg(feature = "inspect")]
#[doc(hidden)]
pub mod inspect;

pub use model::{Model, ModelOptions};
pub use predictor::image::ImagePredictor;
pub use predictor::tracker::Tracker;
pub use predictor::video::VideoPredictor;
pub use types::{Frame, FrameView, Mask, PixelFormat, Points, Rle};

/// Options of [`Model::open_with`] and the description of a checkpoint.
pub mod models {
    pub use crate::model::{Model, ModelOptions, ModelSummary};
    pub use crate::precision::Precision;
    pub use crate::weights::{WeightCopy, checkpoint_files};
}

/// Masks in single images.
pub mod image {
    pub use crate::predictor::image::{
        ImageBatch, ImageEmbedding, ImageOptions, ImagePredictor, ImagePrompt, Multimask, Prediction,
    };
}

/// Masks through clips and streams.
pub mod video {
    pub use crate::heads::NO_OBJ_SCORE;
    pub use crate::memory::bank::Direction;
    pub use crate::memory::policy::MemoryPolicyKind;
    pub use crate::predictor::tracker::Tracker;
    pub use crate::predictor::video::{
        FrameOutput, ObjectEvent, ObjectOutput, Retention, TrackRange, VideoInfo, VideoOptions,
        VideoPredictor, suppress_overlap,
    };
}

/// Memory policies: names of the built-in ones, and the interface of others.
pub mod policy {
    pub use crate::memory::policy::{
        CustomPolicy as MemoryPolicy, History, MaskCandidates, MemoryPolicyKind, TrackedFrame,
    };
}

/// All masks of an image, without a prompt.
pub mod automatic {
    pub use crate::predictor::automatic::{AutomaticMaskGenerator, AutomaticOptions, MaskRecord};
}

/// Conversion of checkpoints between formats.
pub mod convert {
    pub use crate::weights::{ConvertOptions, ConvertReport, DType, Naming, convert};
}

/// Intermediate results of the model and its buffers, for tests, benches and own pipelines.
pub mod advanced {
    pub use crate::features::Features;
    pub use crate::tap::{NoTap, Tap};
    pub use crate::workspace::Workspace;
}

/// Bounds that callers rely on, checked when the crate is compiled.
#[cfg(test)]
mod bounds {
    use super::*;

    const fn shared<T: Send + Sync>() {}
    const fn sent<T: Send>() {}

    const _: () = {
        shared::<Model>();
        shared::<ImagePredictor>();
        shared::<image::ImageEmbedding>();
        sent::<VideoPredictor>();
        sent::<Tracker>();
        sent::<automatic::AutomaticMaskGenerator>();
        sent::<video::FrameOutput>();
    };
}
