//! Why a file cannot be read, before its name is known.

use std::io;

use crate::error::LoadError;

/// A file that cannot be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// Truncated or damaged.
    Damaged(String),
    /// Whole, but something else than is needed: what it is.
    Foreign(String),
    /// A checkpoint without averaged weights: the key of the others.
    NotAveraged(String),
    /// Another program changed it while it was read.
    Changed,
    /// The system reports an error.
    Io(io::Error),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Damaged(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Self::Damaged(reason.to_owned())
    }
}

impl Fault {
    /// The error of the file `origin`, of this `kind` by its first bytes.
    pub fn of(self, origin: &str, kind: &'static str) -> LoadError {
        let origin = origin.to_owned();
        match self {
            Self::Damaged(reason) => LoadError::Format { origin, kind, reason },
            Self::Foreign(found) => LoadError::NotACheckpoint { origin, found },
            Self::NotAveraged(under) => LoadError::NotAveraged { origin, under },
            Self::Changed => LoadError::Changed { origin },
            Self::Io(source) => LoadError::Io { path: origin.into(), source },
        }
    }

    /// The same with the place in front of the reason.
    pub fn within(self, place: &str) -> Self {
        match self {
            Self::Damaged(reason) => Self::Damaged(format!("{place}: {reason}")),
            Self::Foreign(found) => Self::Foreign(format!("{place}: {found}")),
            other => other,
        }
    }
}
