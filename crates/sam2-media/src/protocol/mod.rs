//! The JSON lines of `sam2 stream`: commands in, answers out.

pub mod answer;
pub mod feed;

pub use answer::{ObjectLine, TrackLine};
pub use feed::{Command, Commands, Order};
