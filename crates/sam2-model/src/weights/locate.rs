//! The files of a checkpoint: one file, the parts that an index lists, or what a folder of the Hugging Face
//! library holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::advice;
use super::source::OpenFile;
use super::text::quoted;
use crate::error::LoadError;
use crate::text::message;

/// What a folder may hold, in the order in which it is looked for.
const IN_A_FOLDER: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];
/// Extensions of checkpoints: a folder may hold one such file of any other name.
pub(super) const EXTENSIONS: [&str; 5] = ["safetensors", "pt", "pth", "ckpt", "bin"];
/// What training scripts put beside a checkpoint, under names that begin so.
const BESIDE: [&str; 6] = ["optimizer", "scheduler", "scaler", "training_args", "rng_state", "random_states"];
const INDEX: &str = ".index.json";
/// The longest name of a part, as of a file, bytes.
const MAX_NAME: usize = 255;
/// Maximum length of an index, bytes, and number of its parts.
const MAX_INDEX: u64 = 16 << 20;
const MAX_PARTS: usize = 1000;

/// A list of the parts of a checkpoint, as the Hugging Face library writes it.
#[derive(Deserialize)]
struct Index {
    /// File by tensor.
    weight_map: BTreeMap<String, String>,
}

/// The files that hold the weights of the checkpoint `path`: one, or the parts that an index lists. Whether
/// they exist is not checked.
///
/// ```
/// use std::path::Path;
///
/// use sam2_model::models::checkpoint_files;
///
/// let path = Path::new("sam2.1_hiera_tiny.pt");
/// assert_eq!(checkpoint_files(path)?, [path]);
/// # Ok::<(), sam2_model::error::LoadError>(())
/// ```
///
/// # Errors
/// If a folder holds no checkpoint or several, or an index is damaged.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let in_folder = path.is_dir().then(|| in_folder(path)).transpose()?;
    let path = in_folder.as_deref().unwrap_or(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(INDEX) { parts(path) } else { Ok(vec![path.to_owned()]) }
}

/// Opens the [`files`] of the checkpoint `path`.
pub(crate) fn open(path: &Path) -> Result<Vec<OpenFile>, LoadError> {
    files(path)?.iter().map(|file| OpenFile::open(file)).collect()
}

/// The checkpoint in a folder.
fn in_folder(folder: &Path) -> Result<PathBuf, LoadError> {
    let io = |source| LoadError::Io { path: folder.to_owned(), source };
    if let Some(found) = IN_A_FOLDER.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
        return Ok(found);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let is_beside = BESIDE.iter().any(|start| file_name(&path).starts_with(start));
        if EXTENSIONS.contains(&extension.as_str()) && !is_beside && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    let foreign = |found: String| LoadError::NotACheckpoint { origin: folder.display().to_string(), found };
    match &found[..] {
        [one] => Ok(one.clone()),
        [] if folder.join(".metadata").is_file() => Err(foreign(
            "it is a distributed checkpoint; torch.distributed.checkpoint.format_utils.dcp_to_torch_save \
             makes one file of it"
                .to_owned(),
        )),
        [] if is_unpacked(folder) => Err(foreign(
            "it is a .pt file that was unpacked; pack it again without compression (zip -0 -r)".to_owned(),
        )),
        [] => Err(foreign(format!(
            "it is a folder without {}, or one .{} file{}",
            IN_A_FOLDER.join(", "),
            EXTENSIONS.join(", ."),
            match folders_in(folder) {
                inner if inner.is_empty() => String::new(),
                inner => format!("; there are checkpoints in its folders {}: name one", inner.join(", ")),
            }
        ))),
        [part, ..] if advice::of_file(&file_name(part)).is_some() => Err(foreign(format!(
            "it is a folder with parts of a checkpoint ({}) whose index (*.index.json) is missing",
            file_name(part)
        ))),
        several => {
            let names: Vec<String> = several.iter().take(3).map(|path| file_name(path)).collect();
            let count = several.len();
            Err(foreign(format!("it is a folder with {count} checkpoints ({}); name one", names.join(", "))))
        }
    }
}

/// Whether a folder is what a `.pt` file was unpacked to.
fn is_unpacked(folder: &Path) -> bool {
    let has = |folder: &Path| folder.join("data.pkl").is_file();
    has(folder) || entries(folder).any(|path| has(&path))
}

/// The names of some folders in a folder that hold a checkpoint: a training script writes one at a time.
fn folders_in(folder: &Path) -> Vec<String> {
    let holds = |path: &PathBuf| IN_A_FOLDER.iter().any(|name| path.join(name).is_file());
    let mut names: Vec<String> = entries(folder).filter(holds).map(|path| file_name(&path)).collect();
    names.sort();
    names.truncate(3);
    names
}

/// Some entries of a folder.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.take(1000).filter_map(Result::ok).map(|entry| entry.path())
}

/// The parts of the index `path`, in the order of their names.
fn parts(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let io = |source| LoadError::Io { path: path.to_owned(), source };
    let damaged =
        |reason: String| LoadError::Format { origin: path.display().to_string(), kind: "index", reason };
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(io(io::Error::other("not a regular file")));
    }
    let mut text = Vec::new();
    File::open(path).map_err(io)?.take(MAX_INDEX + 1).read_to_end(&mut text).map_err(io)?;
    if text.len() as u64 > MAX_INDEX {
        return Err(io(io::Error::other("too long for an index of a checkpoint")));
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let index: Index = serde_json::from_slice(text).map_err(|e| damaged(message(&e)))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    if names.is_empty() || names.len() > MAX_PARTS {
        return Err(damaged(format!("it lists {} files; 1 to {MAX_PARTS} are possible", names.len())));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let part = |name: String| {
        let mut components = Path::new(&name).components();
        let plain = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
        // Messages name the file.
        let on_a_line = !name.chars().any(char::is_control);
        if !plain || !on_a_line || name.len() > MAX_NAME || name.ends_with(INDEX) {
            return Err(damaged(format!("it lists {}, which is no name of a file beside it", quoted(&name))));
        }
        Ok(folder.join(name))
    };
    names.into_iter().map(part).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_an_index_lead_to_their_files() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(at(name), text).expect("write");
        let names = |path: &Path| {
            let files = open(path).expect("it is found");
            files.iter().map(|file| file_name(Path::new(&file.origin()))).collect::<Vec<_>>()
        };
        let refused = |path: &Path| {
            let message = open(path).map(|_| ()).expect_err("refused").to_string();
            assert!(!message.contains('\n'), "{message}");
            message
        };
        assert!(refused(folder.path()).contains("a folder without model.safetensors"));
        write(".metadata", "");
        assert!(refused(folder.path()).contains("dcp_to_torch_save"));
        std::fs::remove_file(at(".metadata")).expect("remove");
        for name in ["training_args.bin", "optimizer.pt", "rng_state_0.pth"] {
            write(name, "");
        }
        assert!(refused(folder.path()).contains("a folder without model.safetensors"));
        for step in ["checkpoint-20", "checkpoint-10"] {
            std::fs::create_dir(at(step)).expect("folder");
            write(&format!("{step}/model.safetensors"), "");
        }
        assert!(refused(folder.path()).contains("checkpoint-10, checkpoint-20: name one"));
        std::fs::create_dir(at("archive")).expect("folder");
        write("archive/data.pkl", "");
        assert!(refused(folder.path()).contains("unpacked"));
        for part in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
            write(part, "");
        }
        assert!(refused(folder.path()).contains("whose index"));
        for part in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
            std::fs::remove_file(at(part)).expect("remove");
        }
        write("sam2.pt", "");
        assert_eq!(names(folder.path()), ["sam2.pt"]);
        write("other.CKPT", "");
        assert!(refused(folder.path()).contains("2 checkpoints (other.CKPT, sam2.pt)"));
        write("b-2.bin", "");
        write("b-1.bin", "");
        write(
            "pytorch_model.bin.index.json",
            // With a byte order mark.
            "\u{feff}{\"weight_map\": {\"x\": \"b-2.bin\", \"y\": \"b-1.bin\", \"z\": \"b-2.bin\"}}",
        );
        assert_eq!(names(folder.path()), ["b-1.bin", "b-2.bin"]);
        write("model.safetensors", "");
        assert_eq!(names(folder.path()), ["model.safetensors"]);
        for (text, word) in [
            (r#"{"weight_map": {}}"#, "lists 0 files"),
            (r#"{"weight_map": {"x": "../b-1.bin"}}"#, "no name of a file beside it"),
            (r#"{"weight_map": {"x": "/etc/passwd"}}"#, "no name of a file beside it"),
            (r#"{"weight_map": {"x": ".."}}"#, "no name of a file beside it"),
            (r#"{"weight_map": {"x": "i.index.json"}}"#, "no name of a file beside it"),
            (r#"{"weight_map": {"x": "two\nlines"}}"#, r"two\nlines"),
            (r#"{"weight_map": {"x": "absent.bin"}}"#, "absent.bin"),
            (r#"{"weight_map": [1]}"#, "index"),
            ("", "index"),
        ] {
            write("i.index.json", text);
            let message = refused(&at("i.index.json"));
            assert!(message.contains(word), "{message}");
        }
    }
}
