//! Limits on inputs, so that a damaged or hostile file cannot exhaust the memory.

/// The longest side that is read, in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// The largest picture that is read, in pixels (128 megapixels: 400 MB as RGB).
pub const MAX_PIXELS: u64 = 128 * 1024 * 1024;
/// Kinds of pictures with their extensions in lower case. The frames of a folder are the files of the first
/// kind that it holds: Meta's loader takes JPEG files only.
pub const KINDS: [(&str, &[&str]); 7] = [
    ("JPEG", &["jpg", "jpeg", "jfif", "jpe"]),
    ("PNG", &["png"]),
    ("WebP", &["webp"]),
    ("BMP", &["bmp"]),
    ("TIFF", &["tif", "tiff"]),
    ("GIF", &["gif"]),
    ("PNM", &["ppm", "pgm", "pbm", "pnm", "pam"]),
];
/// How long a child process that reads a file may give nothing, in seconds.
pub const SILENCE: u64 = 30;
/// The largest picture file that is read into memory, in bytes.
pub const MAX_PICTURE_BYTES: u64 = 1 << 30;
/// The longest line of a prompts file or of a stream's commands, bytes.
pub const MAX_LINE: usize = 1 << 20;
/// The largest number of commands that wait for a later frame of a stream.
pub const MAX_WAITING: usize = 100_000;
/// The largest sum of their lines, bytes.
pub const MAX_WAITING_BYTES: usize = 64 << 20;
/// The longest name in a list of names, bytes.
pub const MAX_NAME: usize = 1024;
