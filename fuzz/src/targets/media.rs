//! Pictures and clips.

use std::path::Path;

use sam2_media::MediaError;
use sam2_media::frames::{Clip, Input, RawSize, photo};
use sam2_media::pictures::label_map;
use sam2_media::prompts::mask_file;

use super::{check, file};

/// Frames of a clip that are read.
const FRAMES: usize = 4;

/// A still picture, as a photo.
pub fn picture(data: &[u8]) {
    let path = file("picture", data);
    check(photo::dimensions(&path).map(|_| ()));
    check(photo::read(&path).map(|_| ()));
}

/// A label map of `vos` and `eval`.
pub fn labels(data: &[u8]) {
    check(label_map::read(&file("labels.png", data)).map(|_| ()));
}

/// A mask as prompt.
pub fn mask(data: &[u8]) {
    let path = file("mask.png", data);
    check(mask_file::read(&path, None).map(|_| ()));
    check(mask_file::read(&path, Some(1)).map(|_| ()));
}

fn read(path: &Path, raw: Option<RawSize>) -> Result<(), MediaError> {
    match Input::open(path, raw, Some(FRAMES))? {
        Input::Clip(clip) => walk(&clip),
        Input::Stream(mut stream) => {
            while stream.next_frame()?.is_some() {}
            Ok(())
        }
    }
}

fn walk(clip: &Clip) -> Result<(), MediaError> {
    for frame in clip.frames_from(0)? {
        let (_, frame) = frame?;
        assert_eq!((frame.width() as u32, frame.height() as u32), clip.size());
    }
    Ok(())
}

/// A clip that begins as one of these does. What begins otherwise is another target's, or ffmpeg's.
fn clip(data: &[u8], starts: &[&[u8]]) {
    if starts.iter().any(|start| data.starts_with(start)) {
        check(read(&file("clip", data), None));
    }
}

/// Uncompressed frames with a header.
pub fn y4m(data: &[u8]) {
    clip(data, &[b"YUV4MPEG2"]);
}

/// An animation.
pub fn gif(data: &[u8]) {
    clip(data, &[b"GIF8"]);
}

/// An animated PNG.
pub fn apng(data: &[u8]) {
    clip(data, &[b"\x89PNG\r\n\x1a\n"]);
}

/// An animated WebP.
pub fn webp(data: &[u8]) {
    clip(data, &[b"RIFF"]);
}

/// The pages of a TIFF.
pub fn tiff(data: &[u8]) {
    clip(data, &[b"II*\0", b"MM\0*"]);
}

/// Motion JPEG.
pub fn mjpeg(data: &[u8]) {
    clip(data, &[b"\xff\xd8\xff"]);
}

/// Bare RGB; the first two bytes are the size.
pub fn raw(data: &[u8]) {
    let [width, height, pixels @ ..] = data else { return };
    let size = RawSize(u32::from(*width).max(1), u32::from(*height).max(1));
    check(read(&file("clip.rgb", pixels), Some(size)));
}
