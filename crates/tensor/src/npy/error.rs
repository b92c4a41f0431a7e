//! Errors of `.npy` and `.npz` files.

use crate::shape::Shape;
use std::path::PathBuf;

/// Why a `.npy` or `.npz` file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The file or stream failed.
    #[error("cannot read or write")]
    Io(#[from] std::io::Error),
    /// The first six bytes are not `\x93NUMPY`.
    #[error("not a .npy file: it does not start with \\x93NUMPY")]
    Magic,
    /// A format version that this reader does not support; it supports 1.0, 2.0 and 3.0.
    #[error(".npy format version {major}.{minor} is unknown")]
    Version {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// The header differs from what NumPy writes.
    #[error("malformed .npy header: {reason}")]
    Header {
        /// The defect.
        reason: String,
    },
    /// A 64-bit integer without sign that the signed type cannot hold.
    #[error("an element is 2^63 or more")]
    Beyond,
    /// The array holds pickled Python objects.
    #[error("the array holds pickled Python objects, which are never loaded")]
    Pickled,
    /// An unsupported type (complex, strings, records, …).
    #[error("type {descr} is not supported")]
    Dtype {
        /// NumPy's type string.
        descr: String,
    },
    /// The array has another type than the requested one.
    #[error("the array has type {found}, expected {expected}")]
    WrongDtype {
        /// The requested type.
        expected: &'static str,
        /// The type in the file.
        found: &'static str,
    },
    /// The data ends early.
    #[error("the data ends after {found} bytes; shape {shape} needs {expected}")]
    Truncated {
        /// The shape in the header.
        shape: Shape,
        /// Bytes the shape needs.
        expected: usize,
        /// Bytes in the file.
        found: usize,
    },
    /// There are bytes after the data of a file that holds a single array.
    #[error("there are bytes after the array's data")]
    Trailing,
    /// The `.npz` container is damaged.
    #[error("not a usable .npz archive: {reason}")]
    Archive {
        /// The defect.
        reason: String,
    },
    /// Any of the above, with its place.
    #[error("{}", path.display())]
    At {
        /// The file, with the array's name appended for a member of an archive.
        path: PathBuf,
        /// The error there.
        source: Box<NpyError>,
    },
}

impl NpyError {
    pub(crate) fn at(self, path: impl Into<PathBuf>) -> Self {
        Self::At { path: path.into(), source: Box::new(self) }
    }

    /// The error itself, without the places around it.
    pub fn root(&self) -> &NpyError {
        match self {
            Self::At { source, .. } => source.root(),
            other => other,
        }
    }
}
