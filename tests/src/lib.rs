//! Support for the tests: seeded checkpoints and inputs, generated without files, and readers of the golden
//! probes that `tools/make_goldens.py` writes from Meta's code.

pub mod clips;
pub mod documents;
pub mod files;
pub mod golden;
pub mod micro;
pub mod mutate;
pub mod probe;
pub mod pt;
pub mod scene;
pub mod seeded;
pub mod small;

use std::path::PathBuf;

/// The path of a file under `tests/golden/`.
#[must_use]
pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}
