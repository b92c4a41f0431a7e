//! What is answered to a request that fails, and why a server cannot start.

use std::io;
use std::path::PathBuf;

use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use sam2_media::MediaError;
use sam2_media::error::{in_full, printable};
use sam2_model::error::{ImageError, VideoError};
use serde_json::json;

/// A server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is in use, or not one of this machine.
    #[error("cannot listen on {address}: choose another --port or --host")]
    Listen {
        /// Host and port.
        address: String,
        /// Cause.
        source: io::Error,
    },
    /// A thread, a folder or random numbers are missing.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Cause.
        source: io::Error,
    },
    /// A picture or clip of the command line cannot be read.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The file of the session cannot be used.
    #[error("the session {}: {message}", path.display())]
    Session {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// Another machine could use the server without a token.
    #[error("--host {0} can be reached from other machines: leave out --no-token")]
    Open(String),
}

/// The answer to a request that fails.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub status: StatusCode,
    /// A word for programs.
    pub code: &'static str,
    /// A line for people.
    pub message: String,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &'static str, message: impl AsRef<str>) -> Self {
        Self { status, code, message: printable(message.as_ref()).into_owned() }
    }

    pub fn bad(code: &'static str, message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn prompt(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::bad("bad_prompt", in_full(error))
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what}"))
    }

    pub fn conflict(code: &'static str, message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    pub fn full() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "64 requests are waiting: try again later")
    }

    pub fn internal(message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }
}

impl From<MediaError> for ApiError {
    fn from(error: MediaError) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_media", in_full(&error))
    }
}

impl From<ImageError> for ApiError {
    fn from(error: ImageError) -> Self {
        Self::prompt(&error)
    }
}

impl From<VideoError> for ApiError {
    fn from(error: VideoError) -> Self {
        Self::prompt(&error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        (self.status, [(CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
    }
}

/// What a handler returns.
pub type Answer = Result<Response, ApiError>;
