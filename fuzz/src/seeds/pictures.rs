//! Pictures of a few pixels in every format, depth and colour type that an encoder is at hand for.

use std::io::Cursor;

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, RgbaImage};
use png::{BitDepth, ColorType, Encoder};

const WIDTH: u32 = 8;
const HEIGHT: u32 = 6;

fn rgba(shift: u32) -> DynamicImage {
    let pixel = |x: u32, y: u32| {
        image::Rgba([
            (x * 30 + shift) as u8,
            (y * 40) as u8,
            (x * y + shift) as u8,
            if x > 2 { 255 } else { 90 },
        ])
    };
    RgbaImage::from_fn(WIDTH, HEIGHT, pixel).into()
}

/// The picture in several depths and colour types, in those that the format has.
fn all(format: ImageFormat) -> Vec<Vec<u8>> {
    let picture = rgba(0);
    let variants = [
        DynamicImage::from(picture.to_rgb8()),
        picture.to_luma8().into(),
        picture.to_luma16().into(),
        picture.to_rgb16().into(),
        picture.to_rgb32f().into(),
        picture,
    ];
    let write = |picture: &DynamicImage| {
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, format).ok().map(|()| file.into_inner())
    };
    variants.iter().filter_map(write).collect()
}

/// A PNG of packed rows.
fn packed(color: ColorType, depth: BitDepth, palette: Option<Vec<u8>>, animated: bool) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, WIDTH, HEIGHT);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
    }
    let frames = if animated { 3 } else { 1 };
    if animated {
        encoder.set_animated(frames, 0).expect("frames");
    }
    let bits = depth as usize * color.samples() * WIDTH as usize;
    let row = bits.div_ceil(8);
    let mut writer = encoder.write_header().expect("a header");
    for frame in 0..frames as usize {
        let data: Vec<u8> = (0..row * HEIGHT as usize).map(|i| (i * 5 + frame * 50) as u8 & 0x33).collect();
        writer.write_image_data(&data).expect("pixels");
    }
    writer.finish().expect("an end");
    file
}

fn palette() -> Option<Vec<u8>> {
    Some((0..3 * 64).map(|i| i as u8).collect())
}

pub fn pngs() -> Vec<Vec<u8>> {
    let mut files = all(ImageFormat::Png);
    files.extend(masks());
    files.push(apng(ColorType::Rgba));
    files
}

/// An animation of three frames.
pub fn apng(color: ColorType) -> Vec<u8> {
    packed(color, BitDepth::Eight, None, true)
}

/// Label maps and masks.
pub fn masks() -> Vec<Vec<u8>> {
    vec![
        packed(ColorType::Indexed, BitDepth::Eight, palette(), false),
        packed(ColorType::Indexed, BitDepth::Four, palette().map(|p| p[..48].to_vec()), false),
        packed(ColorType::Grayscale, BitDepth::One, None, false),
        packed(ColorType::Grayscale, BitDepth::Two, None, false),
        packed(ColorType::Grayscale, BitDepth::Eight, None, false),
        packed(ColorType::Grayscale, BitDepth::Sixteen, None, false),
        packed(ColorType::GrayscaleAlpha, BitDepth::Eight, None, false),
        packed(ColorType::Rgba, BitDepth::Eight, None, false),
    ]
}

pub fn jpegs() -> Vec<Vec<u8>> {
    let mut files = all(ImageFormat::Jpeg);
    // The same behind a block of EXIF data with an orientation.
    let exif = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let turned = [&files[0][..2], exif, &files[0][2..]].concat();
    files.push(turned);
    files
}

pub fn tiffs() -> Vec<Vec<u8>> {
    all(ImageFormat::Tiff)
}

pub fn webps() -> Vec<Vec<u8>> {
    all(ImageFormat::WebP)
}

pub fn bmps() -> Vec<Vec<u8>> {
    all(ImageFormat::Bmp)
}

/// Animations, which are also read as pictures.
pub fn gifs() -> Vec<Vec<u8>> {
    let clip = |frames: u32| {
        let mut file = Vec::new();
        let mut encoder = GifEncoder::new_with_speed(&mut file, 30);
        for i in 0..frames {
            encoder.encode_frame(Frame::new(rgba(i * 20).into_rgba8())).expect("a frame");
        }
        drop(encoder);
        file
    };
    vec![clip(1), clip(3)]
}

pub fn pnms() -> Vec<Vec<u8>> {
    vec![
        b"P5\n# a comment\n4 2\n255\n01234567".to_vec(),
        b"P6 2 1 255 abcdef".to_vec(),
        b"P2\n3 1\n15\n1 2 15\n".to_vec(),
        b"P3\n1 1\n65535\n1 2 65535\n".to_vec(),
        b"P1\n3 1\n1 0 1\n".to_vec(),
        b"P4\n9 1\n\xaa\x80".to_vec(),
        b"P5 2 1 65535 aabb".to_vec(),
        b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\nabcdef".to_vec(),
    ]
}
