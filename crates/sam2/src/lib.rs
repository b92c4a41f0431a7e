//! Segment Anything 2 on the CPU: a click, a box or a mask selects an object in a picture, a clip or a
//! stream, and the result is its mask there. SAM 2 and SAM 2.1 checkpoints are read as published. No GPU, no
//! Python, no network.
//!
//! ```
//! use sam2::{ImagePredictor, Points, embedded};
//!
//! let clip = sam2::media::frames::Clip::embedded(embedded::DEMO_CLIP)?; // or photo::read("photo.jpg")
//! let (_, photo) = clip.frames_from(0)?.next().expect("it has frames")?;
//! let mut predictor = ImagePredictor::new(embedded::model()); // or Model::open("sam2.1_hiera_tiny.pt")?
//! predictor.set_image(&photo); // once per picture
//! let prediction = predictor.predict(&Points::click(109.5, 90.5).into())?; // once per prompt
//! let mask = prediction.mask(prediction.best());
//! assert!(mask.area() > 100, "{} pixels", mask.area());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```
//! use sam2::video::VideoOptions;
//! use sam2::{Points, Tracker, embedded};
//!
//! let clip = sam2::media::frames::Clip::embedded(embedded::DEMO_CLIP)?; // or the frames of a camera
//! let (width, height) = (clip.size().0 as usize, clip.size().1 as usize);
//! let mut tracker = Tracker::new(embedded::model(), width, height, VideoOptions::default())?;
//! for item in clip.frames_from(0)?.take(3) {
//!     let (frame_idx, frame) = item?;
//!     let output = tracker.push(&frame)?; // objects are tracked into the frame
//!     if frame_idx == 0 {
//!         tracker.add_points(1, &Points::click(109.5, 90.5))?; // object 1; prompts may come at any time
//!     } else {
//!         assert!(output.mask(0).area() > 100, "frame {frame_idx}");
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! This crate re-exports [`sam2_model`], whose front page has a table of Meta's Python names and says more
//! about threads, memory, errors and panics.
//!
//! # From Python
//!
//! | Meta's Python | here |
//! |---|---|
//! | `build_sam2(config, checkpoint)` | [`Model::open`] |
//! | `SAM2ImagePredictor` | [`ImagePredictor`] |
//! | `SAM2VideoPredictor` | [`VideoPredictor`] for clips, [`Tracker`] for streams |
//! | `SAM2AutomaticMaskGenerator` | [`automatic::AutomaticMaskGenerator`] |
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `embedded` (default) | `sam2::embedded`: a small model and a clip, in a program only if it uses them |
//! | `media` | `sam2::media`: photos, clips, videos through an installed ffmpeg; PNGs, overlays, JSON lines |
//! | `image` | conversions between [`Frame`], [`FrameView`], [`Mask`] and the types of the crate `image` |
//!
//! # Threads, memory, errors, panics
//!
//! Work runs in the current rayon pool, with the same bits for any number of threads. [`Model`] is shared
//! between threads, predictors belong to one thread at a time. Memory does not grow with the length of a
//! video. Every failure is an [`error`] of one line that names the cause and the remedy; a method panics only
//! where its documentation says so.
#![forbid(unsafe_code)]

#[doc(inline)]
pub use sam2_model::*;

#[cfg(feature = "embedded")]
#[doc(inline)]
pub use sam2_micro as embedded;

#[cfg(feature = "media")]
#[doc(inline)]
pub use sam2_media as media;
