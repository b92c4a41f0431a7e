//! The C library. `include/sam2.h` is generated from the entry points in this crate and states their rules;
//! `README.md` says how to build and link.
//!
//! An entry point converts pointers (`border`), locks its handle (`handle`), runs the engine in the library's
//! threads (`pool`) and turns the result into a status (`status`). Everything else is the engine's.
#![expect(
    clippy::missing_safety_doc,
    reason = "the rules for all pointers stand once, at the top of sam2.h: cbindgen.toml"
)]

mod border;
mod failure;
mod handle;
mod image;
mod masks;
mod model;
mod options;
mod pool;
mod status;
mod tracker;
mod types;
mod video;

pub use image::*;
pub use masks::*;
pub use model::*;
pub use status::*;
pub use tracker::*;
pub use types::*;
pub use video::*;
