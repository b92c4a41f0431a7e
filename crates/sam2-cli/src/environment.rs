//! Environment variables that change what the program does.

use std::path::PathBuf;

/// Name and effect of every one.
pub const VARIABLES: [(&str, &str); 9] = [
    ("SAM2_MODEL", "checkpoint of commands without -m"),
    ("SAM2_MODEL_DIR", "folder of checkpoints, for -m tiny, small, base+, large or the name of a file"),
    ("HF_HUB_CACHE", "Hugging Face cache of checkpoints, for -m tiny or facebook/sam2.1-hiera-tiny"),
    ("HF_HOME", "folder of Hugging Face, with the cache inside as hub [default: ~/.cache/huggingface]"),
    (
        "SAM2_ISA",
        "instruction set to use instead of the fastest: portable, avx2, avxvnni, avx512, neon, dotprod, i8mm",
    ),
    ("SAM2_FFMPEG", "the ffmpeg program that decodes videos [default: ffmpeg of the search path]"),
    ("SAM2_LOG", "form of the lines on stderr for commands without --log: text or json"),
    ("SAM2_NO_NOTE", "1 silences the note about the embedded model"),
    ("RUST_BACKTRACE", "1 prints a backtrace if an internal error ends the program"),
];

/// The checkpoint of commands without -m.
pub fn model() -> Option<PathBuf> {
    std::env::var_os("SAM2_MODEL").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Whether stderr gets JSON where the command line does not say.
pub fn log_is_json() -> bool {
    std::env::var_os("SAM2_LOG").is_some_and(|value| value == "json")
}

/// # Errors
/// If `SAM2_LOG` is neither empty, nor text, nor json.
pub fn check_log() -> anyhow::Result<()> {
    match std::env::var_os("SAM2_LOG") {
        Some(value) if !["", "text", "json"].iter().any(|known| value == *known) => {
            anyhow::bail!("SAM2_LOG is {}, expected text or json", value.display())
        }
        _ => Ok(()),
    }
}

/// Whether a switch is on: set, and neither empty nor 0.
pub fn is_on(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
}
