//! Environment variables that change what the program does.

/// Name and effect of every one.
pub const VARIABLES: [(&str, &str); 4] = [
    ("SAM2_ISA", "instruction set to use instead of the fastest: portable, avx2, avx512, dotprod"),
    ("SAM2_FFMPEG", "the ffmpeg program that decodes videos [default: ffmpeg of the search path]"),
    ("SAM2_NO_NOTE", "1 silences the note about the embedded model"),
    ("RUST_BACKTRACE", "1 prints a backtrace if an internal error ends the program"),
];

/// Whether a switch is on: set, and neither empty nor 0.
pub fn is_on(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
}
