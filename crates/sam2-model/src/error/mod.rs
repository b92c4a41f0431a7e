//! Errors, one family per file. Each is one line: the thing, the cause, what to do.

mod export;
mod image;
mod load;
mod prompt;
mod session;
mod video;

pub use export::ConvertError;
pub use image::{EmbeddingError, ImageError, RleError};
pub use load::LoadError;
pub use prompt::PromptError;
pub use session::SessionError;
pub use video::VideoError;
