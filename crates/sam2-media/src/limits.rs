//! Limits on inputs, so that a damaged or hostile file cannot exhaust the memory.

/// The longest side that is read, in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// The largest picture that is read, in pixels (128 megapixels: 400 MB as RGB).
pub const MAX_PIXELS: u64 = 128 * 1024 * 1024;
/// Extensions of the pictures in a folder of frames, in lower case.
pub const EXTENSIONS: [&str; 8] = ["png", "jpg", "jpeg", "bmp", "webp", "tif", "tiff", "gif"];
