//! Conversion of luma and chroma planes to RGB: ITU-R BT.601 with nearest-neighbour chroma, as ffmpeg
//! converts images of unknown matrix to rgb24 (up to its rounding: 3 levels with subsampled chroma).

/// Number of pixels that a chroma sample covers along x and y; `None` if there is no chroma.
pub type Subsampling = Option<(usize, usize)>;

/// Number of bytes of an image's planes: luma, then both chroma planes, each rounded up.
pub fn len((width, height): (usize, usize), subsampling: Subsampling) -> usize {
    let chroma = subsampling.map_or(0, |(sx, sy)| width.div_ceil(sx) * height.div_ceil(sy));
    width * height + 2 * chroma
}

/// Converts planes that follow one another to RGB, row by row. In limited range black is 16, white 235 and
/// chroma reaches from 16 to 240; in full range everything is 0 to 255. A picture without chroma is taken as
/// it is, as ffmpeg does.
///
/// ```
/// use sam2_media::frames::yuv;
///
/// let size = (2, 1);
/// let planes = [16, 235, 128, 128]; // a black pixel and a white one, one sample of each chroma
/// assert_eq!(planes.len(), yuv::len(size, Some((2, 2))));
/// assert_eq!(yuv::to_rgb(&planes, size, Some((2, 2)), false), [0, 0, 0, 255, 255, 255]);
/// ```
pub fn to_rgb(planes: &[u8], size: (usize, usize), subsampling: Subsampling, full_range: bool) -> Vec<u8> {
    let (width, height) = size;
    let Some((sx, sy)) = subsampling else {
        return planes.iter().flat_map(|&y| [y; 3]).collect();
    };
    let (luma, chroma) = planes.split_at(width * height);
    let (cb, cr) = chroma.split_at(chroma.len() / 2);
    let stride = width.div_ceil(sx);
    let (black, luma_range, chroma_range) =
        if full_range { (0.0, 255.0, 255.0) } else { (16.0, 219.0, 224.0) };
    let scaled = |factor: f32| -> [f32; 256] {
        std::array::from_fn(|value| (value as f32 - 128.0) * factor * 255.0 / chroma_range)
    };
    let y_of: [f32; 256] = std::array::from_fn(|value| (value as f32 - black) * 255.0 / luma_range);
    let (r_of, g_of_cr) = (scaled(1.402), scaled(-0.714_136));
    let (b_of, g_of_cb) = (scaled(1.772), scaled(-0.344_136));
    let level = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    let mut rgb = Vec::with_capacity(width * height * 3);
    for (row, line) in luma.chunks_exact(width).enumerate() {
        for (x, &y) in line.iter().enumerate() {
            let at = row / sy * stride + x / sx;
            let (y, u, v) = (y_of[usize::from(y)], usize::from(cb[at]), usize::from(cr[at]));
            rgb.extend([level(y + r_of[v]), level(y + g_of_cb[u] + g_of_cr[v]), level(y + b_of[u])]);
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours() {
        // 75 % colour bars in limited range, BT.601.
        for (yuv, rgb) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            ([162, 44, 142], [191, 192, 1]),
            ([131, 156, 44], [0, 192, 191]),
            ([84, 184, 198], [191, 0, 192]),
            ([65, 100, 212], [192, 0, 0]),
            ([35, 212, 114], [0, 0, 191]),
            ([0, 128, 128], [0, 0, 0]),
            ([255, 128, 128], [255, 255, 255]),
        ] {
            let found = to_rgb(&yuv, (1, 1), Some((1, 1)), false);
            assert!(found.iter().zip(rgb).all(|(a, b): (&u8, u8)| a.abs_diff(b) <= 1), "{yuv:?}: {found:?}");
        }
        assert_eq!(to_rgb(&[100, 128, 128], (1, 1), Some((1, 1)), true), [100; 3]);
        assert_eq!(to_rgb(&[76, 85, 255], (1, 1), Some((1, 1)), true), [254, 0, 0]);
    }

    #[test]
    fn chroma_covers_its_pixels_and_odd_edges() {
        // 3x3 pixels in 4:2:0 have 2x2 chroma samples.
        assert_eq!(len((3, 3), Some((2, 2))), 9 + 8);
        assert_eq!([len((3, 3), Some((2, 1))), len((3, 3), Some((1, 1))), len((3, 3), None)], [21, 27, 9]);
        let planes = [[128; 9].as_slice(), &[128, 255, 128, 128], &[128; 4]].concat();
        let rgb = to_rgb(&planes, (3, 3), Some((2, 2)), true);
        let blue: Vec<u8> = rgb.chunks_exact(3).map(|pixel| pixel[2]).collect();
        assert_eq!(blue, [128, 128, 255, 128, 128, 255, 128, 128, 128]);
        assert_eq!(to_rgb(&[7, 9], (2, 1), None, false), [7, 7, 7, 9, 9, 9]);
    }
}
