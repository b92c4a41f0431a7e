//! Finding the file of a checkpoint by its name.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::table::{ALL, Published, named};
use crate::error::LoadError;
use crate::text;

/// A reference of the Hugging Face cache is a commit, bytes.
const MAX_REFERENCE: u64 = 4096;
/// Names of checkpoints in a repository, besides that of the table.
const IN_REPOSITORY: [&str; 2] = ["model.safetensors", "model.safetensors.index.json"];

/// The folders that hold checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The user's folder of checkpoints.
    pub folder: Option<PathBuf>,
    /// The cache of the Hugging Face library.
    pub hub: Option<PathBuf>,
}

impl Places {
    /// As the environment has them: `SAM2_MODEL_DIR`, and the cache of the Hugging Face library
    /// (`HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, the home folder).
    pub fn from_env() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache =
            || path("XDG_CACHE_HOME").or_else(|| Some(path("HOME").or(path("USERPROFILE"))?.join(".cache")));
        let home = || path("HF_HOME").or_else(|| Some(cache()?.join("huggingface")));
        let hub = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        Self { folder: path("SAM2_MODEL_DIR"), hub: hub.or_else(|| Some(home()?.join("hub"))) }
    }
}

/// The file that `name` means: a path; the name of a published checkpoint ([`named`]); the name of a file in
/// the user's folder, with or without extension; or `owner/name` of a repository in the Hugging Face cache.
///
/// # Errors
/// If there is none; the message says where to get one.
pub fn find(name: impl AsRef<Path>, places: &Places) -> Result<PathBuf, LoadError> {
    let path = name.as_ref();
    let text = path.to_str().unwrap_or_default();
    let published = named(text);
    // A folder of results may be called like a checkpoint; the folder of a checkpoint has a path with a `/`.
    if path.is_file() || path.exists() && published.is_none() {
        return Ok(path.to_owned());
    }
    let found = published.and_then(|row| of_table(row, places)).or_else(|| {
        let plain = path.components().count() == 1 && !text.is_empty();
        let folder = places.folder.as_deref().filter(|_| plain);
        folder.and_then(|folder| in_folder(folder, text)).or_else(|| in_hub(text, &[], places))
    });
    match found {
        Some(found) => Ok(found),
        None if path.exists() => Ok(path.to_owned()),
        None => Err(LoadError::NotFound {
            name: path.display().to_string(),
            advice: advice(published, text, places),
        }),
    }
}

fn of_table(row: &Published, places: &Places) -> Option<PathBuf> {
    let folder = places.folder.as_deref();
    let of_repository = row.repository.rsplit('/').next().unwrap_or_default();
    let shared = row.shares_its_repository();
    let own = format!("{}.pt", row.name);
    folder
        .and_then(|folder| {
            let of_repository = (!shared).then_some(of_repository);
            [Some(row.name), of_repository].into_iter().flatten().find_map(|name| in_folder(folder, name))
        })
        .or_else(|| in_hub(row.repository, &[&own], places))
        // Of a repository with several checkpoints, any other file is another model.
        .filter(|found| !shared || found.file_stem() == Path::new(row.name).file_name())
}

/// `name`, with or without extension, in the user's folder.
fn in_folder(folder: &Path, name: &str) -> Option<PathBuf> {
    let names = ["", ".pt", ".safetensors"].map(|extension| folder.join(format!("{name}{extension}")));
    names.into_iter().find(|path| path.exists())
}

/// The checkpoint of a repository in the cache: `models--OWNER--NAME/snapshots/COMMIT/FILE`, of the commit
/// that `refs/main` names, else of any.
fn in_hub(repository: &str, first: &[&str], places: &Places) -> Option<PathBuf> {
    let (owner, name) = repository.split_once('/')?;
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\']);
    if !plain(owner) || !plain(name) {
        return None;
    }
    let folder = places.hub.as_deref()?.join(format!("models--{owner}--{name}"));
    let main = text::read(&folder.join("refs/main"), MAX_REFERENCE).ok();
    let main = main.map(|commit| commit.trim().to_owned()).filter(|commit| plain(commit));
    let snapshots = folder.join("snapshots");
    let named = main.map(|commit| snapshots.join(commit));
    named.into_iter().chain(entries(&snapshots)).find_map(|snapshot| in_snapshot(&snapshot, first))
}

fn in_snapshot(snapshot: &Path, first: &[&str]) -> Option<PathBuf> {
    let known = first.iter().copied().chain(IN_REPOSITORY).map(|name| snapshot.join(name));
    if let Some(file) = known.into_iter().find(|file| file.is_file()) {
        return Some(file);
    }
    let is_checkpoint = |file: &PathBuf| file.extension().is_some_and(|e| e == "pt" || e == "safetensors");
    let mut others = entries(snapshot).into_iter().filter(|file| is_checkpoint(file) && file.is_file());
    // Of several, which one is meant is not known.
    others.next().filter(|_| others.next().is_none())
}

/// Paths of the entries of a folder, sorted.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn advice(published: Option<&Published>, name: &str, places: &Places) -> String {
    let hub = places.hub.as_ref().map(|hub| format!(" ({})", hub.display())).unwrap_or_default();
    if let Some(Published { address, .. }) = published {
        return format!(
            "it is neither in SAM2_MODEL_DIR{} nor in the Hugging Face cache{hub}: download {address} and \
             give its path, or put it into the folder SAM2_MODEL_DIR",
            if places.folder.is_some() { "" } else { ", which is not set," }
        );
    }
    let in_cache = match name.split('/').count() {
        2 if !name.starts_with(['.', '/']) => {
            format!(" and no such repository in the Hugging Face cache{hub}")
        }
        _ => String::new(),
    };
    let sizes: Vec<&str> = ALL.iter().filter_map(|row| row.short.first().copied()).take(4).collect();
    format!(
        "there is no such file{in_cache}; published checkpoints: {} and others; put them into the folder \
         SAM2_MODEL_DIR to call them {}",
        ALL[0].address,
        sizes.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates an empty file and its folders.
    fn file(path: PathBuf) -> PathBuf {
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(&path, "").expect("write");
        path
    }

    #[test]
    fn the_places_are_those_of_the_hugging_face_library() {
        let of = |variables: &[(&str, &str)]| {
            let value =
                |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
            Places::of(value)
        };
        let hub = |variables: &[(&str, &str)]| of(variables).hub;
        assert_eq!(of(&[]), Places::default());
        assert_eq!(hub(&[("HOME", "/h")]), Some("/h/.cache/huggingface/hub".into()));
        assert_eq!(hub(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), Some("/x/huggingface/hub".into()));
        assert_eq!(hub(&[("HOME", "/h"), ("HF_HOME", "/f")]), Some("/f/hub".into()));
        assert_eq!(hub(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/f")]), Some("/c".into()));
        assert_eq!(hub(&[("HF_HUB_CACHE", ""), ("HF_HOME", "/f")]), Some("/f/hub".into()));
        assert_eq!(of(&[("SAM2_MODEL_DIR", "/m")]).folder, Some("/m".into()));
    }

    #[test]
    fn a_name_leads_to_the_folder_and_then_to_the_cache() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let places = Places { folder: Some(dir.path().join("models")), hub: Some(dir.path().join("hub")) };
        let found = |name: &str| find(name, &places);
        let repository = dir.path().join("hub/models--facebook--sam2.1-hiera-tiny");
        let missing = found("tiny").expect_err("nothing is there").to_string();
        for word in ["tiny", "SAM2_MODEL_DIR", "/hub", "092824/sam2.1_hiera_tiny.pt"] {
            assert!(missing.contains(word), "{word}: {missing}");
        }
        let old = file(repository.join("snapshots/aaa/model.safetensors"));
        assert_eq!(found("tiny").expect("any snapshot"), old);
        file(repository.join("snapshots/bbb/model.safetensors"));
        let new = file(repository.join("snapshots/bbb/sam2.1_hiera_tiny.pt"));
        fs::create_dir_all(repository.join("refs")).expect("folder");
        fs::write(repository.join("refs/main"), "bbb\n").expect("write");
        for name in ["tiny", "facebook/sam2.1-hiera-tiny", "sam2.1_hiera_tiny", "sam2.1_hiera_tiny.pt"] {
            assert_eq!(found(name).expect(name), new, "{name}");
        }
        let own = file(dir.path().join("models/sam2.1_hiera_tiny.safetensors"));
        assert_eq!(found("tiny").expect("the user's folder comes first"), own);
        fs::write(repository.join("refs/main"), "../../..").expect("write");
        fs::remove_file(own).expect("remove");
        assert_eq!(found("tiny").expect("a reference that leads away is ignored"), old);
    }

    #[test]
    fn a_repository_of_several_checkpoints_gives_the_named_one_only() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let places = Places { folder: None, hub: Some(dir.path().join("hub")) };
        let commit = dir.path().join("hub/models--yunyangx--efficient-track-anything/snapshots/c");
        let small = file(commit.join("efficienttam_s.pt"));
        assert_eq!(find("efficienttam_s", &places).expect("it is there"), small);
        let error = find("efficienttam_ti", &places).expect_err("another model").to_string();
        assert!(error.contains("resolve/main/efficienttam_ti.pt"), "{error}");
        let tiny = file(commit.join("efficienttam_ti.pt"));
        assert_eq!(find("EfficientTAM_Ti", &places).expect("it is there"), tiny);
        let edge = file(dir.path().join("hub/models--facebook--EdgeTAM/snapshots/c/edgetam.pt"));
        assert_eq!(find("edgetam", &places).expect("it is there"), edge);
    }

    #[test]
    fn other_checkpoints_have_names_too() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let places = Places { folder: Some(dir.path().join("models")), hub: Some(dir.path().join("hub")) };
        let mine = file(dir.path().join("models/mine.pt"));
        assert_eq!(find("mine", &places).expect("without extension"), mine);
        assert_eq!(find("mine.pt", &places).expect("with it"), mine);
        assert_eq!(find(&mine, &places).expect("its path"), mine);
        let tuned = file(dir.path().join("hub/models--lab--cells/snapshots/c/cells.pt"));
        assert_eq!(find("lab/cells", &places).expect("a repository"), tuned);
        file(dir.path().join("hub/models--lab--cells/snapshots/c/other.pt"));
        for name in
            ["lab/cells", "lab/absent", "../models/mine.pt", "a/../b", "absent", "nope.pt", "a/b/c.pt", ""]
        {
            let error = find(name, &places).expect_err(name).to_string();
            assert!(error.contains("SAM2_MODEL_DIR") && error.contains("https://"), "{name}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
