//! The published checkpoints: their names, and where their files are on this machine. Nothing is downloaded.
//!
//! ```no_run
//! use sam2_model::{Model, published};
//!
//! let file = published::find("tiny", &published::Places::from_env())?; // or "facebook/sam2.1-hiera-tiny"
//! let model = Model::open(file)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod find;
mod table;

pub use find::{Places, find};
pub use table::{ALL, Published, named};
