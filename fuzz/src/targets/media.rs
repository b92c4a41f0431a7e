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

/// How the clips that this program reads itself begin. What begins otherwise would be ffmpeg's.
const STARTS: [&[u8]; 7] =
    [b"GIF8", b"\x89PNG\r\n\x1a\n", b"RIFF", b"II*\0", b"MM\0*", b"\xff\xd8\xff", b"YUV4MPEG2"];

/// An animation, pages, or Y4M, as a file.
pub fn clip(data: &[u8]) {
    if STARTS.iter().any(|start| data.starts_with(start)) {
        check(read(&file("clip", data), None));
    }
}

/// Bare RGB; the first two bytes are the size.
pub fn raw(data: &[u8]) {
    let [width, height, pixels @ ..] = data else { return };
    let size = RawSize(u32::from(*width).max(1), u32::from(*height).max(1));
    check(read(&file("clip.rgb", pixels), Some(size)));
}
