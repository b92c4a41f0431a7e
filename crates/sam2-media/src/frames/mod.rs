//! Frames of photos, folders, animated pictures, TIFF pages, Y4M, Motion JPEG, bare RGB and, through ffmpeg,
//! videos and cameras.
//!
//! A [`Clip`] has a size and a length and can be read several times; it keeps no frames. A [`Stream`] is
//! stdin or a pipe, which can be read once.

pub mod animation;
pub mod camera;
mod child;
pub mod clip;
pub mod encode;
mod ending;
pub mod ffmpeg;
pub mod folder;
pub mod gif;
pub mod iter;
pub mod mjpeg;
pub mod natural;
mod ogg;
pub mod pages;
pub mod photo;
pub mod raw;
pub mod still;
pub mod stream;
#[cfg(test)]
mod tests;
mod webp;
pub mod y4m;
pub mod yuv;

pub use clip::{Clip, Input};
pub use iter::{FrameIter, Walk};
pub use raw::RawSize;
pub use stream::Stream;
