//! Why an entry point fails: a status and a line.

use std::any::Any;
use std::error::Error;
use std::io::ErrorKind;

use sam2_model::error::{ImageError, LoadError, PromptError, SessionError, VideoError};

use crate::types::{
    SAM2_BAD_CHECKPOINT, SAM2_BAD_PROMPT, SAM2_BAD_STATE, SAM2_BUSY, SAM2_INTERNAL, SAM2_INVALID_ARGUMENT,
    SAM2_IO, SAM2_UNSUPPORTED, Status,
};

/// A status other than `SAM2_OK`, and the line of `sam2_last_error`.
#[derive(Debug)]
pub struct Failure {
    pub status: Status,
    pub text: String,
}

impl Failure {
    fn new(status: Status, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    pub fn argument(text: impl Into<String>) -> Self {
        Self::new(SAM2_INVALID_ARGUMENT, text)
    }

    pub fn state(text: impl Into<String>) -> Self {
        Self::new(SAM2_BAD_STATE, text)
    }

    pub fn unsupported(text: impl Into<String>) -> Self {
        Self::new(SAM2_UNSUPPORTED, text)
    }

    pub fn prompt(text: impl Into<String>) -> Self {
        Self::new(SAM2_BAD_PROMPT, text)
    }

    /// Another thread is in a call with this handle.
    pub fn busy() -> Self {
        Self::new(SAM2_BUSY, "another thread uses this handle; wait for it, or make a handle for each thread")
    }

    /// A panic in an earlier call left the handle in an unknown state.
    pub fn poisoned() -> Self {
        Self::new(SAM2_INTERNAL, "an internal error left this handle unusable; free it and make a new one")
    }

    pub fn internal(text: &str) -> Self {
        Self::new(SAM2_INTERNAL, format!("internal error: {text}"))
    }

    pub fn panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Self::internal(text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message"))
    }

    fn of(status: Status, error: &(dyn Error + 'static)) -> Self {
        Self::new(status, in_full(error))
    }

    /// A file that cannot be written.
    pub fn write(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(SAM2_IO, format!("cannot write {}: {error}", path.display()))
    }
}

/// A message with its causes, which it does not hold itself, as one line.
fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text.replace(['\n', '\r', '\0'], " ")
}

impl From<PromptError> for Failure {
    fn from(error: PromptError) -> Self {
        Self::of(SAM2_BAD_PROMPT, &error)
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        let status = match &error {
            ImageError::Prompt(_) => SAM2_BAD_PROMPT,
            ImageError::NoImage => SAM2_BAD_STATE,
            _ => SAM2_INVALID_ARGUMENT,
        };
        Self::of(status, &error)
    }
}

impl From<VideoError> for Failure {
    fn from(error: VideoError) -> Self {
        let status = match &error {
            VideoError::Prompt(_) | VideoError::LateBox => SAM2_BAD_PROMPT,
            VideoError::NoFrame | VideoError::NoObject | VideoError::Unprompted(_) => SAM2_BAD_STATE,
            _ => SAM2_INVALID_ARGUMENT,
        };
        Self::of(status, &error)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let status = match &error {
            LoadError::NotFound { .. } | LoadError::Io { .. } => SAM2_IO,
            LoadError::Config { .. } | LoadError::ConfigText { .. } => SAM2_INVALID_ARGUMENT,
            other if is_missing(other) => SAM2_IO,
            _ => SAM2_BAD_CHECKPOINT,
        };
        Self::of(status, &error)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        let is_io = matches!(error, SessionError::Io { .. });
        Self::of(if is_io { SAM2_IO } else { SAM2_BAD_CHECKPOINT }, &error)
    }
}

/// Whether a file is missing.
fn is_missing(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref().is_some_and(|io: &std::io::Error| io.kind() == ErrorKind::NotFound) {
            return true;
        }
        next = error.source();
    }
    false
}
