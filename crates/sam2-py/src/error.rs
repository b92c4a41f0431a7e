//! Errors of the engine as Python exceptions.

use std::error::Error;
use std::io::ErrorKind;

use pyo3::exceptions::{
    PyFileNotFoundError, PyIndexError, PyMemoryError, PyOSError, PyRuntimeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::types::PyType;
use sam2_media::error::{MediaError, in_full};
use sam2_model::error::{EmbeddingError, ImageError, LoadError, PromptError, SessionError, VideoError};

/// An error, by the exception that it becomes.
pub enum Fault {
    /// `sam2_cpu.PromptError`.
    Prompt(String),
    /// `sam2_cpu.CheckpointError`.
    Checkpoint(String),
    /// `FileNotFoundError`.
    NotFound(String),
    /// `IndexError`.
    Index(String),
    /// `MemoryError`.
    Memory(String),
    /// `OSError`.
    System(String),
    /// `ValueError`.
    Value(String),
    /// `RuntimeError`.
    Runtime(String),
    /// A panic has left the object in an unknown state.
    Unusable,
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

impl From<PromptError> for Fault {
    fn from(error: PromptError) -> Self {
        Self::Prompt(in_full(&error))
    }
}

impl From<ImageError> for Fault {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Prompt(error) => error.into(),
            error => Self::Value(in_full(&error)),
        }
    }
}

impl From<VideoError> for Fault {
    fn from(error: VideoError) -> Self {
        match error {
            VideoError::Prompt(error) => error.into(),
            VideoError::FrameIndex { .. } => Self::Index(in_full(&error)),
            VideoError::NoObject | VideoError::Unprompted(_) => Self::Runtime(in_full(&error)),
            error => Self::Value(in_full(&error)),
        }
    }
}

impl From<LoadError> for Fault {
    fn from(error: LoadError) -> Self {
        let text = in_full(&error);
        match error {
            LoadError::NotFound { .. } => Self::NotFound(text),
            LoadError::Memory(_) => Self::Memory(text),
            LoadError::Config { .. } | LoadError::ConfigText { .. } => Self::Value(text),
            error if is_missing(&error) => Self::NotFound(text),
            _ => Self::Checkpoint(text),
        }
    }
}

/// An error of a file of ours.
fn of_file(error: &(dyn Error + 'static), is_io: bool) -> Fault {
    let text = in_full(error);
    match is_io {
        true if is_missing(error) => Fault::NotFound(text),
        true => Fault::System(text),
        false => Fault::Value(text),
    }
}

impl From<EmbeddingError> for Fault {
    fn from(error: EmbeddingError) -> Self {
        of_file(&error, matches!(error, EmbeddingError::Io { .. }))
    }
}

impl From<SessionError> for Fault {
    fn from(error: SessionError) -> Self {
        of_file(&error, matches!(error, SessionError::Io { .. }))
    }
}

impl From<MediaError> for Fault {
    fn from(error: MediaError) -> Self {
        let text = in_full(&error);
        if is_missing(&error) { Self::NotFound(text) } else { Self::Runtime(text) }
    }
}

/// An exception of the package's own.
fn own(class: &str, text: String) -> PyErr {
    Python::attach(|py| {
        let found = py.import("sam2_cpu._errors").and_then(|module| module.getattr(class));
        match found.and_then(|class| Ok(class.cast_into::<PyType>()?)) {
            Ok(class) => PyErr::from_type(class, (text,)),
            Err(error) => error,
        }
    })
}

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Prompt(text) => own("PromptError", text),
            Fault::Checkpoint(text) => own("CheckpointError", text),
            Fault::NotFound(text) => PyFileNotFoundError::new_err(text),
            Fault::Index(text) => PyIndexError::new_err(text),
            Fault::Memory(text) => PyMemoryError::new_err(text),
            Fault::System(text) => PyOSError::new_err(text),
            Fault::Value(text) => PyValueError::new_err(text),
            Fault::Runtime(text) => PyRuntimeError::new_err(text),
            Fault::Unusable => {
                PyRuntimeError::new_err("an internal error left this object unusable; make a new one")
            }
        }
    }
}
