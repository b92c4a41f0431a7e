//! Sessions that cannot be resumed.

use std::path::PathBuf;

/// A saved session cannot be resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The file cannot be read.
    #[error("cannot read the session {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// Not a session, or a damaged one.
    #[error("{origin}: not a usable session ({reason}); track from the beginning")]
    Damaged {
        /// File name.
        origin: String,
        /// The cause.
        reason: String,
    },
    /// A version that this program does not read.
    #[error(
        "{origin}: the session is of version {found}, this program reads version 1; use the one that wrote it"
    )]
    Version {
        /// Version of the file.
        found: u32,
        /// File name.
        origin: String,
    },
    /// The memory policy is the caller's own in the session or in the program, but not in both.
    #[error(
        "{origin}: the session was made with {}; resume it so",
        if *custom { "a memory policy of the program's own" } else { "a named memory policy" }
    )]
    OtherPolicy {
        /// File name.
        origin: String,
        /// Whether the session's policy is the caller's own.
        custom: bool,
    },
    /// A session of another model.
    #[error(
        "{origin}: the session was made with another model than this {model}, or with another precision or \
         image size; use the same checkpoint and options"
    )]
    OtherModel {
        /// File name.
        origin: String,
        /// The model with which it was opened.
        model: String,
    },
}
