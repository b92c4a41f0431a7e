//! What a run reads and what it writes, stated before it begins: no output may be an input, and the files of
//! an earlier run in the output folder are refused, or replaced as a whole.
//!
//! ```
//! use sam2_media::outputs::{Plan, names};
//!
//! # let folder = tempfile::tempdir()?;
//! # let (frames, masks) = (folder.path().join("frames"), folder.path().join("masks"));
//! # std::fs::create_dir(&frames)?;
//! let mut plan = Plan::default();
//! plan.reads_frames(&frames);
//! plan.writes_series(&masks, |name| names::frame(name).is_some());
//! plan.writes_list(masks.join("tracks.jsonl"));
//! plan.check()?;
//! plan.refuse_earlier(false)?; // true: they will be replaced
//! plan.clear()?; // right before the first file is written
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod names;
pub mod plan;

pub use plan::Plan;
pub use sam2_model::atomic::FileId;
