//! Resampling and pooling of images and feature maps, channels-last.
//!
//! | function | semantics |
//! |---|---|
//! | [`resize_bilinear`] | `F.interpolate(mode="bilinear", align_corners=False)` |
//! | [`bilinear_above`] | the same of one channel, compared with a threshold |
//! | [`resize_bilinear_antialias`] | the first with `antialias=True`: torchvision's default image resize |
//! | [`resize_bicubic`] | `F.interpolate(mode="bicubic", align_corners=False)`, a = −0.75 |
//! | [`BicubicRows`] | the same, row by row on demand |
//! | [`resize_pil_bicubic_u8`] | `PIL.Image.resize(…, BICUBIC)`, bit for bit, up to Pillow 12 |
//! | [`upsample_nearest_2x_add`] | the top-down sum of a feature pyramid |
//! | [`max_pool_2x2`] | `F.max_pool2d(2, 2)` |
//! | [`average_pool_2x2`] | `F.avg_pool2d(2, 2)` |
//!
//! The float resamplers are one separable engine over a table of taps per axis; they differ in the table
//! only. Products and sums are separate operations in a fixed order, so every instruction set gives the same
//! bits.

mod pil;
mod pool;
mod resize;
mod separable;
mod upsample;

pub use pil::resize_pil_bicubic_u8;
pub use pool::{average_pool_2x2, max_pool_2x2};
pub use resize::{BicubicRows, bilinear_above, resize_bicubic, resize_bilinear, resize_bilinear_antialias};
pub use upsample::upsample_nearest_2x_add;
