//! Options that name a folder for outputs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use sam2_media::outputs::names;

/// Extensions of videos that are not written, for which there is a way.
const VIDEOS: [&str; 9] = ["mp4", "mov", "mkv", "webm", "avi", "m4v", "gif", "apng", "mpg"];
/// Extensions of the videos that `sam2 track` writes.
const WRITTEN: [&str; 5] = ["mp4", "webm", "mov", "gif", "apng"];

/// A parser of folders: a name that looks like that of a file is refused, unless the folder is there.
pub fn parser() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(parse)
}

/// A parser of folders and of names of videos, see [`is_video`].
pub fn or_video() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|name| {
        let path = PathBuf::from(&name);
        if is_video(&path) {
            return Ok(path);
        }
        parse(name).map_err(|error| match names::extension(&path) {
            Some(extension) if VIDEOS.contains(&extension.as_str()) => format!(
                "the extension of a video is one of .{}; for another: a folder and ffmpeg",
                WRITTEN.join(", .")
            ),
            _ => error,
        })
    })
}

/// Whether it names a video instead of a folder.
pub fn is_video(path: &Path) -> bool {
    names::extension(path).is_some_and(|extension| WRITTEN.contains(&extension.as_str()))
}

fn parse(name: OsString) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    if path.as_os_str().is_empty() {
        return Err("it is empty; the current folder is .".to_owned());
    }
    let Some(extension) = names::extension(&path) else { return Ok(path) };
    let file = path.display();
    Err(if VIDEOS.contains(&extension.as_str()) {
        format!(
            "it names a file, and pictures are written into a folder; for a video: -o DIR --overlay, then \
             ffmpeg -i DIR/overlay/%05d.png {file}"
        )
    } else {
        format!("it names a file, and a folder is expected; write {file}/ if the folder is called that")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_no_folders() {
        let parsed = |name: &str| parse(name.into());
        assert!(is_video(Path::new("a/out.MOV")) && !is_video(Path::new("out.mp4/")));
        assert!(!is_video(Path::new("out.mkv")) && !is_video(Path::new("out")));
        for name in ["out.mp4", "a/out.MOV", "overlay.gif"] {
            let error = parsed(name).expect_err(name);
            assert!(error.contains("ffmpeg") && error.contains(name), "{error}");
        }
        assert!(parsed("").expect_err("an absent variable").contains("current folder"));
        for name in ["mask.png", "tracks.jsonl", "a.b/out.json", "x.safetensors"] {
            let error = parsed(name).expect_err(name);
            assert!(error.contains(&format!("{name}/")), "{error}");
        }
        for name in
            ["out", "out.mp4/", "run.v2", "sam2.1", "masks.2026", ".", "..", "../out", ".hidden", "a.b c"]
        {
            assert_eq!(parsed(name), Ok(PathBuf::from(name)), "{name}");
        }
        let dir = tempfile::tempdir().expect("temporary folder");
        let there = dir.path().join("clip.mp4");
        std::fs::create_dir(&there).expect("folder");
        assert_eq!(parse(there.clone().into()), Ok(there));
    }
}
