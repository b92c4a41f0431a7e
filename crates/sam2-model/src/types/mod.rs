//! Types that every layer may hold: pictures and prompts in, masks out. They use nothing above [`crate::error`].

mod frame;
mod mask;
mod points;
mod polygon;
mod rle;

pub use frame::Frame;
pub use mask::{Mask, mask_to_logits};
pub use points::Points;
pub use polygon::Polygon;
pub use rle::Rle;
