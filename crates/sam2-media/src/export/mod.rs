//! Results of tracking and segmentation in the files of other tools: annotation formats, overlays, cut-outs.
//!
//! [`results::read`] reads what the commands have written, or a program fills a [`Set`] itself;
//! [`Job::write`] writes it in a [`Format`].
//!
//! ```
//! use sam2_media::export::{Classes, Format, Job, Object, Options, Picture, Set};
//! use sam2_model::Mask;
//!
//! # let folder = tempfile::tempdir()?;
//! # let out = folder.path().join("instances.json");
//! let mask = Mask::new(3, 2, vec![false, true, true, false, true, false])?; // of a predictor
//! let objects = vec![Object { id: 1, score: None, rle: mask.rle() }];
//! let mut set = Set::new("photo", (3, 2));
//! set.frames.push(Picture { index: 0, file: "photo.jpg".to_owned(), objects });
//! set.classes = Classes::new(None, "1=car", &set.ids())?;
//! let job = Job::new(Format::Coco, out.clone(), Options::default())?;
//! let remarks = job.write(&set, None)?; // what a user should know
//! assert!(remarks.is_empty() && std::fs::read_to_string(&out)?.contains("\"car\""));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod classes;
mod coco;
mod film;
mod format;
mod images;
mod job;
mod json;
mod labelme;
mod mot;
mod outline;
mod place;
pub mod results;
mod sav;
mod set;
#[cfg(test)]
mod tests;
mod yolo;
mod ytvis;

pub use classes::Classes;
pub use format::{Format, Options};
pub use images::Images;
pub use job::Job;
pub use set::{Object, Picture, Set, name_of};
