//! Errors of masks in NumPy files.

use tensor::npy::NpyError;

use super::picture::PictureError;

/// An array cannot serve as a mask.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArrayError {
    /// The file cannot be read.
    #[error("{}", cause(.0))]
    Npy(NpyError),
    /// Neither a mask nor logits.
    #[error(
        "its shape is {0:?}, and a mask is [height, width] of zeros and ones, shares of 0 to 1 or numbers of \
         objects, logits are [side, side], or several of them"
    )]
    Shape(Vec<usize>),
    /// An archive without one array that is meant.
    #[error("it holds the arrays {0}: name one of them `logits` or `mask`, or save it alone")]
    Names(String),
    /// Several masks.
    #[error("it holds {0} masks: choose one by its number, FILE:0 to FILE:{last}", last = .0 - 1)]
    Several(usize),
    /// A number of a mask beyond the last.
    #[error("it has no mask {index}: it holds {count}, counted from 0")]
    NoMask {
        /// The number.
        index: usize,
        /// Number of masks.
        count: usize,
    },
    /// A value that is infinite or not a number.
    #[error("not all of its values are finite numbers")]
    NotFinite,
    /// A label map without the object that is meant, or that can be read in two ways.
    #[error(transparent)]
    Marks(PictureError),
    /// No pixel is inside.
    #[error("it has no pixel inside: it marks no object")]
    Empty,
}

/// What went wrong, without the name of the file, and what to do about a type that is not read.
fn cause(error: &NpyError) -> String {
    match error.root() {
        NpyError::Io(source) => source.to_string(),
        other @ NpyError::Dtype { .. } => format!("{other}; save a.astype(np.float32) instead"),
        other => other.to_string(),
    }
}
