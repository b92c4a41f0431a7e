//! Small valid inputs, made when they are needed: no file of a corpus is kept in the repository.

pub mod arrays;
pub mod checkpoints;
pub mod clips;
pub mod pictures;
pub mod states;
pub mod texts;

use std::path::Path;

use crate::targets::Target;

/// Writes the seeds of a target into a folder; returns their number.
pub fn write(target: &Target, folder: &Path) -> std::io::Result<usize> {
    std::fs::create_dir_all(folder)?;
    let seeds = (target.seeds)();
    for (i, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{i:02}")), seed)?;
    }
    Ok(seeds.len())
}
