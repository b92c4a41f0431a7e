#![doc = include_str!("../../../README.md")]
#![deny(unsafe_code)]

mod atomic;
mod components;
mod config;
mod error;
mod image_encoder;
mod mask_decoder;
mod memory_attention;
mod memory_bank;
mod memory_encoder;
mod memory_policy;
mod model;
mod nn;
mod position_encoding;
mod precision;
mod predictor;
mod prompt_encoder;
mod sam_heads;
mod shared_frame;
mod tap;
mod transforms;
mod weights;
mod workspace;

#[doc(hidden)]
pub mod modules;

pub use config::{Config, SamuraiConfig, TrunkConfig};
pub use error::{ConvertError, EmbeddingError, LoadError, PromptError, SessionError};
pub use image_encoder::Features;
pub use memory_bank::Direction;
pub use memory_policy::MemoryPolicyKind;
pub use model::{Model, ModelOptions, Summary};
pub use precision::Precision;
pub use predictor::automatic::{AutomaticMaskGenerator, AutomaticOptions, Record, Rle};
pub use predictor::image::{
    ImageBatch, ImageEmbedding, ImageOptions, ImagePredictor, ImagePrompt, Prediction,
};
pub use predictor::mask::{Mask, mask_to_logits};
pub use predictor::polygon::Polygon;
pub use predictor::prompt::{Frame, Points};
pub use predictor::tracker::Tracker;
pub use predictor::video::{
    FrameOutput, Keep, ObjectEvent, ObjectOutput, Pass, VideoInfo, VideoOptions, VideoPredictor,
};
pub use tap::{NoTap, Tap};
pub use weights::{ConvertOptions, Converted, DType, Naming, convert};
pub use workspace::Workspace;
