//! The server of `sam2 serve`: a page on this machine in which pictures and clips are clicked at, tracked and
//! exported.
//!
//! One thread speaks HTTP and never touches the model. One answers clicks, one tracks, one reads files. What
//! was prompted and tracked is in the session file before it is answered.
#![forbid(unsafe_code)]

mod api;
mod app;
mod assets;
mod engine;
mod error;
mod events;
mod export;
mod frames;
mod guard;
mod http;
mod jobs;
mod limits;
mod media;
mod private;
mod queue;
mod server;
mod session;
mod spool;
mod state;
mod wire;

pub use error::ServeError;
pub use server::{Options, Server};
