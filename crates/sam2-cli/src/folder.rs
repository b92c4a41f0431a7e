//! Options that name a folder for outputs.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

/// Extensions of videos, for which there is a way.
const VIDEOS: [&str; 9] = ["mp4", "mov", "mkv", "webm", "avi", "m4v", "gif", "apng", "mpg"];

/// A parser of folders: a name that looks like that of a file is refused, unless the folder is there.
pub fn parser() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(parse)
}

fn parse(name: OsString) -> Result<PathBuf, String> {
    let explicit = name.as_encoded_bytes().ends_with(b"/");
    let path = PathBuf::from(name);
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let Some(extension) = extension.filter(|e| !explicit && is_extension(e) && !path.is_dir()) else {
        return Ok(path);
    };
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

/// Whether it looks like the extension of a file, not like the end of a version or a date.
fn is_extension(text: &str) -> bool {
    let version = text.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    (2..=11).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_no_folders() {
        let parsed = |name: &str| parse(name.into());
        for name in ["out.mp4", "a/out.MOV", "overlay.gif"] {
            let error = parsed(name).expect_err(name);
            assert!(error.contains("ffmpeg") && error.contains(name), "{error}");
        }
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
