//! Prompts: clicks, boxes and rough masks, and the files that hold them.

pub mod array_file;
pub mod check;
pub mod collection;
pub mod convention;
mod document;
pub(crate) mod fields;
pub mod jsonl;
pub mod mask_file;
pub mod prompt;

pub use check::check_points;
pub use collection::{PromptLine, Prompts, Target};
pub use convention::{BoxFormat, Convention, looks_normalized};
pub use prompt::{BoxPrompt, Click, Prompt, to_points};
