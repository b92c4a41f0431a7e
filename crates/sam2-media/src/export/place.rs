//! Where the files of a format go.

use std::path::{Path, PathBuf};

use super::format::Format;
use crate::error::{ExportError, MediaError};
use crate::files;
use crate::frames::encode;
use crate::outputs::names;

/// One file, or a folder for as many as the format has.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// A file that the user has named.
    File(PathBuf),
    Folder(PathBuf),
}

impl Place {
    /// Tells by the extension.
    ///
    /// # Errors
    /// If the format has no file of this extension.
    pub fn of(format: Format, out: PathBuf) -> Result<Self, ExportError> {
        let (extensions, advice): (&[&str], _) = match format {
            Format::Coco | Format::Ytvis | Format::Sav => {
                (&["json"], "give a name that ends in .json, or a folder")
            }
            Format::Mot | Format::Mots => (&["txt"], "give a name that ends in .txt, or a folder"),
            Format::Overlay => (
                &["mp4", "webm", "mov", "gif", "apng"],
                "give a name that ends in .mp4, .webm, .mov, .gif or .apng, or a folder for pictures",
            ),
            Format::Alpha => {
                (&["webm", "mov"], "give a name that ends in .webm or .mov, or a folder for pictures")
            }
            _ => (&[], "it has several files: give a folder"),
        };
        match names::extension(&out) {
            None => Ok(Self::Folder(out)),
            Some(extension) if extensions.contains(&extension.as_str()) => Ok(Self::File(out)),
            Some(_) => Err(ExportError::Name { format: format.name(), path: out, advice }),
        }
    }

    /// The file itself, or one in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Folder(folder) => folder.join(name),
        }
    }

    /// Checks that files can be written there, and that ffmpeg is there if it is needed.
    ///
    /// # Errors
    /// If not.
    pub fn prepare(&self) -> Result<(), MediaError> {
        match self {
            Self::Folder(folder) => files::prepare_folder(folder),
            Self::File(path) => {
                let extension = extension(path);
                files::prepare_file(path, &extension)?;
                if encode::EXTENSIONS.contains(&extension.as_str()) { encode::check(path) } else { Ok(()) }
            }
        }
    }
}

/// The extension in lower case.
pub fn extension(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase()
}
