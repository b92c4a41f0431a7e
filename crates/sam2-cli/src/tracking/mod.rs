//! Tracking through a clip, shared by `sam2 track` and `sam2 demo`.

pub mod clip;
pub mod frame_names;
pub mod once;
pub mod prompted;
pub mod stats;
pub mod writer;

pub use clip::{Span, follow};
pub use frame_names::FrameNames;
pub use stats::Stats;
pub use writer::{Overlay, Writer, draw};
