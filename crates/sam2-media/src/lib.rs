//! Everything about files and pictures around a SAM 2 predictor: frames, masks as pictures, prompts.
#![forbid(unsafe_code)]

pub mod files;
pub mod frames;
pub mod pictures;
pub mod prompts;
pub mod protocol;

/// Joins a text into one line.
pub fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
