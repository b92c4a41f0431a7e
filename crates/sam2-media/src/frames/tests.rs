//! Damaged copies of clips and pictures are read or refused in one line, without a panic.

use std::fs::{self, File};
use std::path::Path;

use image::{Rgb, RgbImage};
use sam2_tests::files;
use sam2_tests::mutate::mutated;

use super::{animation, gif, pages, photo, raw};
use crate::error::{MediaError, in_full};

const CASES: u64 = 200;

fn attack(file: &[u8], extension: &str, read: impl Fn(&Path) -> Result<(), MediaError>) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join(format!("x.{extension}"));
    fs::write(&path, file).expect("write");
    read(&path).expect("the whole one is read");
    for case in 0..CASES {
        // Half of the copies are damaged near the beginning, which contains the sizes.
        let reach = if case % 2 == 0 { 40 } else { file.len() };
        fs::write(&path, mutated(file, reach, case)).expect("write");
        if let Err(error) = read(&path) {
            let message = in_full(&error);
            assert!(
                !message.is_empty() && !message.contains('\n') && message.len() < 1000,
                "case {case}: {message}"
            );
        }
    }
}

fn picture(i: u8) -> RgbImage {
    RgbImage::from_fn(12, 8, |x, y| Rgb([x as u8 * 20, y as u8 * 30, i * 60]))
}

#[test]
fn damaged_gifs() {
    let mut file = Vec::new();
    gif::write(&mut file, &[picture(0), picture(1), picture(2)], 40).expect("encode");
    attack(&file, "gif", |path| animated(path, b"GIF89a"));
}

/// Reads up to five frames of an animation that begins with `head`, whatever the file does.
fn animated(path: &Path, head: &[u8]) -> Result<(), MediaError> {
    let Some(clip) = animation::Animation::open(path, head, Some(5))? else { return Ok(()) };
    clip.frames()?.try_for_each(|frame| frame.map(|_| ()))
}

#[test]
fn damaged_animations() {
    let frames = [picture(0), picture(1), picture(2)];
    attack(&files::apng(&frames), "png", |path| animated(path, b"\x89PNG\r\n\x1a\n"));
    attack(&files::webp(&frames), "webp", |path| animated(path, b"RIFF____WEBP"));
}

#[test]
fn damaged_tiff_pages() {
    attack(&files::tiff(&[picture(0), picture(1), picture(2)]), "tif", |path| {
        let Some(clip) = pages::Pages::open(path, b"II*\0____", Some(5))? else { return Ok(()) };
        (0..clip.len()).try_for_each(|i| clip.frame(i).map(|_| ()))
    });
}

#[test]
fn damaged_motion_jpeg() {
    attack(&files::mjpeg(&[picture(0), picture(1), picture(2)]), "mjpeg", |path| {
        let clip = raw::ByteFile::open(path, raw::Format::Mjpeg, Some(5))?;
        clip.frames()?.try_for_each(|frame| frame.map(|_| ()))
    });
}

#[test]
fn damaged_y4m_files() {
    let mut file = b"YUV4MPEG2 W12 H8 F30:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL\n".to_vec();
    for i in 0..3 {
        file.extend(b"FRAME\n");
        file.extend(std::iter::repeat_n(i * 50, 12 * 8 * 3 / 2));
    }
    attack(&file, "y4m", |path| {
        let clip = raw::ByteFile::open(path, raw::Format::Y4m, Some(5))?;
        clip.frames()?.try_for_each(|frame| frame.map(|_| ()))
    });
}

#[test]
fn damaged_pictures() {
    for extension in ["png", "jpg", "bmp", "webp", "tif"] {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join(format!("x.{extension}"));
        picture(1).save(&path).expect("encode");
        let mut file = Vec::new();
        std::io::Read::read_to_end(&mut File::open(&path).expect("open"), &mut file).expect("read");
        attack(&file, extension, |path| {
            photo::dimensions(path)?;
            photo::read(path).map(|_| ())
        });
    }
}
