//! The targets: a reader each, with what its callers do with the result.

mod checkpoints;
mod media;
mod states;
mod texts;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use crate::seeds;

pub use states::{embedding_parts, session_parts};

/// A reader, and valid inputs.
pub struct Target {
    pub name: &'static str,
    /// Reads arbitrary bytes. A panic, a hang or too much memory is a fault.
    pub run: fn(&[u8]),
    pub seeds: fn() -> Vec<Vec<u8>>,
}

pub const TARGETS: &[Target] = &[
    Target { name: "pickle", run: checkpoints::pickle, seeds: seeds::checkpoints::pickles },
    Target { name: "pt", run: checkpoints::pt, seeds: seeds::checkpoints::archives },
    Target { name: "safetensors", run: checkpoints::safetensors, seeds: seeds::checkpoints::safetensors },
    Target { name: "index", run: checkpoints::index, seeds: seeds::checkpoints::indices },
    Target { name: "config", run: checkpoints::config, seeds: seeds::checkpoints::configs },
    Target { name: "session", run: states::session, seeds: seeds::states::session_texts },
    Target { name: "session_file", run: states::session_file, seeds: seeds::states::session_headers },
    Target { name: "embedding", run: states::embedding, seeds: seeds::states::embedding_headers },
    Target { name: "npy", run: texts::npy, seeds: seeds::arrays::npys },
    Target { name: "npz", run: texts::npz, seeds: seeds::arrays::npzs },
    Target { name: "prompts", run: texts::prompts, seeds: seeds::texts::prompts },
    Target { name: "command", run: texts::command, seeds: seeds::texts::commands },
    Target { name: "table", run: texts::table, seeds: seeds::texts::tables },
    Target { name: "names", run: texts::names, seeds: seeds::texts::names },
    Target { name: "rle", run: texts::rle, seeds: seeds::texts::rles },
    Target { name: "results", run: texts::results, seeds: seeds::texts::results },
    Target { name: "y4m", run: media::y4m, seeds: seeds::clips::y4ms },
    Target { name: "raw", run: media::raw, seeds: seeds::clips::raws },
    Target { name: "png", run: media::picture, seeds: seeds::pictures::pngs },
    Target { name: "jpeg", run: media::picture, seeds: seeds::pictures::jpegs },
    Target { name: "tiff", run: media::picture, seeds: seeds::pictures::tiffs },
    Target { name: "webp", run: media::picture, seeds: seeds::pictures::webps },
    Target { name: "bmp", run: media::picture, seeds: seeds::pictures::bmps },
    Target { name: "gif", run: media::picture, seeds: seeds::pictures::gifs },
    Target { name: "pnm", run: media::picture, seeds: seeds::pictures::pnms },
    Target { name: "gif_clip", run: media::gif, seeds: seeds::pictures::gifs },
    Target { name: "apng_clip", run: media::apng, seeds: seeds::clips::apngs },
    Target { name: "webp_clip", run: media::webp, seeds: seeds::clips::webps },
    Target { name: "tiff_clip", run: media::tiff, seeds: seeds::clips::tiffs },
    Target { name: "mjpeg_clip", run: media::mjpeg, seeds: seeds::clips::mjpegs },
    Target { name: "labels", run: media::labels, seeds: seeds::pictures::masks },
    Target { name: "mask", run: media::mask, seeds: seeds::pictures::masks },
];

/// A folder in memory for the readers that take a path.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = PathBuf::from("/dev/shm");
    let parent = if shared.is_dir() { shared } else { std::env::temp_dir() };
    let folder = parent.join(format!("sam2-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the inputs");
    folder
});

/// A file of this name with these bytes. It stays open and keeps its pages from one input to the next: making
/// it anew takes as long as a short input is read.
fn file(name: &'static str, bytes: &[u8]) -> PathBuf {
    static OPEN: Mutex<BTreeMap<&str, (PathBuf, File)>> = Mutex::new(BTreeMap::new());
    let mut open = OPEN.lock().expect("no reader holds it");
    let (path, file) = open.entry(name).or_insert_with(|| {
        let path = FOLDER.join(name);
        let file = File::create(&path).expect("a file for the inputs");
        (path, file)
    });
    let written = file.write_all_at(bytes, 0).and_then(|()| file.set_len(bytes.len() as u64));
    written.expect("the input can be written");
    path.clone()
}

/// Errors are one line, and not as long as the input. (Control characters are escaped by the program.)
fn check(result: Result<(), impl std::fmt::Display>) {
    if let Err(error) = result {
        let message = error.to_string();
        assert!(!message.contains('\n'), "several lines: {message:?}");
        assert!(message.len() < 2000, "{} bytes: {message:?}", message.len());
    }
}
