//! Files and pictures around the predictors of [`sam2_model`]: frames in, masks and tracks out, prompts of
//! all kinds. Photos, folders, GIFs, Y4M and, through an ffmpeg that is installed, videos are read; nothing
//! is printed.
//!
//! ```
//! use sam2_media::frames::photo;
//! use sam2_media::pictures::{overlay, png};
//! use sam2_model::Frame;
//!
//! # let folder = tempfile::tempdir()?;
//! # let (input, output) = (folder.path().join("photo.png"), folder.path().join("mask.png"));
//! # png::write_rgb(&input, &image::RgbImage::new(4, 2))?;
//! let photo: Frame = photo::read(&input)?;
//! let size = (photo.width() as u32, photo.height() as u32);
//! let inside = vec![true; photo.width() * photo.height()]; // of a predictor
//! png::write_mask(&output, size, &inside)?;
//! let mut drawn = overlay::picture(&photo);
//! overlay::mask(&mut drawn, &inside, overlay::colour(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod error;
pub mod files;
pub mod frames;
pub mod limits;
pub mod pictures;
pub mod prompts;
pub mod protocol;

pub use error::MediaError;
/// The crate whose [`image::RgbImage`] pictures are drawn on.
pub use image;
