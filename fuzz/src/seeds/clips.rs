//! Clips: uncompressed frames, animations and pages.

use png::ColorType;

use super::pictures;

pub fn y4ms() -> Vec<Vec<u8>> {
    let clip = |header: &str, frame: &str, len: usize| {
        let mut file = format!("YUV4MPEG2 W4 H2 {header}\n").into_bytes();
        for i in 0..3 {
            file.extend(frame.as_bytes());
            file.extend((0..len).map(|p| (p * 19 + i * 40) as u8));
        }
        file
    };
    vec![
        clip("F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG", "FRAME\n", 12),
        clip("F25:1 C422 XCOLORRANGE=FULL", "FRAME Ip\n", 16),
        clip("C444", "FRAME\n", 24),
        clip("Cmono I?", "FRAME\n", 8),
    ]
}

pub fn raws() -> Vec<Vec<u8>> {
    let clip = |width: u8, height: u8, frames: usize| {
        let len = usize::from(width) * usize::from(height) * 3 * frames;
        [&[width, height], (0..len).map(|i| i as u8).collect::<Vec<u8>>().as_slice()].concat()
    };
    vec![clip(2, 1, 5), clip(4, 3, 2), [clip(3, 3, 1), vec![1]].concat()]
}

pub fn apngs() -> Vec<Vec<u8>> {
    [ColorType::Rgba, ColorType::Rgb, ColorType::Grayscale].map(pictures::apng).to_vec()
}

/// Motion JPEG: one picture after the other.
pub fn mjpegs() -> Vec<Vec<u8>> {
    let pictures = pictures::jpegs();
    vec![pictures[..1].concat().repeat(3), pictures[1..2].concat().repeat(2)]
}

/// A chunk of RIFF.
fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let padding = &[0][..data.len() % 2];
    [name.as_slice(), &(data.len() as u32).to_le_bytes(), data, padding].concat()
}

/// An animation of lossless pictures, which are 8 by 6 pixels.
pub fn webps() -> Vec<Vec<u8>> {
    let u24 = |value: u32| value.to_le_bytes()[..3].to_vec();
    let side = |side: u32| u24(side - 1);
    let frame = |still: &Vec<u8>| {
        // Position, size, 40 ms, no flags; then the picture without the header of its file.
        let head = [u24(0), u24(0), side(8), side(6), u24(40), vec![0]].concat();
        chunk(b"ANMF", &[head.as_slice(), &still[12..]].concat())
    };
    let frames: Vec<u8> = pictures::webps().iter().take(3).flat_map(frame).collect();
    let head = chunk(b"VP8X", &[vec![0x12, 0, 0, 0], side(8), side(6)].concat());
    let body = [b"WEBP".as_slice(), &head, &chunk(b"ANIM", &[0; 6]), &frames].concat();
    vec![chunk(b"RIFF", &body)]
}

/// A TIFF of two grey pages of 4 by 2 pixels.
pub fn tiffs() -> Vec<Vec<u8>> {
    let mut file = b"II*\0".to_vec();
    for page in 0..2_u8 {
        // Offset of the directory, which follows the pixels.
        file.extend((file.len() as u32 + 4 + 8).to_le_bytes());
        let pixels = file.len() as u32;
        file.extend((0..8).map(|i| i * 30 + page));
        let tags =
            [(256, 4), (257, 2), (258, 8), (259, 1), (262, 1), (273, pixels), (277, 1), (278, 2), (279, 8)];
        file.extend((tags.len() as u16).to_le_bytes());
        for (tag, value) in tags {
            file.extend([u16::to_le_bytes(tag), 4_u16.to_le_bytes()].concat());
            file.extend([1_u32.to_le_bytes(), value.to_le_bytes()].concat());
        }
    }
    // No further directory.
    file.extend([0; 4]);
    vec![file]
}
