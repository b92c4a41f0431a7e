//! The program as its users run it. One binary, so that shared code is compiled once.

mod common;

mod bad_checkpoint;
mod bad_input;
mod bench;
#[cfg(unix)]
mod camera;
mod clips;
mod command_line;
mod compare;
mod config;
mod convert;
mod eval;
mod everything;
mod export;
mod families;
#[cfg(debug_assertions)]
mod faults;
mod ffmpeg;
mod help;
mod kills;
mod limits;
mod log;
mod outputs;
mod pictures;
mod prompts;
mod saved;
mod segment;
mod serve;
mod stream;
mod stream_input;
mod track;
mod vos;
