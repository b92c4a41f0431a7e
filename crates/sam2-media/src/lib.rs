//! Files and images for the predictors of [`sam2_model`]: readers of frames and prompts, writers of masks and
//! tracks. Reads photos, folders, animated pictures, TIFF pages, Y4M, Motion JPEG and, through an installed
//! ffmpeg, videos. Prints nothing.
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

mod decode;
pub mod error;
pub mod export;
pub mod files;
pub mod frames;
pub mod limits;
pub mod outputs;
pub mod pictures;
pub mod prompts;
pub mod protocol;
pub mod size;
pub mod text;

pub use decode::guard::decoding;
pub use error::MediaError;
/// Re-export: images are drawn on [`image::RgbImage`].
pub use image;
