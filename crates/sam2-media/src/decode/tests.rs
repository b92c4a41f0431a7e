//! Cut and damaged files of every format, and headers that claim too much, drawn here.

use std::path::{Path, PathBuf};
use std::time::Instant;

use image::{ImageFormat, Rgb, RgbImage};

use crate::error::{MediaError, PictureError, in_full};
use crate::frames::{Input, photo};
use crate::pictures::label_map;
use crate::prompts::mask_file;

fn drawn() -> RgbImage {
    RgbImage::from_fn(120, 90, |x, y| Rgb([(x * y) as u8, (x * 2) as u8, (y * 2 + x / 7 * 31) as u8]))
}

/// A picture in every format that can be written here.
fn files(dir: &Path) -> Vec<PathBuf> {
    ["png", "jpg", "gif", "bmp", "webp", "tif", "ppm"]
        .into_iter()
        .map(|extension| {
            let path = dir.join(format!("x.{extension}"));
            drawn().save(&path).expect("save");
            path
        })
        .collect()
}

#[test]
fn cut_files_are_refused_alike_in_every_format() {
    let dir = tempfile::tempdir().expect("temporary folder");
    for path in files(dir.path()) {
        let file = std::fs::read(&path).expect("read");
        photo::read(&path).expect("the whole one is read");
        for percent in [0, 1, 10, 40, 60, 80, 97] {
            let cut = file.len() * percent / 100;
            std::fs::write(&path, &file[..cut]).expect("write");
            let text = photo::read(&path).err().map(|error| in_full(&error));
            let what = format!("{} cut to {cut} of {} bytes: {text:?}", path.display(), file.len());
            let text = text.unwrap_or_else(|| panic!("{what}"));
            assert!(!text.contains('\n') && text.contains("cannot read the picture"), "{what}");
            if percent >= 40 {
                assert!(text.contains("cut short") || text.contains("damaged"), "{what}");
            }
            // What a half-copied file often looks like: the rest is zeros.
            let mut filled = file[..cut].to_vec();
            filled.resize(file.len(), 0);
            std::fs::write(&path, filled).expect("write");
            let raw = ["bmp", "ppm", "tif"].iter().any(|raw| path.extension().is_some_and(|e| e == *raw));
            // Zeros are pixels in formats without compression.
            if !raw || percent < 1 {
                assert!(photo::read(&path).is_err(), "{} filled up from {cut}", path.display());
            }
        }
    }
}

#[test]
fn the_content_decides_the_format_and_not_the_name() {
    let dir = tempfile::tempdir().expect("temporary folder");
    for path in files(dir.path()) {
        let renamed = dir.path().join("renamed.png");
        std::fs::copy(&path, &renamed).expect("copy");
        let frame = photo::read(&renamed).expect("read");
        assert_eq!((frame.width(), frame.height()), (120, 90), "{}", path.display());
        assert_eq!(photo::dimensions(&renamed).expect("header"), (120, 90));
        assert!(photo::is_picture(&renamed));
    }
}

#[test]
fn the_family_of_pnm_is_read() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("x.pnm");
    for (file, expected) in [
        (&b"P1\n# a comment\n2 1\n1 0\n"[..], [0, 0, 0, 255, 255, 255]),
        (b"P2 2 1 255 7 9\n", [7, 7, 7, 9, 9, 9]),
        (b"P3\n2 1\n255\n1 2 3\n4 5 6\n", [1, 2, 3, 4, 5, 6]),
        (b"P4\n2 1\n\x80", [0, 0, 0, 255, 255, 255]),
        (b"P5\n2 1\n255\n\x07\x09", [7, 7, 7, 9, 9, 9]),
        (b"P6 2 1 255\n\x01\x02\x03\x04\x05\x06", [1, 2, 3, 4, 5, 6]),
        (
            b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n\x01\x02\x03\x04\x05\x06",
            [1, 2, 3, 4, 5, 6],
        ),
    ] {
        std::fs::write(&path, file).expect("write");
        assert_eq!(photo::read(&path).expect("read").rgb(), expected, "{}", String::from_utf8_lossy(file));
    }
    std::fs::write(&path, b"P5\n2 1\n65535\n\x80\x00\xff\xff").expect("write");
    assert_eq!(photo::read(&path).expect("16 bits").rgb(), [128, 128, 128, 255, 255, 255]);
}

/// Writes a number of two or four bytes at a place of a file.
fn patched(file: &[u8], places: &[(usize, &[u8])]) -> Vec<u8> {
    let mut file = file.to_vec();
    places.iter().for_each(|(at, bytes)| file[*at..at + bytes.len()].copy_from_slice(bytes));
    file
}

#[test]
fn claims_that_the_file_cannot_hold_cost_nothing() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let bytes = |format| {
        let mut file = std::io::Cursor::new(Vec::new());
        RgbImage::new(2, 2).write_to(&mut file, format).expect("encode");
        file.into_inner()
    };
    let (jpeg, gif) = (bytes(ImageFormat::Jpeg), bytes(ImageFormat::Gif));
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header") + 5;
    let wide = (16_000_u16, 8_000_u16);
    let (be, le) = (
        [wide.1.to_be_bytes(), wide.0.to_be_bytes()].concat(),
        [wide.0.to_le_bytes(), wide.1.to_le_bytes()].concat(),
    );
    let long = |side: u16, big: bool| {
        if big { u32::from(side).to_be_bytes() } else { u32::from(side).to_le_bytes() }
    };
    let png = {
        // The checksum of the header follows its 13 bytes.
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, u32::from(wide.0), u32::from(wide.1));
        encoder.set_color(png::ColorType::Rgb);
        drop(encoder.write_header().expect("header"));
        file
    };
    let bmp = patched(&bytes(ImageFormat::Bmp), &[(18, &long(wide.0, false)), (22, &long(wide.1, false))]);
    let cases = [
        ("png", png),
        ("jpg", patched(&jpeg, &[(frame, &be)])),
        ("gif", patched(&gif, &[(6, &le)])),
        ("bmp", bmp),
        ("ppm", b"P6 16000 8000 255\n\x01\x02\x03".to_vec()),
        ("pgm", b"P2 16000 8000 255\n1 2 3".to_vec()),
    ];
    for (extension, file) in cases {
        let path = dir.path().join(format!("x.{extension}"));
        std::fs::write(&path, file).expect("write");
        let start = Instant::now();
        let error = photo::read(&path).expect_err(extension);
        assert!(start.elapsed().as_millis() < 500, "{extension}");
        let MediaError::Picture { source, .. } = &error else { panic!("{extension}: {error}") };
        assert!(matches!(source, PictureError::Claim { .. }), "{extension}: {error}");
        assert!(photo::dimensions(&path).is_err(), "{extension}");
    }
}

#[test]
fn jpegs_of_all_kinds_of_names_and_colours_are_read() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("x.jfif");
    drawn().save_with_format(&path, ImageFormat::Jpeg).expect("save");
    let expected = image::load_from_memory(&std::fs::read(&path).expect("read")).expect("decode").into_rgb8();
    assert_eq!(photo::read(&path).expect("read").rgb(), expected.as_raw());
    image::DynamicImage::from(drawn()).to_luma8().save_with_format(&path, ImageFormat::Jpeg).expect("save");
    let expected = image::load_from_memory(&std::fs::read(&path).expect("read")).expect("decode").into_rgb8();
    assert_eq!(photo::read(&path).expect("read").rgb(), expected.as_raw());
}

#[test]
fn palettes_that_are_no_lists_of_colours_are_refused() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("x.png");
    for moves in [false, true] {
        for len in [0, 1, 2, 3, 48, 49, 50, 767, 768, 769, 771, 3000] {
            let mut file = Vec::new();
            let mut encoder = png::Encoder::new(&mut file, 8, 6);
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_depth(png::BitDepth::Four);
            encoder.set_palette(vec![7; len]);
            if moves {
                encoder.set_animated(2, 0).expect("two frames");
            }
            let mut writer = encoder.write_header().expect("header");
            for _ in 0..=usize::from(moves) {
                writer.write_image_data(&[0; 24]).expect("pixels");
            }
            writer.finish().expect("end");
            std::fs::write(&path, file).expect("write");
            let read = [
                photo::read(&path).map(|_| ()),
                photo::dimensions(&path).map(|_| ()),
                label_map::read(&path).map(|_| ()),
                mask_file::read(&path, Some(7)).map(|_| ()),
                Input::open(&path, None, None).map(|_| ()),
            ];
            for result in read {
                let text = result.err().map_or(String::new(), |error| in_full(&error));
                let names_it = text.contains("x.png") && text.contains(&format!("palette has {len} bytes"));
                assert_eq!(names_it, len % 3 != 0 || len > 768, "{len}: {text}");
            }
        }
    }
}

#[test]
fn a_png_that_lacks_its_last_chunk_alone_is_read() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("x.png");
    drawn().save(&path).expect("save");
    let file = std::fs::read(&path).expect("read");
    let whole = photo::read(&path).expect("whole");
    let size = photo::dimensions(&path).expect("its size");
    for missing in 1..=12 {
        std::fs::write(&path, &file[..file.len() - missing]).expect("write");
        assert_eq!(photo::dimensions(&path).expect("its size"), size);
        assert_eq!(photo::read(&path).expect("all pixels are there").rgb(), whole.rgb(), "{missing}");
    }
    for missing in [13, 14, 40] {
        std::fs::write(&path, &file[..file.len() - missing]).expect("write");
        let text = in_full(&photo::read(&path).expect_err("pixels are missing"));
        assert!(text.contains("cut short") || text.contains("damaged"), "{missing}: {text}");
    }
    std::fs::write(&path, [&file[..], b"more"].concat()).expect("write");
    assert_eq!(photo::read(&path).expect("bytes behind").rgb(), whole.rgb());
    std::fs::write(&path, [&file[..8], b"\0\0\0\x04CgBI\x50\0\x20\x02\0\0\0\0", &file[8..]].concat())
        .expect("write");
    assert!(in_full(&photo::read(&path).expect_err("of an app")).contains("pngcrush"));
}
