//! One picture: a photo, or a frame of a clip.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sam2_model::Frame;

use super::clip::Clip;
use super::photo;
use crate::decode::kind;
use crate::error::{ClipError, MediaError};

/// The note about an animation, or a TIFF of several pages.
const MORE: &str =
    "of its frames or pages this is the first: --frame N takes another, sam2 track all of them";

/// Reads a photo, `-` from stdin, with a note about it if there is something to say; or with `frame` that
/// frame of a clip, counted from 0.
///
/// # Errors
/// As [`photo::read`] and [`Clip::open`]; for a clip without `frame`; or if the clip has no such frame.
pub fn read(path: &Path, frame: Option<usize>) -> Result<(Frame, Option<String>), MediaError> {
    match frame {
        None if path.is_dir() || is_video(path) => Err(ClipError::WhichFrame(path.to_owned()).into()),
        None => {
            let (photo, note) = photo::read_with_notes(path)?;
            Ok((photo, note.or_else(|| has_more(path).then(|| MORE.to_owned()))))
        }
        Some(_) if path == Path::new("-") => Err(ClipError::FrameOfStdin.into()),
        Some(index) => of_clip(path, index),
    }
}

fn of_clip(path: &Path, index: usize) -> Result<(Frame, Option<String>), MediaError> {
    let missing = |len| ClipError::NoFrame { path: path.to_owned(), index, len };
    let clip = match Clip::open(path, Some(index.saturating_add(1))) {
        Err(MediaError::Clip(ClipError::SinglePicture(_))) if index == 0 => {
            return photo::read_with_notes(path);
        }
        Err(MediaError::Clip(ClipError::SinglePicture(_))) => return Err(missing(1).into()),
        clip => clip?,
    };
    if index >= clip.len() {
        return Err(missing(clip.len()).into());
    }
    let (_, frame) = clip.select([index].into())?.next().ok_or_else(|| missing(clip.len()))??;
    let note = clip.notes().next().map(str::to_owned);
    Ok((frame, note))
}

/// Whether a picture, which has been read, is an animation or has several pages. The copies that phones put
/// behind a JPEG are none.
fn has_more(path: &Path) -> bool {
    const JPEG: &[u8] = b"\xff\xd8";
    let picture = head(path).is_some_and(|head| !head.starts_with(JPEG) && kind::read(&head).is_some());
    picture && Clip::open(path, Some(2)).is_ok_and(|clip| clip.len() > 1)
}

/// Whether a file begins like a video.
fn is_video(path: &Path) -> bool {
    head(path).is_some_and(|head| is_video_head(&head))
}

/// The first bytes of a file. A pipe would lose them.
fn head(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let file = File::open(path).ok().filter(|_| path.is_file())?;
    file.take(192).read_to_end(&mut head).ok()?;
    Some(head)
}

fn is_video_head(head: &[u8]) -> bool {
    const STILL_BRANDS: [&[u8]; 6] = [b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"];
    const BEGINNINGS: [&[u8]; 8] = [
        b"\x1a\x45\xdf\xa3",
        b"YUV4MPEG2",
        b"FLV\x01",
        b"OggS",
        b"\0\0\x01\xba",
        b"\0\0\x01\xb3",
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        b"\0\0\0\x01\x67",
    ];
    let part = |from: usize, to: usize| head.get(from..to).unwrap_or_default();
    let iso = part(4, 8) == b"ftyp" && !STILL_BRANDS.contains(&part(8, 12));
    let avi = head.starts_with(b"RIFF") && part(8, 12) == b"AVI ";
    let transport = head.first() == Some(&0x47) && head.get(188) == Some(&0x47);
    iso || avi || transport || BEGINNINGS.iter().any(|beginning| head.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;
    use image::{Rgb, RgbImage};
    use sam2_tests::files;

    #[test]
    fn a_frame_of_a_clip_is_a_picture() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for level in [0, 1, 2] {
            let path = dir.path().join(format!("{level}.png"));
            RgbImage::from_pixel(4, 3, Rgb([level; 3])).save(path).expect("save");
        }
        let single = dir.path().join("2.png");
        assert_eq!(read(dir.path(), Some(1)).expect("frame 1").0.rgb()[0], 1);
        assert_eq!(read(&single, None).expect("a photo").0.rgb()[0], 2);
        assert_eq!(read(&single, Some(0)).expect("its only frame").0.rgb()[0], 2);
        for (path, index, word) in [
            (dir.path(), Some(3), "3 frames (0 to 2)"),
            (&single, Some(1), "1 frames (0 to 0)"),
            (dir.path(), None, "--frame N"),
            (Path::new("-"), Some(0), "stdin"),
        ] {
            let error = in_full(&read(path, index).expect_err(word));
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_picture_with_more_behind_it_is_said() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x");
        let frames = [1, 2].map(|level| RgbImage::from_pixel(4, 3, Rgb([level; 3])));
        let note = |bytes: Vec<u8>, frame| {
            std::fs::write(&path, bytes).expect("write");
            read(&path, frame).expect("read").1.unwrap_or_default()
        };
        for write in [files::apng, files::tiff, files::webp] {
            assert!(note(write(&frames), None).contains("--frame N"));
            assert_eq!(note(write(&frames), Some(1)), "");
        }
        for one in [files::tiff(&frames[..1]), files::mjpeg(&frames)] {
            assert_eq!(note(one, None), "");
        }
    }

    #[test]
    fn videos_are_told_from_pictures() {
        let video: [&[u8]; 5] =
            [b"\0\0\0\x18ftypmp42", b"\x1a\x45\xdf\xa3webm", b"RIFF\x10\0\0\0AVI LIST", b"YUV4MPEG2 W2", &{
                let mut packets = [0; 192];
                (packets[0], packets[188]) = (0x47, 0x47);
                packets
            }];
        for head in video {
            assert!(is_video_head(head), "{head:?}");
        }
        let still: [&[u8]; 6] = [
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"RIFF\x10\0\0\0WEBPVP8 ",
            b"\0\0\0\x18ftypheic",
            b"\0\0\0\x18ftypavif",
            b"GIF89a",
        ];
        for head in still {
            assert!(!is_video_head(head), "{head:?}");
        }
    }
}
