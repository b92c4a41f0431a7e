//! Errors of tables and lists.

use crate::limits::MAX_NAME;

/// A line of a table or a list is not what it should be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// A word is not a number.
    #[error("{0:?} is not a number")]
    NotANumber(
        /// The word, shortened.
        String,
    ),
    /// A line of boxes has more or fewer numbers than a box.
    #[error("a box is x,y,width,height, and the line has {0} numbers")]
    NotABox(
        /// How many it has.
        usize,
    ),
    /// A line of a list is longer than a name.
    #[error("it is {bytes} bytes long, and a name has at most {MAX_NAME}")]
    LongName {
        /// Its length.
        bytes: usize,
    },
}
