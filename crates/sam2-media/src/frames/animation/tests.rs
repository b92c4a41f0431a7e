//! Animations that are whole, cut, or claim too much.

use super::super::gif;
use super::*;
use crate::error::in_full;
use image::{Rgb, RgbImage};
use sam2_tests::files;

fn gif_of(frames: &[RgbImage]) -> Vec<u8> {
    let mut file = Vec::new();
    gif::write(&mut file, frames, 40).expect("encode");
    file
}

fn grey(n: u8) -> Vec<RgbImage> {
    (0..n).map(|i| RgbImage::from_pixel(8, 6, Rgb([i * 20; 3]))).collect()
}

/// Opens these bytes as a file.
fn open(bytes: &[u8], max_frames: Option<usize>) -> Result<Option<Animation>, MediaError> {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("clip");
    std::fs::write(&path, bytes).expect("write");
    let animation = Animation::open(&path, &bytes[..bytes.len().min(16)], max_frames)?;
    if let Some(animation) = &animation {
        assert_eq!(animation.frames()?.count(), animation.len(), "a second pass has as many frames");
    }
    Ok(animation)
}

fn levels(bytes: &[u8]) -> Vec<u8> {
    let animation = Animation::embedded(bytes.to_vec().leak(), None).expect("open");
    let frames = animation.frames().expect("frames");
    frames.map(|frame| frame.expect("frame").1.rgb()[3 * (3 * 8 + 3)]).collect()
}

#[test]
fn a_pass_can_be_dropped_or_moved_to_another_thread() {
    let animation = Animation::embedded(gif_of(&grey(9)).leak(), None).expect("open");
    drop(animation.frames().expect("frames"));
    let frames = animation.frames().expect("frames");
    assert_eq!(thread::spawn(|| frames.count()).join().expect("no panic"), 9);
}

#[test]
fn frames_are_counted_and_read() {
    let file = gif_of(&grey(4));
    assert!(levels(&file).iter().zip([0, 20, 40, 60]).all(|(a, b)| a.abs_diff(b) <= 2));
    let animation = open(&file, None).expect("open").expect("animated");
    assert_eq!((animation.len(), animation.size(), animation.note()), (4, (8, 6), None));
    assert_eq!(open(&file, Some(3)).expect("open").expect("animated").len(), 3);
}

type Writer = fn(&[RgbImage]) -> Vec<u8>;
const WRITERS: [Writer; 3] = [gif_of, files::apng, files::webp];

#[test]
fn every_format_is_read() {
    for write in WRITERS {
        let animation = open(&write(&grey(5)), None).expect("open").expect("animated");
        assert_eq!((animation.len(), animation.size(), animation.note()), (5, (8, 6), None));
    }
    let mut still = Cursor::new(Vec::new());
    for format in [image::ImageFormat::Png, image::ImageFormat::WebP] {
        grey(1)[0].write_to(&mut still, format).expect("encode");
        assert!(open(&still.get_ref()[..], None).expect("open").is_none(), "{format:?} that does not move");
        still = Cursor::default();
    }
}

/// Frames with details, so that data of a frame that is cut are missed.
fn pictures() -> Vec<RgbImage> {
    let noise = |i: u32, x: u32, y: u32| (x * 37 + y * 91 + i * 53 + x * y * (i + 3)) as u8;
    (0..3).map(|i| RgbImage::from_fn(24, 16, |x, y| Rgb([noise(i, x, y), x as u8 * 9, y as u8]))).collect()
}

#[test]
fn a_file_that_is_cut_is_read_up_to_there() {
    for write in WRITERS {
        let whole = write(&pictures());
        let frames_of = |bytes: &[u8]| -> Option<Vec<Frame>> {
            let dir = tempfile::tempdir().expect("temporary folder");
            let path = dir.path().join("clip");
            std::fs::write(&path, bytes).expect("write");
            let animation = Animation::open(&path, &bytes[..16], None).ok()??;
            let frames = animation.frames().expect("frames").map(|f| f.expect("frame").1).collect::<Vec<_>>();
            assert_eq!(frames.len(), animation.len());
            let note = animation.note().unwrap_or_default();
            let count = frames.len();
            let counted = [format!("the {count} frame"), format!("are read: {count}")];
            assert!(count == 3 || counted.iter().any(|words| note.contains(words)), "{note}");
            assert!(bytes.len() < whole.len() || note.is_empty(), "{note}");
            Some(frames)
        };
        let expected = frames_of(&whole).expect("the whole file");
        assert_eq!(expected.len(), 3);
        let mut counts = [0; 4];
        for end in (16..whole.len()).rev() {
            let found = frames_of(&whole[..end]).unwrap_or_default();
            assert!(found == expected[..found.len()], "cut at {end} of {}", whole.len());
            counts[found.len()] += 1;
        }
        assert!(counts[1] > 0 && counts[2] > 0, "{counts:?}");
    }
}

#[test]
fn a_png_whose_last_chunk_alone_is_missing_is_whole() {
    let file = files::apng(&pictures());
    for missing in 1..=12 {
        let animation = open(&file[..file.len() - missing], None).expect("open").expect("animated");
        assert_eq!((animation.len(), animation.note()), (3, None), "without {missing} bytes");
    }
}

/// A GIF of 35 bytes with a frame of this size on a canvas of one pixel.
fn giant(side: u16) -> Vec<u8> {
    let mut file = b"GIF89a\x01\0\x01\0\xf0\0\0\0\0\0\xff\xff\xff\x2c\0\0\0\0".to_vec();
    file.extend([side.to_le_bytes(), side.to_le_bytes()].concat());
    file.extend(b"\0\x02\x02\x4c\x01\0;");
    file
}

#[test]
fn sizes_beyond_the_canvas_or_the_file_are_refused() {
    for side in [65_535, 20_000] {
        assert!(open(&giant(side), None).is_err());
    }
    let mut canvas = gif_of(&grey(2));
    canvas[6..10].copy_from_slice(&[0, 64, 0, 32]);
    let text = in_full(&open(&canvas, None).expect_err("16384x8192 pixels in a few bytes"));
    assert!(text.contains("16384x8192"), "{text}");
}
