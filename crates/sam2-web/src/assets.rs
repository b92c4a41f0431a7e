//! The page: files inside the program.

use std::borrow::Cow;

/// Name, type and content of a file.
type Asset = (&'static str, &'static str, &'static [u8]);

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const ICON: &str = "image/svg+xml";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const FILES: [Asset; 18] = [
    ("index.html", HTML, include_bytes!("../assets/index.html")),
    ("style.css", CSS, include_bytes!("../assets/style.css")),
    ("api.js", SCRIPT, include_bytes!("../assets/api.js")),
    ("app.js", SCRIPT, include_bytes!("../assets/app.js")),
    ("files.js", SCRIPT, include_bytes!("../assets/files.js")),
    ("input.js", SCRIPT, include_bytes!("../assets/input.js")),
    ("objects.js", SCRIPT, include_bytes!("../assets/objects.js")),
    ("page.js", SCRIPT, include_bytes!("../assets/page.js")),
    ("panels.js", SCRIPT, include_bytes!("../assets/panels.js")),
    ("prompts.js", SCRIPT, include_bytes!("../assets/prompts.js")),
    ("rle.js", SCRIPT, include_bytes!("../assets/rle.js")),
    ("seek.js", SCRIPT, include_bytes!("../assets/seek.js")),
    ("store.js", SCRIPT, include_bytes!("../assets/store.js")),
    ("timeline.js", SCRIPT, include_bytes!("../assets/timeline.js")),
    ("tools.js", SCRIPT, include_bytes!("../assets/tools.js")),
    ("tracking.js", SCRIPT, include_bytes!("../assets/tracking.js")),
    ("view.js", SCRIPT, include_bytes!("../assets/view.js")),
    ("icon.svg", ICON, include_bytes!("../assets/icon.svg")),
];

/// The type and the content of a file of the page.
pub fn find(name: &str) -> Option<(&'static str, Cow<'static, [u8]>)> {
    if let Some(found) = from_folder(name) {
        return Some(found);
    }
    let (_, kind, bytes) = FILES.into_iter().find(|(known, ..)| *known == name)?;
    Some((kind, Cow::Borrowed(bytes)))
}

/// In debug builds the files of `SAM2_WEB_ASSETS`, so that a page can be edited without compiling.
#[cfg(debug_assertions)]
fn from_folder(name: &str) -> Option<(&'static str, Cow<'static, [u8]>)> {
    let folder = std::env::var_os("SAM2_WEB_ASSETS")?;
    let (stem, extension) = name.rsplit_once('.')?;
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !plain(stem) {
        return None;
    }
    let kind = match extension {
        "html" => HTML,
        "css" => CSS,
        "js" => SCRIPT,
        "svg" => ICON,
        _ => return None,
    };
    let bytes = std::fs::read(std::path::Path::new(&folder).join(name)).ok()?;
    Some((kind, Cow::Owned(bytes)))
}

#[cfg(not(debug_assertions))]
fn from_folder(_: &str) -> Option<(&'static str, Cow<'static, [u8]>)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served_and_all_are_small() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .expect("the folder is part of the package")
            .map(|entry| entry.expect("read").file_name().into_string().expect("a plain name"))
            .collect();
        let mut known: Vec<_> = FILES.iter().map(|(name, ..)| (*name).to_owned()).collect();
        names.sort();
        known.sort();
        assert_eq!(names, known);
        let bytes: usize = FILES.iter().map(|(.., bytes)| bytes.len()).sum();
        assert!(bytes < 150_000, "the page has {bytes} bytes");
    }
}
