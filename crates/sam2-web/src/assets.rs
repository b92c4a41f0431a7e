//! The page: files inside the program.

use std::borrow::Cow;

/// Name, type and content of a file.
type Asset = (&'static str, &'static str, &'static [u8]);

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const FILES: [Asset; 3] = [
    ("index.html", HTML, include_bytes!("../assets/index.html")),
    ("style.css", CSS, include_bytes!("../assets/style.css")),
    ("app.js", SCRIPT, include_bytes!("../assets/app.js")),
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
        "svg" => "image/svg+xml",
        _ => return None,
    };
    let bytes = std::fs::read(std::path::Path::new(&folder).join(name)).ok()?;
    Some((kind, Cow::Owned(bytes)))
}

#[cfg(not(debug_assertions))]
fn from_folder(_: &str) -> Option<(&'static str, Cow<'static, [u8]>)> {
    None
}
