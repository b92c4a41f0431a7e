//! Clips as files, of formats that nothing here else writes.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, RgbImage};

/// An animated PNG of frames of one size.
///
/// # Panics
/// If there is no frame.
#[must_use]
pub fn apng(frames: &[RgbImage]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, frames[0].width(), frames[0].height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_animated(frames.len() as u32, 0).expect("a number of frames");
    let mut writer = encoder.write_header().expect("written to memory");
    frames.iter().for_each(|frame| writer.write_image_data(frame.as_raw()).expect("as many as announced"));
    writer.finish().expect("all frames are there");
    file
}

/// An animated WebP, lossless, of frames of one size.
///
/// # Panics
/// If there is no frame.
#[must_use]
pub fn webp(frames: &[RgbImage]) -> Vec<u8> {
    let part = |name: &[u8], content: &[u8]| {
        let mut part = [name, &(content.len() as u32).to_le_bytes(), content].concat();
        part.resize(part.len().next_multiple_of(2), 0);
        part
    };
    let three = |n: u32| n.to_le_bytes()[..3].to_vec();
    let (width, height) = frames[0].dimensions();
    let size = [three(width - 1), three(height - 1)].concat();
    let mut parts = part(b"VP8X", &[&[2, 0, 0, 0][..], &size].concat());
    parts.extend(part(b"ANIM", &[0; 6]));
    for frame in frames {
        let mut still = Vec::new();
        let encoder = WebPEncoder::new_lossless(&mut still);
        encoder.encode(frame, width, height, ExtendedColorType::Rgb8).expect("written to memory");
        // Behind the 12 bytes of the file's own header.
        parts.extend(part(b"ANMF", &[&[0; 6][..], &size, &three(40), &[0], &still[12..]].concat()));
    }
    part(b"RIFF", &[b"WEBP", &parts[..]].concat())
}

/// A TIFF with one uncompressed page for each frame, its pixels before its directory.
///
/// # Panics
/// Never.
#[must_use]
pub fn tiff(frames: &[RgbImage]) -> Vec<u8> {
    let mut file = b"II*\0\0\0\0\0".to_vec();
    let mut link = 4;
    for frame in frames {
        let pixels = file.len() as u32;
        file.extend(frame.as_raw());
        file.resize(file.len().next_multiple_of(2), 0);
        let at = file.len() as u32;
        file[link..link + 4].copy_from_slice(&at.to_le_bytes());
        let bytes = frame.as_raw().len() as u32;
        // Tag, type (3: 16 bits, 4: 32 bits), value.
        let entries = [
            (256, 4, frame.width()),
            (257, 4, frame.height()),
            (258, 3, 8),
            (259, 3, 1),
            (262, 3, 2),
            (273, 4, pixels),
            (277, 3, 3),
            (278, 4, frame.height()),
            (279, 4, bytes),
        ];
        file.extend((entries.len() as u16).to_le_bytes());
        for (tag, kind, value) in entries {
            file.extend([u16::to_le_bytes(tag), u16::to_le_bytes(kind)].concat());
            file.extend([1_u32.to_le_bytes(), u32::to_le_bytes(value)].concat());
        }
        link = file.len();
        file.extend([0; 4]);
    }
    file
}

/// Motion JPEG.
///
/// # Panics
/// Never.
#[must_use]
pub fn mjpeg(frames: &[RgbImage]) -> Vec<u8> {
    let mut file = Vec::new();
    for frame in frames {
        JpegEncoder::new_with_quality(&mut file, 95).encode_image(frame).expect("written to memory");
    }
    file
}
