//! Errors of exports.

use std::path::PathBuf;

/// Results cannot be read, or not be written in a format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The name of a format is unknown.
    #[error("there is no format {0:?}; known are {1}")]
    Format(String, String),
    /// A folder or file without masks.
    #[error(
        "{} holds no masks: give a folder of `sam2 track` or `sam2 everything`, or a JSON file of `sam2 \
         segment --json --rle`",
        .0.display()
    )]
    NoMasks(PathBuf),
    /// A list of results that cannot be read.
    #[error("cannot read the results {}{}: {reason}", path.display(), at_line(*line))]
    Results {
        /// The file.
        path: PathBuf,
        /// Counted from 1; 0 if the file has no lines.
        line: usize,
        /// Why, in words.
        reason: String,
    },
    /// Pictures that do not belong to the results.
    #[error("{what}: give the pictures that the results are of (--images)")]
    Images {
        /// What is wrong with them.
        what: String,
    },
    /// A format that is made of the pictures.
    #[error("{0} needs the pictures that the results are of: name them with --images")]
    NoImages(&'static str),
    /// A name that the format does not have.
    #[error("{format} cannot be written to {}: {advice}", path.display())]
    Name {
        /// The format.
        format: &'static str,
        /// The output.
        path: PathBuf,
        /// Names that it may have.
        advice: &'static str,
    },
    /// The number of an object that a format cannot hold.
    #[error("object {id} cannot be written as {format}, whose objects have the numbers {least} to {most}")]
    Number {
        /// The format.
        format: &'static str,
        /// The object.
        id: u32,
        /// The least number.
        least: u32,
        /// The greatest number.
        most: u32,
    },
    /// Classes that cannot be assigned.
    #[error("{0}")]
    Classes(String),
}

fn at_line(line: usize) -> String {
    if line == 0 { String::new() } else { format!(" line {line}") }
}
