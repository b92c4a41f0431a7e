//! Errors of one line each: the file, the cause and, where there is one, the remedy.
//!
//! A message does not hold its cause, which [`std::error::Error::source`] returns; [`in_full`] joins them.

mod array;
mod clip;
mod export;
mod picture;
mod prompt;
mod table;
mod text;

use std::io;
use std::path::{Path, PathBuf};

pub use array::ArrayError;
pub(crate) use clip::in_brackets;
pub use clip::{ClipError, FfmpegError, MjpegError, PpmError, Y4mError};
pub use export::ExportError;
pub use picture::PictureError;
pub use prompt::{InvalidCommand, InvalidPrompt};
pub use sam2_model::text::TextError;
pub use table::TableError;
pub use text::{in_full, one_line, printable, printable_lines};

/// A file of frames, pictures or prompts cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// A file cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A folder cannot be listed.
    #[error("cannot list the folder {}", folder.display())]
    List {
        /// The folder.
        folder: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// No file can be written into a folder.
    #[error("cannot write into the folder {}", folder.display())]
    WriteFolder {
        /// The folder.
        folder: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// An output is a file that is read.
    #[error("{}", overwrites(output, input))]
    OutputIsInput {
        /// The output.
        output: PathBuf,
        /// The input.
        input: PathBuf,
    },
    /// The folder of the outputs is one whose files are read.
    #[error(
        "the output folder {} is the input {}: choose another one for the output",
        folder.display(),
        input.display()
    )]
    FolderIsInput {
        /// The folder.
        folder: PathBuf,
        /// The input.
        input: PathBuf,
    },
    /// The output folder holds files of an earlier run.
    #[error("{}", earlier_run(first, *others))]
    EarlierRun {
        /// One of them.
        first: PathBuf,
        /// How many more there are.
        others: usize,
    },
    /// A file of an earlier run cannot be removed.
    #[error("cannot replace {}", path.display())]
    Replace {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A name that a file gives leads out of the output folder.
    #[error("{name:?} leads out of the folder {}: names must stay inside it", folder.display())]
    LeavesFolder {
        /// The output folder.
        folder: PathBuf,
        /// The name.
        name: String,
    },
    /// The path of an output file is a folder.
    #[error("cannot write {}: it is a folder", .0.display())]
    OutputIsFolder(PathBuf),
    /// The name of an output file has another extension than its format.
    #[error("the name of the output {} must end in .{extension}", path.display())]
    OutputExtension {
        /// The file.
        path: PathBuf,
        /// The extension, without a dot.
        extension: String,
    },
    /// A photo cannot be read.
    #[error("cannot read the picture {}", path.display())]
    Picture {
        /// The file, or `-` for stdin.
        path: PathBuf,
        /// Cause.
        source: PictureError,
    },
    /// A PNG of object numbers cannot be read.
    #[error("cannot read the label map {}", path.display())]
    LabelMap {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: PictureError,
    },
    /// A mask cannot serve as a prompt.
    #[error("cannot use the mask {}", path.display())]
    Mask {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: PictureError,
    },
    /// A mask in a NumPy file cannot serve as a prompt.
    #[error("cannot use the mask {}", path.display())]
    MaskArray {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: ArrayError,
    },
    /// A clip or stream cannot be read.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// A video cannot be read through ffmpeg.
    #[error(transparent)]
    Ffmpeg(#[from] FfmpegError),
    /// Results cannot be exported.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A text file cannot be read.
    #[error("cannot read {what} {name}")]
    Text {
        /// What it is, as in "the prompts file".
        what: &'static str,
        /// The file, or `stdin`.
        name: String,
        /// Cause.
        source: TextError,
    },
    /// A line of a table or of a list of names cannot be read.
    #[error("{} line {line}", path.display())]
    TableLine {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Cause.
        source: TableError,
    },
    /// A table of boxes has none.
    #[error("{} holds no boxes", .0.display())]
    NoBoxes(PathBuf),
    /// A prompt makes no sense, or does not fit its picture or clip.
    #[error(transparent)]
    Prompt(#[from] InvalidPrompt),
    /// A prompt of a file makes no sense.
    #[error("{origin}")]
    PromptAt {
        /// File and line.
        origin: String,
        /// Cause.
        source: InvalidPrompt,
    },
    /// A mask of a prompt cannot be used.
    #[error("{origin}")]
    MaskAt {
        /// File and line.
        origin: String,
        /// Cause.
        source: Box<MediaError>,
    },
    /// A command of a stream makes no sense.
    #[error("{origin}")]
    Command {
        /// File and line.
        origin: String,
        /// Cause.
        source: InvalidCommand,
    },
    /// The commands of a stream cannot be read.
    #[error("cannot read the prompts from {name}")]
    Feed {
        /// The file or pipe.
        name: String,
        /// Cause.
        source: TextError,
    },
}

fn overwrites(output: &Path, input: &Path) -> String {
    let advice = "choose another name for the output";
    if output == input {
        return format!("writing {} would overwrite an input: {advice}", output.display());
    }
    format!(
        "writing {} would overwrite the input {}, which is the same file: {advice}",
        output.display(),
        input.display()
    )
}

fn earlier_run(first: &Path, others: usize) -> String {
    let more = if others == 0 { String::new() } else { format!(" and {others} more") };
    format!(
        "{}{more} of an earlier run would be replaced: choose another output folder, or allow it with \
         --overwrite",
        first.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_can_cross_threads_and_are_small() {
        fn sendable<T: Send + Sync + 'static>() {}
        sendable::<MediaError>();
        assert!(size_of::<MediaError>() <= 128);
    }
}
