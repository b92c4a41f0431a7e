//! One module per command: its arguments and its `run`.

pub mod bench;
pub mod compare;
pub mod completions;
pub mod convert;
pub mod demo;
pub mod eval;
pub mod everything;
pub mod export;
pub mod info;
pub mod man;
pub mod segment;
#[cfg(feature = "serve")]
pub mod serve;
pub mod stream;
pub mod track;
pub mod vos;
