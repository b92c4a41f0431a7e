//! Prompts: clicks, boxes and rough masks, and the files that hold them.

pub mod collection;
pub mod jsonl;
pub mod mask_file;
pub mod prompt;

pub use collection::{Prompts, check_points};
pub use prompt::{BoxPrompt, Click, Prompt, to_points};
