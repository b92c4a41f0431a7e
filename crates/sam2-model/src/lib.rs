#![doc = include_str!("../../../README.md")]
#![deny(unsafe_code)]

mod atomic;
mod components;
mod config;
mod error;
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
mod scores;
mod shared_frame;
mod tap;
mod transforms;
mod trunk;
mod types;
mod weights;
mod workspace;

#[doc(hidden)]
pub mod inspect;

pub use config::{Config, SamuraiConfig, TrunkConfig};
pub use error::{ConvertError, EmbeddingError, LoadError, PromptError, SessionError};
pub use image_encoder::Features;
pub use memory::bank::Direction;
pub use memory::policy::MemoryPolicyKind;
pub use model::{Model, ModelOptions, Summary};
pub use precision::Precision;
pub use predictor::automatic::{AutomaticMaskGenerator, AutomaticOptions, Record};
pub use predictor::image::{
    ImageBatch, ImageEmbedding, ImageOptions, ImagePredictor, ImagePrompt, Prediction,
};
pub use predictor::tracker::Tracker;
pub use predictor::video::{
    FrameOutput, Keep, ObjectEvent, ObjectOutput, Pass, VideoInfo, VideoOptions, VideoPredictor,
};
pub use tap::{NoTap, Tap};
pub use types::{Frame, Mask, Points, Polygon, Rle, mask_to_logits};
pub use weights::{ConvertOptions, Converted, DType, Naming, convert};
pub use workspace::Workspace;
